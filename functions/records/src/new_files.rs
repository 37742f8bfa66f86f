//! The fields that creating and changing a record have in common.

use domain::account::Account;
use domain::field::Reason;
use domain::file::{File, NewFile, size_bytes, size_schema};
use domain::id::{RecordId, UserId};
use domain::rate::LimitedAction;
use http_api::form::Form;
use http_api::problem::{Limit, Problem};
use runtime::{clock, config};
use store::rate::DailyUsage;

use crate::App;

/// What is taken of files.
#[derive(Clone, Copy)]
pub(crate) struct UploadLimits {
    files_per_record: usize,
    file_bytes: u64,
}

impl UploadLimits {
    /// What the template says unless the operator has said otherwise: the document of the API
    /// cannot know better.
    pub(crate) const DEFAULT: Self = Self { files_per_record: 20, file_bytes: 25 * 1024 * 1024 };

    /// What the operator has said.
    pub(crate) fn of(uploads: &config::Uploads) -> Self {
        Self { files_per_record: uploads.max_files_per_record, file_bytes: uploads.max_file_bytes }
    }
}

/// The files that are to be uploaded; none when the field is absent.
pub(crate) fn files(form: &mut Form, limits: UploadLimits) -> Option<Vec<NewFile>> {
    form.list("files", limits.files_per_record, |file| {
        let name = file.required("name");
        let content_type = file.required("content_type");
        let size_bytes = file.required_by(
            "size_bytes",
            || size_schema(limits.file_bytes),
            |value| size_bytes(value, limits.file_bytes),
        );
        let sha256 = file.nullable("sha256");
        Some(NewFile {
            name: name?,
            content_type: content_type?,
            size_bytes: size_bytes?,
            sha256: sha256?,
        })
    })
}

/// The declared files as part of a record, newest first as they will be read back.
pub(crate) fn new_files(
    declared: Vec<NewFile>,
    patient_id: UserId,
    record_id: RecordId,
) -> Vec<File> {
    let mut files: Vec<File> = declared
        .into_iter()
        .map(|file| file.into_file(clock::new_id(), patient_id, record_id))
        .collect();
    files.reverse();
    files
}

/// The doctor to whom a record is to be assigned.
///
/// # Errors
/// 400 on the field for whoever records cannot be assigned to: one answer whether they exist or
/// not.
pub(crate) fn assignable(doctor: Option<Account>) -> Result<Account, Problem> {
    let refused = || {
        Problem::field(
            "doctor",
            Reason::new("not_assignable", "Must be the id of a doctor from the directory."),
        )
    };
    doctor.filter(|doctor| doctor.assignable_doctor().is_some()).ok_or_else(refused)
}

/// Takes a new record, or none, and new files from what the patient may create in a day.
///
/// # Errors
/// 429 when it would be too much.
pub(crate) async fn take(
    app: &App,
    patient: UserId,
    records: u64,
    files: usize,
) -> Result<(), Problem> {
    let now = clock::now();
    let most =
        DailyUsage { records: app.allowance.records_per_day, files: app.allowance.files_per_day };
    let take = DailyUsage { records, files: u64::try_from(files).unwrap_or(u64::MAX) };
    let quota = if records > 0 { most.records } else { most.files };
    let limit = Limit::of_a_day(LimitedAction::Records, quota);
    app.store
        .use_daily_allowance(patient, take, most, now)
        .await
        .map_err(|error| limit.refuse(error, now))
}
