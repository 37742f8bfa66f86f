//! Files of a record: accepted media types, recognition of uploaded objects, and object keys.

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Object;

use crate::field::{FieldValue, Reason, integer, string, string_enum};
use crate::id::{FileId, RecordId, UserId};
use crate::invisible::without_invisible;
use crate::schema;

string_enum! {
    /// The accepted media types, by their names in the IANA registry.
    ContentType {
        /// PDF.
        Pdf = "application/pdf",
        /// PNG.
        Png = "image/png",
        /// JPEG.
        Jpeg = "image/jpeg",
        /// GIF.
        Gif = "image/gif",
        /// WebP.
        Webp = "image/webp",
        /// TIFF.
        Tiff = "image/tiff",
        /// HEIC, as telephones write photos.
        Heic = "image/heic",
        /// HEIF.
        Heif = "image/heif",
        /// AVIF.
        Avif = "image/avif",
        /// DICOM.
        Dicom = "application/dicom",
        /// Plain text.
        Text = "text/plain",
        /// CSV.
        Csv = "text/csv",
        /// JSON.
        Json = "application/json",
        /// Word before 2007.
        Doc = "application/msword",
        /// Word.
        Docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        /// Excel before 2007.
        Xls = "application/vnd.ms-excel",
        /// Excel.
        Xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }
}

/// What the content of a file must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// It begins with one of these signatures.
    Begins(&'static [&'static [u8]]),
    /// PDF, with up to 1,024 bytes before its header.
    Pdf,
    /// WebP in its container.
    Webp,
    /// A container of the family of MP4 (ISO/IEC 14496-12) that says it has one of these brands.
    Branded(&'static [&'static [u8; 4]]),
    /// DICOM, with or without a preamble.
    Dicom,
    /// Text that can be decoded as a whole.
    Text,
    /// Text that can be decoded as a whole and begins as JSON does.
    Json,
    /// An Office document with this folder in its ZIP file and without macros, or an encrypted one.
    OfficeOpenXml {
        /// The folder, in lower case and with its slash.
        folder: &'static str,
    },
    /// A compound file (OLE2) with one of these streams and without macros.
    Compound {
        /// The names of the streams.
        streams: &'static [&'static str],
    },
    /// Such a compound file, or RTF, which Word saves as `.doc`, too.
    CompoundOrRtf {
        /// The names of the streams.
        streams: &'static [&'static str],
    },
}

/// The extensions of a type's files, and how their content is recognised.
#[derive(Debug)]
pub struct FileFormat {
    /// The type.
    pub content_type: ContentType,
    /// The extensions of its files, in lower case. The first one is given to files without one.
    pub extensions: &'static [&'static str],
    /// What its files contain.
    pub content: Content,
}

/// Makes the row of a type in [`FORMATS`].
const fn format(
    content_type: ContentType,
    extensions: &'static [&'static str],
    content: Content,
) -> FileFormat {
    FileFormat { content_type, extensions, content }
}

/// What a TIFF begins with, which may also be the preamble of a DICOM file.
pub(crate) const TIFF: &[&[u8]] = &[b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];

