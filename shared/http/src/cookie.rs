//! Use [`HostCookie`] for cookies that scripts cannot read and that only this host gets.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};
use jiff::SignedDuration;

use crate::origin::is_plain_loopback;
use crate::problem::Problem;

/// A cookie of the service.
#[derive(Clone, Debug)]
pub struct HostCookie {
    name: Cow<'static, str>,
    is_secure: bool,
}

impl HostCookie {
    /// Makes the cookie of a service with this public address.
    ///
    /// The prefix `__Host-` of its name binds it to HTTPS and this host, with all its paths. On the
    /// own machine without TLS it has neither the prefix nor `Secure`: WebKit drops such cookies
    /// there.
    pub fn new(name: &'static str, public_url: &str) -> Self {
        if is_plain_loopback(public_url) {
            Self { name: name.into(), is_secure: false }
        } else {
            Self { name: format!("__Host-{name}").into(), is_secure: true }
        }
    }

    /// Returns the value of the cookie in a request.
    pub fn read(&self, headers: &HeaderMap) -> Option<String> {
        // Cookies of others on the same line may contain anything.
        let lines = headers.get_all(header::COOKIE).iter();
        lines
            .map(|line| String::from_utf8_lossy(line.as_bytes()))
            .find_map(|line| {
                let mut cookies = Cookie::split_parse(line.as_ref()).flatten();
                Some(cookies.find(|cookie| cookie.name() == self.name)?.value().to_owned())
            })
            .filter(|value| !value.is_empty())
    }

    /// Returns the header that sets the cookie.
    ///
    /// # Errors
    /// 500 when the value cannot be in a header.
    pub fn set(&self, value: &str, lifetime: SignedDuration) -> Result<HeaderValue, Problem> {
        let cookie = Cookie::build((self.name.as_ref(), value))
            .path("/")
            .secure(self.is_secure)
            .http_only(true)
            .same_site(SameSite::Strict)
            .max_age(cookie::time::Duration::seconds(lifetime.as_secs().max(0)));
        HeaderValue::try_from(cookie.to_string()).map_err(Problem::internal)
    }

    /// Returns the header that deletes the cookie.
    ///
    /// # Errors
    /// As [`HostCookie::set`].
    pub fn delete(&self) -> Result<HeaderValue, Problem> {
        self.set("", SignedDuration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_str(line).unwrap())).collect()
    }

    #[test]
    fn a_cookie_is_for_this_host_and_no_script() {
        let cookie = HostCookie::new("token", "https://records.example.org");
        assert_eq!(
            cookie.set("value", SignedDuration::from_mins(15)).unwrap(),
            "__Host-token=value; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=900"
        );
        assert_eq!(
            cookie.delete().unwrap(),
            "__Host-token=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0"
        );
    }

    #[test]
    fn a_cookie_of_this_machine_is_kept_by_webkit() {
        let cookie = HostCookie::new("token", "http://localhost:8000");
        assert_eq!(
            cookie.set("value", SignedDuration::from_mins(15)).unwrap(),
            "token=value; HttpOnly; SameSite=Strict; Path=/; Max-Age=900"
        );
        assert_eq!(cookie.read(&headers(&["token=value"])).as_deref(), Some("value"));
    }

    #[test]
    fn no_other_cookie_is_read() {
        let cookie = HostCookie::new("token", "https://records.example.org");
        for lines in [
            &["a=b; __Host-token=value; c=d"][..],
            &["a=b", "__Host-token=value"],
            &["__Host-token=value"],
            &["name=M\u{fc}ller; __Host-token=value"],
        ] {
            assert_eq!(cookie.read(&headers(lines)).as_deref(), Some("value"), "{lines:?}");
        }
        for lines in [
            &[][..],
            &["token=value"],
            &["__Host-token="],
            &["__Host-token"],
            &["x=__Host-token=value"],
        ] {
            assert_eq!(cookie.read(&headers(lines)), None, "{lines:?}");
        }
    }
}
