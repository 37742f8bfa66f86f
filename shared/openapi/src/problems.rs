//! Use [`Problems`] to add the responses of an operation that are problems: those in its row of
//! [`Operation`], and those that follow from rules.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::{Audience, Operation};
use domain::problem::Code;
use serde_json::{Map, Value, json};

use crate::example::Examples;
use crate::reference;

/// Makes responses of problems; operations with the same problems share a response.
pub(crate) struct Problems<'a> {
    examples: &'a Examples<'a>,
    pub(crate) responses: BTreeMap<String, Value>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(examples: &'a Examples<'a>) -> Self {
        Self { examples, responses: BTreeMap::new() }
    }

    /// Adds the problems of an operation to its responses.
    ///
    /// # Errors
    /// When the handler has declared one: its place is the table of operations.
    pub(crate) fn add(
        &mut self,
        path: &str,
        method: &str,
        operation: &mut Value,
        known: Operation,
    ) -> Result<(), String> {
        let mut codes = by_rule(path, operation, known);
        for (status, code) in known.problems() {
            codes.entry(*status).or_default().insert(*code);
        }
        let mut declared = operation["responses"].as_object().into_iter().flatten();
        if let Some((status, _)) = declared.find(|(status, _)| status.as_str() >= "400") {
            return Err(format!("declare {status} in shared/domain/src/access/operations.rs"));
        }
        for (status, codes) in codes {
            // A response to HEAD has no body.
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
        // To what does not reach the functions, the gateway responds in its own way.
        if matches!(status, 413 | 429 | 500 | 503) {
            let words = match status {
                413 => "Request Entity Too Large",
                429 => "Too Many Requests",
                500 => "Internal Server Error",
                _ => "Service Unavailable",
            };
            sentences.push(
                "In `application/json`: a response of the gateway, before or instead of a function."
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

/// Returns the problems that follow from the audience, from what is sent, and from the gateway.
fn by_rule(path: &str, operation: &Value, known: Operation) -> BTreeMap<u16, BTreeSet<Code>> {
    let audience = known.audience();
    let mut codes: BTreeMap<u16, BTreeSet<Code>> = BTreeMap::new();
    let mut add = |status: u16, more: &[Code]| codes.entry(status).or_default().extend(more);
    if audience != Audience::Public {
        add(401, &[Code::NotAuthenticated, Code::TokenNotValid]);
    }
    match audience {
        Audience::Public | Audience::SignedIn => {}
        Audience::PatientsAndDoctors | Audience::Patients => add(403, &[Code::WrongRole]),
        Audience::Readers | Audience::Doctors => {
            add(403, &[Code::WrongRole, Code::NotApproved, Code::SecondFactorRequired])
        }
        Audience::Admins => add(403, &[Code::WrongRole, Code::SecondFactorRequired]),
    }
    if operation.get("requestBody").is_some() {
        add(400, &[Code::MalformedJson, Code::NotAnObject, Code::ValidationFailed]);
        add(413, &[Code::PayloadTooLarge]);
        add(415, &[Code::UnsupportedMediaType]);
    }
    if known.is_idempotent() {
        add(400, &[Code::IdempotencyKeyInvalid]);
        add(409, &[Code::IdempotencyRequestInProgress]);
        add(422, &[Code::IdempotencyKeyReused]);
    }
    if known.has_token_transport() {
        add(400, &[Code::ValidationFailed]);
        add(403, &[Code::NotSameOrigin]);
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
