//! `POST /api/admin/users/`

use axum::extract::State;
use domain::account::{Account, Approval, Credentials, Role};
use domain::audit::{Action, AuditEvent};
use domain::email::Email;
use domain::field::Reason;
use domain::mail::{Mail, MailKind};
use domain::text::{Name, PhoneNumber};
use http_api::caller::{Admin, Caller};
use http_api::etag::ETag;
use http_api::form::{Form, FromForm};
use http_api::idempotency::{Idempotent, IdempotentRequest};
use http_api::problem::Problem;
use http_api::request_schema;
use http_api::response::{ApiResponse, created};
use runtime::clock;
use runtime::passwords::HASH_OF_NOBODY;
use store::Store;
use store::accounts::RegisterError;
use uuid::Uuid;

use crate::App;
use crate::response::User;

pub(crate) struct NewUser {
    email: Email,
    first_name: Name,
    last_name: Name,
    phone_number: PhoneNumber,
    role: Role,
}

impl FromForm for NewUser {
    fn from_form(form: &mut Form) -> Option<Self> {
        let email = form.required("email");
        let first_name = form.or_default("first_name", Name::default());
        let last_name = form.or_default("last_name", Name::default());
        let phone_number = form.or_default("phone_number", PhoneNumber::default());
        let role = form.required("role");
        Some(Self {
            email: email?,
            first_name: first_name?,
            last_name: last_name?,
            phone_number: phone_number?,
            role: role?,
        })
    }
}

request_schema!(NewUser);

/// Create a user of any role, who gets a mail to set a password with: nobody ever knows it but the
/// user.
#[utoipa::path(
    post, path = "/api/admin/users/", tag = "Administration", request_body = NewUser,
    responses(
        (status = 201, description = "The user.", body = User, headers(("ETag"))),
    )
)]
pub(crate) async fn create_user(
    State(app): State<App>,
    admin: Admin,
    Idempotent(request, form): Idempotent,
) -> Result<ApiResponse, Problem> {
    let new = form.parse(NewUser::from_form)?;
    let attempt = request.of_user(admin.id());
    attempt.run(create_once(&app, admin, &attempt, new)).await
}

async fn create_once(
    app: &App,
    admin: Admin,
    attempt: &IdempotentRequest,
    new: NewUser,
) -> Result<ApiResponse, Problem> {
    let (caller, replay) = admin.authorize_with(attempt.begin()).await?;
    if let Some(response) = replay {
        return Ok(response);
    }
    let account = account(app, new);
    let response = created(&format!("/api/admin/users/{}/", account.id), &User::new(&account))
        .with_etag(ETag::of(account.version));
    put(&attempt.keeping(&response)?, &caller, &account).await?;
    Ok(response)
}

/// Stores the user and orders the mail.
pub(crate) async fn create(app: &App, admin: Admin, new: NewUser) -> Result<Account, Problem> {
    let caller = admin.authorize().await?;
    let account = account(app, new);
    put(&app.store, &caller, &account).await?;
    Ok(account)
}

fn account(app: &App, new: NewUser) -> Account {
    Account {
        first_name: new.first_name,
        last_name: new.last_name,
        phone_number: new.phone_number,
        approval: Approval::of_new(new.role, app.doctors.approval_is_required),
        ..Account::new(clock::new_id(), new.email, new.role)
    }
}

async fn put(store: &Store, caller: &Caller, account: &Account) -> Result<(), Problem> {
    let id = account.id;
    let credentials = Credentials::new(id, HASH_OF_NOBODY.to_owned());
    // With the user's own id, which the mail to confirm the address would have: the reset confirms
    // it too.
    let mail = Mail::new(
        Uuid::from_bytes(*id.as_bytes()).into(),
        MailKind::ResetPassword,
        id,
        clock::now(),
    );
    let event = AuditEvent {
        after: Some(account.role.to_string()),
        ..caller.audit(Action::CreateUser, id, None)
    };
    store.create_user(account, &credentials, &mail, &event).await.map_err(|error| match error {
        RegisterError::EmailTaken => {
            Problem::field("email", Reason::new("taken", "A user with this email already exists."))
        }
        RegisterError::Store(error) => error.into(),
    })
}
