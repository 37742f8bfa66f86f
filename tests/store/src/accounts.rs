//! Tests of accounts, profiles and the directory of doctors.

use std::collections::HashSet;

use domain::account::{Account, EmailProblem, Gender, PatientProfile, Profile, Role};
use domain::audit::Action;
use domain::email::Email;
use domain::id::{SessionId, UserId};
use domain::name_search::NameSearch;
use domain::text::{Name, Specialization};
use store::UpdateError;
use store::accounts::{CreateProfileError, DirectoryPosition, RegisterError};

use crate::people::{
    at, credentials, doctor, doctor_named, doctor_profile, event, id, patient, session, user,
};
use crate::table::{TestTable, text};

#[tokio::test]
async fn a_registered_user_is_found_by_address_and_id() {
    let table = TestTable::new().await;
    let account = patient();
    let session = table.register(&account).await;
    assert_eq!(table.store.get_account(account.id).await.unwrap(), Some(account.clone()));
    let shouted = Email::parse(&account.email.as_str().to_uppercase()).unwrap();
    let found = table.store.get_credentials(&shouted).await.unwrap().unwrap();
    assert_eq!(
        (found.user_id, found.password_hash),
        (account.id, credentials(&account).password_hash)
    );
    assert_eq!(
        table.store.get_caller(account.id, session.id).await.unwrap(),
        Some((account, session))
    );
    assert_eq!(table.count().await, 4, "account, credentials, session, event");
}

#[tokio::test]
async fn an_address_is_registered_once_whatever_its_case() {
    let table = TestTable::new().await;
    let first = patient();
    table.register(&first).await;
    let second = Account {
        email: Email::parse(&first.email.as_str().to_uppercase()).unwrap(),
        ..user(Role::Doctor, "", "")
    };
    let event = event(&second, second.id, Action::Register, None);
    let refused =
        table.store.register(&second, &credentials(&second), &session(&second), &event, None).await;
    assert!(matches!(refused, Err(RegisterError::EmailTaken)));
    assert_eq!(table.count().await, 4, "nothing of the second is there");
}

#[tokio::test]
async fn unknown_users_and_sessions_are_not_found() {
    let table = TestTable::new().await;
    let account = patient();
    let session = table.register(&account).await;
    assert_eq!(table.store.get_account(id()).await.unwrap(), None);
    assert!(table.store.get_credentials(&doctor().email).await.unwrap().is_none());
    assert_eq!(table.store.get_caller(account.id, id::<SessionId>()).await.unwrap(), None);
    assert_eq!(table.store.get_caller(id::<UserId>(), session.id).await.unwrap(), None);
}

#[tokio::test]
async fn accounts_are_read_in_batches_without_duplicates() {
    let table = TestTable::new().await;
    let mut ids = Vec::new();
    for _ in 0..105 {
        let account = patient();
        table.register(&account).await;
        ids.extend([account.id, account.id]);
    }
    ids.push(id());
    let (people, cost) = table.meter.measure(table.store.get_accounts(ids.clone())).await;
    let people = people.unwrap();
    assert_eq!(people.len(), 105, "the unknown one is left out");
    assert!(people.iter().all(|(id, account)| *id == account.id));
    assert_eq!((cost.round_trips, cost.calls), (1, 2), "106 keys are two batches at once");
    assert!(table.store.get_accounts([]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_profile_is_created_once() {
    let table = TestTable::new().await;
    let before = user(Role::Patient, "Jane", "Doe");
    table.register(&before).await;
    assert_eq!(table.store.get_account(before.id).await.unwrap().unwrap().profile, None);
    let empty = PatientProfile { date_of_birth: None, gender: Gender::Other, address: None };
    let after = Account { profile: Some(Profile::Patient(empty)), version: 2, ..before.clone() };
    table.store.create_profile(&after, None).await.unwrap();
    assert_eq!(table.store.get_account(before.id).await.unwrap(), Some(after.clone()));
    assert!(matches!(
        table.store.create_profile(&after, None).await,
        Err(CreateProfileError::ProfileExists)
    ));
    let next = Account { version: 3, ..after };
    assert!(matches!(
        table.store.create_profile(&next, None).await,
        Err(CreateProfileError::ProfileExists)
    ));
}

#[tokio::test]
async fn creating_a_profile_does_not_undo_another_change() {
    let table = TestTable::new().await;
    let before = user(Role::Patient, "Jane", "Doe");
    table.register(&before).await;
    let deactivated = Account { is_active: false, version: 2, ..before.clone() };
    table.store.update_profile(&before, &deactivated, None).await.unwrap();
    let late = Account { profile: patient().profile, version: 2, ..before };
    assert!(matches!(
        table.store.create_profile(&late, None).await,
        Err(CreateProfileError::Stale)
    ));
    let unknown = Account { version: 2, ..patient() };
    assert!(matches!(
        table.store.create_profile(&unknown, None).await,
        Err(CreateProfileError::Stale)
    ));
}

#[tokio::test]
async fn an_update_of_a_stale_version_is_refused() {
    let table = TestTable::new().await;
    let before = patient();
    table.register(&before).await;
    let after = Account { first_name: Name::parse("Janet").unwrap(), version: 2, ..before.clone() };
    table.store.update_profile(&before, &after, None).await.unwrap();
    assert_eq!(table.store.get_account(before.id).await.unwrap(), Some(after.clone()));
    let late = table.store.update_profile(&before, &after, None).await;
    assert!(matches!(late, Err(UpdateError::Stale)));
    let unknown = patient();
    let unknown = table.store.update_profile(&unknown, &unknown, None).await;
    assert!(matches!(unknown, Err(UpdateError::Stale)), "an unknown one is not made");
}

/// Returns the names of all doctors in the directory, page by page.
async fn names(
    table: &TestTable,
    specialization: Option<&str>,
    search: Option<&str>,
    limit: usize,
) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), None::<DirectoryPosition>);
    let search = search.map(NameSearch::of);
    loop {
        let page = table
            .store
            .list_doctors(specialization, search.as_ref(), limit, after.as_ref())
            .await
            .unwrap();
        assert!(page.items.len() <= limit);
        names.extend(
            page.items
                .iter()
                .map(|entry| format!("{} {}", entry.first_name.as_str(), entry.last_name.as_str())),
        );
        match page.next {
            Some(next) => after = Some(next),
            None => return names,
        }
    }
}

