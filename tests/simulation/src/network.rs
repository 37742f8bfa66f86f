//! The way from a function to the services: waits, refused connections, throttling, failures, lost
//! responses, outages, and the end of a sandbox right after an effect.
//!
//! A request is on its way by itself: it arrives also when the caller has given it up.

use std::collections::BTreeMap;
use std::future::{Ready, pending, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::clock::wait;
use crate::faults::{CallFault, FAULTS, Service};
use crate::mails::SesOutcome;
use crate::run::{self, Run, SANDBOX, Sandbox};
use crate::{buckets, table};

/// The HTTP client of all clients of the SDK.
#[derive(Clone, Copy, Debug)]
pub struct Connector;

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(exchange(Call::of(&request)))
    }
}

/// A request of the SDK.
struct Call {
    service: Service,
    method: String,
    /// The operation, or method and key for S3.
    operation: String,
    uri: String,
    headers: BTreeMap<&'static str, String>,
    body: Vec<u8>,
    /// What it is about, for the history.
    about: String,
}

impl Call {
    fn of(request: &HttpRequest) -> Self {
        let uri = request.uri().to_owned();
        let host = uri.split("://").nth(1).unwrap_or_default();
        let header = |name| request.headers().get(name).map(str::to_owned);
        let target = header("x-amz-target").unwrap_or_default();
        let service = match host {
            _ if host.starts_with("email.") => Service::Mail,
            _ if host.starts_with("sqs.") => Service::Queue,
            _ if host.starts_with("dynamodb.") => Service::Table,
            _ => Service::Bucket,
        };
        let method = request.method().to_owned();
        let operation = match service {
            Service::Mail => "SendEmail".to_owned(),
            Service::Bucket => method.clone(),
            _ => target.rsplit('.').next().unwrap_or_default().to_owned(),
        };
        let headers = ["content-type", "if-none-match", "range"]
            .into_iter()
            .filter_map(|name| Some((name, header(name)?)));
        let headers = headers.collect();
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let mut call =
            Self { service, method, operation, uri, headers, body, about: String::new() };
        call.about = call.describe();
        call
    }

    /// Returns whether it changes nothing.
    fn is_read(&self) -> bool {
        match self.service {
            Service::Table => table::is_read(&self.operation),
            Service::Queue => self.operation == "GetQueueAttributes",
            Service::Bucket => self.method == "GET",
            Service::Mail => false,
        }
    }

    /// Returns whether it releases the claim of a mail.
    fn is_release(&self) -> bool {
        let releases = b"REMOVE mail_state";
        self.body.windows(releases.len()).any(|part| part == releases)
    }

