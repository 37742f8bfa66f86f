//! Sessions.

use domain::audit::AuditEvent;
use domain::id::{SessionId, UserId};
use domain::session::Session;
use futures_util::future::try_join;

use crate::Store;
use crate::error::{Error, UpdateError};
use crate::item;
use crate::keys;
use crate::read::Consistency;
use crate::write::{Written, string};

impl Store {
    /// Stores a new session and the event about it. Two writes side by side, not a transaction, which would cost twice
    /// as much: until both are answered nobody holds the session's token, so a session without its event opens nothing.
    pub async fn put_session(&self, session: &Session, event: Option<&AuditEvent>) -> Result<(), Error> {
        let session = self.put(item::session(session)?);
        match event {
            Some(event) => try_join(session, self.put(item::audit_event(event)?)).await.map(drop),
            None => session.await,
        }
    }

    /// A session, strongly consistent. The table deletes late: ask [`Session::is_live`].
    pub async fn session(&self, user: UserId, session: SessionId) -> Result<Option<Session>, Error> {
        self.get(keys::session(user, session), Consistency::Strong).await
    }

    /// Replaces a session's refresh token.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the stored token is not that of `before` any more, or the session has ended.
    pub async fn rotate_session(&self, before: &Session, after: &Session) -> Result<(), UpdateError> {
        match self.put_if(item::session(after)?, "token_hash = :before", [string(":before", &before.token_hash)]).await? {
            Written::Done => Ok(()),
            Written::Refused(_) => Err(UpdateError::Stale),
        }
    }

    /// Ends a session; no matter whether it has ended before.
    pub async fn end_session(&self, user: UserId, session: SessionId) -> Result<(), Error> {
        self.delete(keys::session(user, session)).await
    }
}
