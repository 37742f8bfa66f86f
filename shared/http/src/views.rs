//! Use these types for the JSON of responses that several functions share.

use std::collections::HashMap;
use std::time::Duration;

use domain::account::{self, Account, Role, Years};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::email::Email;
use domain::file::{ContentType, File, FileName, FileStatus, Rejection};
use domain::id::{AnnotationId, EventId, FileId, RecordId, UserId};
use domain::record::{self, Annotation, RecordDetail, RecordType};
use domain::text::{Address, Description, LicenseNumber, Name, Note, Specialization};
use futures_util::future::try_join_all;
use jiff::{Timestamp, civil::Date};
use runtime::bucket::{Bucket, Upload};
use serde::Serialize;
use store::accounts::DirectoryEntry;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::Problem;

/// A user. Its fields depend on who sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView<'a> {
    pk: UserId,
    first_name: &'a Name,
    last_name: &'a Name,
    /// Not in the directory of doctors.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Email, required = false)]
    email: Option<&'a Email>,
    role: Role,
    /// Null until the user has created it.
    #[schema(required)]
    profile: Option<ProfileView<'a>>,
}

impl<'a> UserView<'a> {
    /// Returns the view of users on themselves.
    pub fn full(account: &'a Account) -> Self {
        Self {
            pk: account.id,
            first_name: &account.first_name,
            last_name: &account.last_name,
            email: Some(&account.email),
            role: account.role,
            profile: ProfileView::full(account),
        }
    }

    /// Returns the view of others: without the postal address.
    pub fn to_others(account: &'a Account) -> Self {
        Self {
            profile: ProfileView::full(account).map(ProfileView::without_address),
            ..Self::full(account)
        }
    }

    /// Returns a doctor in the directory: without the email address.
    pub fn in_directory(entry: &'a DirectoryEntry) -> Self {
        Self {
            pk: entry.id,
            first_name: &entry.first_name,
            last_name: &entry.last_name,
            email: None,
            role: entry.role,
            profile: Some(ProfileView::doctor(&entry.profile)),
        }
    }
}

/// A profile.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Profile)]
pub enum ProfileView<'a> {
    /// A patient's.
    Patient {
        /// When the patient was born.
        #[schema(required, max_length = 10)]
        date_of_birth: Option<Date>,
        /// The patient's gender.
        gender: account::Gender,
        /// Absent where the viewer may not see it, null where there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Address>)]
        address: Option<Option<&'a Address>>,
    },
    /// A doctor's.
    Doctor {
        /// What the doctor specializes in.
        specialization: &'a Specialization,
        /// The number of the licence to practise.
        license_number: &'a LicenseNumber,
        /// Whole years.
        years_of_experience: Years,
    },
}

impl<'a> ProfileView<'a> {
    /// Returns the profile as its owner sees it.
    pub fn full(account: &'a Account) -> Option<Self> {
        account.profile.as_ref().map(|profile| match profile {
            account::Profile::Doctor(profile) => Self::doctor(profile),
            account::Profile::Patient(profile) => Self::Patient {
                date_of_birth: profile.date_of_birth,
                gender: profile.gender,
                address: Some(profile.address.as_ref()),
            },
        })
    }

    fn doctor(profile: &'a account::DoctorProfile) -> Self {
        Self::Doctor {
            specialization: &profile.specialization,
            license_number: &profile.license_number,
            years_of_experience: profile.years_of_experience,
        }
    }

    fn without_address(self) -> Self {
        match self {
            Self::Patient { date_of_birth, gender, .. } => {
                Self::Patient { date_of_birth, gender, address: None }
            }
            doctor @ Self::Doctor { .. } => doctor,
        }
    }
}

/// A record with its files and annotations.
#[derive(Serialize, ToSchema)]
#[schema(as = Record)]
pub struct RecordView<'a> {
    id: RecordId,
    /// Null only if the account was deleted.
    #[schema(required)]
    patient: Option<UserView<'a>>,
    /// Null only if the account was deleted.
    #[schema(required)]
    doctor: Option<UserView<'a>>,
    record_type: RecordType,
    description: &'a Description,
    /// Newest first.
    #[schema(max_items = 40)]
    files: Vec<RecordFile<'a>>,
    /// Newest first.
    #[schema(max_items = 100)]
    annotations: Vec<RecordAnnotation<'a>>,
    created_at: Timestamp,
    /// When the record, a file or an annotation of it last changed.
    updated_at: Timestamp,
}

