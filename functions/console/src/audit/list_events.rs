//! `GET /admin/audit/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::audit::{Action, AuditEvent, Outcome};
use domain::field::Reason;
use domain::id::{EventId, UserId};
use http_api::caller::Admin;
use http_api::problem::Problem;
use http_api::query::{Parameters, QueryParameters};
use staff::AuditFilter;

use crate::App;
use crate::web::layout::{PAGE_SIZE, PageLayout, render};

/// How many events a page reads when it search them.
const FILTERED_EVENTS: usize = 50;

#[derive(Template)]
#[template(path = "audit/list_events.html")]
struct AuditPage {
    layout: PageLayout,
    user: String,
    is_by: bool,
    action: Option<Action>,
    outcome: Option<Outcome>,
    /// `None` when no user was given.
    events: Option<Vec<AuditEvent>>,
    events_caption: &'static str,
    next: Option<String>,
}

/// Whose events are listed, and which.
struct AuditQuery {
    user: Option<UserId>,
    is_by: bool,
    action: Option<Action>,
    outcome: Option<Outcome>,
}

impl AuditQuery {
    fn read(parameters: &mut Parameters) -> Option<Self> {
        let user = parameters.optional::<String>("user");
        let side = parameters.optional::<String>("side");
        let action = parameters.optional("action");
        let outcome = parameters.optional("outcome");
        let user = match user?.map(|text| text.trim().to_ascii_lowercase().parse()) {
            None => None,
            Some(Ok(id)) => Some(id),
            // An address that is searched for arrives here as an id.
            Some(Err(_)) => {
                parameters.reject(
                    "user",
                    Reason::new("invalid", "Must be an id or a whole email address."),
                );
                return None;
            }
        };
        Some(Self {
            user,
            is_by: side?.is_some_and(|side| side == "actor"),
            action: action?,
            outcome: outcome?,
        })
    }

    fn matches(&self, event: &AuditEvent) -> bool {
        self.action.is_none_or(|action| action == event.action)
            && self.outcome.is_none_or(|outcome| outcome == event.outcome)
    }

    fn is_filtered(&self) -> bool {
        self.action.is_some() || self.outcome.is_some()
    }

    /// Returns the filter of the user's events, if there is a user.
    fn audit_filter(&self) -> Option<AuditFilter> {
        let of = if self.is_by { AuditFilter::Actor } else { AuditFilter::Subject };
        self.user.map(of)
    }
}

/// Shows the events on a user, or those that a user caused, newest first.
pub(crate) async fn list_events(
    State(app): State<App>,
    admin: Admin,
    layout: PageLayout,
    query: QueryParameters,
) -> Result<Response, Problem> {
    let user = query.typed("user").to_owned();
    let (search, paging) =
        query.parse::<_, EventId>(&app.http, admin.id(), "console-audit", AuditQuery::read)?;
    let (mut events, mut next) = (None, None);
    if let Some(filter) = search.audit_filter() {
        let limit = if search.is_filtered() { FILTERED_EVENTS } else { PAGE_SIZE };
        let mut page = app.staff.list_events(admin, filter, limit, paging.after).await?;
        page.items.retain(|event| search.matches(event));
        if page.items.len() > PAGE_SIZE {
            page.items.truncate(PAGE_SIZE);
            page.next = page.items.last().map(|event| event.id);
        }
        (events, next) = (Some(page.items), paging.next_url(page.next.as_ref())?);
    } else {
        admin.authorize().await?;
    }
    let AuditQuery { is_by, action, outcome, .. } = search;
    let events_caption =
        if is_by { "Events by the user, newest first" } else { "Events on the user, newest first" };
    render(&AuditPage { layout, user, is_by, action, outcome, events, events_caption, next })
}
