//! Tests of passwords, email addresses, and the tokens from mails that change them.

use domain::account::{Account, Credentials, EmailProblem};
use domain::audit::{Action, AuditEvent};
use domain::email::Email;
use domain::id::SessionId;
use domain::mail::{AccountSnapshot, Mail, MailKind, MailToken};
use domain::session::Session;
use store::UpdateError;
use store::accounts::{MailLimit, Replaced, SilentError};
use store::credentials::{EmailChange, PasswordChange, UseTokenError};

use crate::people::{at, credentials, event, id, patient, session, user};
use crate::table::{TestTable, text};

const HASH: &str = "a-hash";

/// Stores a token of this kind for the account.
async fn put_token(table: &TestTable, kind: MailKind, account: &Account, email: &Email) {
    let token =
        MailToken::new(kind, account.id, email.clone(), AccountSnapshot::of(account), at(0));
    table.store.create_mail_token(HASH, &token).await.unwrap();
}

fn mail(kind: MailKind, account: &Account) -> Mail {
    Mail::new(id(), kind, account.id, at(0))
}

async fn hash(table: &TestTable, email: &Email) -> Option<String> {
    table.store.get_credentials(email).await.unwrap().map(|credentials| credentials.password_hash)
}

async fn change(
    table: &TestTable,
    account: &Account,
    before: &Credentials,
    after: &str,
    through: SessionId,
) -> Result<Session, UpdateError> {
    let session = session(account);
    let new = PasswordChange {
        account,
        before,
        password_hash: after,
        sessions_ended_through: through,
        event: &event(account, account.id, Action::ChangePassword, None),
        mail: &mail(MailKind::PasswordChanged, account),
    };
    table.store.change_password(&new, &session).await.map(|()| session)
}

async fn reset(
    table: &TestTable,
    account: &Account,
    before: &Credentials,
    after: &str,
    through: SessionId,
) -> Result<(), UseTokenError> {
    let new = PasswordChange {
        account,
        before,
        password_hash: after,
        sessions_ended_through: through,
        event: &event(account, account.id, Action::ResetPassword, None),
        mail: &mail(MailKind::PasswordChanged, account),
    };
    table.store.reset_password(&new, HASH).await
}

#[tokio::test]
async fn a_changed_password_ends_all_sessions_but_the_new_one() {
    let table = TestTable::new().await;
    let account = patient();
    let first = table.register(&account).await;
    let second =
        change(&table, &account, &credentials(&account), "second", first.id).await.unwrap();
    assert_eq!(hash(&table, &account.email).await.as_deref(), Some("second"));
    let (stored, _) = table.store.get_caller(account.id, second.id).await.unwrap().unwrap();
    assert!(!stored.allows_session_id(first.id) && stored.allows_session_id(second.id));
    assert_eq!((stored.version, stored.password_version), (2, 1));
    assert_eq!(
        table.store.get_credentials(&account.email).await.unwrap().unwrap().password_version,
        1
    );
    let expected =
        ["audit_event", "audit_event", "credentials", "mail", "session", "session", "user"];
    assert_eq!(table.entities().await, expected);
}

#[tokio::test]
async fn a_password_that_has_changed_since_it_was_checked_is_not_replaced() {
    let table = TestTable::new().await;
    let account = patient();
    let first = table.register(&account).await;
    let before = table.count().await;
    let other = Credentials { password_hash: "other".to_owned(), ..credentials(&account) };
    assert!(matches!(
        change(&table, &account, &other, "second", first.id).await,
        Err(UpdateError::Stale)
    ));
    let of_other = Credentials { user_id: id(), ..credentials(&account) };
    assert!(matches!(
        change(&table, &account, &of_other, "second", first.id).await,
        Err(UpdateError::Stale)
    ));
    change(&table, &account, &credentials(&account), "second", first.id).await.unwrap();
    let second = Credentials { password_hash: "second".to_owned(), ..credentials(&account) };
    let again = change(&table, &account, &second, "third", first.id).await;
    assert!(matches!(again, Err(UpdateError::Stale)), "sessions up to there have ended before");
    assert_eq!(table.count().await, before + 3);
    assert_eq!(hash(&table, &account.email).await.as_deref(), Some("second"));
}

