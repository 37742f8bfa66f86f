//! Records of the stream that cannot be read, as objects in the bucket for failures. The bucket
//! reports each object to the queue for failures, which raises an alarm.
//!
//! An object is an event of the dispatcher: after a correction, invoke the function with it.

use aws_sdk_s3::primitives::ByteStream;
use crypto::sha256_base64url;
use runtime::serve::Error;
use serde_json::{Value, json};

/// The bucket for events that could not be handled.
pub struct FailureBucket {
    client: aws_sdk_s3::Client,
    name: String,
}

impl FailureBucket {
    /// Creates a handle for the bucket `name`.
    pub fn new(client: aws_sdk_s3::Client, name: String) -> Self {
        Self { client, name }
    }

    /// Stores a record of the stream; returns the key of the object. Can be repeated.
    pub(crate) async fn put(&self, record: &Value) -> Result<String, Error> {
        let event = json!({ "Records": [record] }).to_string();
        let key = format!("dispatcher/{}.json", sha256_base64url(event.as_bytes()));
        self.client
            .put_object()
            .bucket(&self.name)
            .key(&key)
            .content_type("application/json")
            .body(ByteStream::from(event.into_bytes()))
            .send()
            .await
            // The SDK's own error is dropped: it may contain the request.
            .map_err(|_| "the bucket for failures did not take a record")?;
        Ok(key)
    }
}
