//! `GET /api/accounts/me/`

use http_kit::answer::{Answer, ok};
use http_kit::caller::SignedIn;
use http_kit::etag::ETag;
use http_kit::problem::Problem;
use http_kit::shapes::User;
use serde::Serialize;

#[derive(Serialize)]
struct Me<'a> {
    #[serde(flatten)]
    user: User<'a>,
    phone_number: &'a str,
}

/// The signed-in user.
#[utoipa::path(get, path = "/api/accounts/me/", tag = "Accounts", security(("bearer" = [])))]
pub(crate) async fn me(caller: SignedIn) -> Result<Answer, Problem> {
    let account = caller.confirm().await?.account;
    let me = Me { user: User::full(&account), phone_number: account.phone_number.as_str() };
    Ok(ok(&me).with_etag(ETag::of(account.version)))
}
