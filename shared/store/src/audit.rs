//! The audit trail: write events, and read what was done to a user or by one.

use std::cmp::Reverse;

use domain::audit::AuditEvent;
use domain::id::{EventId, RecordId, UserId};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};

use crate::error::Error;
use crate::item::from_item;
use crate::keys::{self, ItemKey};
use crate::page::{Page, Selection, below, position};
use crate::proof::decoy_item;
use crate::read::{Consistency, Order};
use crate::store::Store;
use crate::table::Table;
use crate::write::{IS_NEW, PutOutcome, Step};

impl Table {
    /// Lists what was done to a user's chart and account, or to one record of the chart, newest
    /// first, strongly consistent.
    ///
    /// A record has no log of its own: its events are picked from the log of the chart, from the
    /// record's creation on. So a page may hold fewer events than asked for, or none, and still
    /// have a next one.
    pub async fn list_events_of_subject(
        &self,
        subject: UserId,
        record: Option<RecordId>,
        limit: usize,
        after: Option<EventId>,
    ) -> Result<Page<AuditEvent, EventId>, Error> {
        // The clocks of two sandboxes may differ a little.
        let since = record.map_or(Timestamp::UNIX_EPOCH, |record| record.created_at());
        let oldest = EventId::first_at(since.checked_sub(CLOCK_SKEW).unwrap_or(since));
        let newest = after.map_or(EventId::last_at(Timestamp::MAX), |id| below(id.as_bytes()));
        if newest < oldest {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let range = keys::audit_events(subject, oldest, newest);
        let first =
            self.query(&range, Order::Descending, Consistency::Strong, limit + 1, None).await?;
        let look = |item| {
            let event: AuditEvent = from_item(item)?;
            Ok((
                event.id,
                Selection::show_if(record.is_none_or(|record| event.concerns(record)), event),
            ))
        };
        self.page_from(&range, Consistency::Strong, limit, first, look).await
    }

    /// Lists what a user did, to any user, newest first. Eventually consistent.
    pub async fn list_events_of_actor(
        &self,
        actor: UserId,
        limit: usize,
        after: Option<EventId>,
    ) -> Result<Page<AuditEvent, EventId>, Error> {
        let range = keys::events_by(actor, after.map(|id| below(id.as_bytes())));
        let (found, more) =
            self.query_first(&range, Order::Descending, Consistency::Eventual, limit).await?;
        let events =
            self.get_all(found.iter().filter_map(ItemKey::of), Consistency::Eventual).await?;
        let mut items: Vec<AuditEvent> =
            events.into_iter().map(from_item).collect::<Result<_, _>>()?;
        items.sort_unstable_by_key(|event| Reverse(event.id));
        let last = found.last().filter(|_| more).map(|item| position(&range, item)).transpose()?;
        Ok(Page { items, next: last })
    }
}

impl Store {
    /// Makes the step of a transaction that writes an event, which never replaces another one.
    pub(crate) fn audit<E: From<Error>>(&self, event: &AuditEvent) -> Result<Step<E>, Error> {
        Ok(Step::put_item(self.audit_key.event_item(event)?)
            .only_if(IS_NEW, event_exists("TransactWriteItems").into()))
    }

    /// Writes an event by itself.
    pub(crate) async fn create_event(&self, event: &AuditEvent) -> Result<(), Error> {
        match self.put_new(self.audit_key.event_item(event)?).await? {
            PutOutcome::Done => Ok(()),
            PutOutcome::ConditionFailed(_) => Err(event_exists("PutItem")),
        }
    }

    /// Writes events, all at once. Start it together with the last read of an operation and respond
    /// when both are done: then no response leaves without its event, and the event delays none.
    pub async fn create_events(&self, events: &[AuditEvent]) -> Result<(), Error> {
        try_join_all(events.iter().map(|event| self.create_event(event))).await.map(drop)
    }

    /// Writes a decoy that expires soon, so that a missing account takes as long as one about which
    /// [`Store::create_events`] writes. The event's subject is nobody.
    pub async fn create_decoy_event(
        &self,
        event: &AuditEvent,
        now: Timestamp,
    ) -> Result<(), Error> {
        let decoy = decoy_item(event, now)?;
        match self.put_new(decoy).await? {
            PutOutcome::Done => Ok(()),
            PutOutcome::ConditionFailed(_) => Err(event_exists("PutItem")),
        }
    }
}

fn event_exists(operation: &'static str) -> Error {
    Error::Rejected(format!("{operation}: there is an event with this id already"))
}

const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(1);