/// The brands of HEIC and HEIF. Devices do not keep the two apart.
const HEIF: &[&[u8; 4]] =
    &[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1"];

/// The formats of all types. `Content` is checked by [`crate::content`].
pub static FORMATS: [FileFormat; 17] = {
    use Content::{Begins, Branded, Compound, CompoundOrRtf, Json, OfficeOpenXml, Text};
    [
        format(ContentType::Pdf, &["pdf"], Content::Pdf),
        format(ContentType::Png, &["png"], Begins(&[b"\x89PNG\r\n\x1a\n"])),
        format(ContentType::Jpeg, &["jpg", "jpeg", "jpe", "jfif"], Begins(&[b"\xff\xd8\xff"])),
        format(ContentType::Gif, &["gif"], Begins(&[b"GIF87a", b"GIF89a"])),
        format(ContentType::Webp, &["webp"], Content::Webp),
        format(ContentType::Tiff, &["tif", "tiff"], Begins(TIFF)),
        format(ContentType::Heic, &["heic"], Branded(HEIF)),
        format(ContentType::Heif, &["heif", "hif"], Branded(HEIF)),
        format(ContentType::Avif, &["avif"], Branded(&[b"avif", b"avis"])),
        format(ContentType::Dicom, &["dcm", "dicom", "dic"], Content::Dicom),
        format(ContentType::Text, &["txt", "text"], Text),
        format(ContentType::Csv, &["csv"], Text),
        format(ContentType::Json, &["json"], Json),
        format(ContentType::Doc, &["doc"], CompoundOrRtf { streams: &["WordDocument"] }),
        format(ContentType::Docx, &["docx"], OfficeOpenXml { folder: "word/" }),
        format(ContentType::Xls, &["xls"], Compound { streams: &["Workbook", "Book"] }),
        format(ContentType::Xlsx, &["xlsx"], OfficeOpenXml { folder: "xl/" }),
    ]
};

impl ContentType {
    /// Returns the format of the type.
    pub fn format(self) -> &'static FileFormat {
        // In the order of the types, as a test checks.
        &FORMATS[self as usize]
    }
}

/// Other names of accepted types, as browsers and operating systems send them.
const ALIASES: [(&str, ContentType); 22] = [
    ("image/jpg", ContentType::Jpeg),
    ("image/pjpeg", ContentType::Jpeg),
    ("image/jfif", ContentType::Jpeg),
    ("image/x-png", ContentType::Png),
    ("image/apng", ContentType::Png),
    ("image/tif", ContentType::Tiff),
    ("image/x-tiff", ContentType::Tiff),
    ("image/heic-sequence", ContentType::Heic),
    ("image/heif-sequence", ContentType::Heif),
    ("application/x-pdf", ContentType::Pdf),
    ("application/acrobat", ContentType::Pdf),
    ("text/pdf", ContentType::Pdf),
    ("application/dcm", ContentType::Dicom),
    ("application/x-dicom", ContentType::Dicom),
    ("image/dicom", ContentType::Dicom),
    ("text/x-csv", ContentType::Csv),
    ("application/csv", ContentType::Csv),
    ("application/x-csv", ContentType::Csv),
    ("text/comma-separated-values", ContentType::Csv),
    ("text/json", ContentType::Json),
    ("application/x-msexcel", ContentType::Xls),
    ("application/excel", ContentType::Xls),
];

/// The types that clients send for a file whose type they do not know. A browser that does not know
/// the type sends an empty text.
const UNKNOWN: [&str; 2] = ["application/octet-stream", ""];

/// The type of a file as a client declares it: one of the accepted types or another name of one, in
/// any case, with or without parameters such as `charset=utf-8`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeclaredType(
    /// `None` if the client does not know the type: the extension of the name decides.
    Option<ContentType>,
);

impl DeclaredType {
    /// Returns the type of a file with this name that was declared without one.
    ///
    /// # Errors
    /// `required` if the extension is of no accepted type.
    pub fn by_name(name: &FileName) -> Result<ContentType, Reason> {
        let required = "This field is required: the extension of the name is of no accepted type.";
        Self(None).of(name).map_err(|_| Reason::new("required", required))
    }

    /// Returns the type of a file with this name.
    ///
    /// # Errors
    /// `invalid_choice` if the client does not know the type, and the extension is of no accepted
    /// one.
    pub fn of(self, name: &FileName) -> Result<ContentType, Reason> {
        let extension = name.0.rsplit_once('.').map_or("", |(_, extension)| extension);
        let by_name = || {
            FORMATS.iter().find(|format| {
                format.extensions.iter().any(|it| it.eq_ignore_ascii_case(extension))
            })
        };
        match (self.0, by_name().map(|format| format.content_type)) {
            // Windows with Excel sends this type for every CSV file.
            (Some(ContentType::Xls), Some(ContentType::Csv)) => Ok(ContentType::Csv),
            (Some(content_type), _) | (None, Some(content_type)) => Ok(content_type),
            (None, None) => Err(not_accepted()),
        }
    }
}

