//! The audit trail, as functions write it and as people read what concerns them.

use domain::audit::AuditEvent;
use domain::id::{EventId, RecordId, UserId};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};

use crate::Store;
use crate::error::Error;
use crate::item::{self, read};
use crate::keys;
use crate::page::{Page, Selection, below};
use crate::read::{Consistency, Order};

impl Store {
    /// Writes events, all at once. Begin it beside the last read of an operation and answer when
    /// both are done: then nothing leaves without its event, and nobody waits for it.
    pub async fn create_events(&self, events: &[AuditEvent]) -> Result<(), Error> {
        let items = events.iter().map(item::audit_event).collect::<Result<Vec<_>, _>>()?;
        try_join_all(items.into_iter().map(|item| self.put_new(item))).await.map(drop)
    }

    /// Writes nothing that lasts, where [`Store::create_events`] would write the event about
    /// somebody, had there been somebody: both take the same time. The event's subject is nobody.
    pub async fn create_decoy_event(
        &self,
        event: &AuditEvent,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.put_new(item::decoy(event, now.as_second())?).await
    }

    /// A page of what was done to a user's chart and account, or to one record of the chart; newest
    /// first, strongly consistent.
    ///
    /// A record has no log of its own: what concerns it is picked from the chart's, from the
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
            let event: AuditEvent = read(item)?;
            Ok((
                event.id,
                Selection::show_if(record.is_none_or(|record| event.concerns(record)), event),
            ))
        };
        self.page_from(&range, Consistency::Strong, limit, first, look).await
    }
}

const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(1);
