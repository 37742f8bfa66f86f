//! Appending events to the archive, each exactly once.
//!
//! The key of an object says where the chain continues, and an object is created only if its key is
//! free. An append has three steps: create the object, mark its events as archived, update the
//! archive's head in the table. If the key is taken, another archivist came first and may have been
//! interrupted: if the head is still the same after a pause, its second and third steps are
//! completed for it before the remaining events are tried again.

use domain::id::EventId;
use jiff::Timestamp;
use runtime::serve::Error;
use store::archive::ArchiveHead;
use store::proof::StoredEvent;
use store::retry::ARCHIVE_RACE;
use store::{Table, UpdateError};

use crate::chain::{self, Object};
use crate::vault::Vault;

/// Appends those events that are not marked as archived, in one object; returns how many they were.
///
/// # Errors
/// When a call to the table or the bucket fails, when the end of the chain is broken, or when other
/// archivists come first every time. Can be repeated.
pub async fn append(
    store: &Table,
    vault: &Vault,
    mut events: Vec<StoredEvent>,
    now: impl Fn() -> Timestamp,
) -> Result<usize, Error> {
    let mut retries = ARCHIVE_RACE.start();
    loop {
        let head = store.get_archive_head().await?;
        let archived = store.get_archived_events(&ids(&events)).await?;
        events.retain(|event| event.id().is_none_or(|id| !archived.contains(&id)));
        if events.is_empty() {
            return Ok(0);
        }
        let (key, Object { text, head: end }) =
            (chain::key_after(&head), chain::extend(&head, events.iter().cloned())?);
        if vault.create(&key, &text).await? {
            complete(store, &head, &events, &end, now()).await?;
            return Ok(events.len());
        }
        // Another archivist came first, or this one was interrupted in an earlier try.
        if !retries.next().await {
            return Err("the archive was extended by others at every try".into());
        }
        // An archivist that is still there completes its own append meanwhile.
        if store.get_archive_head().await? == head {
            let (others, end) = chain::follow(&head, &vault.read(&key, None).await?)?;
            complete(store, &head, &others, &end, now()).await?;
        }
    }
}

/// Marks the events of an object as archived, then updates the archive's head in the table.
async fn complete(
    store: &Table,
    head: &ArchiveHead,
    events: &[StoredEvent],
    end: &ArchiveHead,
    now: Timestamp,
) -> Result<(), Error> {
    store.mark_archived(&ids(events), now).await?;
    match store.update_archive_head(head, end).await {
        // Somebody else has updated it.
        Ok(()) | Err(UpdateError::Stale) => Ok(()),
        Err(UpdateError::Store(error)) => Err(error.into()),
    }
}

fn ids(events: &[StoredEvent]) -> Vec<EventId> {
    events.iter().filter_map(StoredEvent::id).collect()
}
