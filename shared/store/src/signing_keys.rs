//! The public keys with which access tokens are verified: publish and list them.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::signing_key::SigningKey;
use jiff::{SignedDuration, Timestamp};

use crate::attributes::{Item, TTL};
use crate::error::Error;
use crate::item::{Keyed, Stored, from_item, to_item};
use crate::keys::{self, ItemKey};
use crate::read::Consistency;
use crate::table::Table;
use crate::write::IS_NEW;

impl Stored for SigningKey {
    const ENTITY: &'static str = "signing_key";
    const IN_KEY: &'static [&'static str] = &[];
}

impl Keyed for SigningKey {
    fn key(&self) -> ItemKey {
        keys::signing_key(&self.kid)
    }
}

/// How long a retired key is stored. During this time, tokens that the key has signed can be
/// distinguished from forgeries.
const RETIRED_KEY_RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// Makes the item of a key, which the table deletes some time after the key's end.
fn item(key: &SigningKey) -> Result<Item, Error> {
    let mut item = to_item(key)?;
    if let Some(end) = key.retire_after {
        let ttl = end.saturating_add(RETIRED_KEY_RETENTION).unwrap_or(end).as_second();
        item.insert(TTL.to_owned(), AttributeValue::N(ttl.to_string()));
    }
    Ok(item)
}

impl Table {
    /// Publishes the key with which tokens are signed from now on, unless it is published already,
    /// and lets the others expire at `others_end`. Idempotent and safe to run concurrently: a
    /// process that publishes an older key late is corrected by the next.
    pub async fn publish_signing_key(
        &self,
        key: &SigningKey,
        others_end: Timestamp,
    ) -> Result<(), Error> {
        let published = self.list_signing_keys().await?;
        let (own, others): (Vec<_>, Vec<_>) =
            published.into_iter().partition(|other| other.kid == key.kid);
        match own.into_iter().next() {
            None => self.put_if(item(key)?, IS_NEW, []).await.map(drop)?,
            // The key was retired and is the current one again.
            Some(own) if own.retire_after.is_some() => {
                let current = SigningKey { retire_after: None, ..own };
                self.put_if(item(&current)?, "attribute_exists(retire_after)", [])
                    .await
                    .map(drop)?;
            }
            Some(_) => {}
        }
        for other in others.into_iter().filter(|other| other.retire_after.is_none()) {
            let ending = SigningKey { retire_after: Some(others_end), ..other };
            let unchanged = "attribute_exists(pk) AND attribute_not_exists(retire_after)";
            self.put_if(item(&ending)?, unchanged, []).await.map(drop)?;
        }
        Ok(())
    }

    /// Lists all published keys, strongly consistent: a token may be used right after its key was
    /// published.
    pub async fn list_signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        let items = self.query_all(&keys::signing_keys(), Consistency::Strong).await?;
        items.into_iter().map(from_item).collect()
    }
}