#[tokio::test]
async fn the_directory_is_sorted_searched_and_paged() {
    let table = TestTable::new().await;
    for (first, last, specialization) in [
        ("Zoë", "Smith", "Cardiology"),
        ("Anna", "smith", "Family Medicine"),
        ("Anna", "Smithers", "Cardiology"),
        ("Émile", "Émond", "cardiology"),
        ("", "", "Dermatology"),
        ("Bob", "Adams", "Family  medicine"),
    ] {
        table.register(&doctor_named(first, last, specialization)).await;
    }
    let all = [" ", "Bob Adams", "Émile Émond", "Anna smith", "Zoë Smith", "Anna Smithers"];
    for limit in [1, 2, 3, 5, 6, 100] {
        assert_eq!(names(&table, None, None, limit).await, all);
        assert_eq!(
            names(&table, None, Some("SMITH"), limit).await,
            ["Anna smith", "Zoë Smith", "Anna Smithers"]
        );
        assert_eq!(
            names(&table, Some("cardiology"), None, limit).await,
            ["Émile Émond", "Zoë Smith", "Anna Smithers"]
        );
        assert_eq!(names(&table, Some("family-medicine"), Some("s"), limit).await, ["Anna smith"]);
    }
    assert_eq!(names(&table, None, Some("é"), 10).await, ["Émile Émond"]);
    assert!(names(&table, None, Some("x"), 10).await.is_empty());
    assert!(names(&table, Some("x"), None, 10).await.is_empty());
    let exactly = table.store.list_doctors(None, None, 6, None).await.unwrap();
    assert_eq!(exactly.next, None, "the last page has no next one");
}

#[tokio::test]
async fn the_directory_lists_only_doctors_who_can_be_assigned() {
    let table = TestTable::new().await;
    table.register(&patient()).await;
    table.register(&user(Role::Doctor, "No", "Profile")).await;
    table.register(&Account { is_active: false, ..doctor() }).await;
    assert!(names(&table, None, None, 10).await.is_empty());

    let fresh = user(Role::Doctor, "New", "Doctor");
    table.register(&fresh).await;
    let mut account = Account { profile: Some(doctor_profile("Cardiology")), version: 2, ..fresh };
    table.store.create_profile(&account, None).await.unwrap();
    assert_eq!(names(&table, None, None, 10).await, ["New Doctor"]);
    let page = table.store.list_doctors(None, None, 10, None).await.unwrap();
    let entry = &page.items[0];
    assert_eq!(
        (entry.id, entry.role, Some(Profile::Doctor(entry.profile.clone()))),
        (account.id, Role::Doctor, account.profile.clone())
    );

    // Another name and specialization move the entry; no copy stays under the old keys.
    let before = account.clone();
    if let Some(Profile::Doctor(profile)) = &mut account.profile {
        profile.specialization = Specialization::parse("Oncology").unwrap();
    }
    account.last_name = Name::parse("Married").unwrap();
    account.version = 3;
    table.store.update_profile(&before, &account, None).await.unwrap();
    assert!(names(&table, Some("cardiology"), None, 10).await.is_empty());
    assert!(names(&table, None, Some("Doctor"), 10).await.is_empty());
    assert_eq!(names(&table, Some("oncology"), Some("mar"), 10).await, ["New Married"]);

    let before = account.clone();
    account.is_active = false;
    account.version = 4;
    table.store.update_profile(&before, &account, None).await.unwrap();
    assert!(names(&table, None, Some("mar"), 10).await.is_empty());
    assert!(names(&table, None, None, 10).await.is_empty());
    assert!(names(&table, Some("oncology"), None, 10).await.is_empty());
}

