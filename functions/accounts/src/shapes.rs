//! The JSON shapes that only this function answers.

use domain::account::Account;
use http_kit::shapes::User;
use serde::Serialize;

/// An access token for the next minutes and the refresh token for the next one.
#[derive(Serialize)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// What happened, or will perhaps, in a sentence.
#[derive(Serialize)]
pub(crate) struct Detail {
    pub(crate) detail: &'static str,
}

/// A user who has just proved who they are.
#[derive(Serialize)]
pub(crate) struct SignedInUser<'a> {
    #[serde(flatten)]
    user: User<'a>,
    phone_number: &'a str,
    tokens: Tokens,
}

impl<'a> SignedInUser<'a> {
    pub(crate) fn new(account: &'a Account, tokens: Tokens) -> Self {
        Self { user: User::full(account), phone_number: account.phone_number.as_str(), tokens }
    }
}