    fn describe(&self) -> String {
        if self.service == Service::Bucket {
            let (_, rest) = self.uri.split_once("://").unwrap_or_default();
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let path = path.split('?').next().unwrap_or_default();
            return format!("{} {path}", host.split('.').next().unwrap_or_default());
        }
        if self.service != Service::Table {
            return String::new();
        }
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(&self.body) else {
            return String::new();
        };
        let key = |of: &serde_json::Value| {
            let part = |name: &str| of[name]["S"].as_str().unwrap_or_default();
            // The keys of tokens contain hashes of random bits that no seed decides.
            let pk = if part("pk").starts_with("TOKEN#") { "TOKEN#" } else { part("pk") };
            format!("{pk} {}", part("sk"))
        };
        match self.operation.as_str() {
            "PutItem" => key(&body["Item"]),
            "TransactWriteItems" => {
                let steps = body["TransactItems"].as_array().cloned().unwrap_or_default();
                let steps = steps.iter().filter_map(|step| {
                    let (kind, step) = step.as_object()?.iter().next()?;
                    let of = if kind == "Put" { &step["Item"] } else { &step["Key"] };
                    Some(format!("{kind} {}", key(of)))
                });
                steps.collect::<Vec<_>>().join(", ")
            }
            "Query" => body["ExpressionAttributeValues"][":pk"]["S"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            "GetItem" | "DeleteItem" => key(&body["Key"]),
            "UpdateItem" => {
                let values = &body["ExpressionAttributeValues"];
                let states = ["sending", "sent", "failed", "in_doubt"];
                let expression = body["UpdateExpression"].as_str().unwrap_or_default();
                let state = states.iter().find(|state| {
                    let name = if **state == "failed" { "end" } else { state };
                    expression.contains(&format!("mail_state = :{name}"))
                });
                let end = values[":end"]["S"].as_str();
                let state = end.or(state.copied());
                let failure = values[":failure"]["S"].as_str();
                let state = [state, failure].into_iter().flatten().collect::<Vec<_>>().join(", ");
                format!("{} {state}", key(&body["Key"]))
            }
            _ => String::new(),
        }
    }
}

/// What a call meets, decided when it is sent.
struct CallPlan {
    before: u64,
    after: u64,
    fault: CallFault,
    crash: bool,
    outcome: SesOutcome,
}

impl Run {
    fn plan(&mut self, call: &Call, in_sandbox: bool) -> CallPlan {
        let (now, network, choices) = (self.now(), &self.network, &mut self.choices);
        let mut draw = || {
            if network.waits.is_empty() { 0 } else { choices.wait(network.waits) }
        };
        let (mut before, after) = (draw(), draw());
        if call.operation == "TransactWriteItems" && choices.chance(network.slow_commits) {
            before += u64::from(choices.below(600));
        }
        if call.operation == "DeleteItem" && choices.chance(network.slow_deletions) {
            before += u64::from(choices.below(3_000));
        }
        if call.service == Service::Mail {
            before += self.mails.latency;
        }
        let outage = network
            .outages
            .iter()
            .find(|it| it.service == call.service && (it.from..it.to).contains(&now));
        let fault = match outage {
            Some(outage) => outage.fault,
            None if choices.chance(network.faults) => choices.one_of(&FAULTS),
            None if call.operation == "UpdateItem"
                && choices.chance(if call.is_release() {
                    network.lost_releases
                } else {
                    network.lost_updates
                })
                && self.lost_updates.insert(call.body.clone()) =>
            {
                choices.one_of(&[CallFault::Cut, CallFault::Silent])
            }
            None => CallFault::None,
        };
        let crash = in_sandbox && !call.is_read() && choices.chance(network.crashes);
        let outcome = if call.service == Service::Mail && choices.chance(network.refused_mails) {
            choices.one_of(&[
                SesOutcome::Refused("Throttling"),
                SesOutcome::Refused("MessageRejected"),
                SesOutcome::Refused("InvalidParameterValue"),
                SesOutcome::Failed { sent: false },
                SesOutcome::Failed { sent: true },
            ])
        } else {
            SesOutcome::Accepted
        };
        CallPlan { before, after, fault, crash, outcome }
    }