#[tokio::test]
async fn a_token_resets_a_password_once() {
    let table = TestTable::new().await;
    let account = Account { email_verified: false, ..patient() };
    let first = table.register(&account).await;
    let before = credentials(&account);
    assert!(
        matches!(
            reset(&table, &account, &before, "second", first.id).await,
            Err(UseTokenError::Used)
        ),
        "there is none"
    );
    put_token(&table, MailKind::ResetPassword, &account, &account.email).await;
    let stale = Credentials { password_hash: "other".to_owned(), ..before.clone() };
    assert!(matches!(
        reset(&table, &account, &stale, "second", first.id).await,
        Err(UseTokenError::Stale)
    ));
    assert!(table.store.get_mail_token(HASH).await.unwrap().is_some(), "still good");
    reset(&table, &account, &before, "second", first.id).await.unwrap();
    assert_eq!(hash(&table, &account.email).await.as_deref(), Some("second"));
    let stored = table.store.get_account(account.id).await.unwrap().unwrap();
    assert_eq!(
        (stored.sessions_ended_through, stored.email_verified, stored.version),
        (Some(first.id), true, 2)
    );
    // A sign-in that read the credentials before the reset stores its session after it.
    let late = session(&account);
    assert!(
        stored.allows_session_id(late.id)
            && !stored.allows_session(&late)
            && stored.allows_session(&Session { password_version: 1, ..late })
    );
    assert_eq!(
        table.store.get_credentials(&account.email).await.unwrap().unwrap().password_version,
        1
    );
    let second = Credentials { password_hash: "second".to_owned(), ..before };
    assert!(matches!(
        reset(&table, &account, &second, "third", id()).await,
        Err(UseTokenError::Used)
    ));
    assert_eq!(
        table.entities().await,
        ["audit_event", "audit_event", "credentials", "mail", "session", "user"]
    );
}

#[tokio::test]
async fn a_hash_is_upgraded_unless_it_has_changed() {
    let table = TestTable::new().await;
    let account = patient();
    table.register(&account).await;
    let before = credentials(&account);
    table.store.upgrade_password_hash(&account.email, &before, "upgraded").await.unwrap();
    assert_eq!(hash(&table, &account.email).await.as_deref(), Some("upgraded"));
    table.store.upgrade_password_hash(&account.email, &before, "late").await.unwrap();
    assert_eq!(hash(&table, &account.email).await.as_deref(), Some("upgraded"));
    table.store.upgrade_password_hash(&patient().email, &before, "nobody").await.unwrap();
    assert_eq!(table.count().await, 4, "nothing is made");
}

#[tokio::test]
async fn a_token_confirms_an_address_once() {
    let table = TestTable::new().await;
    let account = Account { email_verified: false, ..patient() };
    table.register(&account).await;
    let verified = event(&account, account.id, Action::VerifyEmail, None);
    let verify = async |account: &Account| {
        table.store.verify_email(account, HASH, &AuditEvent { id: id(), ..verified.clone() }).await
    };
    assert!(matches!(verify(&account).await, Err(UseTokenError::Used)));
    put_token(&table, MailKind::VerifyEmail, &account, &account.email).await;
    let moved = Account { email: patient().email, ..account.clone() };
    assert!(
        matches!(verify(&moved).await, Err(UseTokenError::Stale)),
        "the account has another address"
    );
    verify(&account).await.unwrap();
    let stored = table.store.get_account(account.id).await.unwrap().unwrap();
    let email_trusted_since = stored.email_trusted_since;
    assert!(email_trusted_since.is_some());
    assert_eq!(
        stored,
        Account { email_verified: true, email_trusted_since, version: 2, ..account.clone() }
    );
    assert!(matches!(verify(&account).await, Err(UseTokenError::Used)));
    assert_eq!(
        table.entities().await,
        ["audit_event", "audit_event", "credentials", "session", "user"]
    );
}

#[tokio::test]
async fn a_token_from_a_mail_shows_that_the_address_works() {
    let table = TestTable::new().await;
    for kind in [MailKind::VerifyEmail, MailKind::ResetPassword] {
        let account = patient();
        let session = table.register(&account).await;
        let report = async |sent| {
            let problem = EmailProblem::Bounced;
            table.store.mark_email_problem(&account, problem, sent, at(1)).await.unwrap();
            let stored = table.store.get_account(account.id).await.unwrap().unwrap();
            assert_eq!(stored.email_problem.is_some(), stored.email_problem_at.is_some());
            stored.email_problem
        };
        assert_eq!(report(at(0)).await, Some(EmailProblem::Bounced));
        put_token(&table, kind, &account, &account.email).await;
        if kind == MailKind::VerifyEmail {
            let verified = event(&account, account.id, Action::VerifyEmail, None);
            table.store.verify_email(&account, HASH, &verified).await.unwrap();
        } else {
            reset(&table, &account, &credentials(&account), "second", session.id).await.unwrap();
        }
        assert_eq!(report(at(0)).await, None, "the report is older");
        let later = "2126-03-01T12:00:00Z".parse().unwrap();
        assert_eq!(report(later).await, Some(EmailProblem::Bounced));
    }
}

