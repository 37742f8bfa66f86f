//! Access to the emulated AWS, for what cannot be done or seen through the API. Requests are signed
//! as by any client of AWS.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use crypto::Sealer;
use serde_json::{Value, json};

use super::{Request, Response, Stack, Transport, local, services};

/// The region of the emulated cloud and of all functions in the process.
const REGION: &str = "eu-central-1";

/// Returns the credentials of the account's root, which is allowed everything.
pub fn root() -> Credentials {
    Credentials::new("test", "test", None, None, "tests")
}

/// Sends a signed request to a service; `path` includes the query.
#[track_caller]
pub fn send(
    credentials: Credentials,
    service: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> Response {
    let (url, body) = (format!("{}{path}", Transport::get().endpoint_url()), body.into());
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let signable =
        SignableRequest::new(method, &url, headers.iter().copied(), SignableBody::Bytes(&body))
            .unwrap();
    let (instructions, _) = sign(signable, &parameters.into()).unwrap().into_parts();
    let mut request = Request::new(method, &url).body(body);
    for (name, value) in headers.iter().copied().chain(instructions.headers()) {
        request = request.header(name, value);
    }
    request.send_unchecked()
}

/// Calls an operation of a service with the JSON protocol: `("dynamodb",
/// "DynamoDB_20120810.GetItem", ...)`.
#[track_caller]
pub fn operation(credentials: Credentials, service: &str, target: &str, body: &Value) -> Response {
    let content_type = if matches!(service, "dynamodb" | "sqs") {
        "application/x-amz-json-1.0"
    } else {
        "application/x-amz-json-1.1"
    };
    send(
        credentials,
        service,
        "POST",
        "/",
        &[("content-type", content_type), ("x-amz-target", target)],
        body.to_string(),
    )
}

/// Calls an operation on the table; `TableName` is added.
#[track_caller]
pub fn dynamodb(name: &str, mut body: Value) -> Response {
    body["TableName"] = json!(Transport::get().table());
    operation(root(), "dynamodb", &format!("DynamoDB_20120810.{name}"), &body).ok(200)
}

/// Reads an item in DynamoDB's JSON.
#[track_caller]
pub fn get_item(pk: &str, sk: &str) -> Option<Value> {
    let response = dynamodb(
        "GetItem",
        json!({"Key": {"pk": {"S": pk}, "sk": {"S": sk}}, "ConsistentRead": true}),
    );
    response.body.get("Item").cloned()
}

/// Reads the items of a partition in DynamoDB's JSON, at most 1 MB of them.
#[track_caller]
pub fn query(pk: &str) -> Vec<Value> {
    let response = dynamodb(
        "Query",
        json!({"KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}}, "ConsistentRead": true}),
    );
    response["Items"].as_array().unwrap().clone()
}

/// Updates an item. In the expression, `#role`, `#status` and `#ttl` are attributes whose names are
/// reserved words.
#[track_caller]
pub fn update_item(pk: &str, sk: &str, expression: &str, values: Value) {
    let reserved = ["role", "status", "ttl"]
        .into_iter()
        .filter(|name| expression.contains(&format!("#{name}")));
    let names: serde_json::Map<String, Value> =
        reserved.map(|name| (format!("#{name}"), json!(name))).collect();
    let mut body =
        json!({"Key": {"pk": {"S": pk}, "sk": {"S": sk}}, "UpdateExpression": expression});
    if !values.is_null() {
        body["ExpressionAttributeValues"] = values;
    }
    if !names.is_empty() {
        body["ExpressionAttributeNames"] = names.into();
    }
    dynamodb("UpdateItem", body);
}

/// Calls an operation on a queue, named as in the stack file; `QueueUrl` is added.
#[track_caller]
pub fn sqs(name: &str, queue: &str, mut body: Value) -> Response {
    body["QueueUrl"] = json!(Stack::get().queues[queue]);
    operation(root(), "sqs", &format!("AmazonSQS.{name}"), &body).ok(200)
}

/// Invokes a function, named as in the stack file, with an event and returns its response.
#[track_caller]
pub fn invoke(function: &str, event: &Value) -> Response {
    let path = format!("/2015-03-31/functions/{}/invocations", Stack::get().functions[function]);
    send(
        root(),
        "lambda",
        "POST",
        &path,
        &[("content-type", "application/json")],
        event.to_string(),
    )
    .ok(200)
}

/// Sends a request to the bucket: a key (or nothing) with its query.
#[track_caller]
pub fn s3(method: &str, key: &str) -> Response {
    s3_of(&Stack::get().bucket, method, key)
}

/// Sends a request to one of the buckets.
#[track_caller]
pub fn s3_of(bucket: &str, method: &str, key: &str) -> Response {
    send(root(), "s3", method, &format!("/{bucket}/{key}"), &[], Vec::new())
}

/// Returns the keys of all versions and delete markers of objects with this key prefix.
#[track_caller]
pub fn object_versions(prefix: &str) -> Vec<String> {
    let response = s3("GET", &format!("?versions&prefix={}", prefix.replace('/', "%2F"))).ok(200);
    let listing = String::from_utf8(response.bytes).unwrap();
    listing
        .split("<Key>")
        .skip(1)
        .map(|rest| rest.split("</Key>").next().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn configuration_of(function: &str) -> Response {
    let path = format!("/2015-03-31/functions/{}/configuration", Stack::get().functions[function]);
    send(root(), "lambda", "GET", &path, &[], Vec::new()).ok(200)
}

/// Returns the environment of a function.
#[track_caller]
pub fn environment_of(function: &str) -> Value {
    match &*Transport::get() {
        Transport::InProcess(_) => json!(local::variables()),
        Transport::Stack(_) => configuration_of(function)["Environment"]["Variables"].clone(),
    }
}

/// Returns the value of the secret whose ARN is a variable of a function.
#[track_caller]
pub fn secret_of(function: &str, variable: &str) -> String {
    let arn = environment_of(function)[variable].clone();
    if let Transport::InProcess(_) = &*Transport::get() {
        return services::first_secret(arn.as_str().unwrap());
    }
    let target = "secretsmanager.GetSecretValue";
    let response = operation(root(), "secretsmanager", target, &json!({"SecretId": arn})).ok(200);
    response.text("SecretString").to_owned()
}

/// Opens a value that `accounts` has sealed for a user, as the function does.
#[track_caller]
pub fn opened(kind: &str, user: &str, stored: &str) -> String {
    let secret = secret_of("accounts", "CREDENTIALS_SECRET_ARN");
    let sealed = stored.strip_prefix("sealed:").unwrap_or_else(|| panic!("{stored}"));
    let opened = Sealer::new(secret.as_str()).open(format!("{kind}\0{user}").as_bytes(), sealed);
    String::from_utf8(opened.unwrap()).unwrap()
}

/// Returns the credentials with which a function runs.
#[track_caller]
pub fn role_of(function: &str) -> Credentials {
    let role = configuration_of(function).text("Role").replace(':', "%3A").replace('/', "%2F");
    let body = format!("Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=tests");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let response = send(root(), "sts", "POST", "/", &headers, body).ok(200);
    let xml = String::from_utf8(response.bytes).unwrap();
    let value = |name: &str| {
        xml.split_once(&format!("<{name}>")).unwrap().1.split('<').next().unwrap().to_owned()
    };
    Credentials::new(
        value("AccessKeyId"),
        value("SecretAccessKey"),
        Some(value("SessionToken")),
        None,
        "tests",
    )
}
