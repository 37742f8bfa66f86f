//! Secrets of Secrets Manager: read once when a function starts, and again every five minutes.
//!
//! The value of a secret is a JSON object of its versions by their numbers, such as
//! `{"1": "<old>", "2": "<new>"}`, or a text that counts as version 1. The greatest number is the
//! current version once every sandbox has had the time to read it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use crypto::{FIRST_VERSION, RotatingSecret, Secret, SecretVersions};
use futures_util::future::{join_all, try_join_all};
use jiff::{SignedDuration, Timestamp};

use crate::clock;

/// How long a secret is used before it is read again.
pub const READ_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// How old a version is before anything is sealed with it. By then all sandboxes know it: they read
/// secrets again every five minutes, and one such read may fail.
const SETTLES_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// The fewest characters of a version.
const MIN_LENGTH: usize = 32;

/// Why a secret was not read. The message never repeats the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not give it.
    #[error("a secret cannot be read from Secrets Manager")]
    Unavailable(#[from] Box<SdkError<GetSecretValueError>>),
    /// Its value is not what it must be.
    #[error(
        "the secret {0} must be a text of at least 32 characters, or a JSON object of such texts \
         by the numbers of their versions"
    )]
    Malformed(String),
}

/// Secrets that are kept up to date.
#[derive(Debug)]
pub struct SecretReader {
    client: Client,
    secrets: Vec<(String, RotatingSecret)>,
    read_at: Mutex<Timestamp>,
}

impl SecretReader {
    /// Reads the secrets with these ARNs, all at once.
    ///
    /// # Errors
    /// When Secrets Manager does not give one of them, or its value is malformed.
    pub async fn read<const N: usize>(
        client: &Client,
        arns: [&str; N],
    ) -> Result<(Self, [RotatingSecret; N]), SecretError> {
        let now = clock::now();
        let versions = try_join_all(arns.map(|arn| read(client, arn, now))).await?;
        let read: Vec<RotatingSecret> = versions.into_iter().map(RotatingSecret::from).collect();
        let secrets = std::array::from_fn(|index| read[index].clone());
        let reader = Self {
            client: client.clone(),
            secrets: arns.into_iter().map(str::to_owned).zip(read).collect(),
            read_at: Mutex::new(now),
        };
        Ok((reader, secrets))
    }

    /// Reads the secrets again if they were read more than five minutes ago. One that cannot be
    /// read stays as it is, which is logged.
    pub async fn renew(&self, now: Timestamp) {
        {
            let mut read_at = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
            if now.duration_since(*read_at) < READ_AGAIN_AFTER {
                return;
            }
            *read_at = now;
        }
        join_all(self.secrets.iter().map(async |(arn, secret)| {
            match read(&self.client, arn, now).await {
                Ok(versions) => secret.replace(versions),
                Err(error) => {
                    let error = crate::serve::sentence(&error);
                    tracing::warn!(error, arn, "a secret was not read again");
                }
            }
        }))
        .await;
    }
}

/// Reads a secret from Secrets Manager.
///
/// # Errors
/// When Secrets Manager does not give it, or its value is malformed.
pub async fn read(
    client: &Client,
    arn: &str,
    now: Timestamp,
) -> Result<SecretVersions, SecretError> {
    let response = client.get_secret_value().secret_id(arn).send().await.map_err(Box::new)?;
    let written = response.created_date.and_then(|date| Timestamp::from_second(date.secs()).ok());
    let age = written.map_or(SETTLES_AFTER, |written| now.duration_since(written));
    response
        .secret_string
        .and_then(|text| parse(&text, age))
        .ok_or_else(|| SecretError::Malformed(arn.to_owned()))
}

