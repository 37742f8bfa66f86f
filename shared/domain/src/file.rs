//! Files of a record: accepted media types, recognition of uploaded objects, and object keys.

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Object;

use crate::field::{FieldValue, Reason, integer, string, string_enum};
use crate::id::{FileId, RecordId, UserId};
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

/// Number of leading bytes that [`ContentType::matches`] needs. The DICOM prefix is at offset 128.
pub const HEAD_BYTES: usize = 512;

impl ContentType {
    /// Returns whether an object that begins with `head` can be of this type. Text is everything
    /// without NUL that is not recognised as another type; Office formats are recognised by their
    /// container format.
    pub fn matches(self, head: &[u8]) -> bool {
        let starts = |magic: &[u8]| head.starts_with(magic);
        let at = |offset: usize, magic: &[u8]| {
            head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
        };
        match self {
            // PDF readers accept up to 1 KiB before the header. No PDF writer produces that;
            // attackers use it for files of two types.
            Self::Pdf => starts(b"%PDF-"),
            Self::Png => starts(b"\x89PNG\r\n\x1a\n"),
            Self::Jpeg => starts(b"\xff\xd8\xff"),
            Self::Gif => starts(b"GIF87a") || starts(b"GIF89a"),
            Self::Webp => starts(b"RIFF") && at(8, b"WEBP"),
            Self::Tiff => {
                starts(b"II*\0") || starts(b"MM\0*") || starts(b"II+\0") || starts(b"MM\0+")
            }
            Self::Dicom => at(128, b"DICM"),
            Self::Doc | Self::Xls => starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
            Self::Docx | Self::Xlsx => starts(b"PK\x03\x04"),
            Self::Text | Self::Csv => is_text(head),
            Self::Json => is_text(head) && json_value_begins(head),
        }
    }
}

fn is_text(head: &[u8]) -> bool {
    const BINARY: [ContentType; 11] = {
        use ContentType::{Dicom, Doc, Docx, Gif, Jpeg, Pdf, Png, Tiff, Webp, Xls, Xlsx};
        [Pdf, Png, Jpeg, Gif, Webp, Tiff, Dicom, Doc, Docx, Xls, Xlsx]
    };
    !head.contains(&0) && !BINARY.iter().any(|binary| binary.matches(head))
}

fn json_value_begins(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| {
        matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
    })
}

string_enum! {
    /// The upload status of a file.
    FileStatus {
        /// Waits for its upload.
        Pending = "pending",
        /// Uploaded, and as declared.
        Available = "available",
        /// Uploaded, but not as declared; the object is deleted.
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
}

impl File {
    /// Returns the key of the file's object in the bucket. It contains no personal data.
    pub fn object_key(&self) -> String {
        object_key(self.id)
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
        let digit = |c: u8| {
            (c as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or_default()
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
    }

    #[test]
    fn types_are_recognised_by_their_leading_bytes() {
        let mut dicom = vec![0; 128];
        dicom.extend(b"DICM");
        let heads: [(&[u8], &[ContentType]); 8] = [
            (b"%PDF-1.7\n", &[ContentType::Pdf]),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &[ContentType::Png]),
            (b"\xff\xd8\xff\xe0", &[ContentType::Jpeg]),
            (b"RIFF\x24\0\0\0WEBPVP8 ", &[ContentType::Webp]),
            (&dicom, &[ContentType::Dicom]),
            (b"PK\x03\x04\x14\0", &[ContentType::Docx, ContentType::Xlsx]),
            (
                b"{\"resourceType\":\"Bundle\"}",
                &[ContentType::Text, ContentType::Csv, ContentType::Json],
            ),
            (b"a,b\n1,2\n", &[ContentType::Text, ContentType::Csv]),
        ];
        for (head, types) in heads {
            for content_type in ContentType::ALL {
                assert_eq!(
                    content_type.matches(head),
                    types.contains(content_type),
                    "{content_type} for {head:?}"
                );
            }
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
