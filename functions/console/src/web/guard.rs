//! The middleware around every page: who the browser is, problems as pages, the headers of pages.

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use http_api::caller::RequestInfo;
use http_api::problem::{BodyWritten, Problem};
use runtime::clock;

use crate::App;
use crate::web::layout::{problem_page, see_other};
use crate::web::session::{self, ConsoleKeys, SessionCookie};

/// The sign-in page.
pub(crate) const SIGN_IN_PATH: &str = "/admin/sign-in/";

/// Where the script of the sign-in page sends an access token: the only path of the console that
/// accepts one.
pub(crate) const SESSION_PATH: &str = "/admin/session/";

/// Nothing from elsewhere, nothing inline, and no framing.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src \
     'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'",
);

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    // Without it browsers send no `Origin` with our own forms.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Identifies the browser by its cookie, renews the cookie, turns problems into pages and sets the
/// headers of pages.
///
/// A browser without a valid cookie is redirected to the sign-in page. An access token of the API
/// opens no page, nor does the cookie in a request of a script: Swagger UI is on the same origin.
pub(crate) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let now = clock::now();
    let path = request.uri().path().to_owned();
    let request_id = request
        .extensions()
        .get::<RequestInfo>()
        .map(|info| info.request_id.clone())
        .unwrap_or_default();
    let mut cookie = None;
    let is_by_a_person = is_by_a_person(request.headers());
    if path != SESSION_PATH {
        request.headers_mut().remove(header::AUTHORIZATION);
        if is_by_a_person {
            cookie = SessionCookie::read(&app.keys, request.headers(), now);
        }
        if let Some(cookie) = &cookie {
            request.extensions_mut().insert(cookie.claims());
        }
    }
    let response = next.run(request).await;
    let mut response = match response.extensions().get::<Problem>().cloned() {
        Some(problem)
            if path != SESSION_PATH && response.extensions().get::<BodyWritten>().is_none() =>
        {
            page_of(&problem, &request_id, &app.keys, is_by_a_person).unwrap_or(response)
        }
        _ => response,
    };
    let is_of_staff = response.extensions().get::<Problem>().is_none() && !is_public(&path);
    let is_renewed = is_of_staff && !response.headers().contains_key(header::SET_COOKIE);
    if let Some(cookie) = cookie.filter(|_| is_renewed)
        && let Ok(header) = cookie.renewed(now).to_header(&app.keys)
    {
        response.headers_mut().insert(header::SET_COOKIE, header);
    }
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Returns whether a request is a step from page to page: a link, a form, an address that was
/// typed. Requests of scripts, and those for parts of other pages, have another mode; old browsers
/// do not tell.
fn is_by_a_person(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
}

/// Returns whether everybody may see a page, so that it renews no cookie.
fn is_public(path: &str) -> bool {
    path == SIGN_IN_PATH || path.starts_with("/admin/assets/")
}

/// Returns the page of a problem, `None` if it cannot be rendered. Without a valid cookie that is
/// the sign-in page, and a cookie that was looked at is deleted.
fn page_of(
    problem: &Problem,
    request_id: &str,
    keys: &ConsoleKeys,
    is_by_a_person: bool,
) -> Option<Response> {
    if problem.status() == 401 {
        let mut response = see_other(SIGN_IN_PATH, None).ok()?;
        if is_by_a_person {
            response.headers_mut().insert(header::SET_COOKIE, session::end(keys).ok()?);
        }
        return Some(response);
    }
    let mut response = problem_page(problem, request_id).ok()?;
    response.extensions_mut().insert(problem.clone());
    response.extensions_mut().insert(BodyWritten);
    Some(response)
}
