//! The cookie of the console, which only its own key can make.
//!
//! It names the API session that was exchanged for it and when it was last used. Account and
//! session are read at every request, as for an access token.

use axum::http::{HeaderMap, HeaderValue};
use crypto::{HmacKey, RotatingSecret, Sealer};
use domain::account::Role;
use domain::id::{SessionId, UserId};
use http_api::caller::Caller;
use http_api::cookie::HostCookie;
use http_api::problem::Problem;
use jiff::{SignedDuration, Timestamp};
use runtime::clock;
use runtime::tokens::Claims;
use serde::{Deserialize, Serialize};

/// How long an unused cookie is valid.
const IDLE: SignedDuration = SignedDuration::from_mins(15);
/// How long a cookie is valid at most. It ends with the session, too.
const ABSOLUTE: SignedDuration = SignedDuration::from_hours(8);

/// The name of the cookie, without the prefix of [`HostCookie`].
const COOKIE: &str = "console";

/// The purpose for which cookies are sealed.
const SEALED_FOR: &[u8] = b"console";

/// The keys of the console.
#[derive(Debug)]
pub(crate) struct ConsoleKeys {
    sealer: Sealer,
    form_key: HmacKey,
    cookie: HostCookie,
}

impl ConsoleKeys {
    pub(crate) fn new(secret: impl Into<RotatingSecret>, public_url: &str) -> Self {
        let (secret, cookie) = (secret.into(), HostCookie::new(COOKIE, public_url));
        Self { sealer: Sealer::new(&secret), form_key: HmacKey::derive(secret), cookie }
    }

    /// Returns the token of a session's forms.
    pub(crate) fn form_token(&self, session: SessionId) -> String {
        self.form_key.sign(session.to_string().as_bytes())
    }

    /// Returns whether a form has the token of a session.
    pub(crate) fn is_form_token(&self, session: SessionId, token: &str) -> bool {
        self.form_key.verify(session.to_string().as_bytes(), token)
    }
}

/// The content of the cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct SessionCookie {
    user: UserId,
    session: SessionId,
    began: Timestamp,
    used: Timestamp,
}

impl SessionCookie {
    /// Reads the cookie of a request, `None` unless there is a valid one.
    pub(crate) fn read(keys: &ConsoleKeys, headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        let opened = keys.sealer.open(SEALED_FOR, &keys.cookie.read(headers)?)?;
        let cookie: Self = serde_json::from_slice(&opened).ok()?;
        cookie.is_valid_at(now).then_some(cookie)
    }

    fn is_valid_at(&self, now: Timestamp) -> bool {
        now.duration_since(self.used) < IDLE && now.duration_since(self.began) < ABSOLUTE
    }

    /// Returns the claims that the cookie stands for.
    pub(crate) fn claims(&self) -> Claims {
        Claims {
            user_id: self.user,
            session_id: self.session,
            role: Role::Admin,
            issued_at: self.began,
            expires_at: self.began.saturating_add(ABSOLUTE).unwrap_or(self.began),
        }
    }

    /// Returns the same cookie, used now.
    pub(crate) fn renewed(self, now: Timestamp) -> Self {
        Self { used: now, ..self }
    }

    /// Returns the header that sets the cookie.
    pub(crate) fn to_header(self, keys: &ConsoleKeys) -> Result<HeaderValue, Problem> {
        let sealed =
            keys.sealer.seal(SEALED_FOR, &serde_json::to_vec(&self).map_err(Problem::internal)?);
        keys.cookie.set(&sealed, IDLE)
    }
}

/// Returns the header that sets the cookie of a caller who has just signed in.
pub(crate) fn begin(keys: &ConsoleKeys, caller: &Caller) -> Result<HeaderValue, Problem> {
    let (user, session, now) = (caller.account.id, caller.session.id, clock::now());
    SessionCookie { user, session, began: now, used: now }.to_header(keys)
}

/// Returns the header that deletes the cookie.
pub(crate) fn end(keys: &ConsoleKeys) -> Result<HeaderValue, Problem> {
    keys.cookie.delete()
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    fn keys(secret: &str) -> ConsoleKeys {
        ConsoleKeys::new(secret, "https://records.example.org")
    }

    fn session_cookie(now: Timestamp) -> SessionCookie {
        SessionCookie { user: clock::new_id(), session: clock::new_id(), began: now, used: now }
    }

    fn read(keys: &ConsoleKeys, cookies: &str, now: Timestamp) -> Option<SessionCookie> {
        SessionCookie::read(
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
        let session = session_cookie(now);
        let cookie = session.to_header(&keys).unwrap();
        let attributes = "; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=900";
        assert!(cookie.to_str().unwrap().ends_with(attributes), "{cookie:?}");
        let pair = pair(&cookie);
        assert_eq!(read(&keys, &format!("a=b; {pair}; c=d"), now), Some(session));
        assert_eq!(read(&keys, &pair, now + IDLE - SignedDuration::from_secs(1)), Some(session));
        assert_eq!(read(&keys, &pair, now + IDLE), None, "not used for too long");
        let used = now + ABSOLUTE - SignedDuration::from_secs(1);
        let late = self::pair(&SessionCookie { used, ..session }.to_header(&keys).unwrap());
        assert!(read(&keys, &late, used).is_some());
        assert_eq!(read(&keys, &late, now + ABSOLUTE), None, "used, and for too long");
    }

    #[test]
    fn no_other_cookie_is_good() {
        let (ours, now) = (keys("a secret"), clock::now());
        let pair = pair(&session_cookie(now).to_header(&ours).unwrap());
        assert_eq!(read(&keys("another secret"), &pair, now), None);
        assert_eq!(read(&ours, &pair.replace("__Host-console", "console"), now), None);
        for at in "__Host-console=".len()..pair.len() {
            let mut forged = pair.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                read(&ours, std::str::from_utf8(&forged).unwrap(), now),
                None,
                "character {at}"
            );
        }
        let elsewhere =
            ours.sealer.seal(b"another use", &serde_json::to_vec(&session_cookie(now)).unwrap());
        assert_eq!(read(&ours, &format!("__Host-console={elsewhere}"), now), None);
        for cookies in ["", "__Host-console", "__Host-console=", "__Host-console=x"] {
            assert_eq!(read(&ours, cookies, now), None, "{cookies}");
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
