//! Tests of what staff do with users.

use domain::account::{Account, Approval, Role};
use domain::approval::ApprovalDecision;
use domain::audit::{Action, AuditEvent};
use domain::email::Email;
use domain::id::{EventId, UserId};
use domain::mail::{Mail, MailKind};
use domain::name_search::NameSearch;
use domain::text::{Justification, Name};
use store::UpdateError;
use store::accounts::RegisterError;
use store::staff::users::{BootstrapError, StaffUpdateError};
use store::stream::Change;

use crate::people::{
    at, credentials, doctor, doctor_named, event, id, id_at, patient, session, user,
};
use crate::table::{TestTable, text};

pub(crate) fn mail(kind: MailKind, account: &Account) -> Mail {
    Mail::new(id(), kind, account.id, at(0))
}

impl TestTable {
    /// Creates a user as staff do.
    pub(crate) async fn staff_create(&self, account: &Account) {
        let event = event(account, account.id, Action::CreateUser, None);
        let mail = mail(MailKind::ResetPassword, account);
        self.store
            .create_user(account, &credentials(account), &mail, &event, None, None)
            .await
            .unwrap();
    }

    async fn working_admins(&self) -> u64 {
        self.item("ADMINS", "STATE")
            .await
            .map_or(0, |item| item["working_admins"].as_n().unwrap().parse().unwrap())
    }
}

/// Returns the next version of an account, with the change of an admin.
fn amended(account: &Account, change: impl FnOnce(Account) -> Account) -> Account {
    Account { version: account.version + 1, ..change(account.clone()) }
}

#[tokio::test]
async fn a_user_is_created_with_a_mail_and_an_event() {
    let table = TestTable::new().await;
    let account = user(Role::Doctor, "Jane", "Doe");
    let order = mail(MailKind::ResetPassword, &account);
    let creation = event(&account, account.id, Action::CreateUser, None);
    table
        .store
        .create_user(&account, &credentials(&account), &order, &creation, None, None)
        .await
        .unwrap();
    assert_eq!(table.store.get_account(account.id).await.unwrap(), Some(account.clone()));
    assert_eq!(
        table.store.get_credentials(&account.email).await.unwrap().unwrap().user_id,
        account.id
    );
    assert_eq!(table.store.get_mail(order.id).await.unwrap(), Some(order.clone()));
    assert_eq!(
        table.count().await,
        4,
        "account, credentials, mail, event: admins are counted alone"
    );

    let other = Account {
        email: Email::parse(&account.email.as_str().to_uppercase()).unwrap(),
        ..user(Role::Admin, "", "")
    };
    let refused =
        table.store.create_user(&other, &credentials(&other), &order, &creation, None, None).await;
    assert!(matches!(refused, Err(RegisterError::EmailTaken)));
    assert_eq!(table.count().await, 4, "nothing of the second is there");
}

#[tokio::test]
async fn the_first_admin_is_created_once() {
    let table = TestTable::new().await;
    let bootstrap = async |account: &Account| {
        let event = event(account, account.id, Action::CreateUser, None);
        table
            .store
            .bootstrap_admin(
                account,
                &credentials(account),
                &mail(MailKind::ResetPassword, account),
                &event,
            )
            .await
    };
    let taken = patient();
    table.register(&taken).await;
    let first = Account { email: taken.email.clone(), ..user(Role::Admin, "", "") };
    assert!(matches!(bootstrap(&first).await, Err(BootstrapError::EmailTaken)));
    assert_eq!(
        (table.count().await, table.working_admins().await),
        (4, 0),
        "nothing is there of it"
    );
    let first = user(Role::Admin, "", "");
    bootstrap(&first).await.unwrap();
    assert_eq!((table.count().await, table.working_admins().await), (4 + 5, 1));
    for other in
        [user(Role::Admin, "", ""), Account { email: taken.email, ..user(Role::Admin, "", "") }]
    {
        assert!(matches!(bootstrap(&other).await, Err(BootstrapError::AdminExists)));
    }
    assert_eq!(table.count().await, 4 + 5);
}

