//! `POST /admin/search/`

use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::email::Email;
use form_urlencoded::Serializer;
use http_api::caller::Admin;
use http_api::problem::Problem;
use uuid::Uuid;

use crate::App;
use crate::web::form::{CSRF_FIELD, FormBody};
use crate::web::layout::see_other;

/// The field with the path of the list that is searched.
const LIST_FIELD: &str = "list";

/// The lists that can be searched for a person.
const LISTS: [&str; 8] = [
    "/admin/users/",
    "/admin/doctor-profiles/",
    "/admin/patient-profiles/",
    "/admin/audit/",
    "/admin/records/",
    "/admin/files/",
    "/admin/annotations/",
    "/admin/notifications/",
];

/// Leads to a list that is searched, with the id of a user in place of the address. Addresses are
/// in no URL: URLs are kept in histories and logs.
pub(crate) async fn search(
    State(app): State<App>,
    admin: Admin,
    body: FormBody,
) -> Result<Response, Problem> {
    let caller = admin.authorize().await?;
    let typed = body.typed(LIST_FIELD);
    let list = LISTS.into_iter().find(|list| *list == typed).ok_or_else(Problem::not_found)?;
    let mut query = Vec::new();
    for (name, text) in body.texts().filter(|(name, _)| ![CSRF_FIELD, LIST_FIELD].contains(name)) {
        let Ok(email) = Email::parse(text.trim()) else {
            query.push((name, text.to_owned()));
            continue;
        };
        let event = caller.audit(Action::ListUsers, caller.account.id, None);
        let (found, ()) = tokio::try_join!(
            app.store.get_user_id_by_email(&email),
            app.store.create_events(std::slice::from_ref(&event))
        )?;
        let name = if name == "email" { "id" } else { name };
        // Nobody has the id of zeros.
        let id = found.map_or_else(|| Uuid::nil().to_string(), |id| id.to_string());
        query.push((name, id));
    }
    let query = Serializer::new(String::new()).extend_pairs(query).finish();
    see_other(&format!("{list}?{query}"), None)
}
