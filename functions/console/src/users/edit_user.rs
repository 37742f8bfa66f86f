//! `GET /admin/users/{id}/edit/`, `POST /admin/users/{id}/edit/` and
//! `POST /admin/users/{id}/email-change/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::Account;
use domain::id::UserId;
use domain::text::{Justification, Name, PhoneNumber};
use http_api::caller::{Admin, Caller};
use http_api::form::FromForm;
use http_api::path::PathId;
use http_api::problem::Problem;
use staff::{NewEmail, UserChange};

use crate::App;
use crate::web::form::{FormBody, FormField, FormState, read_version};
use crate::web::layout::{PageLayout, render, render_refused, see_other};

#[derive(Template)]
#[template(path = "users/edit_user.html")]
struct EditUserPage<'a> {
    layout: PageLayout,
    user: &'a Account,
    is_self: bool,
    version: String,
    name_fields: [FormField<'a>; 3],
    name_form: FormState<'a>,
    email_fields: [FormField<'a>; 1],
    email_form: FormState<'a>,
}

impl<'a> EditUserPage<'a> {
    fn new(
        layout: PageLayout,
        (caller, user): &'a (Caller, Account),
        name_form: FormState<'a>,
        email_form: FormState<'a>,
    ) -> Self {
        let name_fields = [
            FormField::new("first_name", "First name", "text", user.first_name.as_str()),
            FormField::new("last_name", "Last name", "text", user.last_name.as_str()),
            FormField::new("phone_number", "Telephone number", "tel", user.phone_number.as_str()),
        ];
        let email_fields = [FormField::new("email", "New email address", "email", "")];
        // Names that were typed belong to the version that the form showed.
        let version = name_form.value("version", &user.version.to_string()).to_owned();
        let is_self = caller.account.id == user.id;
        Self { layout, user, is_self, version, name_fields, name_form, email_fields, email_form }
    }
}

/// Shows the forms for a user's names and address.
pub(crate) async fn edit_user(
    State(app): State<App>,
    admin: Admin,
    layout: PageLayout,
    PathId(id): PathId<UserId>,
) -> Result<Response, Problem> {
    let user = app.staff.get_user(admin, id).await?;
    render(&EditUserPage::new(layout, &user, FormState::default(), FormState::default()))
}

/// Corrects the user's names and telephone number. An empty field is an empty name.
pub(crate) async fn correct_user(
    State(app): State<App>,
    admin: Admin,
    layout: PageLayout,
    PathId(id): PathId<UserId>,
    body: FormBody,
) -> Result<Response, Problem> {
    let corrected = body.form().parse(|form| {
        let if_match = read_version(form);
        let first_name = form.or_default("first_name", Name::default());
        let last_name = form.or_default("last_name", Name::default());
        let phone_number = form.or_default("phone_number", PhoneNumber::default());
        let reason = form.optional::<Justification>("reason");
        let change = UserChange {
            first_name: Some(first_name?),
            last_name: Some(last_name?),
            phone_number: Some(phone_number?),
            reason: reason?,
            ..UserChange::default()
        };
        Some((if_match?, change))
    });
    match corrected {
        Ok((if_match, change)) => {
            app.staff.update_user(admin, id, &if_match, &change).await?;
            see_other(&format!("/admin/users/{id}/"), Some("changed"))
        }
        Err(problem) => {
            let user = app.staff.get_user(admin, id).await?;
            let names = FormState::refused(&body, &problem);
            let page = EditUserPage::new(layout, &user, names, FormState::default());
            render_refused(&page, &problem)
        }
    }
}

/// Starts the change of the user's address.
pub(crate) async fn start_email_change(
    State(app): State<App>,
    admin: Admin,
    layout: PageLayout,
    PathId(id): PathId<UserId>,
    body: FormBody,
) -> Result<Response, Problem> {
    let started = match body.form().parse(NewEmail::from_form) {
        Ok(new) => app.staff.start_email_change(admin.clone(), id, new).await,
        Err(problem) => Err(problem),
    };
    match started {
        Ok(()) => see_other(&format!("/admin/users/{id}/"), Some("email-change-started")),
        Err(problem) if !problem.errors().is_empty() => {
            let user = app.staff.get_user(admin, id).await?;
            let email = FormState::refused(&body, &problem);
            let page = EditUserPage::new(layout, &user, FormState::default(), email);
            render_refused(&page, &problem)
        }
        Err(problem) => Err(problem),
    }
}