#[tokio::test]
async fn there_is_always_an_admin() {
    let table = TestTable::new().await;
    let (one, other) = (user(Role::Admin, "", ""), user(Role::Admin, "", ""));
    table.staff_create(&one).await;
    table.staff_create(&other).await;
    table.staff_create(&Account { is_active: false, ..user(Role::Admin, "", "") }).await;
    assert_eq!(table.working_admins().await, 2, "who is inactive does not count");

    let amend = async |before: &Account, after: &Account| {
        let event = event(&other, before.id, Action::ChangeRole, None);
        table.store.update_account_as_staff(before, after, &[event], at(0)).await
    };
    let deactivated = amended(&one, |one| Account { is_active: false, ..one });
    amend(&one, &deactivated).await.unwrap();
    assert_eq!(table.working_admins().await, 1);
    let events = table.count().await;
    for after in [
        amended(&other, |it| Account { is_active: false, ..it }),
        amended(&other, |it| it.with_role(Role::Patient, true)),
    ] {
        assert!(matches!(amend(&other, &after).await, Err(StaffUpdateError::LastAdmin)));
    }
    assert_eq!(table.store.get_account(other.id).await.unwrap(), Some(other.clone()));
    assert_eq!(table.count().await, events, "no event tells of what was not done");

    let demoted = amended(&deactivated, |one| one.with_role(Role::Patient, true));
    amend(&deactivated, &demoted).await.unwrap();
    assert_eq!(table.working_admins().await, 1, "an inactive admin is no loss");
    let active = amended(&demoted, |one| Account { is_active: true, ..one });
    amend(&demoted, &active).await.unwrap();
    let promoted = amended(&active, |one| one.with_role(Role::Admin, true));
    amend(&active, &promoted).await.unwrap();
    assert_eq!(table.working_admins().await, 2);
    let renamed = amended(&other, |it| Account { first_name: Name::parse("Ada").unwrap(), ..it });
    amend(&other, &renamed).await.unwrap();
    assert_eq!(table.working_admins().await, 2);
    amend(&renamed, &amended(&renamed, |it| it.with_role(Role::Doctor, true))).await.unwrap();
    assert_eq!(table.working_admins().await, 1);
}

#[tokio::test]
async fn a_change_of_a_stale_account_is_refused() {
    let table = TestTable::new().await;
    let (admin, before) = (user(Role::Admin, "", ""), patient());
    table.register(&before).await;
    let session = session(&before);
    let after = amended(&before, |it| Account {
        is_active: false,
        sessions_ended_through: Some(session.id),
        ..it
    });
    let events = [Action::Deactivate, Action::ChangeRole]
        .map(|action| event(&admin, before.id, action, None));
    table.store.update_account_as_staff(&before, &after, &events, at(0)).await.unwrap();
    let stored = table.store.get_account(before.id).await.unwrap().unwrap();
    assert_eq!(stored, after);
    assert!(!stored.allows_session_id(session.id));
    let log = table.store.list_events_of_subject(before.id, None, 10, None).await.unwrap().items;
    assert_eq!(
        log.iter().map(|event| event.action).collect::<Vec<_>>(),
        [Action::ChangeRole, Action::Deactivate, Action::Register]
    );

    let count = table.count().await;
    assert!(matches!(
        table.store.update_account_as_staff(&before, &after, &events[..1], at(0)).await,
        Err(StaffUpdateError::Stale)
    ));
    let nobody = patient();
    let changed = amended(&nobody, |it| it);
    assert!(
        matches!(
            table.store.update_account_as_staff(&nobody, &changed, &[], at(0)).await,
            Err(StaffUpdateError::Stale)
        ),
        "an unknown one is not made"
    );
    assert_eq!(table.count().await, count);
}

/// Decides about a doctor and returns the changed account.
pub(crate) async fn decide(
    table: &TestTable,
    admin: &Account,
    doctor: &Account,
    decision: ApprovalDecision,
    reason: &str,
) -> Result<Account, UpdateError> {
    let after = Account {
        approval: Some(decision.outcome()),
        version: doctor.version + 1,
        ..doctor.clone()
    };
    let reason = Justification::parse(reason).unwrap();
    let notification = decision.notification(id(), doctor.id, admin, Some(&reason));
    let event = AuditEvent {
        reason: Some(reason.as_str().to_owned()),
        before: doctor.approval.map(|approval| approval.to_string()),
        after: after.approval.map(|approval| approval.to_string()),
        ..event(admin, doctor.id, decision.action(), None)
    };
    table
        .store
        .decide_approval(doctor, &after, &notification, &mail(decision.mail(), doctor), &event)
        .await?;
    Ok(after)
}