/// Parses the value of a secret that was written so long ago.
fn parse(text: &str, age: SignedDuration) -> Option<SecretVersions> {
    let text = text.trim();
    let versions: BTreeMap<u16, String> = if text.starts_with('{') && text.ends_with('}') {
        serde_json::from_str(text).ok()?
    } else {
        BTreeMap::from([(FIRST_VERSION, text.to_owned())])
    };
    let is_valid =
        versions.iter().all(|(id, secret)| *id >= FIRST_VERSION && secret.len() >= MIN_LENGTH);
    let mut newest_first = versions.keys().rev().copied();
    let newest = newest_first.next().filter(|_| is_valid)?;
    let current = newest_first.next().filter(|_| age < SETTLES_AFTER).unwrap_or(newest);
    let versions = versions.into_iter().map(|(id, secret)| (id, Secret::new(secret)));
    SecretVersions::new(versions.collect(), current)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;

    use super::*;
    use crate::aws::{self, CallPolicy};
    use crate::config;

    const OLD: &str = "the old version of a secret for tests";
    const NEW: &str = "the new version of a secret for tests";

    /// Returns the id and the text of the current version.
    fn current(versions: &SecretVersions) -> (u16, String) {
        let (id, secret) = versions.current();
        (id, secret.expose().to_owned())
    }

    #[test]
    fn a_text_is_the_first_version_and_an_object_has_numbers() {
        let long_ago = SETTLES_AFTER;
        assert_eq!(current(&parse(OLD, long_ago).unwrap()), (1, OLD.to_owned()));
        let text = format!(r#" {{"1": "{OLD}", "2": "{NEW}", "10": "{OLD}{NEW}"}}{}"#, "\n");
        let versions = parse(&text, long_ago).unwrap();
        assert_eq!(current(&versions), (10, format!("{OLD}{NEW}")));
        assert_eq!(versions.get(2).map(Secret::expose), Some(NEW));
        for malformed in [
            "",
            "short",
            "{}",
            r#"{"1": "short"}"#,
            &format!(r#"{{"1": "{OLD}", "2": ""}}"#),
            &format!(r#"{{"0": "{OLD}"}}"#),
            &format!(r#"{{"a": "{OLD}"}}"#),
            &format!(r#"{{"70000": "{OLD}"}}"#),
            &format!(r#"{{'1': "{OLD}"}}"#),
            &format!("{{{{resolve:secretsmanager:{OLD}}}}}"),
        ] {
            assert!(parse(malformed, long_ago).is_none(), "{malformed}");
        }
    }

    #[test]
    fn a_new_version_opens_at_once_and_seals_after_ten_minutes() {
        let text = format!(r#"{{"1": "{OLD}", "2": "{NEW}"}}"#);
        let fresh = parse(&text, SETTLES_AFTER - SignedDuration::from_secs(1)).unwrap();
        assert_eq!(current(&fresh), (1, OLD.to_owned()));
        assert_eq!(fresh.get(2).map(Secret::expose), Some(NEW));
        assert_eq!(current(&parse(&text, SETTLES_AFTER).unwrap()), (2, NEW.to_owned()));
        let only = parse(&format!(r#"{{"2": "{NEW}"}}"#), SignedDuration::ZERO).unwrap();
        assert_eq!(current(&only).0, 2, "there is no other");
        let ahead = parse(&text, SignedDuration::from_secs(-30)).unwrap();
        assert_eq!(current(&ahead).0, 1, "the clock of Secrets Manager is ahead");
    }

    /// Starts a server that has one secret, written in 1970; without a value it is broken.
    fn server(value: Arc<Mutex<Option<String>>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let _ = connection.read(&mut [0; 65536]);
                let (status, body) = match &*value.lock().unwrap() {
                    Some(value) => (
                        "200 OK",
                        serde_json::json!({"SecretString": value, "CreatedDate": 0}).to_string(),
                    ),
                    None => ("400 Bad Request", "{}".to_owned()),
                };
                let length = body.len();
                let _ = write!(
                    connection,
                    "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\n\
                     content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn a_secret_is_read_again_after_five_minutes() {
        let value = Arc::new(Mutex::new(Some(OLD.to_owned())));
        let environment = config::Aws {
            identity: Some(config::Identity {
                region: "eu-central-1".to_owned(),
                access_key_id: "id".to_owned(),
                secret_access_key: Secret::new("key"),
                session_token: None,
            }),
            endpoint_url: Some(server(Arc::clone(&value))),
            in_lambda: true,
        };
        let sdk = aws::configure(environment, CallPolicy::Interactive).await;
        let client = aws::secrets_manager(&sdk);
        let (reader, [first, second]) = SecretReader::read(&client, ["one", "two"]).await.unwrap();
        assert_eq!(current(&first.versions()).1, OLD);

        *value.lock().unwrap() = Some(format!(r#"{{"1": "{OLD}", "2": "{NEW}"}}"#));
        let now = clock::now();
        reader.renew(now + SignedDuration::from_mins(4)).await;
        assert_eq!(current(&second.versions()).0, 1);
        reader.renew(now + SignedDuration::from_mins(6)).await;
        assert_eq!((current(&first.versions()).0, current(&second.versions()).0), (2, 2));

        *value.lock().unwrap() = None;
        reader.renew(now + SignedDuration::from_mins(12)).await;
        assert_eq!(current(&first.versions()).1, NEW, "what was read is kept");
        let error = SecretReader::read(&client, ["one"]).await.unwrap_err();
        assert!(matches!(error, SecretError::Unavailable(_)), "{error:?}");
        *value.lock().unwrap() = Some("short".to_owned());
        let error = SecretReader::read(&client, ["one"]).await.unwrap_err();
        assert!(matches!(error, SecretError::Malformed(_)), "{error:?}");
    }
}
