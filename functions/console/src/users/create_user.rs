//! `GET /admin/users/new/` and `POST /admin/users/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::Role;
use http_api::caller::Admin;
use http_api::form::FromForm;
use http_api::problem::Problem;
use staff::NewUser;

use crate::App;
use crate::web::form::{FormBody, FormField, FormState};
use crate::web::layout::{PageLayout, render, render_refused, see_other};

#[derive(Template)]
#[template(path = "users/new_user.html")]
struct NewUserPage<'a> {
    layout: PageLayout,
    fields: [FormField<'a>; 4],
    form: FormState<'a>,
}

impl<'a> NewUserPage<'a> {
    fn new(layout: PageLayout, form: FormState<'a>) -> Self {
        let fields = [
            FormField::new("email", "Email address", "email", ""),
            FormField::new("first_name", "First name", "text", ""),
            FormField::new("last_name", "Last name", "text", ""),
            FormField::new("phone_number", "Telephone number", "tel", ""),
        ];
        Self { layout, fields, form }
    }
}

/// Shows the form for a new user.
pub(crate) async fn new_user(
    State(_): State<App>,
    admin: Admin,
    layout: PageLayout,
) -> Result<Response, Problem> {
    admin.authorize().await?;
    render(&NewUserPage::new(layout, FormState::default()))
}

/// Creates the user.
pub(crate) async fn create_user(
    State(app): State<App>,
    admin: Admin,
    layout: PageLayout,
    body: FormBody,
) -> Result<Response, Problem> {
    let created = match body.form().parse(NewUser::from_form) {
        Ok(new) => app.staff.create_user(admin, new).await,
        Err(problem) => admin.authorize().await.and(Err(problem)),
    };
    match created {
        Ok(account) => see_other(&format!("/admin/users/{}/", account.id), Some("created")),
        Err(problem) if !problem.errors().is_empty() => {
            let form = FormState::refused(&body, &problem);
            render_refused(&NewUserPage::new(layout, form), &problem)
        }
        Err(problem) => Err(problem),
    }
}
