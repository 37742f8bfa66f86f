//! The sample events in events/ are valid events of their functions.

use aws_lambda_events::dynamodb;
use aws_lambda_events::s3::S3Event;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use domain::file::file_id_of_object;
use domain::mail::MailMessage;
use lambda_http::request::LambdaRequest;
use store::stream::Change;

use crate::assert_same;
use crate::functions::names;
use crate::routes::{Gateway, TrailingSlash, paths};
use crate::template::{Template, resource_id};
use crate::workspace;

fn sample<T: for<'a> serde::Deserialize<'a>>(function: &str) -> T {
    let file = format!("events/{function}.json");
    serde_json::from_str(&workspace::read(&file))
        .unwrap_or_else(|error| panic!("{file} is not an event of the function: {error}"))
}

fn bodies(function: &str) -> Vec<String> {
    let messages = sample::<SqsEvent>(function).records;
    assert!(!messages.is_empty(), "add a message to events/{function}.json");
    messages.into_iter().map(|SqsMessage { body, .. }| body.unwrap_or_default()).collect()
}

#[test]
fn each_function_has_a_sample_event() {
    assert_same(
        workspace::list("events"),
        names().into_iter().map(|name| format!("{name}.json")),
        "events/ must contain one sample for each folder of functions/",
    );
}

#[test]
fn sample_requests_are_routed_to_their_function() {
    let (gateway, paths) = (Gateway::of(&Template::load()), paths());
    for function in names() {
        if !paths.iter().any(|path| path.function == function) {
            continue;
        }
        let LambdaRequest::ApiGatewayV2(request) = sample(&function) else {
            panic!("events/{function}.json must be an HTTP API event of payload format 2.0")
        };
        let path = request.raw_path.unwrap_or_default();
        assert!(
            paths.iter().any(|own| own.function == function && own.matches(&path)),
            "events/{function}.json: the function has no path {path}: use one that it has"
        );
        let route = gateway
            .route(request.request_context.http.method.as_str(), &path, TrailingSlash::Significant)
            .unwrap();
        assert_eq!(
            route.function,
            resource_id(&function, "Function"),
            "events/{function}.json: the gateway routes {path} to another function"
        );
        assert_eq!(
            request.route_key.as_deref(),
            Some(route.key.as_str()),
            "events/{function}.json: the gateway selects another route: correct routeKey"
        );
    }
}

#[test]
fn sample_stream_records_are_changes_that_the_store_recognises() {
    let records = sample::<dynamodb::Event>("dispatcher").records;
    assert!(!records.is_empty(), "add a record to events/dispatcher.json");
    for record in records {
        let changes = Change::from_images(
            &record.event_name,
            Some(record.change.old_image),
            Some(record.change.new_image),
        );
        assert!(
            changes.is_ok_and(|changes| !changes.is_empty()),
            "events/dispatcher.json: the store does not recognise a change in {}",
            record.event_id
        );
    }
}

#[test]
fn sample_mail_messages_are_valid() {
    for body in bodies("mailer") {
        serde_json::from_str::<MailMessage>(&body)
            .unwrap_or_else(|error| panic!("events/mailer.json: {body} is not valid: {error}"));
    }
}

#[test]
fn sample_reports_are_about_mails() {
    for body in bodies("mail-events") {
        let report = mail_events::MailReport::parse(&body);
        assert!(
            report.is_ok_and(|report| report.tags.is_some()),
            "events/mail-events.json: {body} is not a report about a mail"
        );
    }
}

#[test]
fn sample_uploads_are_objects_of_files() {
    for body in bodies("inspector") {
        let event: S3Event = serde_json::from_str(&body)
            .unwrap_or_else(|error| panic!("events/inspector.json: not an S3 event: {error}"));
        for record in event.records {
            let key = record.s3.object.key.unwrap_or_default();
            assert!(
                file_id_of_object(&key).is_some(),
                "events/inspector.json: {key} is not the object key of a file"
            );
        }
    }
}
