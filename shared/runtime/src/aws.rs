//! Clients for the services of AWS, with the timeouts and retries that fit the function.

use std::time::Duration;

pub use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_secretsmanager::error::SdkError;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use crate::config;

/// How long a call to AWS may take and how it is retried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallPolicy {
    /// For functions that serve HTTP requests: a call takes at most 2.5 s, so that a client gets a
    /// 503 within 3 s.
    Interactive,
    /// For functions behind a queue or a stream: a call may take up to 12 s, and a failed event is
    /// delivered again.
    Background,
}

impl CallPolicy {
    /// Returns the timeouts. The SDK has no default for responses: without these the function would
    /// wait for a silent server until Lambda ends it.
    pub fn timeouts(self) -> TimeoutConfig {
        let (connect, attempt, operation) = match self {
            Self::Interactive => (500, 800, 2_500),
            Self::Background => (1_000, 4_000, 12_000),
        };
        TimeoutConfig::builder()
            .connect_timeout(Duration::from_millis(connect))
            .operation_attempt_timeout(Duration::from_millis(attempt))
            .operation_timeout(Duration::from_millis(operation))
            .build()
    }

    /// Returns the retry settings: three attempts, with random pauses short enough that all three
    /// fit into the operation's timeout.
    pub fn retries(self) -> RetryConfig {
        let (initial, greatest) = match self {
            Self::Interactive => (25, 250),
            Self::Background => (100, 2_000),
        };
        RetryConfig::standard()
            .with_max_attempts(3)
            .with_initial_backoff(Duration::from_millis(initial))
            .with_max_backoff(Duration::from_millis(greatest))
    }
}

/// Returns the configuration that all clients share: region, credentials, HTTP client, timeouts and
/// retries.
///
/// If the environment contains region and credentials, as it always does in Lambda, the default
/// chain of profiles and metadata services is not asked: it would add milliseconds to the first
/// request. `AWS_ENDPOINT_URL` is honoured.
pub async fn sdk(policy: CallPolicy) -> SdkConfig {
    configure(config::Aws::from_env(), policy).await
}

pub(crate) async fn configure(environment: config::Aws, policy: CallPolicy) -> SdkConfig {
    // An emulator may have its own certificate, and a developer's machine may be behind a proxy
    // that has one.
    let only_amazon = environment.in_lambda
        && environment.endpoint_url.is_none()
        && environment.identity.as_ref().is_some_and(|it| has_amazon_certificates(&it.region));
    let shared = match environment.identity {
        Some(identity) => {
            let secret = identity.secret_access_key.expose();
            let token = identity.session_token.map(|token| token.expose().to_owned());
            let credentials =
                Credentials::new(identity.access_key_id, secret, token, None, "environment");
            SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(identity.region))
                .credentials_provider(SharedCredentialsProvider::new(credentials))
                .http_client(http_client(only_amazon))
                .build()
        }
        None => {
            aws_config::defaults(BehaviorVersion::latest())
                .http_client(http_client(only_amazon))
                .load()
                .await
        }
    };
    let mut shared = shared.into_builder();
    shared.set_endpoint_url(environment.endpoint_url);
    shared.timeout_config(policy.timeouts()).retry_config(policy.retries()).build()
}

/// Returns whether the endpoints of a region have certificates of Amazon's own authorities. China
/// and the European Sovereign Cloud are other partitions of AWS, with others.
fn has_amazon_certificates(region: &str) -> bool {
    !["cn-", "eusc-", "us-iso", "eu-iso"].iter().any(|partition| region.starts_with(partition))
}

/// Builds an HTTP client with TLS by rustls and ring.
fn http_client(only_amazon: bool) -> aws_sdk_dynamodb::config::SharedHttpClient {
    let mut roots = TrustStore::default();
    if only_amazon {
        // All endpoints of these regions have certificates of these authorities
        // (<https://www.amazontrust.com/repository/>). Parsing the system's hundred would delay the
        // first request.
        roots =
            TrustStore::empty().with_pem_certificate(include_bytes!("amazon-roots.pem").as_slice());
    }
    let builder =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(roots).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        Err(_) => builder.build_https(),
    }
}

/// Creates a client for DynamoDB.
pub fn dynamodb(sdk: &SdkConfig) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(sdk)
}

