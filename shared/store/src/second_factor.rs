//! Second factors: set up, use and remove them. They are stored apart from the account, where only
//! the function that signs users in has rights.

use domain::account::Account;
use domain::audit::AuditEvent;
use domain::id::UserId;
use domain::mail::Mail;
use domain::second_factor::SecondFactor;
use domain::session::Session;

use crate::attributes::{Value, flag, number, string};
use crate::error::{Error, UpdateError};
use crate::item::{Keyed, Stored, to_item};
use crate::keys::{self, ItemKey};
use crate::rate::{ThrottleKey, failures_key};
use crate::read::Consistency;
use crate::store::Store;
use crate::table::Table;
use crate::write::{EXISTS, PutOutcome, Step};

impl Stored for SecondFactor {
    const ENTITY: &'static str = "second_factor";
    const IN_KEY: &'static [&'static str] = &["user_id"];
}

impl Keyed for SecondFactor {
    fn key(&self) -> ItemKey {
        keys::second_factor(self.user_id)
    }
}

impl Table {
    /// Reads the second factor of a user, confirmed or not, strongly consistent.
    pub async fn get_second_factor(&self, user: UserId) -> Result<Option<SecondFactor>, Error> {
        self.get(keys::second_factor(user), Consistency::Strong).await
    }

    /// Stores a second factor that is not confirmed yet, and replaces another unconfirmed one.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when there is a confirmed one.
    pub async fn start_second_factor(&self, factor: &SecondFactor) -> Result<(), UpdateError> {
        let condition = "attribute_not_exists(pk) OR confirmed = :no";
        match self.put_if(to_item(factor)?, condition, [flag(":no", false)]).await? {
            PutOutcome::Done => Ok(()),
            PutOutcome::ConditionFailed(_) => Err(UpdateError::Stale),
        }
    }

    /// Uses up a code with which a user confirms a change.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the factor has changed since it was read: by this code, perhaps.
    pub async fn use_second_factor(
        &self,
        before: &SecondFactor,
        after: &SecondFactor,
    ) -> Result<(), UpdateError> {
        match self.put_if(to_item(after)?, UNCHANGED, [version(before)]).await? {
            PutOutcome::Done => Ok(()),
            PutOutcome::ConditionFailed(_) => Err(UpdateError::Stale),
        }
    }
}

impl Store {
    /// Enables a second factor: `after` is confirmed and has used up the code that proves it. The
    /// current session counts as begun with the factor. `mail` informs the user.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the factor, the account's address or the session has changed
    /// since it was read.
    pub async fn enable_second_factor(
        &self,
        before: &SecondFactor,
        after: &SecondFactor,
        account: &Account,
        session: &Session,
        event: &AuditEvent,
        mail: &Mail,
    ) -> Result<(), UpdateError> {
        let mut steps = vec![replace(before, after)?];
        steps.extend(mark(account, session, true));
        steps.extend([self.audit(event)?, Step::put(mail)?]);
        self.commit(steps).await
    }

    /// Uses up a code, stores the session that it opens, and clears the failures before it. `mail`
    /// informs the user when it was a recovery code.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the factor has changed since it was read: by this code, perhaps.
    pub async fn sign_in_with_second_factor(
        &self,
        before: &SecondFactor,
        after: &SecondFactor,
        session: &Session,
        event: &AuditEvent,
        throttle_key: ThrottleKey<'_>,
        mail: Option<&Mail>,
    ) -> Result<(), UpdateError> {
        let clear = Step::delete(failures_key(throttle_key));
        let mut steps =
            vec![replace(before, after)?, Step::put(session)?, self.audit(event)?, clear];
        if let Some(mail) = mail {
            steps.push(Step::put(mail)?);
        }
        self.commit(steps).await
    }

    /// Writes that a code has failed, and informs the user with `mail`.
    pub async fn record_code_failure(&self, event: &AuditEvent, mail: &Mail) -> Result<(), Error> {
        self.commit(vec![self.audit(event)?, Step::put(mail)?]).await
    }

    /// Disables a second factor. The current session counts as begun without one: a user who must
    /// have a factor has to set up another. `mail` informs the user.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the factor, the account's address or the session has changed
    /// since it was read.
    pub async fn disable_second_factor(
        &self,
        before: &SecondFactor,
        account: &Account,
        session: &Session,
        event: &AuditEvent,
        mail: &Mail,
    ) -> Result<(), UpdateError> {
        let delete = Step::delete(keys::second_factor(before.user_id));
        let mut steps = vec![delete.only_if(UNCHANGED, UpdateError::Stale).with([version(before)])];
        steps.extend(mark(account, session, false));
        steps.extend([self.audit(event)?, Step::put(mail)?]);
        self.commit(steps).await
    }
}

const UNCHANGED: &str = "version = :version";

fn version(before: &SecondFactor) -> Value {
    number(":version", before.version)
}

fn replace(before: &SecondFactor, after: &SecondFactor) -> Result<Step<UpdateError>, Error> {
    Ok(Step::put(after)?.only_if(UNCHANGED, UpdateError::Stale).with([version(before)]))
}

/// Makes the steps that store in account and credentials whether there is a second factor, and in
/// the session whether it was begun with one.
fn mark(account: &Account, session: &Session, there_is: bool) -> [Step<UpdateError>; 3] {
    let at_account = Step::update(
        keys::account(account.id),
        "SET second_factor = :is, version = version + :one",
    )
    .only_if("email = :email", UpdateError::Stale)
    .with([
        flag(":is", there_is),
        number(":one", 1_u64),
        string(":email", account.email.as_str()),
    ]);
    let at_credentials = Step::update(keys::credentials(&account.email), "SET second_factor = :is")
        .only_if("user_id = :user", UpdateError::Stale)
        .with([flag(":is", there_is), string(":user", account.id)]);
    let at_session =
        Step::update(keys::session(session.user_id, session.id), "SET second_factor = :is")
            .only_if(EXISTS, UpdateError::Stale)
            .with([flag(":is", there_is)]);
    [at_account, at_credentials, at_session]
}