#[tokio::test]
async fn a_decision_updates_the_directory_and_notifies_the_doctor() {
    let table = TestTable::new().await;
    let admin = user(Role::Admin, "Ada", "Staff");
    let pending = Account {
        approval: Some(Approval::Pending),
        ..doctor_named("Jane", "Smith", "Cardiology")
    };
    table.register(&pending).await;
    let listed = async || {
        let all = table.store.list_doctors(None, None, 10, None).await.unwrap().items.len();
        let cardiologists =
            table.store.list_doctors(Some("cardiology"), None, 10, None).await.unwrap().items.len();
        let mut waiting = Vec::new();
        for approval in Approval::ALL {
            waiting.push(
                table
                    .store
                    .list_doctors_by_approval(*approval, 10, None)
                    .await
                    .unwrap()
                    .items
                    .len(),
            );
        }
        (all, cardiologists, waiting)
    };
    assert_eq!(listed().await, (0, 0, vec![1, 0, 0, 0]), "pending approved refused suspended");
    let refused =
        decide(&table, &admin, &pending, ApprovalDecision::Refuse, "Unreadable").await.unwrap();
    assert_eq!(listed().await, (0, 0, vec![0, 0, 1, 0]));
    let approved =
        decide(&table, &admin, &refused, ApprovalDecision::Approve, "Seen").await.unwrap();
    assert_eq!(listed().await, (1, 1, vec![0, 0, 0, 0]));
    let suspended =
        decide(&table, &admin, &approved, ApprovalDecision::Suspend, "Complaints").await.unwrap();
    assert_eq!(listed().await, (0, 0, vec![0, 0, 0, 1]));
    assert_eq!(table.store.get_account(pending.id).await.unwrap(), Some(suspended.clone()));

    let inbox = table.store.list_notifications(pending.id, None, 10, None).await.unwrap().items;
    let told: Vec<_> = inbox
        .iter()
        .map(|it| (it.notification_type.as_str(), it.message.as_str(), it.record()))
        .collect();
    assert_eq!(
        told,
        [
            ("approval_suspended", "You have been suspended: Complaints", None),
            ("approval_granted", "Your licence to practise has been approved: Seen", None),
            ("approval_refused", "Your licence to practise has been refused: Unreadable", None),
        ]
    );
    assert_eq!(inbox[0].actor_id, admin.id);
    let mails: Vec<_> =
        table.all().await.into_iter().filter(|item| text(item, "entity") == Some("mail")).collect();
    let mut kinds: Vec<_> = mails.iter().map(|item| text(item, "kind").unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["doctor_approved", "doctor_refused", "doctor_suspended"]);
    let log = table.store.list_events_of_subject(pending.id, None, 3, None).await.unwrap().items;
    let suspension = (
        log[0].action,
        log[0].reason.as_deref(),
        log[0].before.as_deref(),
        log[0].after.as_deref(),
    );
    assert_eq!(
        suspension,
        (Action::SuspendDoctor, Some("Complaints"), Some("approved"), Some("suspended"))
    );

    let count = table.count().await;
    assert!(matches!(
        decide(&table, &admin, &approved, ApprovalDecision::Suspend, "Again").await,
        Err(UpdateError::Stale)
    ));
    assert_eq!(table.count().await, count, "nobody is told of what was not done");

    let inactive = amended(&suspended, |it| Account { is_active: false, ..it });
    table.store.update_account_as_staff(&suspended, &inactive, &[], at(0)).await.unwrap();
    assert_eq!(
        listed().await,
        (0, 0, vec![0; 4]),
        "about an inactive doctor there is nothing to decide"
    );
}

