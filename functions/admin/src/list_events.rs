//! `GET /api/admin/audit/`

use axum::extract::State;
use domain::audit::{Action, AuditEvent};
use domain::field::Reason;
use domain::id::{EventId, UserId};
use http_api::caller::Admin;
use http_api::filters;
use http_api::page::{Listing, listing};
use http_api::problem::Problem;
use http_api::query::{Parameters, Query};
use http_api::response::ApiResponse;
use store::Page;

use crate::App;
use crate::response::Event;

/// Whose events.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    /// What was done to somebody's chart and account.
    Subject(UserId),
    /// What somebody did, to whomever.
    Actor(UserId),
}

impl Side {
    fn read(parameters: &mut Parameters) -> Option<Self> {
        let subject = parameters.optional("subject");
        let actor = parameters.optional("actor");
        match (subject?, actor?) {
            (Some(subject), None) => Some(Self::Subject(subject)),
            (None, Some(actor)) => Some(Self::Actor(actor)),
            (None, None) => {
                parameters.reject(
                    "subject",
                    Reason::new(
                        "required",
                        "This parameter is required, unless there is an actor.",
                    ),
                );
                None
            }
            (Some(_), Some(_)) => {
                parameters.reject(
                    "subject",
                    Reason::new("not_alone", "Must not be given with an actor."),
                );
                None
            }
        }
    }
}

filters!(EventFilters: Side::read);

/// What was done to a user's chart and account (`subject`), or by a user (`actor`), newest first.
#[utoipa::path(
    get, path = "/api/admin/audit/", tag = "Administration", params(EventFilters),
    responses(
        (status = 200, description = "A page of events.", body = Listing<Event>),
    )
)]
pub(crate) async fn list_events(
    State(app): State<App>,
    admin: Admin,
    query: Query,
) -> Result<ApiResponse, Problem> {
    let (side, paging) = query.parse::<_, EventId>(&app.kit, admin.id(), "audit", Side::read)?;
    let page = list(&app, admin, async { Ok(side) }, paging.limit, paging.after).await?;
    listing(&paging, page.next.as_ref(), page.items.iter().map(Event::new))
}

/// A page of events of the side that is found out beside the caller. Tells the audit trail.
pub(crate) async fn list(
    app: &App,
    admin: Admin,
    side: impl Future<Output = Result<Side, Problem>>,
    limit: usize,
    after: Option<EventId>,
) -> Result<Page<AuditEvent, EventId>, Problem> {
    let page = async {
        let side = side.await?;
        let page = match side {
            Side::Subject(subject) => {
                app.store.list_events_of_subject(subject, None, limit, after).await?
            }
            Side::Actor(actor) => app.store.list_events_of_actor(actor, limit, after).await?,
        };
        Ok::<_, Problem>((side, page))
    };
    let (caller, (side, page)) = admin.authorize_with(page).await?;
    let (Side::Subject(looked_at) | Side::Actor(looked_at)) = side;
    app.store.create_events(&[caller.audit(Action::ReadAudit, looked_at, None)]).await?;
    Ok(page)
}
