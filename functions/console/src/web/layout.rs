//! The layout of all pages, and the responses of pages and forms.

use askama::Template;
use axum::Extension;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use domain::field::FieldError;
use http_api::problem::{BodyWritten, Problem};
use http_api::routes::Argument;
use runtime::tokens::Claims;

use crate::App;
use crate::web::form;

/// Entries on a page of a list.
pub(crate) const PAGE_SIZE: usize = 25;

/// The first page. Without a slash: with one, the gateway has no route that leads to it (see
/// template.yaml).
const HOME: &str = "/admin";

/// The sections, in the order of the navigation.
const SECTIONS: &[(&str, &str)] = &[
    (HOME, "Dashboard"),
    ("/admin/users/", "Users"),
    ("/admin/doctors/", "Licences"),
    ("/admin/recoveries/", "Recoveries"),
    ("/admin/doctor-profiles/", "Doctors"),
    ("/admin/patient-profiles/", "Patients"),
    ("/admin/records/", "Records"),
    ("/admin/files/", "Files"),
    ("/admin/annotations/", "Annotations"),
    ("/admin/notifications/", "Notifications"),
    ("/admin/mail/", "Mail"),
    ("/admin/audit/", "Audit trail"),
];

/// The results of forms as the next page shows them: the word in its address, and the sentence.
const DONE: &[(&str, &str)] = &[
    ("created", "The user was created and will get a mail to set a password."),
    ("changed", "The change was saved."),
    ("sessions-ended", "All sessions of the user have ended."),
    (
        "email-change-started",
        "The change waits. Mails are on their way to the present and to the new address.",
    ),
    ("removal-started", "The removal waits. The user will get a mail that can cancel it."),
    ("recovery-approved", "The recovery was approved."),
    ("recovery-cancelled", "The recovery was cancelled."),
    ("reset-started", "The user will get a mail to set a new password."),
    ("decided", "The decision was saved. The doctor has been notified."),
    ("opened", "Emergency access granted for 15 minutes. The patient has been notified."),
    ("reassigned", "The record was reassigned. Both doctors and the patient have been notified."),
    ("redriven", "The mails were put back and will be retried."),
    (
        "some-redriven",
        "The mails were put back and will be retried. Some were left: they may have been sent.",
    ),
    ("none-redriven", "Nothing was put back: the mail was not found, or may have been sent."),
    ("resent", "The mail will be sent again."),
];

/// What a page shows around its content. Templates have it as `layout` and extend
/// `web/layout.html`.
pub(crate) struct PageLayout {
    /// The hidden field of every form: `{{ layout.csrf|safe }}`.
    pub(crate) csrf: String,
    /// The result of the form that led here.
    pub(crate) done: Option<&'static str>,
    path: String,
}

impl PageLayout {
    /// Returns the longest layout.
    #[cfg(test)]
    pub(crate) fn longest() -> Self {
        let done = DONE.iter().map(|(_, sentence)| *sentence).max_by_key(|sentence| sentence.len());
        Self {
            csrf: format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                form::CSRF_FIELD,
                "x".repeat(43)
            ),
            done,
            path: HOME.to_owned(),
        }
    }

    /// Returns the sections of the navigation: address, label, and whether the page is in it.
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

impl Argument for PageLayout {}

impl FromRequestParts<App> for PageLayout {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let claims = parts.extensions.get::<Claims>().ok_or_else(Problem::not_authenticated)?;
        let token = app.keys.form_token(claims.session_id);
        // Letters, digits, hyphens and underscores.
        let csrf =
            format!("<input type=\"hidden\" name=\"{}\" value=\"{token}\">", form::CSRF_FIELD);
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let word = query.into_iter().find(|(name, _)| name == "done").map(|(_, word)| word);
        let done = word
            .and_then(|word| DONE.iter().find(|(known, _)| *known == word))
            .map(|(_, sentence)| *sentence);
        Ok(Self { csrf, done, path: parts.uri.path().to_owned() })
    }
}

/// Renders a page.
///
/// # Errors
/// 500 when the template cannot be filled in.
pub(crate) fn render(page: &impl Template) -> Result<Response, Problem> {
    Ok(Html(page.render().map_err(Problem::internal)?).into_response())
}

/// Renders a page with a form that was refused.
///
/// # Errors
/// As [`render`].
pub(crate) fn render_refused(page: &impl Template, problem: &Problem) -> Result<Response, Problem> {
    Ok((problem.status(), Extension(problem.clone()), Extension(BodyWritten), render(page)?)
        .into_response())
}

/// Redirects from a form to the page that shows its result, a word of [`DONE`].
///
/// # Errors
/// 500 for an invalid path.
pub(crate) fn see_other(path: &str, done: Option<&'static str>) -> Result<Response, Problem> {
    let location = match done {
        Some(word) => format!("{path}{}done={word}", if path.contains('?') { '&' } else { '?' }),
        None => path.to_owned(),
    };
    let location = HeaderValue::try_from(location).map_err(Problem::internal)?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// The page of a problem.
#[derive(Template)]
#[template(path = "web/problem.html")]
struct ProblemPage<'a> {
    title: String,
    detail: &'a str,
    errors: &'a [FieldError],
    request_id: &'a str,
}

/// Renders the page of a problem.
///
/// # Errors
/// As [`render`].
pub(crate) fn problem_page(problem: &Problem, request_id: &str) -> Result<Response, Problem> {
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
