//! Who the browser is: a cookie that only we can make.
//!
//! It says which session of the API was brought to the console and when it was last used here.
//! Whether account and session still are what they were is read at every request, as for a token.

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use crypto::{HmacKey, Sealer};
use domain::account::Role;
use domain::id::{SessionId, UserId};
use http_api::caller::{Caller, RequestInfo};
use http_api::problem::{Problem, Written};
use jiff::{SignedDuration, Timestamp};
use runtime::clock;
use runtime::config;
use runtime::tokens::Claims;
use serde::{Deserialize, Serialize};

use crate::App;
use crate::web::frame;

/// The page on which staff sign in.
pub(crate) const SIGN_IN: &str = "/admin/sign-in/";

/// Where the script of the sign-in page brings an access token: the one path of the console that
/// takes one.
pub(crate) const OPENING: &str = "/admin/session/";

/// A browser that is not used for so long has to sign in again.
const IDLE: SignedDuration = SignedDuration::from_mins(15);
/// And after so long in any case, or when the session ends.
const ABSOLUTE: SignedDuration = SignedDuration::from_hours(8);

/// `__Host-`: only over a secure connection, only by this host, for all of its paths.
const COOKIE: &str = "__Host-console";

/// What a cookie of the console is sealed for.
const SEALED_FOR: &[u8] = b"console";

/// Nothing from elsewhere, nothing inline, and no page of ours in a frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src \
     'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'",
);

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    // Without it browsers would not say of our own forms where they come from.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// The keys of the console.
#[derive(Debug)]
pub(crate) struct Keys {
    sealer: Sealer,
    form_key: HmacKey,
}

impl Keys {
    pub(crate) fn new(config: &config::Console) -> Self {
        Self {
            sealer: Sealer::new(&config.console_key),
            form_key: HmacKey::derive(&config.console_key),
        }
    }

    /// What the forms of a session carry.
    pub(crate) fn form_token(&self, session: SessionId) -> String {
        self.form_key.sign(session.to_string().as_bytes())
    }

    /// Whether a form was made for a session.
    pub(crate) fn is_form_token(&self, session: SessionId, token: &str) -> bool {
        self.form_key.verify(session.to_string().as_bytes(), token)
    }
}

/// What the cookie says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Visit {
    user: UserId,
    session: SessionId,
    began: Timestamp,
    used: Timestamp,
}

impl Visit {
    /// The visit that a cookie of the request proves, while it lasts.
    fn of(keys: &Keys, headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='));
        let (_, sealed) = cookies.find(|(name, _)| *name == COOKIE)?;
        let visit: Self = serde_json::from_slice(&keys.sealer.open(SEALED_FOR, sealed)?).ok()?;
        visit.lasts(now).then_some(visit)
    }

    fn lasts(&self, now: Timestamp) -> bool {
        now.duration_since(self.used) < IDLE && now.duration_since(self.began) < ABSOLUTE
    }

    fn claims(&self) -> Claims {
        Claims {
            user_id: self.user,
            session_id: self.session,
            role: Role::Admin,
            issued_at: self.began,
            expires_at: self.began.saturating_add(ABSOLUTE).unwrap_or(self.began),
        }
    }

    fn cookie(&self, keys: &Keys) -> Result<HeaderValue, Problem> {
        let sealed =
            keys.sealer.seal(SEALED_FOR, &serde_json::to_vec(self).map_err(Problem::internal)?);
        cookie(&sealed, IDLE.as_secs())
    }
}

fn cookie(value: &str, max_age: i64) -> Result<HeaderValue, Problem> {
    let cookie =
        format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={max_age}");
    HeaderValue::try_from(cookie).map_err(Problem::internal)
}

/// The cookie of one who has just come.
pub(crate) fn begin(app: &App, caller: &Caller) -> Result<HeaderValue, Problem> {
    let now = clock::now();
    Visit { user: caller.account.id, session: caller.session.id, began: now, used: now }
        .cookie(&app.keys)
}

/// The cookie that takes the cookie away.
pub(crate) fn end() -> Result<HeaderValue, Problem> {
    cookie("", 0)
}