/// Creates a client for S3.
pub fn s3(sdk: &SdkConfig) -> aws_sdk_s3::Client {
    // Host names of buckets resolve in AWS only, so an emulator needs them in the path.
    let config =
        aws_sdk_s3::config::Builder::from(sdk).force_path_style(sdk.endpoint_url().is_some());
    aws_sdk_s3::Client::from_conf(config.build())
}

/// Returns the origin of the presigned URLs that the client of [`s3`] makes for a bucket.
pub fn bucket_origin(bucket: &str) -> String {
    origin_of_bucket(config::Aws::from_env(), bucket)
}

fn origin_of_bucket(environment: config::Aws, bucket: &str) -> String {
    match (environment.endpoint_url, environment.identity) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Some(identity)) => format!("https://{bucket}.s3.{}.amazonaws.com", identity.region),
        // The SDK looks elsewhere for the region, on a developer's machine alone.
        (None, None) => format!("https://{bucket}.s3.amazonaws.com"),
    }
}

/// Creates a client for SQS.
pub fn sqs(sdk: &SdkConfig) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(sdk)
}

/// Creates a client for SES that never retries: SES has no idempotency token, and a mail may have
/// been sent although the response was lost.
pub fn ses(sdk: &SdkConfig) -> aws_sdk_ses::Client {
    let config = aws_sdk_ses::config::Builder::from(sdk).retry_config(RetryConfig::disabled());
    aws_sdk_ses::Client::from_conf(config.build())
}

/// Returns whether a call failed before it was sent: the client refused it, or there was no
/// connection, because the name was not found, the connection was refused, or the server or its TLS
/// did not respond in time.
pub fn was_not_sent<E>(error: &SdkError<E>) -> bool {
    let SdkError::DispatchFailure(failure) = error else { return false };
    let Some(refused) = failure.as_connector_error() else { return false };
    let first: &dyn std::error::Error = refused;
    let mut causes = std::iter::successors(Some(first), |error| error.source());
    refused.is_user()
        || causes.any(|error| {
            error
                .downcast_ref::<hyper_util::client::legacy::Error>()
                .is_some_and(|it| it.is_connect())
        })
}

