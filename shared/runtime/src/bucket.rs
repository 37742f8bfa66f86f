//! The bucket of uploaded files: presigned URLs for uploads and downloads, inspection and deletion
//! of objects.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::presigning::PresigningConfig;
use base64::prelude::{BASE64_STANDARD, Engine};
use domain::content::{HEAD_BYTES, Inspection, InspectionStep};
use domain::file::{File, OBJECT_PREFIX, Rejection, Verdict, file_id_of_object, object_key};
use domain::id::FileId;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A failed call to S3.
#[derive(Debug, thiserror::Error)]
#[error("S3 {operation} failed")]
pub struct BucketError {
    operation: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl BucketError {
    fn new(
        operation: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { operation, source: source.into() }
    }
}

/// A presigned upload: one PUT request that a client may send once.
#[derive(Debug)]
pub struct PresignedUpload {
    /// The presigned URL.
    pub url: String,
    /// Headers that are signed and must be sent unchanged. `Content-Length` is signed as well and
    /// follows from the body.
    pub headers: Vec<(String, String)>,
    /// When the URL expires.
    pub expires_at: Timestamp,
}

/// The beginning of an object, and what S3 says about the whole.
struct Head {
    bytes: Vec<u8>,
    size: Option<u64>,
    content_type: Option<String>,
    version: Option<String>,
}

impl Head {
    /// Begins the inspection of a file that has this object.
    fn inspect(self, file: &File) -> Result<Inspection, Verdict> {
        let is_as_declared = self.size == Some(file.size_bytes)
            && self.content_type.as_deref() == Some(file.content_type.as_str());
        if !is_as_declared {
            return Err(Verdict::Rejected(Rejection::DeclarationMismatch));
        }
        let mut inspection = Inspection::new(file.content_type, file.size_bytes);
        inspection.take(0, self.bytes);
        Ok(inspection)
    }
}

/// Objects of files.
#[derive(Debug)]
pub struct ObjectListing {
    /// The files and when their objects were stored.
    pub objects: Vec<(FileId, Timestamp)>,
    /// Whether there are none after these.
    pub is_last: bool,
}

/// Signed headers that the client must set itself. `Content-Length` and `Host` are signed as well;
/// every HTTP client sends them.
const SIGNED_UPLOAD_HEADERS: [&str; 3] = ["content-type", "if-none-match", "x-amz-checksum-sha256"];

/// The bucket that holds the objects of all files.
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    /// Creates a handle for the bucket `name`.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Presigns an upload of exactly the declared file: length, content type and, if given, SHA-256
    /// are signed, and an existing object is not overwritten.
    ///
    /// # Errors
    /// When there are no credentials to sign with, or the lifetime is above seven days.
    pub async fn presign_upload(
        &self,
        file: &File,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<PresignedUpload, BucketError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            BucketError::new("presign PutObject", error)
        };
        let request = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(file.object_key())
            .content_length(i64::try_from(file.size_bytes).map_err(|error| failed(error.into()))?)
            .content_type(file.content_type.as_str())
            .set_checksum_sha256(
                file.sha256.as_ref().map(|hash| BASE64_STANDARD.encode(hash.bytes())),
            )
            .if_none_match("*");
        let presigned =
            request.presigned(presigning(lifetime)?).await.map_err(|error| failed(error.into()))?;
        // The SDK also lists headers for tracing that are not signed and not meant for the client.
        let headers = presigned.headers().filter(|(name, _)| {
            SIGNED_UPLOAD_HEADERS.contains(&name.to_ascii_lowercase().as_str())
        });
        Ok(PresignedUpload {
            url: presigned.uri().to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            expires_at: now + lifetime,
        })
    }

    /// Presigns a download of the file under its name, with an extension of its type. Browsers save
    /// it and never display it.
    ///
    /// # Errors
    /// When there are no credentials to sign with, or the lifetime is above seven days.
    pub async fn presign_download(
        &self,
        file: &File,
        lifetime: Duration,
    ) -> Result<String, BucketError> {
        let request = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(file.object_key())
            .response_content_type(file.content_type.as_str())
            .response_content_disposition(attachment(&file.download_name()))
            // A sign-out clears what browsers keep of the service, and not what they keep of S3.
            .response_cache_control("no-store");
        let presigned = request.presigned(presigning(lifetime)?).await;
        presigned
            .map(|presigned| presigned.uri().to_owned())
            .map_err(|error| BucketError::new("presign GetObject", error))
    }

    /// Returns whether the file has an object. Sends one request.
    ///
    /// # Errors
    /// When the call to S3 fails.
    pub async fn has_object(&self, file: &File) -> Result<bool, BucketError> {
        Ok(self.head(file, 1).await?.is_some())
    }

    /// Returns what can be said of the file's object with one request: `None` if it does not exist,
    /// or more of it has to be read than its beginning.
    ///
    /// # Errors
    /// When the call to S3 fails.
    pub async fn glance(&self, file: &File) -> Result<Option<Verdict>, BucketError> {
        let Some(head) = self.head(file, HEAD_BYTES).await? else { return Ok(None) };
        match head.inspect(file).map(|mut inspection| inspection.step()) {
            Ok(InspectionStep::Read(_)) => Ok(None),
            Ok(InspectionStep::Decided(verdict)) | Err(verdict) => Ok(Some(verdict)),
        }
    }

    /// Inspects the file's object, as much of it as its type needs: `None` if it does not exist, or
    /// is not `version`, if one is given.
    ///
    /// # Errors
    /// When a call to S3 fails.
    pub async fn inspect(
        &self,
        file: &File,
        version: Option<&str>,
    ) -> Result<Option<Verdict>, BucketError> {
        let Some(head) = self.head(file, HEAD_BYTES).await? else { return Ok(None) };
        if version.is_some() && head.version.as_deref() != version {
            return Ok(None);
        }
        let mut inspection = match head.inspect(file) {
            Ok(inspection) => inspection,
            Err(verdict) => return Ok(Some(verdict)),
        };
        loop {
            match inspection.step() {
                InspectionStep::Decided(verdict) => return Ok(Some(verdict)),
                InspectionStep::Read(range) => {
                    let bytes = self.read(file, range.clone()).await?;
                    inspection.take(range.start, bytes);
                }
            }
        }
    }

    /// Reads at most `length` bytes from the beginning of the file's object, if it exists.
    async fn head(&self, file: &File, length: u64) -> Result<Option<Head>, BucketError> {
        let range = format!("bytes=0-{}", length - 1);
        let object = self.client.get_object().bucket(&self.name).key(file.object_key());
        let object = match object.range(range).send().await {
            Ok(object) => object,
            Err(error) => {
                return match error.as_service_error() {
                    Some(GetObjectError::NoSuchKey(_)) => Ok(None),
                    // An empty object has no first byte.
                    Some(other) if other.code() == Some("InvalidRange") => Ok(Some(Head {
                        bytes: Vec::new(),
                        size: Some(0),
                        content_type: None,
                        version: None,
                    })),
                    _ => Err(BucketError::new("GetObject", error)),
                };
            }
        };
        let size = object.content_range().and_then(|range| range.rsplit('/').next()?.parse().ok());
        let content_type = object.content_type().map(str::to_owned);
        let version = object.version_id().map(str::to_owned);
        let body = object.body.collect().await;
        let bytes = body.map_err(|error| BucketError::new("GetObject", error))?.to_vec();
        Ok(Some(Head { bytes, size, content_type, version }))
    }

    /// Reads exactly this part of the file's object.
    async fn read(&self, file: &File, range: Range<u64>) -> Result<Vec<u8>, BucketError> {
        let failed =
            |error: Box<dyn std::error::Error + Send + Sync>| BucketError::new("GetObject", error);
        let object = self.client.get_object().bucket(&self.name).key(file.object_key());
        let object = object.range(format!("bytes={}-{}", range.start, range.end - 1)).send().await;
        let body = object.map_err(|error| failed(error.into()))?.body.collect().await;
        let bytes = body.map_err(|error| failed(error.into()))?.to_vec();
        if bytes.len() as u64 != range.end - range.start {
            return Err(failed("the part has another length than requested".into()));
        }
        Ok(bytes)
    }

    /// Lists the next files that have objects, after one of them in the order of their ids, and
    /// when each object was stored. Sends one request, which lists up to 1,000.
    ///
    /// # Errors
    /// When the call to S3 fails.
    pub async fn list(&self, after: Option<FileId>) -> Result<ObjectListing, BucketError> {
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(OBJECT_PREFIX);
        let request = request.set_start_after(after.map(object_key));
        let listed =
            request.send().await.map_err(|error| BucketError::new("ListObjectsV2", error))?;
        let objects = listed.contents().iter().filter_map(|object| {
            let stored_at = object.last_modified()?;
            let stored_at = Timestamp::from_second(stored_at.secs()).ok()?;
            Some((file_id_of_object(object.key()?)?, stored_at))
        });
        Ok(ObjectListing {
            objects: objects.collect(),
            is_last: !listed.is_truncated().unwrap_or_default(),
        })
    }

    /// Deletes an object with all its versions, because the bucket is versioned and a plain delete
    /// would keep the content.
    ///
    /// # Errors
    /// When a call to S3 fails. Can be repeated.
    pub async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let listed = self.client.list_object_versions().bucket(&self.name).prefix(key).send().await;
        let listed = listed.map_err(|error| BucketError::new("ListObjectVersions", error))?;
        let versions =
            listed.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers =
            listed.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        for (_, version) in versions.chain(markers).filter(|(found, _)| *found == Some(key)) {
            let request = self
                .client
                .delete_object()
                .bucket(&self.name)
                .key(key)
                .set_version_id(version.map(str::to_owned));
            request.send().await.map_err(|error| BucketError::new("DeleteObject", error))?;
        }
        Ok(())
    }
}

