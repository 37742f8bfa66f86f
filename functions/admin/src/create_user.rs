//! `POST /api/admin/users/`

use axum::extract::State;
use domain::account::{Account, Approval, Credentials, Role};
use domain::audit::{Action, AuditEvent};
use domain::email::Email;
use domain::field::Reason;
use domain::mail::{Mail, MailKind};
use domain::text::{Name, PhoneNumber};
use http_kit::answer::{Answer, created};
use http_kit::caller::{Admin, Caller};
use http_kit::etag::ETag;
use http_kit::form::{Form, FromForm};
use http_kit::idempotency::{Attempt, Once};
use http_kit::problem::Problem;
use http_kit::taken;
use runtime::clock;
use runtime::passwords::HASH_OF_NOBODY;
use store::Store;
use store::accounts::RegisterError;
use uuid::Uuid;

use crate::App;
use crate::answer::User;

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

taken!(NewUser);

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
    Once(request, form): Once,
) -> Result<Answer, Problem> {
    let new = form.parse(NewUser::from_form)?;
    let attempt = request.of_user(admin.id());
    attempt.run(create_once(&app, admin, &attempt, new)).await
}

async fn create_once(
    app: &App,
    admin: Admin,
    attempt: &Attempt,
    new: NewUser,
) -> Result<Answer, Problem> {
    let (caller, replay) = admin.beside(attempt.begin()).await?;
    if let Some(answer) = replay {
        return Ok(answer);
    }
    let account = account(app, new);
    let answer = created(&format!("/api/admin/users/{}/", account.id), &User::new(&account))
        .with_etag(ETag::of(account.version));
    put(&attempt.keeping(&answer)?, &caller, &account).await?;
    Ok(answer)
}

/// Stores the user and orders the mail.
pub(crate) async fn create(app: &App, admin: Admin, new: NewUser) -> Result<Account, Problem> {
    let caller = admin.confirm().await?;
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
