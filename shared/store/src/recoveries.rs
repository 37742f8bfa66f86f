//! Recoveries: start, confirm, approve, cancel and carry out what staff start for users who cannot
//! sign in any more.

use domain::account::{Account, Credentials};
use domain::audit::AuditEvent;
use domain::id::UserId;
use domain::mail::Mail;
use domain::recovery::Recovery;
use jiff::Timestamp;

use crate::attributes::{number, seconds, string};
use crate::credentials::{self, SAME_HASH, UseTokenError, use_up};
use crate::error::{Error, UpdateError};
use crate::item::{Keyed, Stored, from_item};
use crate::keys::{self, ItemKey};
use crate::page::{Page, Selection, below};
use crate::read::{Consistency, Order};
use crate::store::Store;
use crate::table::Table;
use crate::write::Step;

impl Stored for Recovery {
    const ENTITY: &'static str = "recovery";
    const IN_KEY: &'static [&'static str] = &["user_id"];
}

impl Keyed for Recovery {
    fn key(&self) -> ItemKey {
        keys::recovery(self.user_id)
    }
}

/// Why a recovery was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartRecoveryError {
    /// Another one waits for the account.
    #[error("another recovery waits")]
    Waiting,
    /// Another account has the new address.
    #[error("the email address is taken")]
    EmailTaken,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Why an account was not recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The recovery, the account or its credentials have changed since they were read.
    #[error("changed by somebody else")]
    Stale,
    /// Another account has the new address.
    #[error("the email address is taken")]
    EmailTaken,
    /// There are other active admins.
    #[error("there are other admins")]
    OtherAdmins,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// An account that is recovered, and everything that is stored with it.
pub struct RecoveredAccount<'a> {
    /// The account as it was read.
    pub before: &'a Account,
    /// The account with another address, or without a second factor.
    pub after: &'a Account,
    /// The credentials as they were read.
    pub credentials: &'a Credentials,
    /// The event for the audit trail.
    pub event: &'a AuditEvent,
    /// Inform the user.
    pub mails: &'a [Mail],
}

impl Table {
    /// Reads what staff have started for a user, if it has not expired; strongly consistent.
    pub async fn get_recovery(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<Recovery>, Error> {
        let found: Option<Recovery> = self.get(keys::recovery(user), Consistency::Strong).await?;
        Ok(found.filter(|recovery| recovery.is_live(now)))
    }

    /// Lists what staff have started and what has not expired, the newest users first; strongly
    /// consistent.
    pub async fn list_recoveries(
        &self,
        now: Timestamp,
        limit: usize,
        after: Option<UserId>,
    ) -> Result<Page<Recovery, UserId>, Error> {
        let range = keys::recoveries(after.map(|id| below(id.as_bytes())));
        let first =
            self.query(&range, Order::Descending, Consistency::Strong, limit + 1, None).await?;
        let look = |item| {
            let recovery: Recovery = from_item(item)?;
            Ok((recovery.user_id, Selection::show_if(recovery.is_live(now), recovery)))
        };
        self.page_from(&range, Consistency::Strong, limit, first, look).await
    }
}

impl Store {
    /// Stores a recovery that begins now, and the mails about it.
    ///
    /// # Errors
    /// [`StartRecoveryError::Waiting`] when another one waits for the account;
    /// [`StartRecoveryError::EmailTaken`] when another account has the new address, unless it was
    /// registered and never confirmed.
    pub async fn start_recovery(
        &self,
        recovery: &Recovery,
        mails: &[Mail],
        event: &AuditEvent,
        now: Timestamp,
    ) -> Result<(), StartRecoveryError> {
        let put = Step::put(recovery)?
            .only_if("attribute_not_exists(pk) OR #ttl <= :now", StartRecoveryError::Waiting)
            .with([seconds(":now", now)]);
        let mut steps = vec![put, self.audit(event)?];
        for mail in mails {
            steps.push(Step::put(mail)?);
        }
        if let Some(email) = &recovery.new_email {
            let taken = StartRecoveryError::EmailTaken;
            steps.push(credentials::check_address(email, recovery.user_id, taken));
        }
        self.commit(steps).await
    }

    /// Stores a recovery that a second admin has approved; its version is one higher.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when it has changed since it was read, or was cancelled.
    pub async fn approve_recovery(
        &self,
        after: &Recovery,
        event: &AuditEvent,
    ) -> Result<(), UpdateError> {
        self.commit(vec![replace(after, UpdateError::Stale)?, self.audit(event)?]).await
    }

