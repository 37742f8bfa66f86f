//! Recoveries: changes that staff start for users who cannot sign in any more. Each waits, so that
//! the user can cancel it with the link in a mail.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::email::Email;
use crate::field::string_enum;
use crate::id::{RecoveryId, SessionId, UserId};
use crate::mail::Mail;
use crate::text::Justification;

string_enum! {
    /// What a recovery does.
    RecoveryKind {
        /// Gives the account another email address.
        ChangeEmail = "change_email",
        /// Removes the second factor.
        RemoveSecondFactor = "remove_second_factor",
    }
}

/// A change that staff have started for a user. An account has one at most.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Recovery {
    /// The recovery's id.
    pub id: RecoveryId,
    /// The user whose account is changed.
    pub user_id: UserId,
    /// What it does.
    pub kind: RecoveryKind,
    /// The address of the account when the recovery was started. If the account's address changes,
    /// the recovery is void.
    pub email: Email,
    /// The address that the account gets, if it gets one.
    pub new_email: Option<Email>,
    /// The reason that the admin gave.
    pub reason: Justification,
    /// The admin who started it.
    pub started_by: UserId,
    /// The admin's name at that time.
    pub started_by_name: String,
    /// When it can be carried out at the earliest.
    pub due_at: Timestamp,
    /// Whether a second admin must approve it.
    pub needs_approval: bool,
    /// When somebody confirmed the new address with the token from the mail to it.
    pub confirmed_at: Option<Timestamp>,
    /// The admin who approved it.
    pub approved_by: Option<UserId>,
    /// The admin's name at that time.
    pub approved_by_name: Option<String>,
    /// Number of changes.
    pub version: u64,
    /// When it expires, in seconds since 1970; the table's TTL attribute.
    pub ttl: i64,
}

impl Recovery {
    /// How long a recovery waits. An approver must have been an admin at least this long before its
    /// start.
    pub const WAITING_TIME: SignedDuration = SignedDuration::from_hours(72);

    /// How long a recovery is kept, unless it is carried out or cancelled.
    pub const LIFETIME: SignedDuration = Mail::RETENTION;

    /// Returns when it was started.
    pub fn started_at(&self) -> Timestamp {
        self.id.created_at()
    }

    /// Returns when it expires.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_second(self.ttl).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Returns whether it has not expired. DynamoDB deletes expired items late.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ttl > now.as_second()
    }

    /// Returns whether it can be carried out: it is due, approved and confirmed, as far as needed.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.is_live(now)
            && now >= self.due_at
            && (self.approved_by.is_some() || !self.needs_approval)
            && (self.confirmed_at.is_some() || self.new_email.is_none())
    }

    /// Returns whether the account still is as the recovery requires.
    pub fn fits(&self, account: &Account) -> bool {
        let is_needed = match self.kind {
            RecoveryKind::ChangeEmail => true,
            RecoveryKind::RemoveSecondFactor => account.second_factor,
        };
        account.is_active && account.email == self.email && is_needed
    }

    /// Returns the account after the recovery. All sessions through `through` have ended.
    #[must_use]
    pub fn applied_to(&self, account: &Account, through: SessionId, now: Timestamp) -> Account {
        let before = Account {
            sessions_ended_through: account.sessions_ended_through.max(Some(through)),
            version: account.version + 1,
            ..account.clone()
        };
        match (self.kind, &self.new_email) {
            (RecoveryKind::ChangeEmail, Some(email)) => Account {
                email: email.clone(),
                email_verified: true,
                ..before.with_trusted_email(now)
            },
            (RecoveryKind::ChangeEmail, None) => before,
            (RecoveryKind::RemoveSecondFactor, _) => Account { second_factor: false, ..before },
        }
    }

    /// Returns whether an admin may be the second one: neither the one who started it nor its user,
    /// and an admin for some time before, so that no admin is created just to approve.
    pub fn accepts_approval_by(&self, admin: &Account) -> bool {
        let waited = self.started_at().duration_since(admin.role_since());
        admin.id != self.started_by && admin.id != self.user_id && waited >= Self::WAITING_TIME
    }
}

/// The active admins, as they are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AdminCount {
    /// How many there are.
    pub working_admins: u64,
    /// When the number of admins last decreased.
    pub removed_at: Option<Timestamp>,
}

