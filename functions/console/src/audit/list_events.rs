//! `GET /admin/audit/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::audit::{Action, AuditEvent, Outcome};
use domain::email::Email;
use domain::field::Reason;
use domain::id::{EventId, UserId};
use http_api::problem::Problem;
use http_api::query::{Parameters, Query};
use staff::AuditFilter;

use crate::App;
use crate::users::pages::PAGE;
use crate::web::frame::{Frame, Staff, render};

/// How many events a page looks through that shows some of them.
const LOOKED_THROUGH: usize = 50;

#[derive(Template)]
#[template(path = "audit/list_events.html")]
struct Audit {
    frame: Frame,
    user: String,
    is_by: bool,
    action: Option<Action>,
    outcome: Option<Outcome>,
    /// None where nobody was asked for.
    events: Option<Vec<AuditEvent>>,
    events_caption: &'static str,
    next: Option<String>,
}

/// Whose events, and which.
struct Filters {
    user: Option<Whose>,
    is_by: bool,
    action: Option<Action>,
    outcome: Option<Outcome>,
}

/// A user as somebody has named one.
enum Whose {
    Id(UserId),
    Email(Email),
}

impl Filters {
    fn read(parameters: &mut Parameters) -> Option<Self> {
        let user = parameters.optional::<String>("user");
        let side = parameters.optional::<String>("side");
        let action = parameters.optional("action");
        let outcome = parameters.optional("outcome");
        let user = match user? {
            None => None,
            Some(text) => match (text.trim().parse(), Email::parse(&text)) {
                (Ok(id), _) => Some(Whose::Id(id)),
                (_, Ok(email)) => Some(Whose::Email(email)),
                _ => {
                    parameters.reject(
                        "user",
                        Reason::new("invalid", "Must be an id or a whole email address."),
                    );
                    return None;
                }
            },
        };
        Some(Self {
            user,
            is_by: side?.is_some_and(|side| side == "actor"),
            action: action?,
            outcome: outcome?,
        })
    }

    fn shows(&self, event: &AuditEvent) -> bool {
        self.action.is_none_or(|action| action == event.action)
            && self.outcome.is_none_or(|outcome| outcome == event.outcome)
    }

    fn is_narrow(&self) -> bool {
        self.action.is_some() || self.outcome.is_some()
    }

    async fn audit_filter(&self, app: &App) -> Result<AuditFilter, Problem> {
        let id = match &self.user {
            Some(Whose::Id(id)) => Some(*id),
            Some(Whose::Email(email)) => app.store.find_user_by_email(email).await?,
            None => None,
        };
        let id = id.ok_or_else(Problem::not_found)?;
        Ok(if self.is_by { AuditFilter::Actor(id) } else { AuditFilter::Subject(id) })
    }
}

/// What was done to a user, or by one, newest first.
pub(crate) async fn list_events(
    State(app): State<App>,
    staff: Staff,
    frame: Frame,
    query: Query,
) -> Result<Response, Problem> {
    let user = query.typed("user").to_owned();
    let (filters, paging) =
        query.parse::<_, EventId>(&app.http, staff.id(), "console-audit", Filters::read)?;
    let (mut events, mut next) = (None, None);
    if filters.user.is_some() {
        let limit = if filters.is_narrow() { LOOKED_THROUGH } else { PAGE };
        let mut page =
            app.staff.list_events(staff, filters.audit_filter(&app), limit, paging.after).await?;
        page.items.retain(|event| filters.shows(event));
        if page.items.len() > PAGE {
            page.items.truncate(PAGE);
            page.next = page.items.last().map(|event| event.id);
        }
        (events, next) = (Some(page.items), paging.next_url(page.next.as_ref())?);
    } else {
        staff.authorize().await?;
    }
    let Filters { is_by, action, outcome, .. } = filters;
    let events_caption = if is_by {
        "What the user did, newest first"
    } else {
        "What was done to the user, newest first"
    };
    render(&Audit { frame, user, is_by, action, outcome, events, events_caption, next })
}
