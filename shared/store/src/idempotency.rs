//! Requests that may be sent again: each is carried out once, and its response is stored in the
//! transaction that carries it out.
//!
//! The first of several equal requests acquires a lease for a while, so that the others are refused
//! meanwhile, and can be carried out soon after a crash. The transaction replaces the lease by the
//! response, and only if the request still holds it: change and response are stored together or not
//! at all, and never twice.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::id::UserId;
use jiff::{SignedDuration, Timestamp};

use crate::attributes::{seconds, string};
use crate::error::{Error, UpdateError};
use crate::item::mark;
use crate::keys::{self, ItemKey};
use crate::store::Store;
use crate::table::Table;
use crate::write::{PutOutcome, Step, operation_id};

/// How long a request holds its lease: longer than a function may run.
pub const LEASE_DURATION: SignedDuration = SignedDuration::from_secs(30);

/// How long a response is stored.
pub const RESPONSE_RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// The attribute that names the lease on a request that is running.
const LEASE: &str = "held_by";

/// The attribute of the response to a request that was done.
const RESPONSE: &str = "answer";

/// The exclusive right to carry out a request.
#[derive(Clone, Debug)]
pub struct Lease {
    key: ItemKey,
    id: String,
}

/// What [`Table::acquire_lease`] found.
#[derive(Debug)]
pub enum LeaseOutcome {
    /// The caller is to carry out the request.
    Acquired(Lease),
    /// The same request is running.
    InProgress,
    /// The request was done, with this response (sealed).
    Completed(Vec<u8>),
}

impl Lease {
    /// Makes the response to the request, sealed, an argument of the operation that carries it out.
    pub fn response(&self, sealed: Vec<u8>, now: Timestamp) -> StoredResponse {
        StoredResponse { lease: self.clone(), sealed, until: after(now, RESPONSE_RETENTION) }
    }
}

/// The response to a request, which the operation that carries it out stores with all else that it
/// changes, and only if the request still holds its lease: without it the operation fails with
/// [`Error::LeaseLost`].
#[derive(Clone, Debug)]
pub struct StoredResponse {
    lease: Lease,
    sealed: Vec<u8>,
    until: Timestamp,
}

impl StoredResponse {
    /// Puts the step that stores a response, if there is one, before the steps of an operation.
    pub(crate) fn first<E: From<Error>>(
        response: Option<&Self>,
        steps: Vec<Step<E>>,
    ) -> Vec<Step<E>> {
        response.map(Self::step).into_iter().chain(steps).collect()
    }

    fn step<E: From<Error>>(&self) -> Step<E> {
        let mut item = mark(self.lease.key.clone(), ENTITY, self.until);
        item.insert(RESPONSE.to_owned(), AttributeValue::B(Blob::new(self.sealed.clone())));
        Step::put_item(item)
            .only_if(HOLDS_LEASE, Error::LeaseLost.into())
            .with([string(":id", &self.lease.id)])
    }
}

const ENTITY: &str = "idempotency";

const HOLDS_LEASE: &str = "held_by = :id";

impl Store {
    /// Stores the response to a request that has changed nothing; nothing for one without a key.
    pub async fn complete_request(&self, response: Option<&StoredResponse>) -> Result<(), Error> {
        match response {
            Some(_) => self.commit(StoredResponse::first(response, Vec::new())).await,
            None => Ok(()),
        }
    }
}

impl Table {
    /// Acquires the lease on a request of a user, or of a caller without an account. The label says
    /// which requests are the same.
    pub async fn acquire_lease(
        &self,
        user: Option<UserId>,
        label: &str,
        now: Timestamp,
    ) -> Result<LeaseOutcome, Error> {
        let lease = Lease { key: keys::idempotency(user, label), id: operation_id() };
        let mut item = mark(lease.key.clone(), ENTITY, after(now, LEASE_DURATION));
        item.insert(LEASE.to_owned(), AttributeValue::S(lease.id.clone()));
        let free = "attribute_not_exists(pk) OR #ttl <= :now";
        Ok(match self.put_if(item, free, [seconds(":now", now)]).await? {
            PutOutcome::Done => LeaseOutcome::Acquired(lease),
            PutOutcome::ConditionFailed(stored) => {
                match stored.and_then(|mut item| item.remove(RESPONSE)) {
                    Some(AttributeValue::B(response)) => {
                        LeaseOutcome::Completed(response.into_inner())
                    }
                    _ => LeaseOutcome::InProgress,
                }
            }
        })
    }

    /// Releases the lease on a request that has changed nothing, so that it can be sent again at
    /// once. A stored response stays.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), Error> {
        let delete = Step::delete(lease.key.clone())
            .only_if(HOLDS_LEASE, UpdateError::Stale)
            .with([string(":id", &lease.id)]);
        match self.commit(vec![delete]).await {
            Ok(()) | Err(UpdateError::Stale) => Ok(()),
            Err(UpdateError::Store(error)) => Err(error),
        }
    }
}

fn after(now: Timestamp, time: SignedDuration) -> Timestamp {
    now.saturating_add(time).unwrap_or(now)
}
