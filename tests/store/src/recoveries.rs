//! Tests of recoveries: one for each account, carried out or cancelled as a whole.

use domain::account::{Account, Role};
use domain::audit::Action;
use domain::mail::{Mail, MailKind};
use domain::recovery::{Recovery, RecoveryKind};
use domain::second_factor::SecondFactor;
use domain::text::Justification;
use jiff::Timestamp;
use store::UpdateError;
use store::recoveries::{RecoverError, RecoveredAccount, StartRecoveryError};

use crate::people::{at, credentials, event, id, patient, user};
use crate::table::TestTable;
use crate::users::mail;

fn recovery(account: &Account, new_email: Option<&Account>) -> Recovery {
    Recovery {
        id: id(),
        user_id: account.id,
        kind: match new_email {
            Some(_) => RecoveryKind::ChangeEmail,
            None => RecoveryKind::RemoveSecondFactor,
        },
        email: account.email.clone(),
        new_email: new_email.map(|owner| owner.email.clone()),
        reason: Justification::parse("Lost.").unwrap(),
        started_by: id(),
        started_by_name: "Ada".to_owned(),
        due_at: at(10),
        needs_approval: true,
        confirmed_at: None,
        approved_by: None,
        approved_by_name: None,
        version: 1,
        ttl: at(20).as_second(),
    }
}

impl TestTable {
    async fn start(&self, recovery: &Recovery, now: Timestamp) -> Result<(), StartRecoveryError> {
        let account = patient();
        let event = event(&account, recovery.user_id, Action::StartEmailChange, None);
        let told = Mail::new(id(), MailKind::EmailChangeStarted, recovery.user_id, now);
        self.store.start_recovery(recovery, &[told], &event, now).await
    }

    async fn carry_out(&self, before: &Account, recovery: &Recovery) -> Result<(), RecoverError> {
        let after = recovery.applied_to(before, id(), at(11));
        let event = event(before, before.id, Action::ChangeEmail, None);
        let mails = [mail(MailKind::EmailChanged, before).to(before.email.clone())];
        let recovered = RecoveredAccount {
            before,
            after: &after,
            credentials: &credentials(before),
            event: &event,
            mails: &mails,
        };
        self.store.carry_out_recovery(recovery, &recovered).await
    }
}

#[tokio::test]
async fn an_account_has_one_recovery_until_it_expires() {
    let table = TestTable::new().await;
    let account = patient();
    let first = recovery(&account, Some(&patient()));
    table.start(&first, at(0)).await.unwrap();
    let second = recovery(&account, Some(&patient()));
    let refused = table.start(&second, at(19)).await;
    assert!(matches!(refused, Err(StartRecoveryError::Waiting)));
    assert_eq!(table.store.get_recovery(account.id, at(19)).await.unwrap(), Some(first));
    assert_eq!(table.store.get_recovery(account.id, at(20)).await.unwrap(), None);
    assert!(table.store.list_recoveries(at(20), 5, None).await.unwrap().items.is_empty());
    table.start(&second, at(20)).await.unwrap();
}

#[tokio::test]
async fn recoveries_are_paged() {
    let table = TestTable::new().await;
    let mut users = Vec::new();
    for _ in 0..3 {
        let account = patient();
        table.start(&recovery(&account, None), at(0)).await.unwrap();
        users.insert(0, account.id);
    }
    let first = table.store.list_recoveries(at(0), 2, None).await.unwrap();
    let next = table.store.list_recoveries(at(0), 2, first.next).await.unwrap();
    assert_eq!(next.next, None);
    let found: Vec<_> = [first.items, next.items].concat().iter().map(|it| it.user_id).collect();
    assert_eq!(found, users);
}

#[tokio::test]
async fn what_was_cancelled_or_has_changed_is_not_carried_out() {
    let table = TestTable::new().await;
    let account = patient();
    table.register(&account).await;
    let before = recovery(&account, Some(&patient()));
    table.start(&before, at(0)).await.unwrap();
    let admin = user(Role::Admin, "Ada", "Lovelace");
    let approved = Recovery { approved_by: Some(admin.id), version: 2, ..before.clone() };
    let event = || event(&admin, account.id, Action::ApproveRecovery, None);
    table.store.approve_recovery(&approved, &event()).await.unwrap();
    let again = table.store.approve_recovery(&approved, &event()).await;
    assert!(matches!(again, Err(UpdateError::Stale)));
    assert!(matches!(table.carry_out(&account, &before).await, Err(RecoverError::Stale)));
    let stale = table.store.cancel_recovery_as_staff(&before, &event()).await;
    assert!(matches!(stale, Err(UpdateError::Stale)));
    table.store.cancel_recovery_as_staff(&approved, &event()).await.unwrap();
    assert!(matches!(table.carry_out(&account, &approved).await, Err(RecoverError::Stale)));
    assert_eq!(table.store.get_account(account.id).await.unwrap(), Some(account));
}

