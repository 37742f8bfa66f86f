//! Sessions: create, rotate, list and end them. All sessions of a user end at once by a watermark
//! in the account; the table deletes the items later.

use domain::audit::AuditEvent;
use domain::id::{SessionId, UserId};
use domain::mail::Mail;
use domain::session::Session;
use futures_util::future::try_join;

use crate::attributes::{flag, number, string};
use crate::error::{Error, UpdateError};
use crate::item::{Keyed, Stored, from_item, to_item};
use crate::keys::{self, ItemKey};
use crate::page::{Page, Selection, below};
use crate::read::{Consistency, Order};
use crate::store::Store;
use crate::table::Table;
use crate::write::{EXISTS, PutOutcome, Step};

impl Stored for Session {
    const ENTITY: &'static str = "session";
    const IN_KEY: &'static [&'static str] = &["user_id", "id"];
}

impl Keyed for Session {
    fn key(&self) -> ItemKey {
        keys::session(self.user_id, self.id)
    }
}

/// Why a session was not ended.
#[derive(Debug, thiserror::Error)]
pub enum EndSessionError {
    /// There is no session with this id, or it has ended before.
    #[error("there is no such session")]
    NotFound,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Table {
    /// Reads a session, strongly consistent. The table deletes expired items late: call
    /// [`Session::is_live`].
    pub async fn get_session(
        &self,
        user: UserId,
        session: SessionId,
    ) -> Result<Option<Session>, Error> {
        self.get(keys::session(user, session), Consistency::Strong).await
    }

    /// Replaces a session's refresh token.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the stored token is not that of `before` any more, the second
    /// factor has been set up or removed in the session meanwhile, or the session has ended.
    pub async fn rotate_session(
        &self,
        before: &Session,
        after: &Session,
    ) -> Result<(), UpdateError> {
        let unchanged =
            [string(":before", &before.token_hash), flag(":factor", before.second_factor)];
        match self
            .put_if(to_item(after)?, "token_hash = :before AND second_factor = :factor", unchanged)
            .await?
        {
            PutOutcome::Done => Ok(()),
            PutOutcome::ConditionFailed(_) => Err(UpdateError::Stale),
        }
    }

    /// Returns the newest stored session of a user, ended or not. To end all sessions, end them
    /// through this id or a later one: the clocks of other processes may be ahead.
    pub async fn get_newest_session(&self, user: UserId) -> Result<Option<SessionId>, Error> {
        let (items, _) = self
            .query(
                &keys::sessions(user, None, None),
                Order::Descending,
                Consistency::Strong,
                1,
                None,
            )
            .await?;
        items
            .into_iter()
            .next()
            .map(|item| from_item::<Session>(item).map(|session| session.id))
            .transpose()
    }

    /// Lists a user's sessions after `ended_through`, newest first: those for which `lives` returns
    /// true.
    pub async fn list_sessions(
        &self,
        user: UserId,
        ended_through: Option<SessionId>,
        lives: impl Fn(&Session) -> bool,
        limit: usize,
        after: Option<SessionId>,
    ) -> Result<Page<Session, SessionId>, Error> {
        let range = keys::sessions(user, ended_through, after.map(|id| below(id.as_bytes())));
        let first =
            self.query(&range, Order::Descending, Consistency::Strong, limit + 1, None).await?;
        let look = |item| {
            let session: Session = from_item(item)?;
            Ok((session.id, Selection::show_if(lives(&session), session)))
        };
        self.page_from(&range, Consistency::Strong, limit, first, look).await
    }
}

impl Store {
    /// Stores a new session and the event about it, with two concurrent writes: a transaction would
    /// cost twice as much, and until both have succeeded nobody has the session's token.
    pub async fn create_session(
        &self,
        session: &Session,
        event: Option<&AuditEvent>,
    ) -> Result<(), Error> {
        let session = self.put(to_item(session)?);
        match event {
            Some(event) => try_join(session, self.create_event(event)).await.map(drop),
            None => session.await,
        }
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`EndSessionError::NotFound`] when the user has no such session.
    pub async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        event: &AuditEvent,
    ) -> Result<(), EndSessionError> {
        self.commit(vec![end(user, session), self.audit(event)?]).await
    }

    /// Ends a session whose refresh token was used again, and informs the user with a mail.
    ///
    /// # Errors
    /// [`EndSessionError::NotFound`] when it has ended before.
    pub async fn end_reused_session(
        &self,
        session: &Session,
        event: &AuditEvent,
        mail: &Mail,
    ) -> Result<(), EndSessionError> {
        let event = self.audit(event)?;
        self.commit(vec![end(session.user_id, session.id), event, Step::put(mail)?]).await
    }

    /// Ends all sessions of a user up to and including `through`, at the same cost for any number.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when these or more have been ended before, or there is no such user.
    pub async fn end_sessions(
        &self,
        user: UserId,
        through: SessionId,
        event: &AuditEvent,
    ) -> Result<(), UpdateError> {
        self.commit(vec![end_through(user, through, UpdateError::Stale), self.audit(event)?]).await
    }
}

fn end(user: UserId, session: SessionId) -> Step<EndSessionError> {
    Step::delete(keys::session(user, session)).only_if(EXISTS, EndSessionError::NotFound)
}

/// Moves the watermark of a user's sessions, never back.
fn end_through<E>(user: UserId, through: SessionId, otherwise: E) -> Step<E> {
    Step::update(
        keys::account(user),
        "SET sessions_ended_through = :through, version = version + :one",
    )
    .only_if(NOT_ENDED, otherwise)
    .with([string(":through", through), number(":one", 1_u64)])
}

/// Condition: not all sessions up to `:through` have been ended.
pub(crate) const NOT_ENDED: &str = "attribute_exists(pk) AND \
                                    (attribute_not_exists(sessions_ended_through) OR \
                                    sessions_ended_through < :through)";
