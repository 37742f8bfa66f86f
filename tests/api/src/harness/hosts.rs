//! Computers with addresses of their own. The gateway of the emulated cloud sees everybody at one
//! address; what these send is handed to the function as the gateway would hand it over.

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PASSWORD, Response, aws, unique};

/// Somebody's computer.
#[derive(Clone, Debug)]
pub(crate) struct Host(String);

impl Host {
    /// The one with this address.
    pub(crate) fn at(address: &str) -> Self {
        Self(address.to_owned())
    }

    /// One in a network that nobody else is in.
    pub(crate) fn somewhere() -> Self {
        let random = Uuid::now_v7().simple().to_string();
        Self(format!("2001:db8:{}:{}::1", &random[24..28], &random[28..]))
    }

    /// The network that it is in, as the counters know it: of an address as [`Host::somewhere`]
    /// gives it.
    pub(crate) fn network(&self) -> String {
        let parts = self
            .0
            .split(':')
            .take(4)
            .map(|part| format!("{:x}", u16::from_str_radix(part, 16).unwrap()));
        format!("{}::/64", parts.collect::<Vec<_>>().join(":"))
    }

    /// Posts to a path of the accounts function, with headers besides the usual ones.
    #[track_caller]
    pub(crate) fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Response {
        let mut event = json!({
            "version": "2.0",
            "routeKey": "ANY /api/accounts/{proxy+}",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"content-type": "application/json", "host": "api.example.org",
                "user-agent": "tests"},
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "api1234567",
                "domainName": "api.example.org",
                "domainPrefix": "api",
                "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": self.0,
                    "userAgent": "tests"},
                "requestId": unique(),
                "routeKey": "ANY /api/accounts/{proxy+}",
                "stage": "$default",
                "time": "23/Nov/2026:10:00:00 +0000",
                "timeEpoch": 1_795_428_000_000_i64,
            },
            "body": body.to_string(),
            "isBase64Encoded": false,
        });
        for (name, value) in headers {
            event["headers"][*name] = json!(value);
        }
        let response =
            Response::of_function(&format!("POST {path}"), &aws::invoke("accounts", &event).body);
        response.check(&Method::POST, path);
        response
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.post_with(path, &[], body)
    }

    #[track_caller]
    pub(crate) fn login(&self, email: &str, password: &str) -> Response {
        self.post("/api/accounts/login/", &json!({"email": email, "password": password}))
    }

    #[track_caller]
    pub(crate) fn request_password_reset(&self, email: &str) -> Response {
        self.post("/api/accounts/password-reset/", &json!({"email": email}))
    }

    #[track_caller]
    pub(crate) fn register(&self, email: &str) -> Response {
        self.post("/api/accounts/register/", &json!({"email": email, "password": PASSWORD}))
    }
}
