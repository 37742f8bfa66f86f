//! The bucket: uploads and downloads by presigned URL, and what has really arrived.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::presigning::PresigningConfig;
use base64::prelude::{BASE64_STANDARD, Engine};
use domain::file::{File, FileStatus, HEAD_BYTES};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A failure of S3, or of the way to it.
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

/// Where and how a client uploads a file, once.
#[derive(Debug)]
pub struct Upload {
    /// The presigned URL.
    pub url: String,
    /// Headers that are signed and must be sent as they are. `Content-Length`, signed too, follows
    /// from the body.
    pub headers: Vec<(String, String)>,
    /// When the URL stops working.
    pub expires_at: Timestamp,
}

/// What an uploading client must repeat; its length and the host, signed too, it cannot help but
/// send.
const SIGNED_UPLOAD_HEADERS: [&str; 3] = ["content-type", "if-none-match", "x-amz-checksum-sha256"];

/// The bucket that holds the objects of all files.
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    /// The bucket `name`.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// A URL that takes exactly the declared file, once: its length, type and, when given, SHA-256
    /// are signed, and an object that is there already is not overwritten.
    ///
    /// # Errors
    /// When there are no credentials to sign with.
    pub async fn upload(
        &self,
        file: &File,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<Upload, BucketError> {
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
        // The SDK also lists headers that it has not signed, for tracing; they are ours and not the
        // client's.
        let headers = presigned.headers().filter(|(name, _)| {
            SIGNED_UPLOAD_HEADERS.contains(&name.to_ascii_lowercase().as_str())
        });
        Ok(Upload {
            url: presigned.uri().to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            expires_at: now
                .saturating_add(SignedDuration::try_from(lifetime).unwrap_or_default())
                .unwrap_or(now),
        })
    }

    /// A URL that downloads the file under its own name; browsers save it and never show it.
    ///
    /// # Errors
    /// When there are no credentials to sign with.
    pub async fn download_url(
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
            .response_content_disposition(attachment(file.name.as_str()));
        let presigned = request.presigned(presigning(lifetime)?).await;
        presigned
            .map(|presigned| presigned.uri().to_owned())
            .map_err(|error| BucketError::new("presign GetObject", error))
    }

    /// What the file's object is: `Pending` while there is none, `Available` when it has the
    /// declared size and type and its first bytes are of that type, `Rejected` otherwise. One
    /// request.
    ///
    /// # Errors
    /// When S3 does not answer or refuses.
    pub async fn inspect(&self, file: &File) -> Result<FileStatus, BucketError> {
        let request = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(file.object_key())
            .range(format!("bytes=0-{}", HEAD_BYTES - 1));
        let object = match request.send().await {
            Ok(object) => object,
            Err(error) => {
                return match error.as_service_error() {
                    Some(GetObjectError::NoSuchKey(_)) => Ok(FileStatus::Pending),
                    // An empty object has no first byte.
                    Some(other) if other.code() == Some("InvalidRange") => Ok(FileStatus::Rejected),
                    _ => Err(BucketError::new("GetObject", error)),
                };
            }
        };
        let total =
            object.content_range().and_then(|range| range.rsplit('/').next()?.parse::<u64>().ok());
        let as_declared = total == Some(file.size_bytes)
            && object.content_type() == Some(file.content_type.as_str());
        let head = object
            .body
            .collect()
            .await
            .map_err(|error| BucketError::new("GetObject", error))?
            .into_bytes();
        let fits = as_declared && file.content_type.matches(&head);
        Ok(if fits { FileStatus::Available } else { FileStatus::Rejected })
    }

    /// Deletes an object with all its versions; the bucket keeps versions, and deleted must mean
    /// gone.
    ///
    /// # Errors
    /// When S3 does not answer or refuses. Can be repeated.
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

/// Returns a `Content-Disposition` (RFC 6266) with an ASCII name for old clients and the real one, encoded
/// by RFC 8187.
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
    fn names_survive_the_header() {
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
