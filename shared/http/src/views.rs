//! Use these types for the JSON of responses that several functions share.

use std::collections::HashMap;

use domain::account::{self, Account, DateOfBirth, Role, Years};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::email::Email;
use domain::file::{ContentType, File, FileName, FileStatus, Rejection};
use domain::id::{AnnotationId, EventId, FileId, RecordId, UserId};
use domain::record::{self, Annotation, RecordDetail, RecordType};
use domain::text::{Address, Description, LicenseNumber, Name, Note, Specialization};
use jiff::{Timestamp, civil::Date};
use runtime::bucket::PresignedUpload;
use serde::Serialize;
use store::accounts::DirectoryEntry;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

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

/// A profile. Its fields depend on the role of its owner.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(
    as = Profile,
    discriminator(property_name = "role", mapping(
        ("patient" = "#/components/schemas/PatientProfile"),
        ("doctor" = "#/components/schemas/DoctorProfile"),
    ))
)]
pub enum ProfileView<'a> {
    /// A patient's.
    Patient(PatientProfileView<'a>),
    /// A doctor's.
    Doctor(DoctorProfileView<'a>),
}

/// A patient's profile.
#[derive(Serialize, ToSchema)]
#[schema(as = PatientProfile)]
pub struct PatientProfileView<'a> {
    #[schema(schema_with = patient)]
    role: Role,
    /// When the patient was born.
    #[schema(required, max_length = 10)]
    date_of_birth: Option<Date>,
    /// The patient's gender.
    gender: account::Gender,
    /// Absent where the viewer may not see it, null where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Address>)]
    address: Option<Option<&'a Address>>,
}

/// A doctor's profile.
#[derive(Serialize, ToSchema)]
#[schema(as = DoctorProfile)]
pub struct DoctorProfileView<'a> {
    #[schema(schema_with = doctor)]
    role: Role,
    /// What the doctor specializes in.
    specialization: &'a Specialization,
    /// The number of the licence to practise.
    license_number: &'a LicenseNumber,
    /// Whole years.
    years_of_experience: Years,
}

fn patient() -> Object {
    only(Role::Patient)
}

fn doctor() -> Object {
    only(Role::Doctor)
}

/// Returns the schema of a role that is always the same, which tells forms of a response apart.
fn only(role: Role) -> Object {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    schema.description(Some("The role of the owner.")).enum_values(Some([role.as_str()])).build()
}

impl<'a> ProfileView<'a> {
    /// Returns the profile as its owner sees it.
    pub fn full(account: &'a Account) -> Option<Self> {
        account.profile.as_ref().map(|profile| match profile {
            account::Profile::Doctor(profile) => Self::doctor(profile),
            account::Profile::Patient(profile) => Self::Patient(PatientProfileView {
                role: Role::Patient,
                date_of_birth: profile.date_of_birth.map(DateOfBirth::get),
                gender: profile.gender,
                address: Some(profile.address.as_ref()),
            }),
        })
    }

    fn doctor(profile: &'a account::DoctorProfile) -> Self {
        Self::Doctor(DoctorProfileView {
            role: Role::Doctor,
            specialization: &profile.specialization,
            license_number: &profile.license_number,
            years_of_experience: profile.years_of_experience,
        })
    }

    fn without_address(self) -> Self {
        match self {
            Self::Patient(profile) => {
                Self::Patient(PatientProfileView { address: None, ..profile })
            }
            doctor @ Self::Doctor(_) => doctor,
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
    /// Number of these changes, from 1; the number in the entity tag.
    #[schema(minimum = 1)]
    version: u64,
    /// The version since which type, description and files are as they are: annotations with a
    /// smaller `record_version` are older. Null for records from before this was stored.
    #[schema(required, minimum = 1)]
    content_version: Option<u64>,
}

/// A file of a record.
#[derive(Serialize, ToSchema)]
pub struct RecordFile<'a> {
    id: FileId,
    /// Where the file is downloaded, with the access token; null unless the file is available.
    #[schema(required, format = "uri", max_length = 512)]
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

/// Where the content of a file is.
#[derive(Serialize, ToSchema)]
pub struct Download<'a> {
    /// Gives the content without an access token.
    #[schema(format = "uri", max_length = 8192)]
    pub url: &'a str,
    /// When the URL stops working.
    pub expires_at: Timestamp,
}

/// Why a file was rejected.
#[derive(Serialize, ToSchema)]
struct FileRejection {
    code: Rejection,
    /// What the patient can do.
    #[schema(
        max_length = 255,
        example = "The text cannot be read. Please save it as UTF-8, and add it again."
    )]
    message: &'static str,
}

/// The request that uploads the content, to S3: with these headers, and without `Authorization`,
/// which S3 refuses.
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
    /// The version of the record when the note was written: changes with a greater version are
    /// newer than the note. Null for notes from before records had a history.
    #[schema(required, minimum = 1)]
    record_version: Option<u64>,
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
            record_version: annotation.record_version,
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
    /// The version of the record at that time; null for versions from before records had a
    /// history.
    #[schema(required, minimum = 1)]
    record_version: Option<u64>,
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
            record_version: version.record_version,
        }
    }
}