impl FieldValue for DeclaredType {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        let text = string(value)?;
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if UNKNOWN.contains(&essence.as_str()) {
            return Ok(Self(None));
        }
        let alias = ALIASES.iter().find(|(name, _)| *name == essence).map(|(_, it)| *it);
        alias.or_else(|| essence.parse().ok()).map(|it| Self(Some(it))).ok_or_else(not_accepted)
    }

    fn schema() -> Object {
        let names = ContentType::ALL.iter().map(|it| it.as_str());
        schema::string_enum(
            "The media type of a file. Upper case and parameters make no difference. The type is \
             returned, and signed for the upload, by its name in the IANA registry. \
             `application/vnd.ms-excel` is CSV if the name of the file ends in `.csv`. \
             `application/octet-stream`, an empty text and no type at all are accepted if the \
             extension of the name tells the type.",
            names.chain(ALIASES.map(|(name, _)| name)),
        )
    }
}

fn not_accepted() -> Reason {
    let names: Vec<&str> = ContentType::ALL.iter().map(|it| it.as_str()).collect();
    Reason::new("invalid_choice", format!("Must be one of: {}.", names.join(" ")))
}

string_enum! {
    /// Why an uploaded file was rejected: `declaration_mismatch`, size or type of what was uploaded
    /// are not those declared; `content_mismatch`, the content is of another type;
    /// `undecodable_text`, the text is in no encoding that is accepted; `damaged_file`, the
    /// document cannot be opened; `contains_macros`; `malware_found`; `not_scannable`, the scanner
    /// for malware cannot look into the file.
    Rejection {
        /// Size or type of the object differ from those declared.
        DeclarationMismatch = "declaration_mismatch",
        /// The content is of another type.
        ContentMismatch = "content_mismatch",
        /// The text is in no encoding that is accepted.
        UndecodableText = "undecodable_text",
        /// The document cannot be opened.
        DamagedFile = "damaged_file",
        /// The document contains macros.
        ContainsMacros = "contains_macros",
        /// A scanner found malware.
        MalwareFound = "malware_found",
        /// The scanner cannot look into the file.
        NotScannable = "not_scannable",
    }
}

impl Rejection {
    /// Returns what the patient is told.
    pub fn message(self) -> &'static str {
        match self {
            Self::DeclarationMismatch => {
                "Another file arrived than the one that was announced. Please add the file again."
            }
            Self::ContentMismatch => {
                "The file is not what its type says. Please open it with the program that you \
                 usually use, save it as a PDF or a picture, and add that."
            }
            Self::UndecodableText => {
                "The text cannot be read. Please save it as UTF-8, and add it again."
            }
            Self::DamagedFile => {
                "The file is damaged or incomplete. Please open it on your device; if that works, \
                 save it again or as a PDF, and add that."
            }
            Self::ContainsMacros => {
                "The document contains macros, which are not accepted. Please save it as a PDF, \
                 and add that."
            }
            Self::MalwareFound => {
                "Malware was found in the file. Please do not open it, and ask whoever gave it to \
                 you for another one."
            }
            Self::NotScannable => {
                "The file cannot be checked for malware. Please remove its password, if it has \
                 one, or add a smaller file."
            }
        }
    }
}

/// What the inspection of an uploaded file has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is as declared.
    Available,
    /// It is not acceptable.
    Rejected(Rejection),
}

impl Verdict {
    /// Returns the status of the file.
    pub fn status(self) -> FileStatus {
        match self {
            Self::Available => FileStatus::Available,
            Self::Rejected(_) => FileStatus::Rejected,
        }
    }

    /// Returns why the file is rejected, if it is.
    pub fn rejection(self) -> Option<Rejection> {
        match self {
            Self::Available => None,
            Self::Rejected(reason) => Some(reason),
        }
    }
}

string_enum! {
    /// The status of a file: `pending`, until it is uploaded and checked; `available`, to be
    /// downloaded; `rejected`, not acceptable for the reason in `rejection`, and deleted.
    FileStatus {
        /// Waits for its upload.
        Pending = "pending",
        /// Uploaded, and as declared.
        Available = "available",
        /// Uploaded, but not acceptable; the object is deleted.
        Rejected = "rejected",
    }
}

