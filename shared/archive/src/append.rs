//! Bringing events into the archive, each once.
//!
//! What makes it so is that an object is created only if there is none of its key, and that the key
//! says where the chain goes on. First the object is created, then its events are marked as
//! archived, then the table's idea of the archive's end follows. Whoever finds the place taken does
//! the second and the third for the one who came first, perhaps only to be interrupted, and then
//! looks again at what is left to archive.

use domain::id::EventId;
use jiff::Timestamp;
use runtime::serve::Error;
use store::archive::{ArchiveHead, StoredEvent};
use store::{Store, UpdateError};

use crate::chain::{self, Object};
use crate::vault::Vault;

/// How often others may come first.
const MAX_RETRIES: usize = 20;

/// Appends events that are not marked as archived, all in one object; answers how many they were.
///
/// # Errors
/// When table or bucket do not answer or refuse, when the chain is broken at its end, or when
/// others come first all the time: then it can be repeated.
pub async fn append(
    store: &Store,
    vault: &Vault,
    mut events: Vec<StoredEvent>,
    now: impl Fn() -> Timestamp,
) -> Result<usize, Error> {
    for _ in 0..MAX_RETRIES {
        let head = store.get_archive_head().await?;
        let archived = store.get_archived_events(&ids(&events)).await?;
        events.retain(|event| event.id().is_none_or(|id| !archived.contains(&id)));
        if events.is_empty() {
            return Ok(0);
        }
        let (key, Object { text, head: end }) =
            (chain::key_after(&head), chain::extend(&head, events.iter().cloned())?);
        if vault.create(&key, &text).await? {
            settle(store, &head, &events, &end, now()).await?;
            return Ok(events.len());
        }
        // Somebody else was there first, or this one before it was interrupted.
        let (others, end) = chain::follow(&head, &vault.read(&key, None).await?)?;
        settle(store, &head, &others, &end, now()).await?;
    }
    Err("others extended the archive all the time".into())
}

/// Marks what an object holds as archived, and then says that the archive goes so far.
async fn settle(
    store: &Store,
    head: &ArchiveHead,
    events: &[StoredEvent],
    end: &ArchiveHead,
    now: Timestamp,
) -> Result<(), Error> {
    store.mark_archived(&ids(events), now).await?;
    match store.update_archive_head(head, end).await {
        // Somebody else has said it.
        Ok(()) | Err(UpdateError::Stale) => Ok(()),
        Err(UpdateError::Store(error)) => Err(error.into()),
    }
}

fn ids(events: &[StoredEvent]) -> Vec<EventId> {
    events.iter().filter_map(StoredEvent::id).collect()
}
