//! `GET /admin/sign-in/`, `POST /admin/session/` and `POST /admin/sign-out/`
//!
//! Password and code go from the browser to the API's own login, which this function has no part
//! in; what comes back is shown here once, and the cookie takes its place.

use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::audit::Action;
use http_api::problem::Problem;
use http_api::response::no_content;
use store::sessions::EndSessionError;

use crate::App;
use crate::web::form::Posted;
use crate::web::frame::{self, Staff};
use crate::web::session;

#[derive(Template)]
#[template(path = "web/sign_in.html")]
struct SignIn;

/// The form, which the script of the page sends to the API's login.
pub(crate) async fn sign_in() -> Result<Response, Problem> {
    frame::render(&SignIn)
}

/// Opens the console to the browser that shows an access token of staff.
pub(crate) async fn open_session(
    State(app): State<App>,
    staff: Staff,
) -> Result<Response, Problem> {
    let caller = staff.authorize().await?;
    let mut response = no_content().into_response();
    response.headers_mut().insert(header::SET_COOKIE, session::begin(&app, &caller)?);
    Ok(response)
}

/// Ends the session, here and for the API.
pub(crate) async fn sign_out(
    State(app): State<App>,
    staff: Staff,
    _: Posted,
) -> Result<Response, Problem> {
    let caller = staff.authorize().await?;
    let (user, session) = (caller.account.id, caller.session.id);
    match app.store.end_session(user, session, &caller.audit(Action::EndSession, user, None)).await
    {
        Ok(()) | Err(EndSessionError::NotFound) => {}
        Err(EndSessionError::Store(error)) => return Err(error.into()),
    }
    let mut response = frame::see_other(session::SIGN_IN, None)?;
    response.headers_mut().insert(header::SET_COOKIE, session::end()?);
    Ok(response)
}