/// Creates a client for Secrets Manager.
pub fn secrets_manager(sdk: &SdkConfig) -> aws_sdk_secretsmanager::Client {
    aws_sdk_secretsmanager::Client::new(sdk)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use aws_sdk_s3::presigning::PresigningConfig;
    use crypto::Secret;

    use super::*;

    #[tokio::test]
    async fn presigned_urls_have_the_origin_of_the_bucket() {
        for endpoint_url in [None, Some("http://127.0.0.1:4566".to_owned())] {
            let environment = || config::Aws {
                identity: Some(config::Identity {
                    region: "eu-central-1".to_owned(),
                    access_key_id: "id".to_owned(),
                    secret_access_key: Secret::new("key".to_owned()),
                    session_token: None,
                }),
                endpoint_url: endpoint_url.clone(),
                in_lambda: true,
            };
            let sdk = configure(environment(), CallPolicy::Interactive).await;
            let lifetime = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
            let request = s3(&sdk).get_object().bucket("files").key("files/1");
            let url = request.presigned(lifetime).await.unwrap().uri().to_owned();
            let origin = origin_of_bucket(environment(), "files");
            assert!(url.starts_with(&format!("{origin}/")), "{url} is not of {origin}");
        }
    }

    /// Starts a server that accepts connections and never responds: it hangs up at once, or keeps
    /// them open. Returns its address and the number of connections.
    fn server(hangs_up: bool) -> (String, Arc<AtomicUsize>) {
        let (listener, connections) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(AtomicUsize::new(0)));
        let (address, counter) = (listener.local_addr().unwrap(), Arc::clone(&connections));
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                if hangs_up {
                    let _ = connection.read(&mut [0; 1024]);
                } else {
                    kept.push(connection);
                }
            }
        });
        (format!("http://{address}"), connections)
    }

    async fn sdk(endpoint_url: Option<String>, policy: CallPolicy) -> SdkConfig {
        let identity = config::Identity {
            region: "eu-central-1".to_owned(),
            access_key_id: "id".to_owned(),
            secret_access_key: Secret::new("key"),
            session_token: Some(Secret::new("token")),
        };
        configure(config::Aws { identity: Some(identity), endpoint_url, in_lambda: true }, policy)
            .await
    }

    #[test]
    fn only_the_partitions_of_amazons_authorities_trust_them_alone() {
        for region in ["eu-central-1", "us-gov-west-1", "ap-southeast-7", "mx-central-1"] {
            assert!(has_amazon_certificates(region), "{region}");
        }
        for region in ["cn-north-1", "cn-northwest-1", "eusc-de-east-1", "us-iso-east-1"] {
            assert!(!has_amazon_certificates(region), "{region}");
        }
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up_in_time() {
        let (url, connections) = server(false);
        let client = dynamodb(&sdk(Some(url), CallPolicy::Interactive).await);
        // The machine may be busy with other things for a moment.
        let mut seen = Vec::new();
        for _ in 0..5 {
            let start = Instant::now();
            assert!(client.list_tables().send().await.is_err());
            let took = start.elapsed();
            assert!(took > Duration::from_millis(2_300), "{took:?}");
            let attempts = connections.swap(0, Ordering::SeqCst);
            if took < Duration::from_millis(2_900) && attempts == 3 {
                return;
            }
            seen.push((took, attempts));
        }
        panic!("{seen:?}");
    }

    #[tokio::test]
    async fn a_mail_is_sent_at_most_once() {
        for policy in [CallPolicy::Interactive, CallPolicy::Background] {
            let (url, connections) = server(true);
            let sdk = sdk(Some(url), policy).await;
            assert!(ses(&sdk).send_email().source("a@example.com").send().await.is_err());
            assert_eq!(connections.swap(0, Ordering::SeqCst), 1);
            assert!(sqs(&sdk).list_queues().send().await.is_err());
            assert_eq!(connections.load(Ordering::SeqCst), 3);
        }
    }

    #[tokio::test]
    async fn a_call_without_a_connection_was_not_sent() {
        let send = async |url: String| {
            let sdk = sdk(Some(url), CallPolicy::Background).await;
            ses(&sdk).send_email().source("a@example.com").send().await.unwrap_err()
        };
        let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // Accepts nothing, and the queue of connections that wait for it is full.
        let full = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = full.local_addr().unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(300));
        let waiting: Vec<_> = std::iter::from_fn(|| connect().ok()).collect();
        for url in [
            format!("http://{unused}"),
            format!("http://{address}"),
            "http://nowhere.invalid".to_owned(),
            // No TLS there.
            server(true).0.replace("http:", "https:"),
        ] {
            let error = send(url.clone()).await;
            assert!(was_not_sent(&error), "{url}: {error:?}");
        }
        drop(waiting);
        for hangs_up in [true, false] {
            let error = send(server(hangs_up).0).await;
            assert!(!was_not_sent(&error), "{error:?}");
        }
    }

    #[tokio::test]
    async fn the_root_certificates_can_be_parsed() {
        assert_eq!(include_str!("amazon-roots.pem").matches("BEGIN CERTIFICATE").count(), 5);
        let (address, _) = server(true);
        let sdk = sdk(None, CallPolicy::Interactive).await;
        let sdk = sdk.into_builder().endpoint_url(address.replace("http:", "https:")).build();
        // The connector panics over roots that it cannot read, and reads them when it is first
        // used.
        assert!(dynamodb(&sdk).list_tables().send().await.is_err());
    }

    #[tokio::test]
    async fn an_emulator_gets_the_bucket_in_the_path() {
        for (url, expected) in [
            (Some("http://127.0.0.1:4566".to_owned()), "http://127.0.0.1:4566/files/key?"),
            (None, "https://files.s3.eu-central-1.amazonaws.com/key?"),
        ] {
            let presigning =
                aws_sdk_s3::presigning::PresigningConfig::expires_in(Duration::from_secs(60))
                    .unwrap();
            let request = s3(&sdk(url, CallPolicy::Interactive).await)
                .get_object()
                .bucket("files")
                .key("key")
                .presigned(presigning)
                .await;
            let url = request.unwrap().uri().to_owned();
            assert!(url.starts_with(expected), "{url}");
        }
    }
}