/// A change of a record. What has not changed is null or empty.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordVersion)]
pub struct RecordVersionView<'a> {
    record: RecordId,
    /// The version of the record since the change. Annotations count, too, so there are gaps.
    #[schema(minimum = 1)]
    version: u64,
    /// Who made the change; null only if the account was deleted.
    #[schema(required)]
    author: Option<Author<'a>>,
    written_at: Timestamp,
    #[schema(required)]
    record_type: Option<RecordTypeChange>,
    #[schema(required)]
    description: Option<DescriptionChange<'a>>,
    #[schema(required)]
    doctor: Option<DoctorChange<'a>>,
    #[schema(max_items = 40)]
    files_added: Vec<NamedFileView<'a>>,
    #[schema(max_items = 40)]
    files_removed: Vec<NamedFileView<'a>>,
}

#[derive(Serialize, ToSchema)]
struct RecordTypeChange {
    before: RecordType,
    after: RecordType,
}

#[derive(Serialize, ToSchema)]
struct DescriptionChange<'a> {
    before: &'a Description,
    after: &'a Description,
}

#[derive(Serialize, ToSchema)]
struct DoctorChange<'a> {
    /// Null only if the account was deleted.
    #[schema(required)]
    before: Option<Author<'a>>,
    /// Null only if the account was deleted.
    #[schema(required)]
    after: Option<Author<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NamedFile)]
struct NamedFileView<'a> {
    id: FileId,
    name: &'a FileName,
}

impl<'a> RecordVersionView<'a> {
    /// Returns a change with the people that it names.
    pub fn new(
        version: &'a record::RecordVersion,
        accounts_by_id: &'a HashMap<UserId, Account>,
    ) -> Self {
        let person = |id: UserId| accounts_by_id.get(&id).map(Author::of);
        let files = |files: &'a [record::NamedFile]| {
            files.iter().map(|file| NamedFileView { id: file.id, name: &file.name }).collect()
        };
        Self {
            record: version.record_id,
            version: version.version,
            author: person(version.author_id),
            written_at: version.written_at,
            record_type: version
                .record_type
                .as_ref()
                .map(|it| RecordTypeChange { before: it.before, after: it.after }),
            description: version
                .description
                .as_ref()
                .map(|it| DescriptionChange { before: &it.before, after: &it.after }),
            doctor: version
                .doctor_id
                .as_ref()
                .map(|it| DoctorChange { before: person(it.before), after: person(it.after) }),
            files_added: files(&version.files_added),
            files_removed: files(&version.files_removed),
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
    /// Whether it is emergency access: staff got access to the contents of a record, or started to
    /// change how you sign in.
    emergency: bool,
    /// The record, if the event is about one.
    #[schema(required)]
    record: Option<RecordId>,
    /// The records in a list.
    #[schema(max_items = 100)]
    records: &'a [RecordId],
    /// The file, if the event is about one.
    #[schema(required)]
    file: Option<FileId>,
    #[schema(required, max_length = 1000)]
    reason: Option<&'a str>,
    #[schema(required, max_length = 640)]
    before: Option<&'a str>,
    #[schema(required, max_length = 640)]
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
            emergency: event.action.is_emergency_access(),
            record: event.record_id,
            records: &event.record_ids,
            file: event.file_id,
            reason: event.reason.as_deref(),
            before: event.before.as_deref(),
            after: event.after.as_deref(),
            source_ip: own.then_some(event.source_ip.as_str()),
            user_agent: own.then_some(event.user_agent.as_str()),
        }
    }
}

impl<'a> RecordFile<'a> {
    /// Returns a file as its patient sees it; `public_url` is the base of the links in responses.
    pub fn new(file: &'a File, upload: Option<PresignedUpload>, public_url: &str) -> Self {
        let is_available = file.status == FileStatus::Available;
        Self {
            id: file.id,
            file: is_available
                .then(|| format!("{public_url}/api/records/files/{}/download/", file.id)),
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

/// Turns records into views for one viewer.
pub struct RecordPresenter<'a> {
    /// The user to whom the records are shown.
    pub viewer: &'a Account,
    /// The accounts that the records name; the viewer's may be missing.
    pub accounts_by_id: &'a HashMap<UserId, Account>,
    /// Base of the links in responses, without a slash at the end.
    pub public_url: &'a str,
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
    pub fn record(
        &self,
        detail: &'a RecordDetail,
        mut uploads: HashMap<FileId, PresignedUpload>,
    ) -> RecordView<'a> {
        let record = &detail.record;
        let files = detail.files.iter();
        RecordView {
            id: record.id,
            patient: self.user(record.patient_id),
            doctor: self.user(record.doctor_id),
            record_type: record.record_type,
            description: &record.description,
            files: files
                .map(|file| {
                    let view = RecordFile::new(file, uploads.remove(&file.id), self.public_url);
                    let is_own = file.patient_id == self.viewer.id;
                    RecordFile { rejection: view.rejection.filter(|_| is_own), ..view }
                })
                .collect(),
            annotations: detail
                .annotations
                .iter()
                .map(|it| RecordAnnotation::new(it, self.person(it.author_id)))
                .collect(),
            created_at: record.id.created_at(),
            updated_at: record.updated_at,
            version: record.version,
            content_version: record.content_version,
        }
    }
}
