//! Sessions. All of a user end at once by a watermark on the account, whatever their number; the
//! table deletes them later.

use domain::audit::AuditEvent;
use domain::id::{SessionId, UserId};
use domain::mail::Mail;
use domain::session::Session;
use futures_util::future::try_join;

use crate::Store;
use crate::error::{Error, UpdateError};
use crate::item;
use crate::item::read;
use crate::keys;
use crate::page::{Page, Selection, below};
use crate::read::{Consistency, Order};
use crate::write::{PutOutcome, Step, flag, number, string};

/// Why a session was not ended.
#[derive(Debug, thiserror::Error)]
pub enum EndSessionError {
    /// There is none with this id, or it has ended before.
    #[error("there is no such session")]
    Unknown,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Store {
    /// Stores a new session and the event about it. Two writes side by side, not a transaction,
    /// which would cost twice as much: until both are answered nobody holds the session's token, so
    /// a session without its event opens nothing.
    pub async fn create_session(
        &self,
        session: &Session,
        event: Option<&AuditEvent>,
    ) -> Result<(), Error> {
        let session = self.put(item::session(session)?);
        match event {
            Some(event) => {
                try_join(session, self.put_new(item::audit_event(event)?)).await.map(drop)
            }
            None => session.await,
        }
    }

    /// A session, strongly consistent. The table deletes late: ask [`Session::is_live`].
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
    /// factor has been set up or taken away in the session meanwhile, or the session has ended.
    pub async fn rotate_session(
        &self,
        before: &Session,
        after: &Session,
    ) -> Result<(), UpdateError> {
        let unchanged =
            [string(":before", &before.token_hash), flag(":factor", before.second_factor)];
        match self
            .put_if(
                item::session(after)?,
                "token_hash = :before AND second_factor = :factor",
                unchanged,
            )
            .await?
        {
            PutOutcome::Done => Ok(()),
            PutOutcome::Refused(_) => Err(UpdateError::Stale),
        }
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`EndSessionError::Unknown`] when the user has no such session.
    pub async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        event: &AuditEvent,
    ) -> Result<(), EndSessionError> {
        self.commit(vec![end(user, session), Step::audit(event)?]).await
    }

    /// Ends a session whose used token was shown again, with a mail that tells the user.
    ///
    /// # Errors
    /// [`EndSessionError::Unknown`] when it has ended before.
    pub async fn end_reused_session(
        &self,
        session: &Session,
        event: &AuditEvent,
        mail: &Mail,
    ) -> Result<(), EndSessionError> {
        let event = Step::audit(event)?;
        self.commit(vec![end(session.user_id, session.id), event, Step::put(item::mail(mail)?)])
            .await
    }

    /// Ends all sessions of a user up to and with `through`: costs the same for one and for a
    /// thousand.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when as many or more have ended so before, or there is no such user.
    pub async fn end_sessions(
        &self,
        user: UserId,
        through: SessionId,
        event: &AuditEvent,
    ) -> Result<(), UpdateError> {
        self.commit(vec![end_through(user, through, UpdateError::Stale), Step::audit(event)?]).await
    }

    /// The newest stored session of a user, ended or not. To end all, end them through this one or
    /// a later id: clocks of other processes may be ahead.
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
            .map(|item| read::<Session>(item).map(|session| session.id))
            .transpose()
    }

    /// A page of a user's sessions behind `ended_through`, newest first: those that `lives` says
    /// have not ended by age.
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
            let session: Session = read(item)?;
            Ok((session.id, Selection::show_if(lives(&session), session)))
        };
        self.page_from(&range, Consistency::Strong, limit, first, look).await
    }
}

fn end(user: UserId, session: SessionId) -> Step<EndSessionError> {
    Step::delete(keys::session(user, session))
        .only_if("attribute_exists(pk)", EndSessionError::Unknown)
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

/// Holds while sessions up to `:through` have not all ended.
pub(crate) const NOT_ENDED: &str = "attribute_exists(pk) AND \
                                    (attribute_not_exists(sessions_ended_through) OR \
                                    sessions_ended_through < :through)";