    /// Lets a service carry out a request; returns status, headers and body.
    fn act(
        &mut self,
        call: &Call,
        of: String,
        outcome: SesOutcome,
    ) -> (u16, Vec<(&'static str, String)>, Vec<u8>) {
        let now = self.now();
        let plain = |(status, body): (u16, String)| (status, Vec::new(), body.into_bytes());
        match call.service {
            Service::Table => plain(self.table.act(&call.operation, &call.body, now)),
            Service::Queue => {
                plain(self.queues.act(&call.operation, &call.body, now, &mut self.choices))
            }
            Service::Mail => plain(self.mails.act(&call.body, of, outcome, now)),
            Service::Bucket => {
                let (_, rest) = call.uri.split_once("://").unwrap_or_default();
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                let (key, query) = path.split_once('?').unwrap_or((path, ""));
                let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
                let header = |name| call.headers.get(name).map(String::as_str);
                let request = buckets::S3Request {
                    method: &call.method,
                    bucket: host.split('.').next().unwrap_or_default(),
                    key,
                    query,
                    if_none_match: header("if-none-match") == Some("*"),
                    content_type: header("content-type").unwrap_or_default(),
                    range: header("range"),
                    body: &call.body,
                };
                let now = self.now();
                let response = self.buckets.act(&request, now, &mut self.choices);
                (response.status, response.headers, response.body)
            }
        }
    }
}

async fn exchange(call: Call) -> Result<HttpResponse, ConnectorError> {
    let sandbox = SANDBOX.try_with(Arc::clone).ok();
    let who = sandbox.as_ref().map_or("setup", |sandbox| sandbox.name.as_str()).to_owned();
    let CallPlan { before, after, fault, crash, outcome } =
        run::with(|run| run.plan(&call, sandbox.is_some()));
    let what = format!("{who}: {} {}", call.operation, call.about);
    note_mailing(&call, sandbox.as_deref(), fault);
    match fault {
        CallFault::Refused => {
            // The client waits no longer for a connection.
            wait(before.min(450)).await;
            run::note(format!("{what} -> connection refused"));
            return Err(refused().await);
        }
        CallFault::Ignored => {
            run::note(format!("{what} -> hangs"));
            return pending().await;
        }
        CallFault::Throttled | CallFault::Failed => {
            wait(before).await;
            run::note(format!("{what} -> {fault:?}"));
            return Ok(failure(call.service, fault == CallFault::Throttled));
        }
        CallFault::None | CallFault::Cut | CallFault::Silent => {}
    }
    let (respond, response) = oneshot::channel();
    let is_noted = sandbox.is_some() && (!call.is_read() || fault != CallFault::None);
    if let Some(sandbox) = sandbox.as_ref().filter(|_| is_claim(&call)) {
        *sandbox.claimed.lock().unwrap() = call.about.strip_suffix(" sending").map(str::to_owned);
    }
    // What the sandbox has claimed when it sends, not when the request arrives.
    let of = sandbox.as_ref().and_then(|sandbox| sandbox.claimed.lock().unwrap().clone());
    let of = of.unwrap_or_default();
    let mailed = (call.service == Service::Mail).then(|| of.clone());
    tokio::spawn(async move {
        wait(before).await;
        let acted = run::with(|run| {
            let acted = run.act(&call, of, outcome);
            if is_noted {
                let lost = match fault {
                    CallFault::Cut => ", connection cut",
                    CallFault::Silent => ", no response",
                    _ => "",
                };
                let end = if crash { ", sandbox ends" } else { "" };
                run.note(&format!("{what} -> {}{lost}{end}", acted.0));
            }
            acted
        });
        if let (true, Some(sandbox)) = (crash, &sandbox) {
            sandbox.killed.notify_one();
        }
        wait(after).await;
        let response = match fault {
            CallFault::Silent => return pending::<()>().await,
            CallFault::Cut => {
                let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                Err(ConnectorError::io(reset.into()))
            }
            _ => Ok(acted),
        };
        let _ = respond.send(response);
    });
    let Ok(response) = response.await else { return pending().await };
    let (status, headers, body) = response?;
    if let Some(of) = mailed.filter(|_| (400..500).contains(&status)) {
        run::with(|run| run.mails.note_refusal(&of));
    }
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    for (name, value) in headers {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// Notes what the promises about mails need to know of a call.
fn note_mailing(call: &Call, sandbox: Option<&Sandbox>, fault: CallFault) {
    let Some(sandbox) = sandbox else { return };
    let now = run::now();
    match call.service {
        Service::Mail => {
            let may_be_sent = !matches!(fault, CallFault::Refused | CallFault::Throttled);
            let of = sandbox.claimed.lock().unwrap().clone().unwrap_or_default();
            run::with(|run| run.mails.requests.push((now, of, may_be_sent)));
        }
        // The recipient's account is the first that is read for a mail, again by a repetition.
        Service::Table if call.about.ends_with(" ACCOUNT") => {
            let mut began = sandbox.mail_began.lock().unwrap();
            if began.1 {
                *began = (now, false);
            }
        }
        Service::Table if call.operation == "UpdateItem" => {
            sandbox.mail_began.lock().unwrap().1 = true;
        }
        _ => {}
    }
}

/// Returns whether a call claims a mail.
fn is_claim(call: &Call) -> bool {
    let sending = br#"":sending":{"S":"sending"}"#;
    call.operation == "UpdateItem"
        && call.body.windows(sending.len() - 1).any(|part| part == &sending[1..])
}

/// Returns the response of a busy or broken service.
fn failure(service: Service, is_busy: bool) -> HttpResponse {
    let status = if is_busy { 400 } else { 500 };
    let code = match (service, is_busy) {
        (Service::Table, true) => "ThrottlingException",
        (Service::Bucket, true) => "SlowDown",
        (_, true) => "Throttling",
        (_, false) => "InternalFailure",
    };
    let body = match service {
        Service::Table | Service::Queue => format!(r#"{{"__type":"{code}","message":""}}"#),
        Service::Bucket => format!("<Error><Code>{code}</Code></Error>"),
        Service::Mail => {
            format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>")
        }
    };
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

/// Returns the error of a connection that was refused, as the HTTP client of production has it.
async fn refused() -> ConnectorError {
    #[derive(Clone)]
    struct Refuses;

    impl tower::Service<Uri> for Refuses {
        type Response = TokioIo<TcpStream>;
        type Error = std::io::Error;
        type Future = Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Uri) -> Self::Future {
            ready(Err(std::io::ErrorKind::ConnectionRefused.into()))
        }
    }

    let client = Client::builder(TokioExecutor::new()).build::<_, axum::body::Body>(Refuses);
    match client.get(Uri::from_static("http://refused.invalid/")).await {
        Ok(_) => panic!("the connection is refused"),
        Err(error) => ConnectorError::io(error.into()),
    }
}
