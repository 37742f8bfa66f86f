//! Second factors. They lie apart from the account, where only the function that signs users in may
//! reach them.

use domain::account::Account;
use domain::audit::AuditEvent;
use domain::id::UserId;
use domain::mail::Mail;
use domain::second_factor::SecondFactor;
use domain::session::Session;

use crate::Store;
use crate::error::{Error, UpdateError};
use crate::item;
use crate::keys;
use crate::rate::{ThrottleKey, attempts_key};
use crate::read::Consistency;
use crate::write::{PutOutcome, Step, Value, flag, number, string};

impl Store {
    /// The second factor of a user, confirmed or not, strongly consistent.
    pub async fn get_second_factor(&self, user: UserId) -> Result<Option<SecondFactor>, Error> {
        self.get(keys::second_factor(user), Consistency::Strong).await
    }

    /// Stores a second factor that nobody has confirmed, in place of another one that nobody has.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when there is a confirmed one.
    pub async fn start_second_factor(&self, factor: &SecondFactor) -> Result<(), UpdateError> {
        let condition = "attribute_not_exists(pk) OR confirmed = :no";
        match self.put_if(item::second_factor(factor)?, condition, [flag(":no", false)]).await? {
            PutOutcome::Done => Ok(()),
            PutOutcome::Refused(_) => Err(UpdateError::Stale),
        }
    }

    /// Makes a second factor count from now on: `after` is confirmed and has used up the code that
    /// proves it. The session in which it was proved counts as begun with it. `mail` tells the
    /// user.
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
        steps.extend([Step::audit(event)?, Step::put(item::mail(mail)?)]);
        self.commit(steps).await
    }

    /// Uses a code up and stores the session that it opens; the attempts before it are forgotten. A
    /// `mail` tells the user, if it was a recovery code.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the factor has changed since it was read: by this code, perhaps.
    pub async fn sign_in_with_second_factor(
        &self,
        before: &SecondFactor,
        after: &SecondFactor,
        session: &Session,
        event: &AuditEvent,
        trial: ThrottleKey<'_>,
        mail: Option<&Mail>,
    ) -> Result<(), UpdateError> {
        let forget = Step::delete(attempts_key(trial));
        let mut steps = vec![
            replace(before, after)?,
            Step::put(item::session(session)?),
            Step::audit(event)?,
            forget,
        ];
        if let Some(mail) = mail {
            steps.push(Step::put(item::mail(mail)?));
        }
        self.commit(steps).await
    }

    /// Takes a second factor away. The session in which that was done counts as begun without one:
    /// who must have a factor sets up another one next. `mail` tells the user.
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
        steps.extend([Step::audit(event)?, Step::put(item::mail(mail)?)]);
        self.commit(steps).await
    }
}

const UNCHANGED: &str = "version = :version";

fn version(before: &SecondFactor) -> Value {
    number(":version", before.version)
}

fn replace(before: &SecondFactor, after: &SecondFactor) -> Result<Step<UpdateError>, Error> {
    Ok(Step::put(item::second_factor(after)?)
        .only_if(UNCHANGED, UpdateError::Stale)
        .with([version(before)]))
}

/// Says at the account and at the credentials whether there is a second factor, and at the session
/// whether it was begun with one.
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
            .only_if("attribute_exists(pk)", UpdateError::Stale)
            .with([flag(":is", there_is)]);
    [at_account, at_credentials, at_session]
}