#[tokio::test]
async fn a_decision_is_mailed_once() {
    let table = TestTable::new().await;
    let admin = user(Role::Admin, "", "");
    let doctor = doctor();
    table.register(&doctor).await;
    decide(&table, &admin, &doctor, ApprovalDecision::Suspend, "Complaints").await.unwrap();
    let mut asked = Vec::new();
    for item in table.all().await {
        let image = serde_dynamo::Item::from(
            item.into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect::<std::collections::HashMap<_, serde_dynamo::AttributeValue>>(),
        );
        asked.extend(Change::from_images("INSERT", None, Some(image)).unwrap());
    }
    asked.retain(|change| !matches!(change, Change::Counts { .. }));
    let mails = asked.iter().filter(|change| matches!(change, Change::MailOrdered { .. })).count();
    assert_eq!((asked.len(), mails), (1, 1), "the notification asks for none");
}

#[tokio::test]
async fn a_doctor_without_a_licence_is_in_no_work_list() {
    let table = TestTable::new().await;
    let before =
        Account { approval: Some(Approval::Pending), ..user(Role::Doctor, "New", "Doctor") };
    table.register(&before).await;
    let waiting = async || {
        table.store.list_doctors_by_approval(Approval::Pending, 10, None).await.unwrap().items
    };
    assert!(waiting().await.is_empty());
    let after = Account { profile: doctor().profile, version: 2, ..before };
    table.store.create_profile(&after, None).await.unwrap();
    assert_eq!(waiting().await, [after.id]);
}

#[tokio::test]
async fn work_lists_are_paged_newest_first() {
    let table = TestTable::new().await;
    let mut ids: Vec<UserId> = Vec::new();
    for _ in 0..5 {
        let doctor = Account { approval: Some(Approval::Pending), ..doctor() };
        table.register(&doctor).await;
        ids.insert(0, doctor.id);
    }
    for limit in [1, 2, 4, 5, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = table
                .store
                .list_doctors_by_approval(Approval::Pending, limit, after)
                .await
                .unwrap();
            assert!(page.items.len() <= limit);
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, ids);
    }
    assert_eq!(
        table.store.list_doctors_by_approval(Approval::Pending, 5, None).await.unwrap().next,
        None
    );
}

#[tokio::test]
async fn users_are_found_by_address() {
    let table = TestTable::new().await;
    let account = patient();
    table.register(&account).await;
    let shouted = Email::parse(&account.email.as_str().to_uppercase()).unwrap();
    assert_eq!(table.store.get_user_id_by_email(&shouted).await.unwrap(), Some(account.id));
    assert_eq!(table.store.get_user_id_by_email(&patient().email).await.unwrap(), None);
    let items = table
        .client
        .scan()
        .table_name("records")
        .index_name("gsi4")
        .send()
        .await
        .unwrap()
        .items
        .unwrap();
    assert_eq!(items.len(), 5, "four by name and one by address");
    for item in &items {
        let mut names: Vec<&str> = item.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["gsi4pk", "gsi4sk", "pk", "sk"], "keys and nothing of credentials");
        assert!(!text(item, "gsi4pk").unwrap().contains('@'));
    }
}