/// Everything that concerns a request to the console as a whole.
///
/// Who has no cookie, or a worthless one, is sent to the sign-in page. A token of the API opens no
/// page: what a browser sends by itself is the cookie alone, and what a script sends is no page.
pub(crate) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let now = clock::now();
    let path = request.uri().path().to_owned();
    let request_id = request
        .extensions()
        .get::<RequestInfo>()
        .map(|info| info.request_id.clone())
        .unwrap_or_default();
    let mut visit = None;
    if path != OPENING {
        request.headers_mut().remove(header::AUTHORIZATION);
        visit = Visit::of(&app.keys, request.headers(), now);
        if let Some(visit) = &visit {
            request.extensions_mut().insert(visit.claims());
        }
    }
    let response = next.run(request).await;
    let mut response = match response.extensions().get::<Problem>().cloned() {
        Some(problem) if path != OPENING && response.extensions().get::<Written>().is_none() => {
            page_of(&problem, &request_id).unwrap_or(response)
        }
        _ => response,
    };
    let is_of_staff = response.extensions().get::<Problem>().is_none() && !is_public(&path);
    if let Some(visit) =
        visit.filter(|_| is_of_staff && !response.headers().contains_key(header::SET_COOKIE))
        && let Ok(cookie) = (Visit { used: now, ..visit }).cookie(&app.keys)
    {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Whether everybody may see it: such a request says nothing of account and session.
fn is_public(path: &str) -> bool {
    path == SIGN_IN || path.starts_with("/admin/assets/")
}

/// What a browser shows for a problem, `None` when that cannot be made.
fn page_of(problem: &Problem, request_id: &str) -> Option<Response> {
    if problem.status() == 401 {
        let mut response = frame::see_other(SIGN_IN, None).ok()?;
        response.headers_mut().insert(header::SET_COOKIE, end().ok()?);
        return Some(response);
    }
    let mut response = frame::problem(problem, request_id).ok()?;
    response.extensions_mut().insert(problem.clone());
    response.extensions_mut().insert(Written);
    Some(response)
}

#[cfg(test)]
mod tests {
    use crypto::Secret;

    use super::*;

    fn keys(secret: &str) -> Keys {
        Keys::new(&config::Console { console_key: Secret::new(secret) })
    }

    fn visit(now: Timestamp) -> Visit {
        Visit { user: clock::new_id(), session: clock::new_id(), began: now, used: now }
    }

    fn of(keys: &Keys, cookies: &str, now: Timestamp) -> Option<Visit> {
        Visit::of(
            keys,
            &HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(cookies).unwrap())]),
            now,
        )
    }

    fn pair(cookie: &HeaderValue) -> String {
        cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_cookie_is_ours_and_lasts_while_it_is_used() {
        let (keys, now) = (keys("a secret"), clock::now());
        let visit = visit(now);
        let cookie = visit.cookie(&keys).unwrap();
        let attributes = "; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=900";
        assert!(cookie.to_str().unwrap().ends_with(attributes), "{cookie:?}");
        let pair = pair(&cookie);
        assert_eq!(of(&keys, &format!("a=b; {pair}; c=d"), now), Some(visit));
        assert_eq!(of(&keys, &pair, now + IDLE - SignedDuration::from_secs(1)), Some(visit));
        assert_eq!(of(&keys, &pair, now + IDLE), None, "not used for too long");
        let used = now + ABSOLUTE - SignedDuration::from_secs(1);
        let late = self::pair(&Visit { used, ..visit }.cookie(&keys).unwrap());
        assert!(of(&keys, &late, used).is_some());
        assert_eq!(of(&keys, &late, now + ABSOLUTE), None, "used, and for too long");
    }

    #[test]
    fn no_other_cookie_is_good() {
        let (ours, now) = (keys("a secret"), clock::now());
        let pair = pair(&visit(now).cookie(&ours).unwrap());
        assert_eq!(of(&keys("another secret"), &pair, now), None);
        assert_eq!(of(&ours, &pair.replace("__Host-console", "console"), now), None);
        for at in COOKIE.len() + 1..pair.len() {
            let mut forged = pair.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                of(&ours, std::str::from_utf8(&forged).unwrap(), now),
                None,
                "character {at}"
            );
        }
        let elsewhere = ours.sealer.seal(b"another use", &serde_json::to_vec(&visit(now)).unwrap());
        assert_eq!(of(&ours, &format!("{COOKIE}={elsewhere}"), now), None);
        for cookies in ["", COOKIE, "__Host-console=", "__Host-console=x"] {
            assert_eq!(of(&ours, cookies, now), None, "{cookies}");
        }
    }

    #[test]
    fn a_form_is_of_one_session() {
        let (ours, session) = (keys("a secret"), clock::new_id::<SessionId>());
        let token = ours.form_token(session);
        assert!(ours.is_form_token(session, &token));
        assert!(!ours.is_form_token(clock::new_id(), &token));
        assert!(!keys("another secret").is_form_token(session, &token));
        assert!(!ours.is_form_token(session, ""));
    }
}
