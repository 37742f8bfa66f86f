//! Use this module for the files in requests that create or change a record.

use domain::file::{DeclaredType, File, FileName, NewFile, Sha256, size_bytes, size_schema};
use domain::id::{RecordId, UserId};
use http_api::form::Form;
use http_api::request;
use runtime::{clock, config};

/// The limits of files in a request.
#[derive(Clone, Copy)]
pub(crate) struct UploadLimits {
    files_per_record: usize,
    file_bytes: u64,
}

impl UploadLimits {
    /// The defaults of template.yaml, for the OpenAPI document.
    pub(crate) const DEFAULT: Self = Self { files_per_record: 20, file_bytes: 25 * 1024 * 1024 };

    /// Returns the configured limits.
    pub(crate) fn of(uploads: &config::Uploads) -> Self {
        Self { files_per_record: uploads.max_files_per_record, file_bytes: uploads.max_file_bytes }
    }
}

request! {
    /// A file to be uploaded.
    struct FileRequest(limits: UploadLimits = UploadLimits::DEFAULT) {
        name: FileName = required,
        content_type: Option<DeclaredType> = optional,
        size_bytes: u64 = required_by(
            || size_schema(limits.file_bytes),
            |value| size_bytes(value, limits.file_bytes)
        ),
        sha256: Option<Sha256> = nullable,
    }
}

/// Reads the field `files`, the files to be uploaded; none when it is absent.
pub(crate) fn files(form: &mut Form, limits: UploadLimits) -> Option<Vec<NewFile>> {
    form.list("files", limits.files_per_record, |form| {
        let FileRequest { name, content_type, size_bytes, sha256 } =
            FileRequest::from_form(form, limits)?;
        let content_type = match content_type {
            Some(declared) => declared.of(&name),
            None => DeclaredType::by_name(&name),
        };
        let content_type =
            content_type.map_err(|reason| form.reject("content_type", reason)).ok()?;
        Some(NewFile { name, content_type, size_bytes, sha256 })
    })
}

/// Makes the new files of a record, newest first as they are read back.
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