#[tokio::test]
async fn users_are_found_by_the_beginning_of_a_part_of_their_name() {
    let table = TestTable::new().await;
    for (role, first, last) in [
        (Role::Patient, "Zoë", "Smith"),
        (Role::Admin, "Anna", "smith"),
        (Role::Patient, "Anna", "Smithers"),
        (Role::Patient, "Émile", "Émond"),
        (Role::Patient, "Nobody", ""),
        (Role::Patient, "Odd", "#Name"),
    ] {
        table.register(&user(role, first, last)).await;
    }
    table
        .register(&Account { is_active: false, ..doctor_named("Bob", "Smith", "Cardiology") })
        .await;
    let names = async |search: &str, limit: usize| {
        let (mut names, mut after, search) = (Vec::new(), None, NameSearch::of(search));
        loop {
            let page =
                table.store.list_users_by_name(&search, limit, after.as_ref()).await.unwrap();
            assert!(page.items.len() <= limit);
            let people =
                table.store.get_accounts(page.items.iter().map(|(id, _)| *id)).await.unwrap();
            names.extend(page.items.iter().map(|(id, _)| {
                format!("{} {}", people[id].first_name.as_str(), people[id].last_name.as_str())
            }));
            // The position of any user is a valid beginning of a page.
            assert!(
                page.next.is_none()
                    || page.next == page.items.last().map(|(_, place)| place.clone())
            );
            after = page.next;
            if after.is_none() {
                return names;
            }
        }
    };
    for limit in [1, 2, 3, 4, 100] {
        assert_eq!(
            names("SMITH", limit).await,
            ["Anna smith", "Bob Smith", "Zoë Smith", "Anna Smithers"]
        );
        assert_eq!(names("smithe", limit).await, ["Anna Smithers"]);
    }
    assert_eq!(names("é", 10).await, ["Émile Émond"]);
    assert_eq!(names("ann", 10).await, ["Anna smith", "Anna Smithers"]);
    assert_eq!(names("#na", 10).await, ["Odd #Name"]);
    assert!(names("x", 10).await.is_empty());
}

#[tokio::test]
async fn users_are_listed_newest_first_over_months_and_shards() {
    let table = TestTable::new().await;
    let mut ids: Vec<UserId> = Vec::new();
    let moments = [
        "2026-01-01T00:00:00Z",
        "2026-01-31T23:59:59.999Z",
        "2026-02-01T00:00:00Z",
        "2026-06-15T12:00:00Z",
        "2026-06-15T12:00:00Z",
        "2026-06-15T12:00:01Z",
        "2026-06-15T12:00:02Z",
        "2026-06-30T12:00:00Z",
        "2026-11-01T00:00:00Z",
        "2026-11-23T10:00:00Z",
    ];
    for moment in moments {
        for _ in 0..2 {
            let account = Account { id: id_at(moment), ..patient() };
            let account = Account {
                email: Email::parse(&format!("{}@example.com", account.id)).unwrap(),
                ..account
            };
            table.register(&account).await;
            ids.push(account.id);
        }
    }
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
    let walk = async |now: &str, limit: usize| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page =
                table.store.list_newest_users(now.parse().unwrap(), limit, after).await.unwrap();
            assert!(page.items.len() <= limit);
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    };
    for limit in [1, 2, 3, 7, 19, 20, 100] {
        assert_eq!(walk("2026-11-23T10:00:00.5Z", limit).await, ids);
    }
    // Years later, after more empty months than the work for one page covers.
    assert_eq!(walk("2029-03-01T00:00:00Z", 20).await, ids);
    let (page, cost) = table
        .meter
        .measure(table.store.list_newest_users("2029-03-01T00:00:00Z".parse().unwrap(), 20, None))
        .await;
    assert!(
        page.unwrap().next.is_some() && cost.calls == 12 * 8 && cost.round_trips == 12,
        "{cost:?}"
    );
}

#[tokio::test]
async fn the_actions_of_a_user_are_listed_newest_first() {
    let table = TestTable::new().await;
    let admin = user(Role::Admin, "Ada", "Staff");
    let mut ids: Vec<EventId> = Vec::new();
    for action in [
        Action::ReadUser,
        Action::StartPasswordReset,
        Action::ReadAudit,
        Action::ReadUser,
        Action::ListUsers,
    ] {
        let subject = patient();
        let event = event(&admin, subject.id, action, None);
        ids.insert(0, event.id);
        if action == Action::StartPasswordReset {
            let order = mail(MailKind::ResetPassword, &subject);
            table.store.request_mail(&order, &event).await.unwrap();
            assert_eq!(table.store.get_mail(order.id).await.unwrap(), Some(order));
        } else {
            table.store.create_events(&[event]).await.unwrap();
        }
        table.register(&subject).await;
    }
    for limit in [1, 2, 4, 5, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = table.store.list_events_of_actor(admin.id, limit, after).await.unwrap();
            assert!(page.items.iter().all(|event| event.actor_id == admin.id));
            found.extend(page.items.iter().map(|event| event.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, ids);
    }
    assert!(table.store.list_events_of_actor(id(), 10, None).await.unwrap().items.is_empty());
}
