//! `POST /api/accounts/register/`

use axum::extract::State;
use domain::account::{Account, Approval, Credentials, OpenRole, Role};
use domain::audit::Action;
use domain::email::Email;
use domain::field::Reason;
use domain::password::Password;
use domain::text::{Name, PhoneNumber};
use http_kit::answer::{Answer, created};
use http_kit::caller::RequestInfo;
use http_kit::form::{Body, Form, FromForm};
use http_kit::problem::Problem;
use runtime::clock;
use runtime::tokens::RefreshToken;
use store::accounts::RegisterError;

use crate::App;
use crate::shapes::SignedInUser;

pub(crate) struct RegisterRequest {
    email: Email,
    password: Password,
    first_name: Name,
    last_name: Name,
    phone_number: PhoneNumber,
    role: Role,
}

impl FromForm for RegisterRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let email = form.required::<Email>("email");
        let password = form.required::<Password>("password");
        let first_name = form.or_default("first_name", Name::default());
        let last_name = form.or_default("last_name", Name::default());
        let phone_number = form.or_default("phone_number", PhoneNumber::default());
        let role = form.or_default("role", OpenRole(Role::Patient));
        let names: Vec<&Name> = [&first_name, &last_name].into_iter().flatten().collect();
        let password =
            password.and_then(|password| password.choose(email.as_ref(), &names).map_err(|reason| form.reject("password", reason)).ok());
        Some(Self {
            email: email?,
            password: password?,
            first_name: first_name?,
            last_name: last_name?,
            phone_number: phone_number?,
            role: role?.0,
        })
    }
}

/// Register as a patient or a doctor, and be signed in.
#[utoipa::path(post, path = "/api/accounts/register/", tag = "Accounts")]
pub(crate) async fn register(State(app): State<App>, info: RequestInfo, Body(new): Body<RegisterRequest>) -> Result<Answer, Problem> {
    let (password_hash, signer) = tokio::join!(app.hasher.hash(new.password), app.tokens.signer());
    let (password_hash, signer) = (password_hash.map_err(Problem::internal)?, signer?);
    let now = clock::now();
    let account = Account {
        id: clock::new_id(),
        email: new.email,
        first_name: new.first_name,
        last_name: new.last_name,
        phone_number: new.phone_number,
        role: new.role,
        is_active: true,
        email_verified: false,
        approval: (new.role == Role::Doctor).then_some(Approval::Approved),
        second_factor: false,
        sessions_ended_through: None,
        profile: None,
        version: 1,
    };
    let credentials = Credentials { user_id: account.id, password_hash };
    let (session, refresh) = RefreshToken::start(account.id, now, info.device(), app.tokens.lifetimes());
    let audit = info.audit(&account, Action::Register, account.id, None);
    app.store.register(&account, &credentials, &session, &audit).await.map_err(|error| match error {
        RegisterError::EmailTaken => Problem::field("email", Reason::new("taken", "A user with this email already exists.")),
        RegisterError::Store(error) => error.into(),
    })?;
    let tokens = app.tokens.issue(signer, &account, &session, &refresh, now);
    Ok(created("/api/accounts/me/", &SignedInUser::new(&account, tokens)))
}
