//! Forms that pages of the console send.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use domain::field::FieldError;
use domain::text::Justification;
use http_api::form::{BODY_LIMIT, Form};
use http_api::problem::Problem;
use http_api::routes::Argument;
use runtime::tokens::Claims;
use serde_json::{Map, Value};

use crate::App;

/// The hidden field that proves that a page of ours has made the form, for this session.
pub(crate) const TOKEN: &str = "csrf";

/// The length of the longest field, in characters.
const LONGEST: usize = Justification::MAX;

/// A form as somebody has filled it in. Empty fields are as good as none.
#[derive(Clone, Debug)]
pub(crate) struct Posted(Map<String, Value>);

impl Posted {
    /// The fields, to be read one by one.
    pub(crate) fn form(&self) -> Form {
        Form::new(self.0.clone())
    }

    /// What was typed into a field, to be shown again: no more than any field takes.
    pub(crate) fn typed(&self, name: &str) -> &str {
        let typed = self.0.get(name).and_then(Value::as_str).unwrap_or_default();
        typed.char_indices().nth(LONGEST).map_or(typed, |(end, _)| &typed[..end])
    }
}

/// A form on a page: empty, or as it was refused.
#[derive(Clone, Copy, Default)]
pub(crate) struct Filled<'a> {
    refused: Option<(&'a Posted, &'a [FieldError])>,
}

impl<'a> Filled<'a> {
    /// With what was typed, and what is wrong with it.
    pub(crate) fn refused(posted: &'a Posted, problem: &'a Problem) -> Self {
        Self { refused: Some((posted, problem.errors())) }
    }

    /// What a field holds: what was typed, or else what is there at present.
    pub(crate) fn value<'b>(&self, name: &str, present: &'b str) -> &'b str
    where
        'a: 'b,
    {
        self.refused.map_or(present, |(posted, _)| posted.typed(name))
    }

    /// What is wrong with a field.
    pub(crate) fn error(&self, name: &str) -> Option<&'a str> {
        let (_, errors) = self.refused?;
        errors.iter().find(|error| error.field == name).map(|error| error.reason.message.as_str())
    }

    /// How many fields cannot be taken.
    pub(crate) fn errors(&self) -> usize {
        self.refused.map_or(0, |(_, errors)| errors.len())
    }
}

impl Argument for Posted {}

impl FromRequest<App> for Posted {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let claims = parts.extensions.get::<Claims>().ok_or_else(Problem::not_authenticated)?;
        if !comes_from_us(&parts.headers, &app.http.public_url) {
            return Err(Problem::csrf_failed());
        }
        // Lambda hands over whole bodies, so being too long is the only way to fail.
        let bytes =
            to_bytes(body, BODY_LIMIT).await.map_err(|_| Problem::payload_too_large(BODY_LIMIT))?;
        let mut fields = Map::new();
        for (name, value) in
            form_urlencoded::parse(&bytes).filter(|(_, value)| !value.trim().is_empty())
        {
            fields.entry(name).or_insert_with(|| Value::String(value.into_owned()));
        }
        let token = fields.remove(TOKEN);
        let token = token.as_ref().and_then(Value::as_str).unwrap_or_default();
        if app.keys.is_form_token(claims.session_id, token) {
            Ok(Self(fields))
        } else {
            Err(Problem::csrf_failed())
        }
    }
}

/// Whether nothing speaks against it that a page of ours has sent the request. Browsers say so
/// themselves, older ones by the origin alone.
fn comes_from_us(headers: &HeaderMap, public_url: &str) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = public_url.split('/').take(3).collect::<Vec<_>>().join("/");
    headers.get(header::ORIGIN).is_none_or(|given| given.as_bytes() == origin.as_bytes())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        let comes = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            comes_from_us(&headers, "https://api.example.org/base")
        };
        assert!(comes(&[]));
        assert!(comes(&[("origin", "https://api.example.org")]));
        assert!(
            comes(&[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:1")]),
            "by whatever name"
        );
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(
                !comes(&[("sec-fetch-site", site), ("origin", "https://api.example.org")]),
                "{site}"
            );
        }
        for origin in [
            "null",
            "https://example.org",
            "https://api.example.org.evil.example",
            "http://api.example.org",
        ] {
            assert!(!comes(&[("origin", origin)]), "{origin}");
        }
    }
}
