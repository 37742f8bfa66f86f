//! `GET /admin/users/{id}/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::{Account, Approval, EmailProblem, Profile, Role};
use domain::approval::ApprovalDecision;
use domain::audit::AuditEvent;
use domain::id::UserId;
use http_api::caller::Admin;
use http_api::path::PathId;
use http_api::problem::Problem;

use crate::App;
use crate::web::layout::{PageLayout, render};

/// How many events the page shows.
const EVENTS: usize = 10;

#[derive(Template)]
#[template(path = "users/user.html")]
struct UserPage {
    layout: PageLayout,
    user: Account,
    is_self: bool,
    /// The decisions that are possible now: the words in their paths, and their labels.
    decisions: Vec<(&'static str, &'static str)>,
    events: Vec<AuditEvent>,
    events_caption: &'static str,
}

/// Returns the decisions about a doctor that are possible now.
fn possible_decisions(user: &Account) -> Vec<(&'static str, &'static str)> {
    let present = user.approval.unwrap_or(Approval::Pending);
    let all = [
        (ApprovalDecision::Approve, "approve", "Approve"),
        (ApprovalDecision::Refuse, "refuse", "Refuse"),
        (ApprovalDecision::Suspend, "suspend", "Suspend"),
    ];
    let has_licence = user.doctor_profile().is_some();
    let possible = all.into_iter().filter(|(decision, ..)| {
        decision.is_allowed_from(present) && (has_licence || *decision == ApprovalDecision::Suspend)
    });
    match user.role {
        Role::Doctor => possible.map(|(_, word, label)| (word, label)).collect(),
        Role::Patient | Role::Admin => Vec::new(),
    }
}

/// Shows a user's account and its latest events.
pub(crate) async fn read_user(
    State(app): State<App>,
    admin: Admin,
    layout: PageLayout,
    PathId(id): PathId<UserId>,
) -> Result<Response, Problem> {
    let (caller, user) = app.staff.get_user(admin, id).await?;
    let events = app.store.list_events_of_subject(id, None, EVENTS, None).await?.items;
    render(&UserPage {
        layout,
        is_self: caller.account.id == id,
        decisions: possible_decisions(&user),
        user,
        events,
        events_caption: "Events on the user, newest first, at most 10",
    })
}