/// A file of a record.
#[derive(Serialize, ToSchema)]
pub struct RecordFile<'a> {
    id: FileId,
    /// The download URL, valid for some minutes; null unless the file is available.
    #[schema(required, format = "uri", max_length = 8192)]
    file: Option<String>,
    name: &'a FileName,
    content_type: ContentType,
    #[schema(minimum = 1)]
    size_bytes: u64,
    status: FileStatus,
    /// Why the file was rejected, for its patient; null for others, unless the file was rejected,
    /// and for files rejected before reasons were kept.
    #[schema(required)]
    rejection: Option<FileRejection>,
    created_at: Timestamp,
    /// How to upload the file; only in the response that creates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = UploadRequest, required = false)]
    upload: Option<UploadRequest>,
}

/// Why a file was rejected.
#[derive(Serialize, ToSchema)]
struct FileRejection {
    code: Rejection,
    #[schema(max_length = 255, example = "The content is not of the declared type.")]
    message: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Upload)]
struct UploadRequest {
    #[schema(max_length = 3, example = "PUT")]
    method: &'static str,
    #[schema(format = "uri", max_length = 8192)]
    url: String,
    /// The headers that must be sent.
    #[schema(value_type = UploadHeaders)]
    headers: HashMap<String, String>,
    expires_at: Timestamp,
}

/// Headers by name.
enum UploadHeaders {}

impl PartialSchema for UploadHeaders {
    fn schema() -> RefOr<Schema> {
        let value = ObjectBuilder::new().schema_type(Type::String).max_length(Some(255));
        let example = serde_json::json!({"content-type": "application/pdf", "if-none-match": "*"});
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(Schema::from(value)))
            .max_properties(Some(8))
            .examples([example])
            .into()
    }
}

impl ToSchema for UploadHeaders {}

/// A doctor's annotation.
#[derive(Serialize, ToSchema)]
#[schema(as = Annotation)]
pub struct RecordAnnotation<'a> {
    id: AnnotationId,
    record: RecordId,
    note: &'a Note,
    /// Null only if the account was deleted.
    #[schema(required)]
    author: Option<Author<'a>>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
struct Author<'a> {
    pk: UserId,
    first_name: &'a Name,
    last_name: &'a Name,
}

impl<'a> Author<'a> {
    fn of(account: &'a Account) -> Self {
        Self { pk: account.id, first_name: &account.first_name, last_name: &account.last_name }
    }
}

impl<'a> RecordAnnotation<'a> {
    /// Returns an annotation with its author, `None` only if the account was deleted.
    pub fn new(annotation: &'a Annotation, author: Option<&'a Account>) -> Self {
        Self {
            id: annotation.id,
            record: annotation.record_id,
            note: &annotation.note,
            author: author.map(Author::of),
            created_at: annotation.id.created_at(),
            updated_at: annotation.updated_at,
        }
    }
}

/// A version of an annotation.
#[derive(Serialize, ToSchema)]
#[schema(as = AnnotationVersion)]
pub struct AnnotationVersionView<'a> {
    annotation: AnnotationId,
    record: RecordId,
    /// Counts from 1.
    #[schema(minimum = 1)]
    version: u64,
    note: &'a Note,
    /// Null only if the account was deleted.
    #[schema(required)]
    author: Option<Author<'a>>,
    written_at: Timestamp,
}

impl<'a> AnnotationVersionView<'a> {
    /// Returns a version with its author, `None` only if the account was deleted.
    pub fn new(version: &'a record::AnnotationVersion, author: Option<&'a Account>) -> Self {
        Self {
            annotation: version.annotation_id,
            record: version.record_id,
            version: version.version,
            note: &version.note,
            author: author.map(Author::of),
            written_at: version.written_at,
        }
    }
}

/// An entry of an access log: what somebody did to your chart or account, or tried to.
#[derive(Serialize, ToSchema)]
pub struct AccessEvent<'a> {
    id: EventId,
    at: Timestamp,
    actor: AccessActor<'a>,
    action: Action,
    outcome: Outcome,
    /// The record, if the event is about one.
    #[schema(required)]
    record: Option<RecordId>,
    /// The records in a list.
    #[schema(max_items = 100)]
    records: &'a [RecordId],
    #[schema(required, max_length = 1000)]
    reason: Option<&'a str>,
    #[schema(required, max_length = 600)]
    before: Option<&'a str>,
    #[schema(required, max_length = 600)]
    after: Option<&'a str>,
    /// Only for your own actions.
    #[schema(required, max_length = 45)]
    source_ip: Option<&'a str>,
    /// Only for your own actions.
    #[schema(required, max_length = 256)]
    user_agent: Option<&'a str>,
}

