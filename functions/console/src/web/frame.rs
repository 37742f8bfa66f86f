//! What all pages have around them.

use askama::Template;
use axum::Extension;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use domain::field::FieldError;
use http_api::problem::{Problem, Written};
use http_api::routes::Argument;
use runtime::tokens::Claims;

pub(crate) use http_api::caller::Admin as Staff;

use crate::App;
use crate::web::{assets, form};

/// The first page. Without a slash: with one, the gateway has no route that leads to it (see
/// template.yaml).
const HOME: &str = "/admin";

/// Where the pages are, in the order of the navigation.
const SECTIONS: &[(&str, &str)] = &[
    (HOME, "Dashboard"),
    ("/admin/users/", "Users"),
    ("/admin/doctors/", "Licences"),
    ("/admin/doctor-profiles/", "Doctors"),
    ("/admin/patient-profiles/", "Patients"),
    ("/admin/records/", "Records"),
    ("/admin/files/", "Files"),
    ("/admin/annotations/", "Annotations"),
    ("/admin/notifications/", "Notifications"),
    ("/admin/mail/", "Mail"),
    ("/admin/audit/", "Audit trail"),
];

/// What has been done, as the next page says it. The word travels in the address, the sentence does
/// not.
const DONE: &[(&str, &str)] = &[
    ("created", "The user was created and gets a mail to set a password."),
    ("changed", "The change was made."),
    ("sessions-ended", "All sessions of the user have ended."),
    (
        "email-change-started",
        "A mail to confirm it is on its way to the new address. Until then nothing changes.",
    ),
    ("reset-started", "The user gets a mail to set a new password."),
    ("decided", "The decision was made; the doctor is told."),
    ("opened", "The glass is broken for 15 minutes; the patient is told."),
    (
        "reassigned",
        "The record is assigned to the other doctor; both doctors and the patient are told.",
    ),
    ("redriven", "What was put back is tried again."),
    ("some-redriven", "What was put back is tried again. Some were left: they may have been sent."),
    ("none-redriven", "Nothing was put back: it was not found, or it may have been sent."),
    ("resent", "The mail is sent again."),
];

/// What a page has around its content. A template has it as `frame` and extends `layout.html`.
pub(crate) struct Frame {
    /// The hidden field of every form: `{{ frame.csrf|safe }}`.
    pub(crate) csrf: String,
    /// What was done by the form that led here.
    pub(crate) done: Option<&'static str>,
    path: String,
}

impl Frame {
    /// As long as one can be.
    #[cfg(test)]
    pub(crate) fn longest() -> Self {
        let done = DONE.iter().map(|(_, sentence)| *sentence).max_by_key(|sentence| sentence.len());
        Self {
            csrf: format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                form::TOKEN,
                "x".repeat(43)
            ),
            done,
            path: HOME.to_owned(),
        }
    }

    /// The sections of the navigation: where, what it is called, and whether the page is in it.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        SECTIONS.iter().map(|(href, label)| {
            (
                *href,
                *label,
                if *href == HOME {
                    self.path.trim_end_matches('/') == HOME
                } else {
                    self.path.starts_with(href)
                },
            )
        })
    }
}

impl Argument for Frame {}

impl FromRequestParts<App> for Frame {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let claims = parts.extensions.get::<Claims>().ok_or_else(Problem::not_authenticated)?;
        let token = app.keys.form_token(claims.session_id);
        // Letters, digits, hyphens and underscores.
        let csrf = format!("<input type=\"hidden\" name=\"{}\" value=\"{token}\">", form::TOKEN);
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let word = query.into_iter().find(|(name, _)| name == "done").map(|(_, word)| word);
        let done = word
            .and_then(|word| DONE.iter().find(|(known, _)| *known == word))
            .map(|(_, sentence)| *sentence);
        Ok(Self { csrf, done, path: parts.uri.path().to_owned() })
    }
}

/// A page.
///
/// # Errors
/// 500 when the template cannot be filled in.
pub(crate) fn render(page: &impl Template) -> Result<Response, Problem> {
    Ok(Html(page.render().map_err(Problem::internal)?).into_response())
}

/// A page with a form that was refused, and why.
///
/// # Errors
/// As [`render`].
pub(crate) fn render_refused(page: &impl Template, problem: &Problem) -> Result<Response, Problem> {
    Ok((problem.status(), Extension(problem.clone()), Extension(Written), render(page)?)
        .into_response())
}

/// What a form answers: the way to the page that shows what has been done, a word of [`DONE`].
///
/// # Errors
/// 500 for a path that is none.
pub(crate) fn see_other(path: &str, done: Option<&'static str>) -> Result<Response, Problem> {
    let location = match done {
        Some(word) => format!("{path}{}done={word}", if path.contains('?') { '&' } else { '?' }),
        None => path.to_owned(),
    };
    let location = HeaderValue::try_from(location).map_err(Problem::internal)?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// A problem as a page.
#[derive(Template)]
#[template(path = "web/problem.html")]
struct ProblemPage<'a> {
    title: String,
    detail: &'a str,
    errors: &'a [FieldError],
    request_id: &'a str,
}

/// The page that says what has gone wrong.
///
/// # Errors
/// As [`render`].
pub(crate) fn problem(problem: &Problem, request_id: &str) -> Result<Response, Problem> {
    let code: Result<domain::problem::Code, ()> = problem.code().parse();
    let title = code.map(domain::problem::Code::title).unwrap_or_default();
    let page =
        ProblemPage { title, detail: problem.detail(), errors: problem.errors(), request_id };
    let mut response = (problem.status(), render(&page)?).into_response();
    for name in [header::RETRY_AFTER, header::ALLOW] {
        if let Some(value) = problem.header(&name) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// Where the stylesheet is.
pub(crate) fn style() -> &'static str {
    assets::style_url()
}

/// Where the script is.
pub(crate) fn script() -> &'static str {
    assets::script_url()
}