fn presigning(lifetime: Duration) -> Result<PresigningConfig, BucketError> {
    PresigningConfig::expires_in(lifetime).map_err(|error| BucketError::new("presign", error))
}

/// Everything but `attr-char` of RFC 8187.
const NO_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Returns a `Content-Disposition` (RFC 6266) with an ASCII name for old clients and the real name,
/// encoded as in RFC 8187.
fn attachment(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !"\"\\%;".contains(c) || c == ' ' { c } else { '_' })
        .collect();
    let encoded = utf8_percent_encode(name, NO_ATTR_CHAR);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::attachment;

    #[test]
    fn a_name_can_be_read_back_from_the_header() {
        assert_eq!(
            attachment("scan.pdf"),
            "attachment; filename=\"scan.pdf\"; filename*=UTF-8''scan.pdf"
        );
        assert_eq!(
            attachment("!#$&+-.^_`|~*'()@{}"),
            "attachment; filename=\"!#$&+-.^_`|~*'()@{}\"; \
             filename*=UTF-8''!#$&+-.^_`|~%2A%27%28%29%40%7B%7D",
            "RFC 8187 leaves these as they are"
        );
        assert_eq!(
            attachment("Müller \"1\".pdf"),
            "attachment; filename=\"M_ller _1_.pdf\"; filename*=UTF-8''M%C3%BCller%20%221%22.pdf"
        );
    }
}
