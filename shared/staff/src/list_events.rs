//! Listing events of the audit trail.

use domain::audit::{Action, AuditEvent};
use domain::field::Reason;
use domain::id::{EventId, UserId};
use http_api::caller::Admin;
use http_api::problem::Problem;
use http_api::query::Parameters;
use store::Page;

use crate::StaffService;

/// Which events are listed.
#[derive(Clone, Copy)]
pub enum AuditFilter {
    /// Events on a user's records and account.
    Subject(UserId),
    /// Events that a user caused.
    Actor(UserId),
}

impl AuditFilter {
    /// Reads the parameters `subject` and `actor`, of which one must be given.
    pub fn read(parameters: &mut Parameters) -> Option<Self> {
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

impl StaffService {
    /// Lists a page of events.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn list_events(
        &self,
        admin: Admin,
        filter: AuditFilter,
        limit: usize,
        after: Option<EventId>,
    ) -> Result<Page<AuditEvent, EventId>, Problem> {
        let page = async {
            match filter {
                AuditFilter::Subject(subject) => {
                    self.store.list_events_of_subject(subject, None, limit, after).await
                }
                AuditFilter::Actor(actor) => {
                    self.store.list_events_of_actor(actor, limit, after).await
                }
            }
        };
        let (caller, page) = admin.authorize_with(page).await?;
        let (AuditFilter::Subject(user) | AuditFilter::Actor(user)) = filter;
        self.store.create_events(&[caller.audit(Action::ReadAudit, user, None)]).await?;
        Ok(page)
    }
}
