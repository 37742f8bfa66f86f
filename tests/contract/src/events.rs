//! The samples in events/ are what the functions take.

use aws_lambda_events::dynamodb;
use aws_lambda_events::s3::S3Event;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use domain::file::file_id_of_object;
use domain::mail::MailMessage;
use lambda_http::request::LambdaRequest;
use store::stream::Change;

use crate::assert_same;
use crate::functions::{names, resource};
use crate::routes::{Gateway, Slash, paths};
use crate::template::Template;
use crate::workspace;

fn sample<T: for<'a> serde::Deserialize<'a>>(function: &str) -> T {
    let file = format!("events/{function}.json");
    serde_json::from_str(&workspace::read(&file))
        .unwrap_or_else(|error| panic!("{file} is not the event that the function takes: {error}"))
}

fn bodies(function: &str) -> Vec<String> {
    let messages = sample::<SqsEvent>(function).records;
    assert!(!messages.is_empty(), "events/{function}.json has no messages");
    messages.into_iter().map(|SqsMessage { body, .. }| body.unwrap_or_default()).collect()
}

#[test]
fn there_is_a_sample_for_each_function() {
    assert_same(
        workspace::list("events"),
        names().into_iter().map(|name| format!("{name}.json")),
        "events/ must hold one sample for each folder of functions/",
    );
}

#[test]
fn requests_are_for_a_path_of_their_function() {
    let (gateway, paths) = (Gateway::of(&Template::load()), paths());
    for function in names() {
        if !paths.iter().any(|path| path.function == function) {
            continue;
        }
        let LambdaRequest::ApiGatewayV2(request) = sample(&function) else {
            panic!("events/{function}.json must be an event of version 2.0 of the HTTP API")
        };
        let path = request.raw_path.unwrap_or_default();
        assert!(
            paths.iter().any(|own| own.function == function && own.is(&path)),
            "events/{function}.json: the function has no path {path}"
        );
        let route = gateway
            .route(request.request_context.http.method.as_str(), &path, Slash::Counts)
            .unwrap();
        assert_eq!(
            route.function,
            resource(&function, "Function"),
            "events/{function}.json: the gateway sends {path} elsewhere"
        );
        assert_eq!(
            request.route_key.as_deref(),
            Some(route.key.as_str()),
            "events/{function}.json: the gateway chooses another route"
        );
    }
}

#[test]
fn the_stream_tells_of_something() {
    let records = sample::<dynamodb::Event>("dispatcher").records;
    assert!(!records.is_empty(), "events/dispatcher.json has no records");
    for record in records {
        let changes = Change::from_images(
            &record.event_name,
            Some(record.change.old_image),
            Some(record.change.new_image),
        );
        assert!(
            changes.is_ok_and(|changes| !changes.is_empty()),
            "events/dispatcher.json: the store makes nothing of {}",
            record.event_id
        );
    }
}

#[test]
fn mails_are_ordered() {
    for body in bodies("mailer") {
        serde_json::from_str::<MailMessage>(&body)
            .unwrap_or_else(|error| panic!("events/mailer.json: {body} orders no mail: {error}"));
    }
}

#[test]
fn uploads_are_of_files() {
    for body in bodies("inspector") {
        let event: S3Event = serde_json::from_str(&body)
            .unwrap_or_else(|error| panic!("events/inspector.json: no event of S3: {error}"));
        for record in event.records {
            let key = record.s3.object.key.unwrap_or_default();
            assert!(
                file_id_of_object(&key).is_some(),
                "events/inspector.json: {key} is not the object of a file"
            );
        }
    }
}
