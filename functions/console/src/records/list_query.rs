//! What a list page can be searched for, and how the store is asked for it.

use std::collections::BTreeSet;

use domain::audit::AuditEvent;
use domain::field::Reason;
use domain::id::{RecordId, UserId};
use http_api::page::Paging;
use http_api::query::Parameters;
use runtime::clock;
use serde::{Deserialize, Serialize};
use store::Span;
use store::staff::lists::{ChartEntry, ListEntry, OwnerPosition};
use uuid::Uuid;

use crate::App;
use crate::records::created_period::CreatedPeriod;
use crate::records::person_search::PersonSearch;
use crate::web::layout::PAGE_SIZE;

/// The parameter that narrows a list by time.
pub(crate) const CREATED: &str = "created";

/// The order of entries that are not one owner's.
pub(crate) const NEWEST_FIRST: &str = "newest first";

/// The longest text that names an owner, in bytes: every link of the page repeats it.
const MAX_OWNER_BYTES: usize = 255;

/// Where a page of a list ends.
#[derive(Serialize, Deserialize)]
pub(crate) enum ListPosition {
    /// In a list of everybody's entries.
    Id(Uuid),
    /// In a list of one owner's.
    // Named as in cursors that are in use.
    #[serde(rename = "Chart")]
    OfOwner(OwnerPosition),
}

/// The entries of a page, and where the next page begins.
pub(crate) type ListEntries<T> = (Vec<T>, Option<ListPosition>);

/// The search of a list page.
pub(crate) struct ListQuery {
    id: Option<Uuid>,
    owner: Option<OwnerQuery>,
    /// When the entries were created.
    pub(crate) created: Option<CreatedPeriod>,
}

struct OwnerQuery {
    parameter: &'static str,
    text: String,
    search: Option<PersonSearch>,
}

impl ListQuery {
    /// Reads what every list can be searched for; `owners` are the parameters that name an owner.
    pub(crate) fn read(
        parameters: &mut Parameters,
        owners: impl IntoIterator<Item = &'static str>,
    ) -> Option<Self> {
        let id = parameters.optional::<RecordId>("id").map(|id| id.map(Uuid::from));
        let mut owner = None;
        for parameter in owners {
            let text =
                parameters.optional::<String>(parameter)?.unwrap_or_default().trim().to_owned();
            if text.is_empty() {
                continue;
            }
            if owner.is_some() {
                let reason = Reason::new("not_alone", "Must not be given with another search.");
                parameters.reject(parameter, reason);
                return None;
            }
            if text.len() > MAX_OWNER_BYTES {
                let message = format!("Must have at most {MAX_OWNER_BYTES} bytes.");
                parameters.reject(parameter, Reason::new("too_long", message));
                return None;
            }
            let search = PersonSearch::parse(&text);
            // An address that is searched for arrives here as an id.
            if let Some(PersonSearch::Email(_)) = search {
                let message = "Must not be an email address in a URL.";
                parameters.reject(parameter, Reason::new("invalid", message));
                return None;
            }
            owner = Some(OwnerQuery { parameter, text, search });
        }
        let created =
            parameters.optional::<String>(CREATED)?.map(|typed| typed.trim().parse()).transpose();
        let created = created.map_err(|reason| parameters.reject(CREATED, reason)).ok();
        Some(Self { id: id?, owner, created: created? })
    }

    /// Returns the span of time in which the entries were created.
    pub(crate) fn span(&self) -> Span {
        self.created.map(CreatedPeriod::span).unwrap_or_default()
    }

    /// Returns whether an entry passes the search by id and time.
    pub(crate) fn matches<T: ListEntry>(&self, entry: &T) -> bool {
        self.id.is_none_or(|id| id == entry.id().into()) && self.span().holds(entry.created_at())
    }

    /// Returns the id for the form to show again.
    pub(crate) fn id_text(&self) -> String {
        self.id.map(|id| id.to_string()).unwrap_or_default()
    }

    /// Returns the text of a parameter that names an owner, for the form to show again.
    pub(crate) fn owner_text(&self, parameter: &str) -> &str {
        let owner = self.owner.as_ref().filter(|owner| owner.parameter == parameter);
        owner.map(|owner| owner.text.as_str()).unwrap_or_default()
    }

