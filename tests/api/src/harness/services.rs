//! The services of AWS other than the table, as far as the functions in this process need them:
//! secrets, mails, a queue of mails, a bucket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use super::SentMail;

/// The HTTP client of the services' clients.
#[derive(Clone, Debug, Default)]
pub(super) struct Services(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Messages waiting in the queue of mails.
    messages: Vec<String>,
    mails: Vec<SentMail>,
    /// Whether the daily quota of mails is used up.
    quota_is_exhausted: bool,
    /// The messages that were hidden, by their receipts, and for how many seconds.
    hidden: Vec<(String, u64)>,
    /// The values of secrets that a test has written, by their ARNs, and when they were written, in
    /// seconds since 1970.
    secrets: HashMap<String, (String, i64)>,
    /// Types and contents of the bucket's objects, by their keys.
    objects: HashMap<String, (String, Vec<u8>)>,
    /// Whether the bucket does not respond for a long time.
    bucket_is_slow: bool,
    slow_responses: usize,
}

/// How long a slow bucket takes to respond.
const SLOW_BUCKET: Duration = Duration::from_secs(30);

/// The version of each object in the bucket.
pub const VERSION: &str = "1";

/// Returns the value of a secret that no test has written.
pub(super) fn first_secret(arn: &str) -> String {
    format!("the secret of the tests for {arn}, long enough to be one")
}

impl Services {
    /// Returns the configuration of clients that use these services.
    pub(super) fn sdk(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("test", "test", None, None, "tests");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }

    /// Writes a secret.
    pub(super) fn put_secret(&self, arn: &str, value: &str, at: i64) {
        self.0.lock().unwrap().secrets.insert(arn.to_owned(), (value.to_owned(), at));
    }

    /// Stores an object in the bucket.
    pub(super) fn put_object(&self, key: &str, content_type: &str, content: &[u8]) {
        let object = (content_type.to_owned(), content.to_vec());
        self.0.lock().unwrap().objects.insert(key.to_owned(), object);
    }

    /// Returns whether the bucket has an object.
    pub(super) fn has_object(&self, key: &str) -> bool {
        self.0.lock().unwrap().objects.contains_key(key)
    }

    /// Lets the bucket respond after [`SLOW_BUCKET`].
    pub(super) fn slow_the_bucket_down(&self) {
        self.0.lock().unwrap().bucket_is_slow = true;
    }

    /// Returns how many responses of the slow bucket were waited for.
    pub(super) fn slow_responses(&self) -> usize {
        self.0.lock().unwrap().slow_responses
    }

    /// Lets SES refuse all mails from now on.
    pub(super) fn exhaust_the_quota(&self) {
        self.0.lock().unwrap().quota_is_exhausted = true;
    }

    /// Returns the messages that were hidden, and for how many seconds.
    pub(super) fn hidden(&self) -> Vec<(String, u64)> {
        self.0.lock().unwrap().hidden.clone()
    }

    /// Returns the mails sent to an address, oldest first.
    pub(super) fn mails_to(&self, address: &str) -> Vec<SentMail> {
        let state = self.0.lock().unwrap();
        state.mails.iter().filter(|mail| mail.to == [address]).cloned().collect()
    }