    /// Stores a recovery whose new address is confirmed with a token from a mail, which is used up;
    /// its version is one higher.
    ///
    /// # Errors
    /// [`UseTokenError::Used`] or [`UseTokenError::Stale`].
    pub async fn confirm_recovery(
        &self,
        after: &Recovery,
        token_hash: &str,
        event: &AuditEvent,
    ) -> Result<(), UseTokenError> {
        let stored = replace(after, UseTokenError::Stale)?;
        self.commit(vec![use_up(token_hash), stored, self.audit(event)?]).await
    }

    /// Deletes a recovery that the user cancels with a token from a mail, which is used up.
    ///
    /// # Errors
    /// [`UseTokenError::Used`] or [`UseTokenError::Stale`].
    pub async fn cancel_recovery(
        &self,
        recovery: &Recovery,
        token_hash: &str,
        event: &AuditEvent,
    ) -> Result<(), UseTokenError> {
        let delete = delete(recovery, UseTokenError::Stale);
        self.commit(vec![use_up(token_hash), delete, self.audit(event)?]).await
    }

    /// Deletes a recovery that staff cancel.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when it has changed since it was read, or was cancelled.
    pub async fn cancel_recovery_as_staff(
        &self,
        recovery: &Recovery,
        event: &AuditEvent,
    ) -> Result<(), UpdateError> {
        self.commit(vec![delete(recovery, UpdateError::Stale), self.audit(event)?]).await
    }

    /// Carries out a recovery, which is deleted.
    ///
    /// # Errors
    /// [`RecoverError::Stale`] or [`RecoverError::EmailTaken`]; then nothing has changed.
    pub async fn carry_out_recovery(
        &self,
        recovery: &Recovery,
        account: &RecoveredAccount<'_>,
    ) -> Result<(), RecoverError> {
        let mut steps = vec![delete(recovery, RecoverError::Stale)];
        steps.extend(self.replace_account(account).await?);
        self.commit(steps).await
    }

    /// Recovers the account of the only active admin.
    ///
    /// # Errors
    /// [`RecoverError`]; then nothing has changed.
    pub async fn recover_only_admin(
        &self,
        account: &RecoveredAccount<'_>,
    ) -> Result<(), RecoverError> {
        let alone = Step::check(keys::admins())
            .only_if("working_admins = :one", RecoverError::OtherAdmins)
            .with([number(":one", 1_u64)]);
        let mut steps = vec![alone];
        steps.extend(self.replace_account(account).await?);
        self.commit(steps).await
    }

    /// Makes the steps that replace an account, move its credentials if the address is another one,
    /// and delete its second factor if it has none any more.
    async fn replace_account(
        &self,
        account: &RecoveredAccount<'_>,
    ) -> Result<Vec<Step<RecoverError>>, Error> {
        let RecoveredAccount { before, after, credentials, event, mails } = *account;
        let (old, new) = (keys::credentials(&before.email), keys::credentials(&after.email));
        let unchanged = credentials::unchanged(credentials);
        let moved =
            Credentials { second_factor: after.second_factor, ..Credentials::clone(credentials) };
        let mut steps = if old == new {
            let put = credentials::put(&after.email, &moved)?;
            vec![put.only_if(SAME_HASH, RecoverError::Stale).with(unchanged)]
        } else {
            let deletion = Step::delete(old).only_if(SAME_HASH, RecoverError::Stale);
            let mut steps = vec![deletion.with(unchanged)];
            let replaced = self.get_unconfirmed_user(&after.email).await?;
            let taken = || RecoverError::EmailTaken;
            steps.extend(credentials::take_address(&after.email, &moved, replaced, taken)?);
            steps
        };
        if before.second_factor && !after.second_factor {
            steps.push(Step::delete(keys::second_factor(after.id)));
        }
        steps.push(
            Step::put(after)?
                .only_if("version = :version", RecoverError::Stale)
                .with([number(":version", before.version)]),
        );
        steps.push(self.audit(event)?);
        for mail in mails {
            steps.push(Step::put(mail)?);
        }
        Ok(steps)
    }
}

const UNCHANGED: &str = "id = :id AND version = :version";

fn replace<E>(after: &Recovery, otherwise: E) -> Result<Step<E>, Error> {
    let before = number(":version", after.version.saturating_sub(1));
    Ok(Step::put(after)?.only_if(UNCHANGED, otherwise).with([string(":id", after.id), before]))
}

fn delete<E>(recovery: &Recovery, otherwise: E) -> Step<E> {
    Step::delete(keys::recovery(recovery.user_id))
        .only_if(UNCHANGED, otherwise)
        .with([string(":id", recovery.id), number(":version", recovery.version)])
}
