//! Use these types for the JSON of responses of this function only.

use domain::account::Account;
use domain::text::PhoneNumber;
use http_api::views::UserView;
use runtime::tokens::DeviceToken;
use serde::Serialize;
use utoipa::ToSchema;

/// A short-lived access token, and the refresh token that gets the next pair.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// For the header Authorization, for some minutes.
    #[schema(max_length = 4096, example = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTkwIn0.c2lnbmF0dXJl")]
    pub(crate) access: String,
    /// Gives new tokens, once. Absent if it is in a cookie.
    #[schema(max_length = 255, required = false, example = "AZClwAAAcACAAAAAAAAAAQ")]
    pub(crate) refresh: String,
}

/// A sentence for people.
#[derive(Serialize, ToSchema)]
#[schema(as = Detail)]
pub(crate) struct DetailMessage {
    #[schema(max_length = 1000)]
    pub(crate) detail: &'static str,
}

/// A user who has just signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedInUser<'a> {
    #[serde(flatten)]
    user: UserView<'a>,
    phone_number: &'a PhoneNumber,
    tokens: Tokens,
    /// For the next sign-in from this device, which is known then. It signs nobody in. Absent after
    /// a registration, and if it is in a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 255,
        required = false,
        value_type = String,
        example = "AZClwAAAcACAAAAAAAAAAQ"
    )]
    device_token: Option<String>,
}

impl<'a> SignedInUser<'a> {
    pub(crate) fn new(account: &'a Account, tokens: Tokens) -> Self {
        Self {
            user: UserView::full(account),
            phone_number: &account.phone_number,
            tokens,
            device_token: None,
        }
    }

    /// Returns the user on a device that is known from now on.
    pub(crate) fn on_device(self, token: &DeviceToken) -> Self {
        Self { device_token: Some(token.reveal()), ..self }
    }
}
