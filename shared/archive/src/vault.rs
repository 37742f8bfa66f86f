//! The bucket of the archive, whose objects are created once and never replaced.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use runtime::serve::sentence;

use crate::chain::PREFIX;

/// A failed call to S3.
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

/// A handle for the bucket of the archive.
#[derive(Clone, Debug)]
pub struct Vault {
    client: Client,
    bucket: String,
}

/// The versions of an object. More than one, or a delete marker, means that somebody has tried to
/// replace or delete it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Versions {
    /// The id of the oldest version, unless all are gone.
    pub first: Option<String>,
    /// The number of versions and delete markers.
    pub number: usize,
}

impl Vault {
    /// Creates a handle for a bucket.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }

    /// Creates an object; returns `false` if the key is taken, or is being taken by a simultaneous
    /// request (S3's `ConditionalRequestConflict`), and leaves the object there as it is.
    ///
    /// # Errors
    /// When the call to S3 fails. The object may have been created all the same.
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
                if matches!(
                    failure.err().code(),
                    Some("PreconditionFailed" | "ConditionalRequestConflict")
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(VaultError::new("PutObject", &error)),
        }
    }

    /// Reads an object, or one of its versions.
    ///
    /// # Errors
    /// When the object does not exist or the call to S3 fails.
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
        // Other bytes than UTF-8 cannot be a link and are reported as such.
        Ok(String::from_utf8_lossy(&bytes.into_bytes()).into_owned())
    }

    /// Lists the keys of all objects, in order, with their versions.
    ///
    /// # Errors
    /// When a call to S3 fails.
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
            // S3 lists the newest version of a key first.
            for version in page.versions() {
                let Some(key) = version.key() else { continue };
                let versions = found.entry(key.to_owned()).or_default();
                versions.first = version.version_id().map(str::to_owned);
                versions.number += 1;
            }
            for marker in page.delete_markers() {
                let Some(key) = marker.key() else { continue };
                found.entry(key.to_owned()).or_default().number += 1;
            }
            (key_marker, version_marker) = (page.next_key_marker, page.next_version_id_marker);
            if key_marker.is_none() {
                return Ok(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;

    use super::*;

    /// An S3 that gives each request the same response: a status, and the code of an error.
    #[derive(Debug)]
    struct Response(u16, Option<&'static str>);

    impl HttpConnector for Response {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let error = |code| format!("<Error><Code>{code}</Code></Error>");
            let body = SdkBody::from(self.1.map(error).unwrap_or_default());
            let response = HttpResponse::new(self.0.try_into().unwrap(), body);
            HttpConnectorFuture::ready(Ok(response))
        }
    }

    fn vault(response: Response) -> Vault {
        let connector = SharedHttpConnector::new(response);
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(http_client_fn(move |_, _| connector.clone()));
        Vault::new(Client::from_conf(config.build()), "archive")
    }

    #[tokio::test]
    async fn a_key_that_is_or_is_being_taken_is_a_lost_race() {
        let create = async |response| vault(response).create("key", "text").await;
        assert!(create(Response(200, None)).await.unwrap());
        assert!(!create(Response(412, Some("PreconditionFailed"))).await.unwrap());
        assert!(!create(Response(409, Some("ConditionalRequestConflict"))).await.unwrap());
        assert!(create(Response(403, Some("AccessDenied"))).await.is_err());
    }
}
