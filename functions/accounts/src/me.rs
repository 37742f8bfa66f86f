//! `GET /api/accounts/me/`

use domain::account::Approval;
use domain::text::PhoneNumber;
use http_api::caller::SignedIn;
use http_api::etag::ETag;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use http_api::views::UserView;
use serde::Serialize;
use utoipa::ToSchema;

/// The view of users on themselves.
#[derive(Serialize, ToSchema)]
struct Me<'a> {
    #[serde(flatten)]
    user: UserView<'a>,
    phone_number: &'a PhoneNumber,
    /// Whether you have confirmed the address with a link from a mail.
    email_verified: bool,
    /// Whether no mail is sent to the address, because one bounced or was reported as spam. Change
    /// the address, or ask staff.
    email_bounced: bool,
    /// Whether signing in needs a code, too.
    second_factor: bool,
    /// What staff say of a doctor's licence; null for others.
    #[schema(required)]
    approval: Option<Approval>,
}

/// Read your account.
#[utoipa::path(
    get, path = "/api/accounts/me/", tag = "Accounts",
    responses(
        (status = 200, description = "The account.", body = Me, headers(("ETag"))),
    )
)]
pub(crate) async fn me(caller: SignedIn) -> Result<ApiResponse, Problem> {
    let account = caller.authorize().await?.account;
    let me = Me {
        user: UserView::full(&account),
        phone_number: &account.phone_number,
        email_verified: account.email_verified,
        email_bounced: account.email_problem.is_some(),
        second_factor: account.second_factor,
        approval: account.approval,
    };
    Ok(ok(&me).with_etag(ETag::of(account.version)))
}
