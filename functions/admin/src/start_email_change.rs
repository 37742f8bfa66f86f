//! `POST /api/admin/users/{id}/email-change/`

use axum::extract::State;
use domain::audit::{Action, AuditEvent};
use domain::email::Email;
use domain::field::Reason;
use domain::id::UserId;
use domain::mail::Mail;
use http_api::caller::Admin;
use http_api::code::Code;
use http_api::form::{Body, Form, FromForm};
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::request_schema;
use http_api::response::{ApiResponse, no_content};
use runtime::clock;

use crate::App;

pub(crate) struct NewEmail {
    email: Email,
}

impl FromForm for NewEmail {
    fn from_form(form: &mut Form) -> Option<Self> {
        Some(Self { email: form.required("email")? })
    }
}

request_schema!(NewEmail);

/// Have a mail sent to a new address, with which it becomes the user's; the address before is told
/// then.
///
/// Until then nothing changes: staff cannot give an account to an address that nobody reads.
#[utoipa::path(
    post, path = "/api/admin/users/{id}/email-change/", tag = "Administration",
        request_body = NewEmail,
    responses(
        (status = 204, description = "The mail is on its way."),
        (status = 409, description = "inactive"),
    )
)]
pub(crate) async fn start_email_change(
    State(app): State<App>,
    admin: Admin,
    Id(id): Id<UserId>,
    Body(new): Body<NewEmail>,
) -> Result<ApiResponse, Problem> {
    start(&app, admin, id, new).await?;
    Ok(no_content())
}

/// Orders the mail and tells the audit trail.
pub(crate) async fn start(
    app: &App,
    admin: Admin,
    id: UserId,
    NewEmail { email }: NewEmail,
) -> Result<(), Problem> {
    let reads =
        async { tokio::try_join!(app.store.get_account(id), app.store.find_user_by_email(&email)) };
    let (caller, (found, owner)) = admin.authorize_with(reads).await?;
    let account = found.ok_or_else(Problem::not_found)?;
    if !account.is_active {
        return Err(Problem::conflict(
            Code::Inactive,
            "The user is not active: activate the user first.",
        ));
    }
    if email == account.email {
        return Err(Problem::field(
            "email",
            Reason::new("unchanged", "Is the user's present address."),
        ));
    }
    if owner.is_some_and(|owner| owner != id) {
        return Err(Problem::field(
            "email",
            Reason::new("taken", "A user with this email already exists."),
        ));
    }
    let event = AuditEvent {
        before: Some(account.email.as_str().to_owned()),
        after: Some(email.as_str().to_owned()),
        ..caller.audit(Action::StartEmailChange, id, None)
    };
    let mail = Mail::to_change_address(clock::new_id(), &account, email, clock::now());
    app.store.request_mail(&mail, &event).await?;
    Ok(())
}
