//! `GET /admin/sign-in/`, `POST /admin/session/` and `POST /admin/sign-out/`
//!
//! The browser sends password and code to the login of the API. It exchanges the access token from
//! there for the cookie of the console.

use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::audit::Action;
use http_api::caller::Admin;
use http_api::problem::Problem;
use http_api::response::{CLEAR_SITE_DATA, no_content};
use store::sessions::EndSessionError;

use crate::App;
use crate::web::form::FormBody;
use crate::web::guard::SIGN_IN_PATH;
use crate::web::layout::{render, see_other};
use crate::web::session;

#[derive(Template)]
#[template(path = "web/sign_in.html")]
struct SignInPage<'a> {
    /// Base of the web client's URLs.
    app_url: &'a str,
}

/// Shows the form, which the script of the page sends to the login of the API.
pub(crate) async fn sign_in(State(app): State<App>) -> Result<Response, Problem> {
    render(&SignInPage { app_url: &app.app_url })
}

/// Exchanges an access token of staff for the cookie of the console.
pub(crate) async fn open_session(
    State(app): State<App>,
    admin: Admin,
) -> Result<Response, Problem> {
    let caller = admin.authorize().await?;
    let mut response = no_content().into_response();
    response.headers_mut().insert(header::SET_COOKIE, session::begin(&app.keys, &caller)?);
    Ok(response)
}

/// Ends the session for the console and the API.
pub(crate) async fn sign_out(
    State(app): State<App>,
    admin: Admin,
    _: FormBody,
) -> Result<Response, Problem> {
    let caller = admin.authorize().await?;
    let (user, session) = (caller.account.id, caller.session.id);
    match app.store.end_session(user, session, &caller.audit(Action::EndSession, user, None)).await
    {
        Ok(()) | Err(EndSessionError::NotFound) => {}
        Err(EndSessionError::Store(error)) => return Err(error.into()),
    }
    let mut response = see_other(SIGN_IN_PATH, None)?;
    response.headers_mut().insert(header::SET_COOKIE, session::end(&app.keys)?);
    response.headers_mut().insert(CLEAR_SITE_DATA.0, CLEAR_SITE_DATA.1);
    Ok(response)
}
