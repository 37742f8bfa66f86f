//! Use these types for the JSON of responses of this function only.

use domain::account::Account;
use domain::text::PhoneNumber;
use http_api::views::UserView;
use serde::Serialize;
use utoipa::ToSchema;

/// An access token for the next minutes and the refresh token for the next one.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// For the header Authorization, for some minutes.
    #[schema(max_length = 4096, example = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTkwIn0.c2lnbmF0dXJl")]
    pub(crate) access: String,
    /// Gives new tokens, once.
    #[schema(max_length = 255, example = "AZClwAAAcACAAAAAAAAAAQ")]
    pub(crate) refresh: String,
}

/// A sentence for people.
#[derive(Serialize, ToSchema)]
pub(crate) struct Detail {
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
}

impl<'a> SignedInUser<'a> {
    pub(crate) fn new(account: &'a Account, tokens: Tokens) -> Self {
        Self { user: UserView::full(account), phone_number: &account.phone_number, tokens }
    }
}
