//! Use this module to tell requests of the service's own pages from those of other sites.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

/// Returns the origin of a URL.
pub fn origin_of(url: &str) -> String {
    url.split('/').take(3).collect::<Vec<_>>().join("/")
}

/// Returns whether a URL leads to this machine, without TLS.
pub fn is_plain_loopback(url: &str) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_loopback = host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback());
    url.scheme_str() == Some("http") && is_loopback
}

/// Returns whether a script of a page of the service has sent the request: `Origin` names the
/// service, and `Sec-Fetch-Site`, which older browsers do not send, says so, too.
pub fn is_sent_by_own_script(headers: &HeaderMap, public_url: &str) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.is_some_and(|origin| is_own_origin(origin, public_url))
        && headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin")
}

/// Returns whether an origin is that of the service. This machine has several names, and people
/// use any of them.
fn is_own_origin(origin: &str, public_url: &str) -> bool {
    let port = |url: &str| url.parse::<Uri>().ok().and_then(|url| url.port_u16());
    origin == origin_of(public_url)
        || is_plain_loopback(origin)
            && is_plain_loopback(public_url)
            && port(origin) == port(public_url)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn only_addresses_of_this_machine_without_tls_are_plain_loopback() {
        for url in [
            "http://localhost:8000",
            "http://localhost",
            "http://records.localhost:1/base",
            "http://127.0.0.1:8000",
            "http://127.9.9.9",
            "http://[::1]:8000",
        ] {
            assert!(is_plain_loopback(url), "{url}");
        }
        for url in [
            "https://localhost:8000",
            "https://127.0.0.1",
            "http://localhost.example.org",
            "http://notlocalhost",
            "http://10.0.0.1",
            "http://records.example.org",
            "localhost:8000",
            "",
        ] {
            assert!(!is_plain_loopback(url), "{url}");
        }
    }

    #[test]
    fn scripts_of_other_pages_are_told_apart() {
        let is_own = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            is_sent_by_own_script(&headers, "https://api.example.org/base")
        };
        let own = ("origin", "https://api.example.org");
        assert!(is_own(&[own]));
        assert!(is_own(&[own, ("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!is_own(&[own, ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!is_own(&[]));
        assert!(!is_own(&[("sec-fetch-site", "same-origin")]));
        for origin in [
            "null",
            "https://example.org",
            "https://api.example.org.evil.example",
            "https://api.example.org:444",
            "http://api.example.org",
        ] {
            assert!(!is_own(&[("origin", origin), ("sec-fetch-site", "same-origin")]), "{origin}");
        }
    }

    #[test]
    fn this_machine_has_several_names() {
        let public_url = "http://localhost:8000";
        for origin in ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"] {
            assert!(is_own_origin(origin, public_url), "{origin}");
        }
        for origin in [
            "http://127.0.0.1:3000",
            "http://127.0.0.1",
            "https://127.0.0.1:8000",
            "http://10.0.0.1:8000",
            "http://localhost.example.org:8000",
        ] {
            assert!(!is_own_origin(origin, public_url), "{origin}");
        }
        assert!(!is_own_origin("http://127.0.0.1:8000", "http://api.example.org:8000"));
    }
}
