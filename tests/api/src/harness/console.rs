//! A browser in the console, and what holds for every response to it.

use super::{Client, Request, Response};

/// A browser with or without a cookie of the console.
pub struct ConsoleBrowser {
    pub cookie: Option<String>,
}

impl ConsoleBrowser {
    /// Makes one in which the client has signed in.
    #[track_caller]
    pub fn of(client: &Client) -> Self {
        let response = sign_in(client);
        assert_eq!(response.status, 204, "{response}");
        Self { cookie: Some(cookie_of(&response)) }
    }

    /// Makes one with a cookie.
    pub fn with(cookie: impl Into<String>) -> Self {
        Self { cookie: Some(cookie.into()) }
    }

    /// Makes one in which nobody has signed in.
    pub fn without_cookie() -> Self {
        Self { cookie: None }
    }

    /// Begins a request with the cookie, if there is one.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let request = Request::new(method, path);
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }

    /// Reads a page with any status.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        let response = self.request("GET", path).send_unchecked();
        check_page(&response);
        response
    }

    /// Reads a page with status 200.
    #[track_caller]
    pub fn page(&self, path: &str) -> String {
        let response = self.get(path);
        assert_eq!(response.status, 200, "{response}");
        response.body_text().to_owned()
    }

    /// Searches a list, and returns the page to which the search leads.
    #[track_caller]
    pub fn search(&self, list: &str, fields: &[(&str, &str)]) -> String {
        let response = self.post("/admin/search/", &[&[("list", list)], fields].concat());
        assert_eq!(response.status, 303, "{response}");
        let location = response.header("location");
        assert!(location.starts_with(list), "{location}");
        assert!(!location.contains('@') && !location.contains("%40"), "{location}");
        self.page(&location)
    }

    /// Returns the token in the forms of this browser's pages.
    #[track_caller]
    pub fn csrf(&self) -> String {
        self.csrf_on("/admin/users/new/")
    }

    /// Returns the token in the forms of a page.
    #[track_caller]
    pub fn csrf_on(&self, page: &str) -> String {
        hidden_field(&self.page(page), "csrf")
    }

    /// Sends a form as its page would.
    #[track_caller]
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let csrf = self.csrf();
        self.post_raw(
            path,
            &[&[("csrf", csrf.as_str())], fields].concat(),
            &[("sec-fetch-site", "same-origin")],
        )
    }

    /// Sends a form with these fields and headers alone.
    #[track_caller]
    pub fn post_raw(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Response {
        let request =
            self.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let response = request.body(encoded(fields)).send_unchecked();
        check_page(&response);
        response
    }
}

/// Encodes fields as a browser does.
pub fn encoded(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// Signs in to the console with an access token.
pub fn sign_in(client: &Client) -> Response {
    client.request("POST", "/admin/session/").send_unchecked()
}

/// Returns the cookie of a response, as a browser sends it back.
pub fn cookie_of(response: &Response) -> String {
    response.header("set-cookie").split(';').next().unwrap().to_owned()
}

/// Returns the value of the first hidden field with a name.
#[track_caller]
pub fn hidden_field(page: &str, name: &str) -> String {
    let beginning = format!("name=\"{name}\" value=\"");
    let rest = page.split(&beginning).nth(1).unwrap_or_else(|| panic!("no field {name}: {page}"));
    rest.split('"').next().unwrap().to_owned()
}

/// Returns text in which every character takes five bytes of a page.
pub fn hostile(length: usize) -> String {
    "\"&'<>".chars().cycle().take(length).collect()
}

/// Checks what holds for every response to a browser.
#[track_caller]
pub fn check_page(response: &Response) {
    assert!(response.status < 500, "{response}");
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                  connect-src 'self'; form-action 'self'; \
                  frame-ancestors 'none'; base-uri 'none'";
    for (name, value) in [
        ("content-security-policy", policy),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=63072000; includeSubDomains"),
    ] {
        assert_eq!(response.header(name), value, "{name}: {response}");
    }
    assert!(!response.header("x-request-id").is_empty(), "{response}");
    assert!(response.bytes.len() < 100_000, "{} bytes", response.bytes.len());
    if response.bytes.is_empty() {
        assert_eq!(response.status, 303, "{response}");
        return;
    }
    // The export is for programs.
    if response.header("content-type") == "application/json" {
        assert!(response.body.is_object(), "{response}");
        return;
    }
    assert_eq!(response.header("content-type"), "text/html; charset=utf-8", "{response}");
    let page = response.body_text();
    for part in ["<!doctype html>", "<html lang=\"en\">", "<main id=\"main\"", "<h1>", "<title>"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for inline in [" style=", "<style", "<script>", " onclick=", " onload=", "javascript:"] {
        assert!(!page.contains(inline), "{inline}: {page}");
    }
}