/// A file of a record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct File {
    /// The file's id.
    pub id: FileId,
    /// The patient whose record it belongs to.
    pub patient_id: UserId,
    /// The record it belongs to.
    pub record_id: RecordId,
    /// The file's name for downloads.
    pub name: FileName,
    /// The declared media type.
    pub content_type: ContentType,
    /// The declared size in bytes.
    pub size_bytes: u64,
    /// The declared SHA-256, if any.
    pub sha256: Option<Sha256>,
    /// The upload status.
    pub status: FileStatus,
    /// Why it was rejected. Files rejected before reasons were kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejection>,
}

impl File {
    /// Returns the key of the file's object in the bucket. It contains no personal data.
    pub fn object_key(&self) -> String {
        object_key(self.id)
    }

    /// Returns the name under which the file is saved. A name with another extension or none gets
    /// one of the declared type, because the extension decides which program opens a file.
    pub fn download_name(&self) -> String {
        let extensions = self.content_type.format().extensions;
        // Names that were stored earlier may contain invisible characters.
        let name = without_invisible(self.name.as_str());
        let given = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => extension,
            _ => "",
        };
        match extensions.first() {
            Some(own) if !extensions.iter().any(|it| it.eq_ignore_ascii_case(given)) => {
                format!("{name}.{own}")
            }
            _ => name,
        }
    }
}

/// The prefix of the keys of all files' objects.
pub const OBJECT_PREFIX: &str = "files/";

/// Returns the key of a file's object in the bucket.
pub fn object_key(id: FileId) -> String {
    format!("{OBJECT_PREFIX}{id}")
}

/// Returns the id of the file that an object key belongs to; `None` for other keys.
pub fn file_id_of_object(key: &str) -> Option<FileId> {
    key.strip_prefix(OBJECT_PREFIX)?.parse().ok()
}

/// A file's name: the last component of a path, one line, at most 255 characters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileName(String);

impl FileName {
    /// Maximum length in characters.
    pub const MAX: usize = crate::text::Name::MAX;

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FieldValue for FileName {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        let path = string(value)?;
        let last =
            path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
        let name = crate::text::Name::parse(last)?;
        match name.as_str() {
            "" => Err(Reason::new("blank", "Must not be blank.")),
            "." | ".." => Err(Reason::new("invalid", "Must be the name of a file.")),
            name => Ok(Self(name.to_owned())),
        }
    }

    fn schema() -> Object {
        schema::file_name(
            "A file's name. If it is a path, its last component is used.",
            Self::MAX,
            "report.pdf",
        )
    }
}

schema::response_schema!(FileName);

/// A SHA-256 hash, 64 hexadecimal digits in lower case.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sha256(String);

impl Sha256 {
    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the hash's 32 bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => c - b'0',
            _ => c - b'a' + 10,
        };
        self.0
            .as_bytes()
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, c| byte << 4 | digit(*c)))
            .collect()
    }
}

impl FieldValue for Sha256 {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        let digits = string(value)?.trim().to_ascii_lowercase();
        if digits.len() == 64 && digits.bytes().all(|c| c.is_ascii_hexdigit()) {
            Ok(Self(digits))
        } else {
            Err(Reason::new("invalid", "Must be 64 hexadecimal digits."))
        }
    }

    fn schema() -> Object {
        let example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        schema::string("The SHA-256 of the file, in hexadecimal.", 64, 64, example)
            .pattern(Some("^[0-9a-fA-F]{64}$"))
            .build()
    }
}

/// A file that a patient wants to upload.
#[derive(Clone, PartialEq, Debug)]
pub struct NewFile {
    /// The name.
    pub name: FileName,
    /// The media type.
    pub content_type: ContentType,
    /// The size in bytes; never 0.
    pub size_bytes: u64,
    /// The SHA-256 of the content.
    pub sha256: Option<Sha256>,
}

