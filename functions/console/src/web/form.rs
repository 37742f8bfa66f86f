//! Forms: the bodies that browsers send, and how pages show forms again.

use std::collections::BTreeSet;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use domain::field::{FieldError, Reason};
use domain::text::Justification;
use http_api::etag::IfMatch;
use http_api::form::{self, Form};
use http_api::origin::origin_of;
use http_api::problem::Problem;
use http_api::query::{Pair, not_utf_8, pairs};
use http_api::routes::Argument;
use runtime::tokens::Claims;
use serde_json::{Map, Value};

use crate::App;

/// The hidden field with the token against cross-site request forgery.
pub(crate) const CSRF_FIELD: &str = "csrf";

/// The length of the longest field, in characters.
const MAX_FIELD_CHARS: usize = Justification::MAX;

/// The body of a form. Empty fields count as absent. Extracting it refuses cross-site requests,
/// fields that are sent twice, and bytes that are not UTF-8.
#[derive(Clone, Debug)]
pub(crate) struct FormBody(Map<String, Value>);

impl FormBody {
    /// Returns the fields, to be read one by one.
    pub(crate) fn form(&self) -> Form {
        Form::new(self.0.clone())
    }

    /// Returns the names and texts of all fields.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }

    /// Returns what was typed into a field, to be shown again, up to the longest field.
    pub(crate) fn typed(&self, name: &str) -> &str {
        let typed = self.0.get(name).and_then(Value::as_str).unwrap_or_default();
        typed.char_indices().nth(MAX_FIELD_CHARS).map_or(typed, |(end, _)| &typed[..end])
    }
}

/// The state of a form on a page: as first shown, or as it was refused.
#[derive(Clone, Copy, Default)]
pub(crate) struct FormState<'a> {
    refused: Option<(&'a FormBody, &'a [FieldError])>,
}

impl<'a> FormState<'a> {
    /// Returns the state after a refusal, with the typed values and the errors.
    pub(crate) fn refused(body: &'a FormBody, problem: &'a Problem) -> Self {
        Self { refused: Some((body, problem.errors())) }
    }

    /// Returns the value of a field: what was typed, or else the present value.
    pub(crate) fn value<'b>(&self, name: &str, present: &'b str) -> &'b str
    where
        'a: 'b,
    {
        self.refused.map_or(present, |(body, _)| body.typed(name))
    }

    /// Returns the error of a field.
    pub(crate) fn error(&self, name: &str) -> Option<&'a str> {
        let (_, errors) = self.refused?;
        errors.iter().find(|error| error.field == name).map(|error| error.reason.message.as_str())
    }

    /// Returns how many fields have errors.
    pub(crate) fn error_count(&self) -> usize {
        self.refused.map_or(0, |(_, errors)| errors.len())
    }
}

impl Argument for FormBody {}

/// A field of a form.
#[derive(Clone, Copy)]
pub(crate) struct FormField<'a> {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    /// The type of the input.
    pub(crate) kind: &'static str,
    /// The present value.
    pub(crate) value: &'a str,
}

impl<'a> FormField<'a> {
    pub(crate) fn new(
        name: &'static str,
        label: &'static str,
        kind: &'static str,
        value: &'a str,
    ) -> Self {
        Self { name, label, kind, value }
    }
}

/// Reads the field `version`: the version of the object that the page has shown.
pub(crate) fn read_version(form: &mut Form) -> Option<IfMatch> {
    match form.required::<String>("version")?.parse() {
        Ok(version) => Some(IfMatch::version(version)),
        Err(_) => {
            form.reject("version", Reason::new("invalid", "Must be a version."));
            None
        }
    }
}

impl FromRequest<App> for FormBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let claims = parts.extensions.get::<Claims>().ok_or_else(Problem::not_authenticated)?;
        if !is_same_origin(&parts.headers, &app.http.public_url) {
            return Err(Problem::csrf_failed());
        }
        let bytes = form::read(&parts.headers, body).await?;
        let (mut fields, mut names, mut refused) = (Map::new(), BTreeSet::new(), None);
        for Pair { name, value, is_lossy } in pairs(&bytes) {
            if is_lossy {
                refused = Some(not_utf_8());
            } else if !names.insert(name.clone()) {
                refused = Some(Reason::new("duplicate", "Must contain each field only once."));
            } else if !value.trim().is_empty() {
                fields.insert(name, Value::String(value));
            }
        }
        let token = fields.remove(CSRF_FIELD);
        let token = token.as_ref().and_then(Value::as_str).unwrap_or_default();
        if !app.keys.is_form_token(claims.session_id, token) {
            return Err(Problem::csrf_failed());
        }
        // Names of fields are not shown: such a form may have long ones.
        refused.map_or(Ok(Self(fields)), |reason| Err(Problem::field("form", reason)))
    }
}

/// Returns whether the request may come from a page of the console. Browsers tell by
/// `Sec-Fetch-Site`, older ones by `Origin` alone.
fn is_same_origin(headers: &HeaderMap, public_url: &str) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = origin_of(public_url);
    headers.get(header::ORIGIN).is_none_or(|given| given.as_bytes() == origin.as_bytes())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn forms_of_other_sites_are_refused() {
        let is_same_origin = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            is_same_origin(&headers, "https://api.example.org/base")
        };
        assert!(is_same_origin(&[]));
        assert!(is_same_origin(&[("origin", "https://api.example.org")]));
        assert!(
            is_same_origin(&[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:1")]),
            "by whatever name"
        );
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(
                !is_same_origin(&[("sec-fetch-site", site), ("origin", "https://api.example.org")]),
                "{site}"
            );
        }
        for origin in [
            "null",
            "https://example.org",
            "https://api.example.org.evil.example",
            "http://api.example.org",
        ] {
            assert!(!is_same_origin(&[("origin", origin)]), "{origin}");
        }
    }
}
