//! The public keys that access tokens are verified with.

use domain::key::SigningKey;
use jiff::Timestamp;

use crate::Store;
use crate::error::Error;
use crate::item;
use crate::item::read;
use crate::keys;
use crate::read::{Consistency, Order};

impl Store {
    /// Publishes the key that tokens are signed with from now on, unless it is there already, and
    /// lets the others be good until `others_end` and no longer. What is right stays as it is, so
    /// that this can be repeated at any time, by many at once: whoever came too late with an older
    /// key is corrected by the next.
    pub async fn publish_signing_key(
        &self,
        key: &SigningKey,
        others_end: Timestamp,
    ) -> Result<(), Error> {
        let published = self.list_signing_keys().await?;
        let (own, others): (Vec<_>, Vec<_>) =
            published.into_iter().partition(|other| other.kid == key.kid);
        match own.into_iter().next() {
            None => self
                .put_if(item::signing_key(key)?, "attribute_not_exists(pk)", [])
                .await
                .map(drop)?,
            // It is the current one again.
            Some(own) if own.retire_after.is_some() => {
                let current = SigningKey { retire_after: None, ..own };
                self.put_if(item::signing_key(&current)?, "attribute_exists(retire_after)", [])
                    .await
                    .map(drop)?;
            }
            Some(_) => {}
        }
        for other in others.into_iter().filter(|other| other.retire_after.is_none()) {
            let ending = SigningKey { retire_after: Some(others_end), ..other };
            let unchanged = "attribute_exists(pk) AND attribute_not_exists(retire_after)";
            self.put_if(item::signing_key(&ending)?, unchanged, []).await.map(drop)?;
        }
        Ok(())
    }

    /// All published keys, strongly consistent: a token may come a moment after its key. There are
    /// a few at most.
    pub async fn list_signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        let (items, _) = self
            .query(&keys::signing_keys(), Order::Ascending, Consistency::Strong, 100, None)
            .await?;
        items.into_iter().map(read).collect()
    }
}