async fn move_to(
    table: &TestTable,
    before: &Account,
    email: &Email,
) -> Result<Account, UseTokenError> {
    let after = Account {
        email: email.clone(),
        email_verified: true,
        version: before.version + 1,
        ..before.clone()
    };
    let event = event(before, before.id, Action::ChangeEmail, None);
    let mail = mail(MailKind::EmailChanged, before).to(before.email.clone());
    let moved = EmailChange {
        before,
        after: &after,
        credentials: &credentials(before),
        replaced: None,
        event: &event,
        mail: &mail,
    };
    table.store.change_email(&moved, HASH).await.map(|()| after)
}

#[tokio::test]
async fn an_account_moves_to_another_address() {
    let table = TestTable::new().await;
    let account = Account { email_verified: false, ..patient() };
    table.register(&account).await;
    let email = patient().email;
    assert!(matches!(move_to(&table, &account, &email).await, Err(UseTokenError::Used)));
    put_token(&table, MailKind::ConfirmEmailChange, &account, &email).await;
    let after = move_to(&table, &account, &email).await.unwrap();
    assert_eq!(table.store.get_account(account.id).await.unwrap(), Some(after));
    assert_eq!(hash(&table, &account.email).await, None, "the old address is free");
    assert_eq!(table.store.get_credentials(&email).await.unwrap().unwrap().user_id, account.id);
    assert_eq!(
        table.entities().await,
        ["audit_event", "audit_event", "credentials", "mail", "session", "user"]
    );
    table
        .register(&Account { email: account.email, ..user(domain::account::Role::Patient, "", "") })
        .await;
}

#[tokio::test]
async fn an_account_cannot_take_the_address_of_another_one() {
    let table = TestTable::new().await;
    let (account, other) = (patient(), patient());
    table.register(&account).await;
    table.register(&other).await;
    put_token(&table, MailKind::ConfirmEmailChange, &account, &other.email).await;
    assert!(matches!(
        move_to(&table, &account, &other.email).await,
        Err(UseTokenError::EmailTaken)
    ));
    let stale = Account { version: 7, ..account.clone() };
    assert!(matches!(move_to(&table, &stale, &patient().email).await, Err(UseTokenError::Stale)));
    assert_eq!(table.store.get_account(account.id).await.unwrap(), Some(account.clone()));
    assert!(hash(&table, &account.email).await.is_some());
    assert_eq!(table.store.get_credentials(&other.email).await.unwrap().unwrap().user_id, other.id);
    assert!(table.store.get_mail_token(HASH).await.unwrap().is_some());
}

#[tokio::test]
async fn an_address_that_changes_in_case_alone_keeps_its_key() {
    let table = TestTable::new().await;
    let account = patient();
    table.register(&account).await;
    let respelt = Email::parse(&account.email.as_str().to_uppercase()).unwrap();
    put_token(&table, MailKind::ConfirmEmailChange, &account, &respelt).await;
    move_to(&table, &account, &respelt).await.unwrap();
    assert_eq!(table.store.get_account(account.id).await.unwrap().unwrap().email, respelt);
    assert!(hash(&table, &account.email).await.is_some());
    let item =
        table.all().await.into_iter().find(|item| text(item, "entity") == Some("user")).unwrap();
    assert_eq!(text(&item, "email"), Some(respelt.as_str()));
}

#[tokio::test]
async fn a_silent_registration_costs_the_same_for_a_taken_and_a_free_address() {
    let table = TestTable::new().await;
    let account = patient();
    let mails = MailLimit { most: 3, now: at(0) };
    let registered = || event(&account, account.id, Action::Register, None);
    let silently = async || {
        table
            .store
            .register_silently(
                &account,
                &credentials(&account),
                Replaced::Nobody(id()),
                &registered(),
                mails,
                None,
            )
            .await
    };
    let (done, free) = table.meter.measure(silently()).await;
    done.unwrap();
    assert_eq!(
        table.entities().await,
        ["audit_event", "credentials", "rate_window", "user"],
        "and no session"
    );
    assert!(matches!(silently().await, Err(SilentError::Stale)));
    let told = || mail(MailKind::AlreadyRegistered, &account);
    let refuse = async |account: &Account| {
        table.store.refuse_registration(account, &registered(), &told(), id(), mails, None).await
    };
    let (done, taken) = table.meter.measure(refuse(&account)).await;
    done.unwrap();
    assert_eq!(
        (free.round_trips, free.calls, free.read),
        (taken.round_trips, taken.calls, taken.read)
    );
    assert_eq!((free.calls, free.write, taken.write), (1, 18.0, 18.0));
    assert!(matches!(refuse(&patient()).await, Err(SilentError::Stale)));

    // The owner gets at most the daily maximum of mails, and as many events.
    refuse(&account).await.unwrap();
    let before = table.count().await;
    assert!(matches!(refuse(&account).await, Err(SilentError::LimitReached(_))));
    assert_eq!(table.count().await, before);
}

