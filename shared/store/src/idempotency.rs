//! Requests that may be sent again: each is done once, and its answer is kept together with what it
//! has changed.
//!
//! The first to come holds the request's place for a while, so that one who comes meanwhile is told
//! to wait, and one who comes after a crash is not told so for long. The transaction that does the
//! change replaces the hold by the answer, and only if it still holds: change and answer are there
//! together or not at all, and never twice.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::id::UserId;
use jiff::{SignedDuration, Timestamp};

use crate::Store;
use crate::error::{Error, UpdateError};
use crate::item;
use crate::keys::{self, Key};
use crate::write::{PutOutcome, Step, number, operation_id, string};

/// How long a request holds its place: longer than a function may run.
pub const HOLD: SignedDuration = SignedDuration::from_secs(30);

/// How long an answer is kept.
pub const KEEP: SignedDuration = SignedDuration::from_hours(24);

/// The place of a request that has begun.
#[derive(Clone, Debug)]
pub struct Lease {
    key: Key,
    id: String,
}

/// What is known of a request that is to begin.
#[derive(Debug)]
pub enum LeaseOutcome {
    /// It has begun now.
    Acquired(Lease),
    /// The same is running.
    InProgress,
    /// It was answered so, sealed.
    Completed(Vec<u8>),
}

/// An answer that the next transaction keeps.
#[derive(Clone, Debug)]
pub(crate) struct StoredResponse {
    hold: Lease,
    response: Vec<u8>,
    until: Timestamp,
}

impl StoredResponse {
    pub(crate) fn step<E: From<Error>>(&self) -> Step<E> {
        let response = AttributeValue::B(Blob::new(self.response.clone()));
        let put =
            Step::put(item::idempotency(self.hold.key.clone(), self.until, "answer", response));
        put.only_if(HELD, Error::Overtaken.into()).with([string(":id", &self.hold.id)])
    }
}

const HELD: &str = "held_by = :id";

impl Store {
    /// Begins a request of a user, or of somebody without an account, that is kept under a label.
    pub async fn acquire_lease(
        &self,
        user: Option<UserId>,
        label: &str,
        now: Timestamp,
    ) -> Result<LeaseOutcome, Error> {
        let hold = Lease { key: keys::idempotency(user, label), id: operation_id() };
        let item = item::idempotency(
            hold.key.clone(),
            after(now, HOLD),
            "held_by",
            AttributeValue::S(hold.id.clone()),
        );
        let now = number(":now", u64::try_from(now.as_second()).unwrap_or_default());
        Ok(match self.put_if(item, "attribute_not_exists(pk) OR #ttl <= :now", [now]).await? {
            PutOutcome::Done => LeaseOutcome::Acquired(hold),
            PutOutcome::Refused(stored) => {
                match stored.and_then(|mut item| item.remove("answer")) {
                    Some(AttributeValue::B(response)) => {
                        LeaseOutcome::Completed(response.into_inner())
                    }
                    _ => LeaseOutcome::InProgress,
                }
            }
        })
    }

    /// The store whose next transaction keeps a sealed answer, together with all that it does
    /// otherwise.
    ///
    /// It fails with [`Error::Overtaken`] when the request does not hold its place any more.
    #[must_use]
    pub fn keeping(&self, hold: &Lease, response: Vec<u8>, now: Timestamp) -> Self {
        Self {
            kept: Some(StoredResponse { hold: hold.clone(), response, until: after(now, KEEP) }),
            ..self.clone()
        }
    }

    /// Forgets a request that has changed nothing, so that it can be sent again at once. What was
    /// answered stays.
    pub async fn release_lease(&self, hold: &Lease) -> Result<(), Error> {
        let delete = Step::delete(hold.key.clone())
            .only_if(HELD, UpdateError::Stale)
            .with([string(":id", &hold.id)]);
        match self.commit(vec![delete]).await {
            Ok(()) | Err(UpdateError::Stale) => Ok(()),
            Err(UpdateError::Store(error)) => Err(error),
        }
    }
}

fn after(now: Timestamp, time: SignedDuration) -> Timestamp {
    now.saturating_add(time).unwrap_or(now)
}
