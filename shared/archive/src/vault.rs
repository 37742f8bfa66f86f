//! The bucket of the archive: objects are created once, and read back.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use runtime::serve::sentence;

use crate::chain::PREFIX;

/// A failure of S3, or of the way to it.
#[derive(Debug, thiserror::Error)]
#[error("S3 {operation} failed: {cause}")]
pub struct VaultError {
    operation: &'static str,
    cause: String,
}

impl VaultError {
    fn new(operation: &'static str, cause: &(dyn std::error::Error + 'static)) -> Self {
        Self { operation, cause: sentence(cause) }
    }
}

/// The bucket.
#[derive(Clone, Debug)]
pub struct Vault {
    client: Client,
    bucket: String,
}

/// The versions of an object: more than one, or a mark that it was deleted, and somebody has tried
/// to replace it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Versions {
    /// The first one that was written, if there is still one.
    pub first: Option<String>,
    /// How many there are, deletions included.
    pub number: usize,
}

impl Vault {
    /// The bucket of a name.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }

    /// Creates an object; `false` when there is one of that key, which stays as it is.
    ///
    /// # Errors
    /// When S3 does not answer or refuses: then the object may exist or not.
    pub async fn create(&self, key: &str, text: &str) -> Result<bool, VaultError> {
        let body = ByteStream::from(text.as_bytes().to_vec());
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .body(body)
            .content_type("application/jsonl")
            .if_none_match("*");
        match request.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(failure))
                if failure.err().code() == Some("PreconditionFailed") =>
            {
                Ok(false)
            }
            Err(error) => Err(VaultError::new("PutObject", &error)),
        }
    }

    /// Reads an object, or one of its versions.
    ///
    /// # Errors
    /// When there is none, or S3 does not answer or refuses.
    pub async fn read(&self, key: &str, version: Option<&str>) -> Result<String, VaultError> {
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version.map(str::to_owned));
        let object = request.send().await.map_err(|error| VaultError::new("GetObject", &error))?;
        let bytes =
            object.body.collect().await.map_err(|error| VaultError::new("GetObject", &error))?;
        // What is no text is no link either.
        Ok(String::from_utf8_lossy(&bytes.into_bytes()).into_owned())
    }

    /// The keys of all objects, in order, with their versions.
    ///
    /// # Errors
    /// When S3 does not answer or refuses.
    pub async fn versions(&self) -> Result<BTreeMap<String, Versions>, VaultError> {
        let mut found: BTreeMap<String, Versions> = BTreeMap::new();
        let (mut key_marker, mut version_marker) = (None, None);
        loop {
            let request = self.client.list_object_versions().bucket(&self.bucket).prefix(PREFIX);
            let request = request.set_key_marker(key_marker).set_version_id_marker(version_marker);
            let page = request
                .send()
                .await
                .map_err(|error| VaultError::new("ListObjectVersions", &error))?;
            // Of each key the newest comes first.
            for version in page.versions() {
                let versions =
                    found.entry(version.key().unwrap_or_default().to_owned()).or_default();
                versions.first = version.version_id().map(str::to_owned);
                versions.number += 1;
            }
            for marker in page.delete_markers() {
                found.entry(marker.key().unwrap_or_default().to_owned()).or_default().number += 1;
            }
            (key_marker, version_marker) = (page.next_key_marker, page.next_version_id_marker);
            if key_marker.is_none() {
                return Ok(found);
            }
        }
    }
}
