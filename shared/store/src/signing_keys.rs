//! The public keys that access tokens are verified with.

use domain::key::SigningKey;

use crate::Store;
use crate::error::Error;
use crate::item;
use crate::item::read;
use crate::keys;
use crate::read::{Consistency, Order};
use crate::write::Written;

impl Store {
    /// Publishes a key; a key with the same id stays as it is.
    pub async fn publish_signing_key(&self, key: &SigningKey) -> Result<(), Error> {
        match self.put_if(item::signing_key(key)?, "attribute_not_exists(pk)", []).await? {
            Written::Done | Written::Refused(_) => Ok(()),
        }
    }

    /// All published keys, strongly consistent: a token may come a moment after its key. There are a few at most.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        let (items, _) = self.query(&keys::signing_keys(), Order::Ascending, Consistency::Strong, 100, None).await?;
        items.into_iter().map(read).collect()
    }
}