    /// Returns the parameter that names the owner, empty if there is none.
    pub(crate) fn owner_parameter(&self) -> &'static str {
        self.owner.as_ref().map_or("", |owner| owner.parameter)
    }

    /// Finds out whose entries are wanted.
    pub(crate) async fn owner(&self, app: &App) -> Result<Owner, store::Error> {
        let Some(OwnerQuery { parameter, search, .. }) = &self.owner else {
            return Ok(Owner::Anyone);
        };
        let users = match search {
            Some(search) => search.find(app).await?,
            None => Vec::new(),
        };
        Ok(match users[..] {
            [user] => Owner::One(parameter, user),
            _ => Owner::Candidates(users),
        })
    }
}

/// Whose entries a list shows.
pub(crate) enum Owner {
    /// Everybody's.
    Anyone,
    /// Those of one user, whom this parameter names.
    One(&'static str, UserId),
    /// None, because the search finds several users or nobody.
    Candidates(Vec<UserId>),
}

impl Owner {
    /// Returns the user in whose audit trail the read is recorded.
    pub(crate) fn audit_subject(&self, reader: UserId) -> UserId {
        match self {
            Self::One(_, user) => *user,
            Self::Anyone | Self::Candidates(_) => reader,
        }
    }

    /// Adds the records to the event of a read of a patient's entries. A doctor's event names no
    /// records: they are of many patients.
    pub(crate) fn name_records(
        &self,
        event: AuditEvent,
        records: impl Iterator<Item = RecordId>,
    ) -> AuditEvent {
        match self {
            Self::One("patient", _) => {
                event.with_records(records.collect::<BTreeSet<_>>().into_iter().collect())
            }
            _ => event,
        }
    }

    /// Returns the users whose names the page shows because of the search.
    pub(crate) fn user_ids(&self) -> Vec<UserId> {
        match self {
            Self::Anyone => Vec::new(),
            Self::One(_, user) => vec![*user],
            Self::Candidates(users) => users.clone(),
        }
    }

    /// Returns the order of the entries, which is `order` for those of one owner.
    pub(crate) fn order(&self, order: &'static str) -> &'static str {
        match self {
            Self::One(..) => order,
            Self::Anyone | Self::Candidates(_) => NEWEST_FIRST,
        }
    }
}

/// Finds everybody's entries, or one by its id, that pass the query and `passes`.
pub(crate) async fn find_of_anyone<T: ListEntry>(
    app: &App,
    query: &ListQuery,
    paging: &Paging<ListPosition>,
    passes: impl Fn(&T) -> bool,
) -> Result<ListEntries<T>, store::Error> {
    if let Some(id) = query.id {
        let entry = app.store.get_entry::<T>(id.into()).await?;
        let entries = entry.into_iter().filter(|entry| query.matches(entry) && passes(entry));
        return Ok((entries.collect(), None));
    }
    let after = after_id(paging);
    let page = app.store.list_entries(clock::now(), query.span(), PAGE_SIZE, after, passes).await?;
    Ok((page.items, page.next.map(|id| ListPosition::Id(id.into()))))
}

/// Finds entries of charts, everybody's or those of one patient.
pub(crate) async fn find_in_charts<T: ChartEntry>(
    app: &App,
    query: &ListQuery,
    owner: &Owner,
    paging: &Paging<ListPosition>,
    passes: impl Fn(&T) -> bool,
) -> Result<ListEntries<T>, store::Error> {
    match owner {
        Owner::Candidates(_) => Ok((Vec::new(), None)),
        Owner::One(_, patient) => {
            let passes = |entry: &T| query.matches(entry) && passes(entry);
            let after = after_owner_position(paging);
            let page = app.store.list_entries_of_chart(*patient, PAGE_SIZE, after, passes).await?;
            Ok((page.items, page.next.map(ListPosition::OfOwner)))
        }
        Owner::Anyone => find_of_anyone(app, query, paging, passes).await,
    }
}

/// Returns the id after which a list of everybody's entries continues.
pub(crate) fn after_id<I: From<Uuid>>(paging: &Paging<ListPosition>) -> Option<I> {
    match paging.after {
        Some(ListPosition::Id(id)) => Some(id.into()),
        _ => None,
    }
}

/// Returns the place after which a list of one owner's entries continues.
pub(crate) fn after_owner_position(paging: &Paging<ListPosition>) -> Option<&OwnerPosition> {
    match &paging.after {
        Some(ListPosition::OfOwner(place)) => Some(place),
        _ => None,
    }
}