/// Registers an account silently in place of another one.
async fn replace(
    table: &TestTable,
    account: &Account,
    replaced: Replaced,
) -> Result<(), SilentError> {
    let credentials = Credentials { unconfirmed: true, ..credentials(account) };
    let event = event(account, account.id, Action::Register, None);
    let mails = MailLimit { most: 20, now: at(0) };
    table.store.register_silently(account, &credentials, replaced, &event, mails, None).await
}

#[tokio::test]
async fn a_registration_that_was_not_confirmed_is_replaced_by_the_next() {
    let table = TestTable::new().await;
    let first = Account { email_verified: false, ..patient() };
    let second = Account { id: id(), ..first.clone() };
    let holder = async || table.store.get_credentials(&first.email).await.unwrap().unwrap().user_id;
    replace(&table, &first, Replaced::Nobody(id())).await.unwrap();
    let (done, cost) =
        table.meter.measure(replace(&table, &second, Replaced::Unconfirmed(first.id))).await;
    done.unwrap();
    assert_eq!((cost.calls, cost.write), (1, 18.0), "as for a free address");
    assert_eq!(holder().await, second.id);
    assert_eq!(table.store.get_account(first.id).await.unwrap(), None);
    let third = Account { id: id(), ..first.clone() };
    let late = replace(&table, &third, Replaced::Unconfirmed(first.id)).await;
    assert!(matches!(late, Err(SilentError::Stale)), "it was replaced meanwhile");

    put_token(&table, MailKind::VerifyEmail, &second, &second.email).await;
    let verified = event(&second, second.id, Action::VerifyEmail, None);
    table.store.verify_email(&second, HASH, &verified).await.unwrap();
    let refused = replace(&table, &third, Replaced::Unconfirmed(second.id)).await;
    assert!(matches!(refused, Err(SilentError::Stale | SilentError::Confirmed)), "{refused:?}");
    assert_eq!(holder().await, second.id);
}

#[tokio::test]
async fn an_account_that_was_never_confirmed_is_discarded_with_its_address() {
    let table = TestTable::new().await;
    let account = Account { email_verified: false, ..patient() };
    let first = table.register(&account).await;
    let discard = async |before: &Account| {
        let after = Account {
            is_active: false,
            sessions_ended_through: Some(first.id),
            version: before.version + 1,
            ..before.clone()
        };
        let event = event(before, before.id, Action::DiscardAccount, None);
        table.store.discard_account(before, &after, HASH, &event).await
    };
    assert!(matches!(discard(&account).await, Err(UseTokenError::Used)));
    put_token(&table, MailKind::VerifyEmail, &account, &account.email).await;
    let stale = Account { version: 7, ..account.clone() };
    assert!(matches!(discard(&stale).await, Err(UseTokenError::Stale)));
    discard(&account).await.unwrap();
    assert_eq!(hash(&table, &account.email).await, None, "the address is free");
    let stored = table.store.get_account(account.id).await.unwrap().unwrap();
    assert!(!stored.is_active && !stored.allows_session_id(first.id));
    assert!(matches!(discard(&stored).await, Err(UseTokenError::Used)));

    let confirmed = patient();
    table.register(&confirmed).await;
    put_token(&table, MailKind::VerifyEmail, &confirmed, &confirmed.email).await;
    let verified = event(&confirmed, confirmed.id, Action::VerifyEmail, None);
    table.store.verify_email(&confirmed, HASH, &verified).await.unwrap();
    put_token(&table, MailKind::VerifyEmail, &confirmed, &confirmed.email).await;
    let confirmed = table.store.get_account(confirmed.id).await.unwrap().unwrap();
    assert!(matches!(discard(&confirmed).await, Err(UseTokenError::Stale)), "it was confirmed");
}