/// The person who did it, with the name at that time.
#[derive(Serialize, ToSchema)]
#[schema(as = Actor)]
struct AccessActor<'a> {
    pk: UserId,
    #[schema(required, max_length = 511)]
    name: Option<&'a str>,
    #[schema(required)]
    role: Option<Role>,
}

impl<'a> AccessEvent<'a> {
    /// Returns an event as its subject sees it: without the addresses and devices of others.
    pub fn new(event: &'a AuditEvent) -> Self {
        let own = event.actor_id == event.subject_id;
        let name = Some(event.actor_name.as_str()).filter(|name| !name.is_empty());
        Self {
            id: event.id,
            at: event.id.created_at(),
            actor: AccessActor { pk: event.actor_id, name, role: event.actor_role },
            action: event.action,
            outcome: event.outcome,
            record: event.record_id,
            records: &event.record_ids,
            reason: event.reason.as_deref(),
            before: event.before.as_deref(),
            after: event.after.as_deref(),
            source_ip: own.then_some(event.source_ip.as_str()),
            user_agent: own.then_some(event.user_agent.as_str()),
        }
    }
}

impl<'a> RecordFile<'a> {
    /// Returns a file without a download URL, as its patient sees it.
    pub fn without_download(file: &'a File, upload: Option<Upload>) -> Self {
        Self {
            id: file.id,
            file: None,
            name: &file.name,
            content_type: file.content_type,
            size_bytes: file.size_bytes,
            status: file.status,
            rejection: file.rejection.map(|code| FileRejection { code, message: code.message() }),
            created_at: file.id.created_at(),
            upload: upload.map(|upload| UploadRequest {
                method: "PUT",
                url: upload.url,
                headers: upload.headers.into_iter().collect(),
                expires_at: upload.expires_at,
            }),
        }
    }
}

/// Returns the users that a record names.
pub fn accounts_named_in(detail: &RecordDetail) -> impl Iterator<Item = UserId> {
    let authors = detail.annotations.iter().map(|annotation| annotation.author_id);
    [detail.record.patient_id, detail.record.doctor_id].into_iter().chain(authors)
}

/// What records are shown with.
pub struct RecordPresenter<'a> {
    /// The user who sees them.
    pub viewer: &'a Account,
    /// The accounts that the records name; the viewer's may be missing.
    pub accounts_by_id: &'a HashMap<UserId, Account>,
    /// The bucket of the files.
    pub bucket: &'a Bucket,
    /// How long a download URL works.
    pub download_lifetime: Duration,
}

impl<'a> RecordPresenter<'a> {
    fn person(&self, id: UserId) -> Option<&'a Account> {
        if id == self.viewer.id { Some(self.viewer) } else { self.accounts_by_id.get(&id) }
    }

    fn user(&self, id: UserId) -> Option<UserView<'a>> {
        let account = self.person(id)?;
        Some(if id == self.viewer.id {
            UserView::full(account)
        } else {
            UserView::to_others(account)
        })
    }

    /// Returns a record; `uploads` are those of its new files.
    ///
    /// # Errors
    /// 500 when a URL cannot be signed.
    pub async fn record(
        &self,
        detail: &'a RecordDetail,
        mut uploads: HashMap<FileId, Upload>,
    ) -> Result<RecordView<'a>, Problem> {
        let files = detail.files.iter().map(|file| {
            let upload = uploads.remove(&file.id);
            async { self.file(file, upload).await }
        });
        let record = &detail.record;
        Ok(RecordView {
            id: record.id,
            patient: self.user(record.patient_id),
            doctor: self.user(record.doctor_id),
            record_type: record.record_type,
            description: &record.description,
            files: try_join_all(files).await?,
            annotations: detail
                .annotations
                .iter()
                .map(|it| RecordAnnotation::new(it, self.person(it.author_id)))
                .collect(),
            created_at: record.id.created_at(),
            updated_at: record.updated_at,
        })
    }

    async fn file(
        &self,
        file: &'a File,
        upload: Option<Upload>,
    ) -> Result<RecordFile<'a>, Problem> {
        let mut view = RecordFile::without_download(file, upload);
        if file.status == FileStatus::Available {
            let url = self.bucket.presign_download(file, self.download_lifetime).await;
            view.file = Some(url.map_err(Problem::internal)?);
        }
        if file.patient_id != self.viewer.id {
            view.rejection = None;
        }
        Ok(view)
    }
}