    /// Takes the messages out of the queue of mails.
    pub(super) fn take_messages(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().messages)
    }

    fn respond(&self, request: &HttpRequest) -> (u16, String) {
        let body = request.body().bytes().unwrap_or_default();
        let host = request.uri().split("://").nth(1).unwrap_or_default();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        if host.starts_with("email.") {
            if self.0.lock().unwrap().quota_is_exhausted {
                let text =
                    "<Code>Throttling</Code><Message>Daily message quota exceeded.</Message>";
                return (400, format!("<ErrorResponse><Error>{text}</Error></ErrorResponse>"));
            }
            let mail = mail(&form_urlencoded::parse(body).into_owned().collect());
            self.0.lock().unwrap().mails.push(mail);
            let result = "<SendEmailResult><MessageId>1</MessageId></SendEmailResult>";
            return (200, format!("<SendEmailResponse>{result}</SendEmailResponse>"));
        }
        match target {
            "secretsmanager.GetSecretValue" => {
                let request: Value = serde_json::from_slice(body).unwrap();
                let arn = request["SecretId"].as_str().unwrap();
                let written = self.0.lock().unwrap().secrets.get(arn).cloned();
                let (value, at) = written.unwrap_or_else(|| (first_secret(arn), 0));
                (200, json!({"SecretString": value, "CreatedDate": at}).to_string())
            }
            "AmazonSQS.SendMessageBatch" => (200, self.queue(body).to_string()),
            "AmazonSQS.GetQueueAttributes" => {
                let names =
                    ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
                (
                    200,
                    json!({"Attributes": names.map(|name| (name, "0")).into_iter()
                    .collect::<HashMap<_, _>>()})
                    .to_string(),
                )
            }
            "AmazonSQS.ChangeMessageVisibility" => {
                let change: Value = serde_json::from_slice(body).unwrap();
                let queue = change["QueueUrl"].as_str().unwrap();
                assert!(queue.ends_with("/mail"), "messages come from another queue than {queue}");
                let receipt = change["ReceiptHandle"].as_str().unwrap().to_owned();
                let seconds = change["VisibilityTimeout"].as_u64().unwrap();
                self.0.lock().unwrap().hidden.push((receipt, seconds));
                (200, "{}".to_owned())
            }
            "AmazonSQS.ReceiveMessage" => (200, "{}".to_owned()),
            _ => panic!("{target} is not there in the process: test it on the stack"),
        }
    }

    /// Responds for the bucket. Each object has one version.
    fn respond_for_bucket(&self, request: &HttpRequest) -> HttpResponse {
        let response = |status: u16, body: Vec<u8>| {
            HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
        };
        let path = request.uri().split("://").nth(1).and_then(|rest| rest.split_once('/'));
        let (key, query) =
            path.map_or(("", ""), |(_, path)| path.split_once('?').unwrap_or((path, "")));
        let objects = &mut self.0.lock().unwrap().objects;
        if request.method() == "DELETE" {
            objects.remove(key);
            return response(204, Vec::new());
        }
        if query.split('&').any(|argument| argument.starts_with("versions")) {
            let versions = objects.keys().map(|key| {
                format!("<Version><Key>{key}</Key><VersionId>{VERSION}</VersionId></Version>")
            });
            let versions: String = versions.collect();
            let result = format!("<ListVersionsResult>{versions}</ListVersionsResult>");
            return response(200, result.into_bytes());
        }
        let Some((content_type, content)) = objects.get(key) else {
            return response(404, b"<Error><Code>NoSuchKey</Code></Error>".to_vec());
        };
        let range = request.headers().get("range").unwrap().strip_prefix("bytes=").unwrap();
        let (start, last) = range.split_once('-').unwrap();
        let (start, last): (usize, usize) = (start.parse().unwrap(), last.parse().unwrap());
        let end = content.len().min(last + 1);
        let mut part = response(206, content[start..end].to_vec());
        let range = format!("bytes {start}-{}/{}", end - 1, content.len());
        for (name, value) in [
            ("content-range", range),
            ("content-type", content_type.clone()),
            ("x-amz-version-id", VERSION.to_owned()),
        ] {
            part.headers_mut().insert(name, value);
        }
        part
    }

    fn queue(&self, body: &[u8]) -> Value {
        let batch: Value = serde_json::from_slice(body).unwrap();
        let entries = batch["Entries"].as_array().unwrap();
        let texts = entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap().to_owned());
        self.0.lock().unwrap().messages.extend(texts);
        let taken =
            entries.iter().map(|entry| json!({"Id": entry["Id"], "MessageId": entry["Id"]}));
        json!({"Successful": taken.collect::<Vec<_>>(), "Failed": []})
    }
}

impl HttpConnector for Services {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_for_bucket = request.uri().contains(".s3.");
        let response = if is_for_bucket {
            self.respond_for_bucket(&request)
        } else {
            let (status, body) = self.respond(&request);
            HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
        };
        if is_for_bucket && self.0.lock().unwrap().bucket_is_slow {
            let services = self.clone();
            return HttpConnectorFuture::new(async move {
                tokio::time::sleep(SLOW_BUCKET).await;
                services.0.lock().unwrap().slow_responses += 1;
                Ok(response)
            });
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn mail(fields: &HashMap<String, String>) -> SentMail {
    let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
    SentMail {
        from: text("Source"),
        to: vec![text("Destination.ToAddresses.member.1")],
        subject: text("Message.Subject.Data"),
        text: text("Message.Body.Text.Data"),
        html: text("Message.Body.Html.Data"),
        tags: (1..)
            .map(|number| ["Name", "Value"].map(|part| format!("Tags.member.{number}.{part}")))
            .map_while(|[name, value]| Some((fields.get(&name)?.clone(), text(&value))))
            .collect(),
    }
}
