//! Clients with addresses of their own. The gateway of the emulated cloud sees one address for all
//! clients; these invoke the function directly, with the event that the gateway would send.

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PASSWORD, Request, Response, Transport, aws, gateway};

/// A client with an IP address of its own.
#[derive(Clone, Debug)]
pub struct Host(String);

impl Host {
    /// Makes a client with this address.
    pub fn at(address: &str) -> Self {
        Self(address.to_owned())
    }

    /// Makes a client in a network that no other test uses.
    pub fn somewhere() -> Self {
        let random = Uuid::now_v7().simple().to_string();
        Self(format!("2001:db8:{}:{}::1", &random[24..28], &random[28..]))
    }

    /// Returns the network as the counters name it, for an address of [`Host::somewhere`].
    pub fn network(&self) -> String {
        let parts = self
            .0
            .split(':')
            .take(4)
            .map(|part| format!("{:x}", u16::from_str_radix(part, 16).unwrap()));
        format!("{}::/64", parts.collect::<Vec<_>>().join(":"))
    }

    /// Makes a request from this address.
    pub(super) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, path).sent_from(&self.0)
    }

    /// Posts to a path of the accounts function, with additional headers.
    #[track_caller]
    pub fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Response {
        let mut request = self.request("POST", path).json(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Transport::InProcess(_) = &*Transport::get() {
            return request.send();
        }
        let response = aws::invoke("accounts", &gateway::event(&request.sent()));
        let response = Response::of_function(&format!("POST {path}"), &response.body);
        response.check(&Method::POST, path);
        response
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.post_with(path, &[], body)
    }

    #[track_caller]
    pub fn login(&self, email: &str, password: &str) -> Response {
        self.post("/api/accounts/login/", &json!({"email": email, "password": password}))
    }

    /// Signs in as a device with a token.
    #[track_caller]
    pub fn login_with_device(&self, email: &str, password: &str, device: &str) -> Response {
        let body = json!({"email": email, "password": password, "device_token": device});
        self.post("/api/accounts/login/", &body)
    }

    #[track_caller]
    pub fn request_password_reset(&self, email: &str) -> Response {
        self.post("/api/accounts/password-reset/", &json!({"email": email}))
    }

    #[track_caller]
    pub fn register(&self, email: &str) -> Response {
        self.post("/api/accounts/register/", &json!({"email": email, "password": PASSWORD}))
    }
}