#[tokio::test]
async fn the_longest_names_fit_into_the_directory() {
    let table = TestTable::new().await;
    let long = "𝔘".repeat(255);
    table.register(&doctor_named(&long, &long, &long)).await;
    assert_eq!(names(&table, None, Some(&long), 10).await, [format!("{long} {long}")]);
}

#[tokio::test]
async fn the_directory_contains_no_contact_data() {
    let table = TestTable::new().await;
    let doctor = doctor();
    table.register(&doctor).await;
    for index in ["gsi1", "gsi2"] {
        let items = table
            .client
            .scan()
            .table_name("records")
            .index_name(index)
            .send()
            .await
            .unwrap()
            .items
            .unwrap();
        for entity in ["user", "name"] {
            let entry = items.iter().find(|item| text(item, "entity") == Some(entity)).unwrap();
            let names: HashSet<&str> = entry.keys().map(String::as_str).collect();
            for hidden in ["email", "phone_number"] {
                assert!(!names.contains(hidden), "{index} shows {hidden}");
            }
        }
    }
}

#[tokio::test]
async fn items_of_an_account_have_the_keys_of_the_layout() {
    let table = TestTable::new().await;
    let account = doctor_named("John", "Smith", "Family Medicine");
    let session = table.register(&account).await;
    let id = account.id;
    let item = table.item(format!("USER#{id}"), "ACCOUNT").await.unwrap();
    let expected = [
        ("entity", "user".to_owned()),
        ("gsi1pk", "DOCTORS".to_owned()),
        ("gsi1sk", format!("smith#john#{id}")),
        ("gsi2pk", "SPECIALIZATION#family-medicine".to_owned()),
        ("gsi2sk", format!("smith#john#{id}")),
        ("gsi3sk", id.to_string()),
    ];
    for (name, value) in expected {
        assert_eq!(text(&item, name), Some(value.as_str()), "{name}");
    }
    let shard = id.as_bytes()[15] % 8;
    let now = id.created_at().to_zoned(jiff::tz::TimeZone::UTC);
    assert_eq!(
        text(&item, "gsi3pk"),
        Some(format!("USER#{}#{shard}", now.strftime("%Y%m")).as_str())
    );
    assert!(!item.contains_key("id"), "what the key says is not repeated");
    assert!(table.item(format!("USER#{id}"), format!("SESSION#{}", session.id)).await.is_some());
    let event = table
        .all()
        .await
        .into_iter()
        .find(|item| text(item, "entity") == Some("audit_event"))
        .unwrap();
    assert_eq!(text(&event, "pk"), Some(format!("AUDIT#{id}").as_str()));
    assert_eq!(text(&event, "gsi2pk"), Some(format!("ACTOR#{id}").as_str()));
    assert_eq!(text(&event, "gsi2sk"), text(&event, "sk"));
    let credentials = table
        .all()
        .await
        .into_iter()
        .find(|item| text(item, "entity") == Some("credentials"))
        .unwrap();
    assert!(
        text(&credentials, "pk").unwrap().starts_with("EMAIL#")
            && !text(&credentials, "pk").unwrap().contains('@')
    );
}

#[tokio::test]
async fn an_address_has_the_problem_that_was_reported_first() {
    let table = TestTable::new().await;
    let account = patient();
    table.register(&account).await;
    let report = async |account: &Account, problem, sent, reported| {
        table.store.mark_email_problem(account, problem, at(sent), at(reported)).await.unwrap();
        table.store.get_account(account.id).await.unwrap()
    };
    let moved = Account { email: patient().email, ..account.clone() };
    assert_eq!(
        report(&moved, EmailProblem::Bounced, 1, 2).await,
        Some(account.clone()),
        "the account has another address"
    );
    let marked = Account {
        email_problem: Some(EmailProblem::Bounced),
        email_problem_at: Some(at(2)),
        version: account.version + 1,
        ..account.clone()
    };
    assert_eq!(report(&account, EmailProblem::Bounced, 1, 2).await, Some(marked.clone()));
    for problem in [EmailProblem::Bounced, EmailProblem::Complained] {
        assert_eq!(report(&account, problem, 1, 3).await, Some(marked.clone()), "{problem}");
    }
    // An account that was read before cannot be stored over the report.
    let stale = Account { version: account.version + 1, ..account.clone() };
    let stored = table.store.update_profile(&account, &stale, None).await;
    assert!(matches!(stored, Err(UpdateError::Stale)));

    let trusted = Account { version: 9, ..marked.clone() }.with_trusted_email(at(5));
    table.store.update_profile(&marked, &trusted, None).await.unwrap();
    assert_eq!(report(&trusted, EmailProblem::Bounced, 4, 6).await, Some(trusted.clone()), "late");
    let complained = report(&trusted, EmailProblem::Complained, 6, 7).await.unwrap();
    assert_eq!(complained.email_problem, Some(EmailProblem::Complained));
    let unknown = patient();
    assert_eq!(report(&unknown, EmailProblem::Bounced, 1, 2).await, None, "nobody is made");
}