impl NewFile {
    /// Creates the pending file of a record.
    pub fn into_file(self, id: FileId, patient_id: UserId, record_id: RecordId) -> File {
        let Self { name, content_type, size_bytes, sha256 } = self;
        File {
            id,
            patient_id,
            record_id,
            name,
            content_type,
            size_bytes,
            sha256,
            status: FileStatus::Pending,
            rejection: None,
        }
    }
}

/// Parses the size of a file to be uploaded, at most `max` bytes.
///
/// # Errors
/// `invalid` when it is not a whole number, `empty_file`, `too_large`.
pub fn size_bytes(value: &serde_json::Value, max: u64) -> Result<u64, Reason> {
    match integer(value).and_then(|size| u64::try_from(size).ok()) {
        None => Err(Reason::new("invalid", "Must be a whole number of bytes.")),
        Some(0) => Err(Reason::new("empty_file", "Must not be an empty file.")),
        Some(size) if size > max => {
            Err(Reason::new("too_large", format!("Must be at most {max} bytes.")))
        }
        Some(size) => Ok(size),
    }
}

/// Returns the schema of the values that [`size_bytes`] accepts.
pub fn size_schema(max: u64) -> Object {
    schema::integer(
        "The size of a file in bytes. The maximum is configured by the operator.",
        1,
        max,
        52_318,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_path_is_removed_from_file_names() {
        let name = |text: &str| {
            FileName::from_json(&json!(text)).map(|name| name.0).map_err(|reason| reason.code)
        };
        assert_eq!(name("../../etc/passwd"), Ok("passwd".into()));
        assert_eq!(name("C:\\scans\\knee.pdf"), Ok("knee.pdf".into()));
        assert_eq!(name("Befund Müller.pdf"), Ok("Befund Müller.pdf".into()));
        for (text, code) in
            [("", "blank"), ("/", "blank"), ("..", "invalid"), ("a\nb.pdf", "invalid")]
        {
            assert_eq!(name(text), Err(code), "{text:?}");
        }
        assert_eq!(name("Befund \u{202e}fdp.exe"), Ok("Befund fdp.exe".into()));
        assert_eq!(name("\u{200b}"), Err("blank"));
        assert_eq!(name(".\u{200b}."), Err("invalid"));
    }

    #[test]
    fn each_type_has_a_format_and_extensions_of_its_own() {
        let mut extensions: Vec<&str> = Vec::new();
        for content_type in ContentType::ALL {
            assert_eq!(content_type.format().content_type, *content_type);
            extensions.extend(content_type.format().extensions);
        }
        let count = extensions.len();
        extensions.sort_unstable();
        extensions.dedup();
        assert_eq!(extensions.len(), count, "an extension must tell the type");
    }

    #[test]
    fn types_have_many_names() {
        let declared = |text: &str, name: &str| {
            let name = FileName(name.to_owned());
            DeclaredType::from_json(&json!(text))
                .and_then(|declared| declared.of(&name))
                .map_err(|reason| reason.code)
        };
        for (text, name, expected) in [
            ("image/jpeg", "a.jpg", ContentType::Jpeg),
            ("image/jpg", "a.jpg", ContentType::Jpeg),
            ("image/pjpeg", "a", ContentType::Jpeg),
            ("image/x-png", "a", ContentType::Png),
            ("IMAGE/PNG", "a.png", ContentType::Png),
            ("application/x-pdf", "a.pdf", ContentType::Pdf),
            ("text/x-csv", "a", ContentType::Csv),
            ("application/csv", "a", ContentType::Csv),
            ("text/csv; charset=utf-8", "a", ContentType::Csv),
            (" Text/Plain ;charset=iso-8859-1", "a", ContentType::Text),
            ("application/vnd.ms-excel", "a.CSV", ContentType::Csv),
            ("application/vnd.ms-excel", "a.xls", ContentType::Xls),
            ("application/vnd.ms-excel", "a", ContentType::Xls),
            ("text/plain", "a.csv", ContentType::Text),
            ("application/octet-stream", "IMG_1.HEIC", ContentType::Heic),
            ("application/octet-stream", "a.dcm", ContentType::Dicom),
            ("", "Befund.PDF", ContentType::Pdf),
            (" ", "a.jfif", ContentType::Jpeg),
            ("; charset=utf-8", "a.csv", ContentType::Csv),
            ("application/acrobat", "a", ContentType::Pdf),
            ("text/pdf", "a", ContentType::Pdf),
            ("application/x-dicom", "a", ContentType::Dicom),
            ("application/excel", "a", ContentType::Xls),
            ("application/x-msexcel", "a.xls", ContentType::Xls),
            ("application/x-msexcel", "a.csv", ContentType::Csv),
        ] {
            assert_eq!(declared(text, name), Ok(expected), "{text} {name}");
        }
        for (text, name) in [
            ("application/octet-stream", "a"),
            ("application/octet-stream", "a.exe"),
            ("image/svg+xml", "a.png"),
            ("", "a"),
            ("", "a.exe"),
            ("; charset=utf-8", "png"),
        ] {
            assert_eq!(declared(text, name), Err("invalid_choice"), "{text} {name}");
        }
        let by_name = |name: &str| {
            DeclaredType::by_name(&FileName(name.to_owned())).map_err(|reason| reason.code)
        };
        assert_eq!(by_name("IMG_1.heic"), Ok(ContentType::Heic));
        assert_eq!(by_name("a.exe"), Err("required"));
        for (alias, _) in ALIASES {
            assert!(alias.parse::<ContentType>().is_err(), "{alias} is an accepted type itself");
        }
    }

    #[test]
    fn a_file_is_saved_with_an_extension_of_its_type() {
        let saved = |name: &str, content_type: ContentType| {
            let id: FileId = "0190a5c0-0000-7000-8000-000000000001".parse().unwrap();
            let (patient, record) = (uuid::Uuid::from(id).into(), uuid::Uuid::from(id).into());
            let file = NewFile {
                name: FileName(name.to_owned()),
                content_type,
                size_bytes: 1,
                sha256: None,
            };
            file.into_file(id, patient, record).download_name()
        };
        for (name, content_type, expected) in [
            ("scan.exe", ContentType::Dicom, "scan.exe.dcm"),
            ("IM000001", ContentType::Dicom, "IM000001.dcm"),
            ("Befund.html", ContentType::Text, "Befund.html.txt"),
            ("run.bat", ContentType::Text, "run.bat.txt"),
            ("logo.svg", ContentType::Text, "logo.svg.txt"),
            ("x.hta", ContentType::Csv, "x.hta.csv"),
            ("letter.docm", ContentType::Docx, "letter.docm.docx"),
            ("Befund \u{202e}fdp.exe", ContentType::Pdf, "Befund fdp.exe.pdf"),
            ("report.pdf.", ContentType::Pdf, "report.pdf..pdf"),
            (".pdf", ContentType::Pdf, ".pdf.pdf"),
            ("report.pdf", ContentType::Pdf, "report.pdf"),
            ("Scan 1.JPEG", ContentType::Jpeg, "Scan 1.JPEG"),
            ("Befund vom 3.4", ContentType::Pdf, "Befund vom 3.4.pdf"),
        ] {
            assert_eq!(saved(name, content_type), expected);
        }
    }

    #[test]
    fn the_file_id_is_read_from_the_object_key() {
        let id: FileId = "0190a5c0-0000-7000-8000-000000000001".parse().unwrap();
        assert_eq!(file_id_of_object(&object_key(id)), Some(id));
        assert_eq!(file_id_of_object("other/0190a5c0-0000-7000-8000-000000000001"), None);
        assert_eq!(file_id_of_object("files/passwd"), None);
    }

    #[test]
    fn hashes_have_64_hexadecimal_digits() {
        let hash = Sha256::from_json(&json!("00FF".repeat(16))).unwrap();
        assert_eq!(hash.bytes(), [0x00, 0xff].repeat(16));
        assert!(Sha256::from_json(&json!("xyz")).is_err());
        assert!(Sha256::from_json(&json!("é".repeat(32))).is_err());
    }
}
