//! The problems that an operation can have: those that its handler names, and those that follow
//! from rules.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::Audience;
use http_api::code::Code;
use serde_json::{Map, Value, json};

use crate::example::Examples;
use crate::reference;

/// Makes answers of problems; the same problems are one shared answer.
pub(crate) struct Problems<'a> {
    examples: &'a Examples<'a>,
    pub(crate) responses: BTreeMap<String, Value>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(examples: &'a Examples<'a>) -> Self {
        Self { examples, responses: BTreeMap::new() }
    }

    /// Replaces what a handler says of its problems by answers, with those that follow from rules.
    pub(crate) fn finish(
        &mut self,
        path: &str,
        method: &str,
        operation: &mut Value,
        audience: Audience,
        repeatable: bool,
    ) -> Result<(), String> {
        let mut codes = by_rule(path, operation, audience, repeatable);
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            let status: u16 = status.parse().map_err(|_| format!("{status} is no status"))?;
            if status < 400 {
                continue;
            }
            for word in response["description"].as_str().unwrap_or_default().split_whitespace() {
                let code = word.parse().map_err(|()| format!("{word} is no code of a problem"))?;
                codes.entry(status).or_default().insert(code);
            }
        }
        for (status, codes) in codes {
            // An answer to HEAD has no body.
            operation["responses"][status.to_string()] = if method == "head" {
                self.without_body(status)
            } else {
                self.shared(status, &codes)
            };
        }
        Ok(())
    }

    fn without_body(&mut self, status: u16) -> Value {
        let name = format!("{status}-head");
        let description = "As for GET, without a body.";
        self.responses.entry(name.clone()).or_insert_with(
            || json!({ "description": description, "headers": headers(status, &BTreeSet::new()) }),
        );
        reference("responses", &name)
    }

    fn shared(&mut self, status: u16, codes: &BTreeSet<Code>) -> Value {
        let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        let name = std::iter::once(status.to_string())
            .chain(words.iter().map(|word| (*word).to_owned()))
            .collect::<Vec<_>>()
            .join("-");
        if !self.responses.contains_key(&name) {
            let response = self.response(status, codes);
            self.responses.insert(name.clone(), response);
        }
        reference("responses", &name)
    }

    fn response(&self, status: u16, codes: &BTreeSet<Code>) -> Value {
        let mut sentences: Vec<String> =
            codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.happened())).collect();
        let examples = codes.iter().map(|code| {
            (
                code.as_str().to_owned(),
                json!({ "summary": code.title(), "value": self.example(status, *code) }),
            )
        });
        let examples: Map<String, Value> = examples.collect();
        let mut content = Map::new();
        if !codes.is_empty() {
            let problem =
                json!({ "schema": reference("schemas", "Problem"), "examples": examples });
            content.insert("application/problem+json".to_owned(), problem);
        }
        // What does not reach the functions is answered by the gateway, in its own way.
        if matches!(status, 413 | 429 | 500 | 503) {
            let words = match status {
                413 => "Request Entity Too Large",
                429 => "Too Many Requests",
                500 => "Internal Server Error",
                _ => "Service Unavailable",
            };
            sentences.push(
                "In `application/json`: answered by the gateway, before or instead of a function."
                    .to_owned(),
            );
            let gateway = json!({ "schema": reference("schemas",
                "GatewayError"), "example": { "message": words } });
            content.insert("application/json".to_owned(), gateway);
        }
        json!({ "description": sentences.join("\n\n"), "headers": headers(status, codes),
            "content": content })
    }

    fn example(&self, status: u16, code: Code) -> Value {
        let mut example = self.examples.of(&reference("schemas", "Problem"));
        example["type"] = code.page().into();
        example["title"] = code.title().into();
        example["status"] = status.into();
        example["detail"] = code.happened().into();
        example["instance"] = "/api/...".into();
        example["code"] = code.as_str().into();
        example["request_id"] = "JKJaXmPLvHcESHA=".into();
        if let Some(members) = example.as_object_mut() {
            if code == Code::ValidationFailed {
                let refused = json!([{ "field": "email", "code": "required", "message": "This \
                     field is required." }]);
                members.insert("errors".to_owned(), refused);
            } else {
                members.remove("errors");
            }
            if code != Code::MfaRequired {
                members.remove("mfa_token");
            }
        }
        example
    }
}

/// What follows from who may call, from what is sent, and from where everything runs.
fn by_rule(
    path: &str,
    operation: &Value,
    audience: Audience,
    repeatable: bool,
) -> BTreeMap<u16, BTreeSet<Code>> {
    let mut codes: BTreeMap<u16, BTreeSet<Code>> = BTreeMap::new();
    let mut add = |status: u16, more: &[Code]| codes.entry(status).or_default().extend(more);
    if audience != Audience::Public {
        add(401, &[Code::NotAuthenticated, Code::TokenNotValid]);
    }
    match audience {
        Audience::Public | Audience::SignedIn => {}
        Audience::PatientsAndDoctors | Audience::Patients => add(403, &[Code::WrongRole]),
        Audience::Doctors => {
            add(403, &[Code::WrongRole, Code::NotApproved, Code::SecondFactorRequired])
        }
        Audience::Admins => add(403, &[Code::WrongRole, Code::SecondFactorRequired]),
    }
    if operation.get("requestBody").is_some() {
        add(400, &[Code::MalformedJson, Code::NotAnObject, Code::ValidationFailed]);
        add(413, &[Code::PayloadTooLarge]);
        add(415, &[Code::UnsupportedMediaType]);
    }
    if repeatable {
        add(400, &[Code::IdempotencyKeyInvalid]);
        add(409, &[Code::IdempotencyRequestInProgress]);
        add(422, &[Code::IdempotencyKeyReused]);
    }
    let parameters = operation["parameters"].as_array();
    if parameters
        .is_some_and(|parameters| parameters.iter().any(|parameter| parameter["in"] == "query"))
    {
        add(400, &[Code::ValidationFailed]);
    }
    if path.contains('{') {
        add(404, &[Code::NotFound]);
    }
    add(429, &[]);
    add(500, &[Code::InternalError]);
    add(503, &[Code::Unavailable]);
    codes
}

fn headers(status: u16, codes: &BTreeSet<Code>) -> Value {
    let names: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        429 => &["Retry-After", "RateLimit", "RateLimit-Policy"],
        409 if codes.contains(&Code::IdempotencyRequestInProgress) => &["Retry-After"],
        503 => &["Retry-After"],
        _ => &[],
    };
    let names = names.iter().chain(&crate::shared::EVERYWHERE);
    names.map(|name| ((*name).to_owned(), reference("headers", name))).collect::<Map<_, _>>().into()
}
