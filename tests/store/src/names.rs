//! Tests of the search by name: what is stored for it, and that it finds each user once.

use std::collections::BTreeSet;

use domain::account::{Account, Approval, Profile, Role};
use domain::audit::Action;
use domain::id::UserId;
use domain::mail::{Mail, MailKind};
use domain::name_search::NameSearch;
use domain::text::{Name, Specialization};
use store::accounts::{DirectoryPosition, MailLimit};

use crate::people::{at, doctor_named, event, id, patient, user};
use crate::table::{Item, TestTable, text};

/// Returns the doctors whom a search finds, page by page.
async fn found(table: &TestTable, slug: Option<&str>, search: &str, limit: usize) -> Vec<UserId> {
    let (mut ids, mut after, search) =
        (Vec::new(), None::<DirectoryPosition>, NameSearch::of(search));
    loop {
        let page =
            table.store.list_doctors(slug, Some(&search), limit, after.as_ref()).await.unwrap();
        assert!(page.items.len() <= limit);
        ids.extend(page.items.iter().map(|entry| entry.id));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

/// Returns the users whom a search of staff finds, page by page.
async fn found_by_staff(table: &TestTable, search: &str, limit: usize) -> Vec<UserId> {
    let (mut ids, mut after, search) = (Vec::new(), None, NameSearch::of(search));
    loop {
        let page = table.store.list_users_by_name(&search, limit, after.as_ref()).await.unwrap();
        assert!(page.items.len() <= limit);
        ids.extend(page.items.iter().map(|(id, _)| *id));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

/// Returns the entries of a user, in the order of their places.
async fn entries(table: &TestTable, user: UserId) -> Vec<Item> {
    let pk = format!("NAMES#{user}");
    let mut items: Vec<Item> =
        table.all().await.into_iter().filter(|item| text(item, "pk") == Some(&pk)).collect();
    items.sort_by_key(|item| text(item, "sk").unwrap().to_owned());
    items
}

/// Stores a change by staff.
async fn amend(
    table: &TestTable,
    before: &Account,
    change: impl FnOnce(Account) -> Account,
) -> Account {
    let after = Account { version: before.version + 1, ..change(before.clone()) };
    table.store.update_account_as_staff(before, &after, &[], at(0)).await.unwrap();
    after
}

#[tokio::test]
async fn a_user_whose_parts_begin_alike_is_found_once() {
    let table = TestTable::new().await;
    let mut ids = Vec::new();
    for (first, last) in [
        ("Anna", "Annan"),
        ("Annan", "Anna"),
        ("Ann", "Smith"),
        ("Bob", "Annan-Anders"),
        ("Anna Anne", "Ann"),
        ("Anna", "Anna"),
        ("Anna", "Annan"),
    ] {
        let doctor = doctor_named(first, last, "Cardiology");
        table.register(&doctor).await;
        ids.push(doctor.id);
    }
    table.register(&doctor_named("Hanna", "Smith", "Cardiology")).await;
    let all: BTreeSet<UserId> = ids.iter().copied().collect();
    for limit in [1, 2, 3, 7, 100] {
        for slug in [None, Some("cardiology")] {
            let page = found(&table, slug, "ann", limit).await;
            assert_eq!(page.len(), ids.len(), "{limit}");
            assert_eq!(page.into_iter().collect::<BTreeSet<_>>(), all);
        }
        let page = found_by_staff(&table, "ÄNN", limit).await;
        assert_eq!(page.len(), ids.len(), "{limit}");
        assert_eq!(page.into_iter().collect::<BTreeSet<_>>(), all);
        assert_eq!(found(&table, None, "anna anna", limit).await.len(), 4, "{limit}");
    }
    let exactly = NameSearch::of("ann");
    let page = table.store.list_doctors(None, Some(&exactly), 7, None).await.unwrap();
    assert_eq!((page.items.len(), page.next), (7, None), "the last page has no next one");
}

#[tokio::test]
async fn a_search_takes_one_query() {
    let table = TestTable::new().await;
    for first in ["Anna", "Bob", "Carl", "Dora", "Eva"] {
        table.register(&doctor_named(first, "de la Cruz", "Cardiology")).await;
    }
    let (listed, cost) = table.meter.measure(table.store.list_doctors(None, None, 3, None)).await;
    assert_eq!(listed.unwrap().items.len(), 3);
    for text in ["cruz", "de", "de la", "la cr", "cruz a", "de la cruz"] {
        let search = NameSearch::of(text);
        for slug in [None, Some("cardiology")] {
            let searched = table.store.list_doctors(slug, Some(&search), 3, None);
            let (found, searched) = table.meter.measure(searched).await;
            assert!(!found.unwrap().items.is_empty());
            assert_eq!(searched, cost, "{text} costs as much as the directory");
        }
    }
}

#[tokio::test]
async fn entries_follow_the_account() {
    let table = TestTable::new().await;
    let doctor = doctor_named("Maria", "de la Cruz", "Cardiology");
    table.register(&doctor).await;
    assert_eq!(entries(&table, doctor.id).await.len(), 10);
    assert_eq!(found(&table, None, "maria cruz", 9).await, [doctor.id]);

    let married =
        amend(&table, &doctor, |it| Account { last_name: Name::parse("Müller").unwrap(), ..it })
            .await;
    assert_eq!(entries(&table, doctor.id).await.len(), 4, "no entry of the former name is left");
    for gone in ["cruz", "de la", "maria cruz"] {
        assert!(found(&table, None, gone, 9).await.is_empty(), "{gone}");
        assert!(found_by_staff(&table, gone, 9).await.is_empty(), "{gone}");
    }
    assert_eq!(found(&table, Some("cardiology"), "muller maria", 9).await, [doctor.id]);

    // What the directory shows of a profile changes in every entry.
    let Some(Profile::Doctor(mut profile)) = married.profile.clone() else { panic!() };
    profile.specialization = Specialization::parse("Neurology").unwrap();
    let moved = Account {
        profile: Some(Profile::Doctor(profile.clone())),
        version: married.version + 1,
        ..married.clone()
    };
    table.store.update_profile(&married, &moved, None).await.unwrap();
    assert!(found(&table, Some("cardiology"), "muller", 9).await.is_empty());
    for text in ["muller", "maria", "maria m", "muller m"] {
        let search = NameSearch::of(text);
        let page = table.store.list_doctors(Some("neurology"), Some(&search), 9, None).await;
        assert_eq!(page.unwrap().items[0].profile, profile, "{text}");
    }

    // Who leaves the directory is still found by staff.
    let inactive = amend(&table, &moved, |it| Account { is_active: false, ..it }).await;
    let back = amend(&table, &inactive, |it| Account { is_active: true, ..it }).await;
    assert_eq!(found(&table, None, "muller", 9).await, [doctor.id]);
    let changes: [fn(Account) -> Account; 4] = [
        |it| Account { is_active: false, ..it },
        |it| Account { approval: Some(Approval::Suspended), ..it },
        |it| Account { profile: None, ..it },
        |it| it.with_role(Role::Patient, true),
    ];
    let mut before = back;
    for change in changes {
        let after = amend(&table, &before, change).await;
        for text in ["muller", "maria mu"] {
            assert!(found(&table, None, text, 9).await.is_empty());
            assert!(found(&table, Some("neurology"), text, 9).await.is_empty());
            assert_eq!(found_by_staff(&table, text, 9).await, [doctor.id]);
        }
        for entry in entries(&table, doctor.id).await {
            let mut names: Vec<&str> = entry.keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["entity", "gsi4pk", "gsi4sk", "pk", "sk"], "no copy is left");
        }
        let listed = moved.clone();
        before = amend(&table, &after, |it| Account { version: it.version, ..listed }).await;
        assert_eq!(found(&table, None, "muller", 9).await, [doctor.id]);
    }
}

#[tokio::test]
async fn a_change_that_does_not_concern_names_writes_one_item() {
    let table = TestTable::new().await;
    let before = patient();
    table.register(&before).await;
    let after = Account { profile: None, version: 2, ..before.clone() };
    let (done, cost) = table.meter.measure(table.store.update_profile(&before, &after, None)).await;
    done.unwrap();
    assert_eq!((cost.calls, cost.write), (1, 1.0));
}

#[tokio::test]
async fn entries_of_users_outside_the_directory_have_keys_alone() {
    let table = TestTable::new().await;
    let pending = Account {
        approval: Some(Approval::Pending),
        ..doctor_named("Jane", "Smith", "Cardiology")
    };
    for account in [&patient(), &user(Role::Admin, "Ada", "Staff"), &pending] {
        table.register(account).await;
        let entries = entries(&table, account.id).await;
        assert_eq!(entries.len(), 4);
        for entry in entries {
            assert!(!entry.contains_key("gsi1pk") && !entry.contains_key("gsi2pk"));
            assert!(!entry.contains_key("first_name") && !entry.contains_key("profile"));
        }
    }
}

#[tokio::test]
async fn decoys_have_nothing_of_a_name_and_nobody_finds_them() {
    let table = TestTable::new().await;
    let (owner, other, nobody) = (patient(), patient(), id());
    let event = event(&owner, owner.id, Action::Register, None);
    let mail = Mail::new(id(), MailKind::AlreadyRegistered, owner.id, at(0));
    let mails = MailLimit { most: 5, now: at(0) };
    table.register(&owner).await;
    let account = Account { email: owner.email.clone(), ..other };
    let refused =
        table.store.refuse_registration(&account, &event, &mail, nobody, mails, None).await;
    assert!(refused.is_ok());
    let decoys = entries(&table, nobody).await;
    assert_eq!(decoys.len(), entries(&table, owner.id).await.len());
    for decoy in decoys {
        let texts: Vec<&String> = decoy.values().filter_map(|value| value.as_s().ok()).collect();
        assert!(!texts.iter().any(|text| text.contains("doe")), "{texts:?}");
        assert_eq!(decoy["ttl"].as_n().unwrap(), &at(0).as_second().to_string());
    }
    assert_eq!(found_by_staff(&table, "doe", 9).await, [owner.id]);
}

#[tokio::test]
async fn the_entries_of_a_removed_account_are_deleted() {
    let table = TestTable::new().await;
    let (gone, other) = (patient(), patient());
    for account in [&gone, &other] {
        table.register(account).await;
    }
    table.store.delete_names(gone.id).await.unwrap();
    table.store.delete_names(id()).await.unwrap();
    assert!(entries(&table, gone.id).await.is_empty());
    assert_eq!(found_by_staff(&table, "doe", 9).await, [other.id]);
}

#[tokio::test]
async fn the_longest_names_are_found_by_their_parts() {
    let table = TestTable::new().await;
    // The longest letter in lower case, and one that folds to 18.
    for long in ["𝔘".repeat(255), "ﷺ".repeat(255), "a ".repeat(128)] {
        let doctor = doctor_named(&long, &long, "Cardiology");
        table.register(&doctor).await;
        assert_eq!(found(&table, None, &long, 9).await, [doctor.id]);
        assert_eq!(found_by_staff(&table, &long, 9).await, [doctor.id]);
        assert!(entries(&table, doctor.id).await.len() <= 27);
    }
}