#[tokio::test]
async fn an_account_moves_to_a_free_address_as_a_whole() {
    let table = TestTable::new().await;
    let (account, other, new) = (patient(), patient(), patient());
    table.register(&account).await;
    let to_taken = recovery(&account, Some(&other));
    table.start(&to_taken, at(0)).await.unwrap();
    table.register(&other).await;
    let refused = table.carry_out(&account, &to_taken).await;
    assert!(matches!(refused, Err(RecoverError::EmailTaken)));
    let to_taken = recovery(&account, Some(&other));
    let refused = table.start(&to_taken, at(20)).await;
    assert!(matches!(refused, Err(StartRecoveryError::EmailTaken)));
    assert_eq!(table.store.get_account(account.id).await.unwrap(), Some(account.clone()));

    let to_new = recovery(&account, Some(&new));
    table.start(&to_new, at(20)).await.unwrap();
    let renamed = Account { version: 7, ..account.clone() };
    assert!(matches!(table.carry_out(&renamed, &to_new).await, Err(RecoverError::Stale)));
    table.carry_out(&account, &to_new).await.unwrap();
    let moved = table.store.get_account(account.id).await.unwrap().unwrap();
    assert_eq!((moved.email, moved.version), (new.email.clone(), account.version + 1));
    let owner = async |account: &Account| {
        let credentials = table.store.get_credentials(&account.email).await.unwrap();
        credentials.map(|credentials| credentials.user_id)
    };
    assert_eq!((owner(&new).await, owner(&account).await), (Some(account.id), None));
    assert_eq!(table.store.get_recovery(account.id, at(0)).await.unwrap(), None);
}

#[tokio::test]
async fn an_address_that_is_only_respelt_keeps_its_key() {
    let table = TestTable::new().await;
    let account = patient();
    table.register(&account).await;
    let email = account.email.as_str().to_uppercase().parse().unwrap();
    let respelt = Account { email, ..account.clone() };
    let change = recovery(&account, Some(&respelt));
    table.start(&change, at(0)).await.unwrap();
    table.carry_out(&account, &change).await.unwrap();
    assert_eq!(table.store.get_account(account.id).await.unwrap().unwrap().email, respelt.email);
}

#[tokio::test]
async fn a_second_factor_is_removed_wherever_it_is_noted() {
    let table = TestTable::new().await;
    let account = Account { second_factor: true, ..patient() };
    table.register(&account).await;
    let factor = SecondFactor::pending(account.id, "SECRET".to_owned());
    table.store.start_second_factor(&factor).await.unwrap();
    let removal = recovery(&account, None);
    table.start(&removal, at(0)).await.unwrap();
    table.carry_out(&account, &removal).await.unwrap();
    assert!(table.store.get_second_factor(account.id).await.unwrap().is_none());
    assert!(!table.store.get_account(account.id).await.unwrap().unwrap().second_factor);
    let credentials = table.store.get_credentials(&account.email).await.unwrap().unwrap();
    assert!(!credentials.second_factor);
}

#[tokio::test]
async fn admins_are_counted_with_the_time_of_the_last_removal() {
    let table = TestTable::new().await;
    let (first, second) = (user(Role::Admin, "A", "B"), user(Role::Admin, "C", "D"));
    table.staff_create(&first).await;
    let recover = async |before: &Account| {
        let after = Account { version: before.version + 1, ..before.clone() };
        let event = event(before, before.id, Action::RecoverAdmin, None);
        let recovered = RecoveredAccount {
            before,
            after: &after,
            credentials: &credentials(before),
            event: &event,
            mails: &[],
        };
        table.store.recover_only_admin(&recovered).await
    };
    recover(&first).await.unwrap();
    table.staff_create(&second).await;
    let refused = recover(&second).await;
    assert!(matches!(refused, Err(RecoverError::OtherAdmins)));
    let admins = table.store.get_admins().await.unwrap();
    assert_eq!((admins.working_admins, admins.removed_at), (2, None));
    let inactive = Account { is_active: false, version: 2, ..second.clone() };
    table.store.update_account_as_staff(&second, &inactive, &[], at(3)).await.unwrap();
    let admins = table.store.get_admins().await.unwrap();
    assert_eq!((admins.working_admins, admins.removed_at), (1, Some(at(3))));
}
