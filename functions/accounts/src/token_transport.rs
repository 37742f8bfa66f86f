//! Use [`TokenTransport`] for operations that take or give refresh tokens and device tokens: by
//! default they are in bodies; a page of this service may ask for cookies, which scripts cannot
//! read, by the header `Token-Transport: cookie`.
//!
//! Browsers add cookies to requests by themselves. So they are read only with this header, which
//! pages of other sites cannot send (CORS does not allow it), and only from our own pages.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use domain::account::Role;
use domain::device;
use domain::field::Reason;
use domain::problem::Code;
use http_api::cookie::HostCookie;
use http_api::form::Body;
use http_api::origin::is_sent_by_own_script;
use http_api::problem::Problem;
use http_api::request;
use http_api::response::ApiResponse;
use http_api::routes::Argument;
use jiff::Timestamp;
use runtime::clock;
use runtime::tokens::RefreshToken;
use serde_json::Value;

use crate::App;

/// The name of the header.
const HEADER: &str = "token-transport";

/// Where the tokens of a request and of its response are.
pub(crate) enum TokenTransport {
    /// In the bodies.
    Body,
    /// In cookies: those that the request has.
    Cookies {
        /// The refresh token.
        refresh: Option<String>,
        /// The device token.
        device: Option<String>,
    },
}

/// The cookies of the service.
#[derive(Clone, Debug)]
pub(crate) struct TokenCookies {
    refresh: HostCookie,
    device: HostCookie,
}

impl TokenCookies {
    pub(crate) fn new(public_url: &str) -> Self {
        Self {
            refresh: HostCookie::new("refresh_token", public_url),
            device: HostCookie::new("device_token", public_url),
        }
    }
}

request! {
    // Required unless the token is in a cookie.
    pub(crate) struct RefreshRequest {
        refresh: Option<String> = optional,
    }
}

impl TokenTransport {
    /// Returns the refresh token of a request; `None` if there is no cookie. With cookies the body
    /// does not matter.
    ///
    /// # Errors
    /// What is wrong with a body that must have it.
    pub(crate) fn refresh_token(
        &self,
        body: Result<Body<RefreshRequest>, Problem>,
    ) -> Result<Option<String>, Problem> {
        match self {
            Self::Cookies { refresh, .. } => Ok(refresh.clone()),
            Self::Body => {
                let required = || Problem::field("refresh", Reason::required());
                body?.0.refresh.ok_or_else(required).map(Some)
            }
        }
    }

    /// Returns the device token of a request, where that of the body is `in_body`.
    pub(crate) fn device_token<'a>(&'a self, in_body: Option<&'a str>) -> Option<&'a str> {
        match self {
            Self::Body => in_body,
            Self::Cookies { device, .. } => device.as_deref(),
        }
    }

    /// Moves the tokens of a response to a user with this role into cookies, if they belong there.
    ///
    /// # Errors
    /// 500 when a token cannot be in a header.
    pub(crate) fn deliver(
        &self,
        app: &App,
        role: Role,
        response: ApiResponse,
    ) -> Result<ApiResponse, Problem> {
        if matches!(self, Self::Body) {
            return Ok(response);
        }
        let (mut body, now) = (response.json(), clock::now());
        let refresh = ["/tokens", ""].iter().find_map(|place| take(&mut body, place, "refresh"));
        let device = take(&mut body, "", "device_token");
        if refresh.is_none() && device.is_none() {
            return Ok(response);
        }
        let mut response = response.with_json(&body);
        if let Some(token) = refresh {
            let cookie = refresh_cookie(app, role, &token, now)?;
            response = response.with_another_header(header::SET_COOKIE, cookie);
        }
        if let Some(token) = device {
            let cookie = app.cookies.device.set(&token, device::LIFETIME)?;
            response = response.with_another_header(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// Deletes the cookie of the refresh token after its session has ended. The device stays known.
    ///
    /// # Errors
    /// 500 when the cookie cannot be in a header.
    pub(crate) fn sign_out(
        &self,
        app: &App,
        response: ApiResponse,
    ) -> Result<ApiResponse, Problem> {
        Ok(match self {
            Self::Body => response,
            Self::Cookies { .. } => {
                response.with_another_header(header::SET_COOKIE, app.cookies.refresh.delete()?)
            }
        })
    }

    /// Deletes the cookie of a refresh token that was refused.
    pub(crate) fn forget(&self, app: &App, problem: Problem) -> Problem {
        let is_refused = problem.code() == Code::TokenNotValid.as_str();
        match (self, app.cookies.refresh.delete()) {
            (Self::Cookies { refresh: Some(_), .. }, Ok(cookie)) if is_refused => {
                problem.with_header(header::SET_COOKIE, cookie)
            }
            _ => problem,
        }
    }
}

/// Returns the cookie of a refresh token, which lives as long as the token.
fn refresh_cookie(
    app: &App,
    role: Role,
    token: &str,
    now: Timestamp,
) -> Result<HeaderValue, Problem> {
    let session = RefreshToken::parse(token)
        .ok_or_else(|| Problem::internal("a response has a refresh token of another form"))?
        .session_id;
    app.cookies.refresh.set(token, app.tokens.lifetimes(role).left(session, now))
}

/// Takes a text out of the object at a place of a body.
fn take(body: &mut Value, place: &str, name: &str) -> Option<String> {
    let taken = body.pointer_mut(place)?.as_object_mut()?.remove(name)?;
    taken.as_str().map(str::to_owned)
}

impl Argument for TokenTransport {
    const HAS_TOKEN_TRANSPORT: bool = true;
}

impl FromRequestParts<App> for TokenTransport {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let mut lines = parts.headers.get_all(HEADER).iter();
        match (lines.next(), lines.next()) {
            (None, _) => return Ok(Self::Body),
            (Some(line), None) if line == "cookie" => {}
            _ => {
                let reason = Reason::new("invalid_choice", "Must be cookie, or left out.");
                return Err(Problem::field("Token-Transport", reason));
            }
        }
        if !is_sent_by_own_script(&parts.headers, &app.http.public_url) {
            return Err(Problem::forbidden(
                Code::NotSameOrigin,
                "Tokens in cookies are for pages of this service, at its own address.",
            ));
        }
        let TokenCookies { refresh, device } = &app.cookies;
        Ok(Self::Cookies {
            refresh: refresh.read(&parts.headers),
            device: device.read(&parts.headers),
        })
    }
}