impl AdminCount {
    /// Returns whether a second admin must approve a recovery that one of them starts now for
    /// `user`: there is another one, or there was until recently. Otherwise an admin could remove
    /// the others first.
    pub fn need_approval_for(&self, user: &Account, now: Timestamp) -> bool {
        let involved = if user.is_active_admin() { 2 } else { 1 };
        let is_recent = |at: Timestamp| now.duration_since(at) < Recovery::WAITING_TIME;
        self.working_admins > involved || self.removed_at.is_some_and(is_recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Role;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Returns the time at which the recovery is started.
    fn start() -> Timestamp {
        at("2026-03-01T12:00:00Z")
    }

    fn user(role: Role, created_at: Timestamp) -> Account {
        Account::new(UserId::last_at(created_at), Email::parse("jane@example.com").unwrap(), role)
    }

    fn patient() -> Account {
        let account = user(Role::Patient, at("2026-01-01T00:00:00Z"));
        Account { second_factor: true, ..account }
    }

    fn recovery(kind: RecoveryKind) -> Recovery {
        let new_email =
            (kind == RecoveryKind::ChangeEmail).then(|| Email::parse("new@example.com").unwrap());
        Recovery {
            id: RecoveryId::first_at(start()),
            user_id: patient().id,
            kind,
            email: patient().email,
            new_email,
            reason: Justification::parse("Lost.").unwrap(),
            started_by: UserId::first_at(at("2026-01-01T00:00:00Z")),
            started_by_name: "Ada".to_owned(),
            due_at: start() + Recovery::WAITING_TIME,
            needs_approval: true,
            confirmed_at: None,
            approved_by: None,
            approved_by_name: None,
            version: 1,
            ttl: (start() + Recovery::LIFETIME).as_second(),
        }
    }

    #[test]
    fn a_recovery_is_due_when_neither_time_nor_approval_nor_confirmation_is_missing() {
        let change = recovery(RecoveryKind::ChangeEmail);
        let done = Recovery {
            approved_by: Some(UserId::first_at(start())),
            confirmed_at: Some(start()),
            ..change.clone()
        };
        let due = change.due_at;
        assert!(done.is_due(due));
        assert!(!done.is_due(due - SignedDuration::from_millis(1)), "too early");
        assert!(!done.is_due(done.expires_at()), "too late");
        assert!(!Recovery { approved_by: None, ..done.clone() }.is_due(due));
        assert!(!Recovery { confirmed_at: None, ..done.clone() }.is_due(due));
        assert!(Recovery { approved_by: None, needs_approval: false, ..done }.is_due(due));
        let removal = recovery(RecoveryKind::RemoveSecondFactor);
        assert!(Recovery { needs_approval: false, ..removal }.is_due(due), "nobody confirms it");
    }

    #[test]
    fn a_second_admin_is_another_one_and_was_one_before() {
        let recovery = recovery(RecoveryKind::ChangeEmail);
        let early = start() - Recovery::WAITING_TIME;
        let admin = user(Role::Admin, early);
        assert!(recovery.accepts_approval_by(&admin));
        assert!(
            !recovery.accepts_approval_by(&Account { id: recovery.started_by, ..admin.clone() })
        );
        assert!(!recovery.accepts_approval_by(&Account { id: recovery.user_id, ..admin.clone() }));
        let late = early + SignedDuration::from_secs(1);
        assert!(!recovery.accepts_approval_by(&user(Role::Admin, late)));
        let promoted = Account { role_changed_at: Some(late), ..admin };
        assert!(!recovery.accepts_approval_by(&promoted), "a patient before");
    }

    #[test]
    fn who_is_alone_since_long_ago_needs_no_second_admin() {
        let alone = AdminCount { working_admins: 1, removed_at: None };
        assert!(!alone.need_approval_for(&patient(), start()));
        let two = AdminCount { working_admins: 2, ..alone };
        assert!(two.need_approval_for(&patient(), start()));
        let other = user(Role::Admin, start());
        assert!(!two.need_approval_for(&other, start()), "the other one is its user");
        let long_ago = start() - Recovery::WAITING_TIME;
        let removed = |at| AdminCount { removed_at: Some(at), ..alone };
        assert!(!removed(long_ago).need_approval_for(&patient(), start()));
        let recently = long_ago + SignedDuration::from_secs(1);
        assert!(removed(recently).need_approval_for(&patient(), start()));
    }

    #[test]
    fn a_recovery_changes_what_it_says_and_ends_the_sessions() {
        let (before, through) = (patient(), SessionId::last_at(start()));
        let change = recovery(RecoveryKind::ChangeEmail);
        let after = change.applied_to(&before, through, start());
        assert_eq!((after.email.as_str(), after.email_verified), ("new@example.com", true));
        assert!(after.second_factor && !after.allows_session_id(through));
        assert_eq!(after.version, before.version + 1);
        let removal = recovery(RecoveryKind::RemoveSecondFactor);
        let after = removal.applied_to(&before, through, start());
        assert!(!after.second_factor && !after.allows_session_id(through));
        assert_eq!(after.email, before.email);

        assert!(change.fits(&before) && removal.fits(&before));
        assert!(!removal.fits(&after), "removed by the user meanwhile");
        assert!(!change.fits(&Account { is_active: false, ..before.clone() }));
        let moved = Email::parse("other@example.com").unwrap();
        assert!(!removal.fits(&Account { email: moved, ..before }));
    }
}
