//! Tests of the store with a table that is slow, silent, refusing, or disconnected after it has
//! acted. A server between the store and the table causes these faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use domain::account::{Account, Role};
use domain::audit::Action;
use domain::file::{FileStatus, Rejection, Verdict};
use domain::mail::{Mail, MailFailure, MailKind};
use domain::notification::Notification;
use domain::record::{Annotation, Record};
use domain::session::Session;
use domain::signing_key::SigningKey;
use dynoxide::Database;
use serde_json::json;
use store::mail::{self, MailClaim};
use store::rate::LimitError;
use store::records::RecordFilter;
use store::sessions::EndSessionError;
use store::{Error, Store};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::mail::claimed;
use crate::meter::Meter;
use crate::notifications::{mailed, notified, up_to};
use crate::people::{
    annotation, at, event, file, id, notification_to_doctor, notification_to_patient, patient,
    record, session, unlimited, user,
};
use crate::table::{Item, NAME, TestTable, client, store};

/// What happens to a request.
enum TableFault {
    /// The table responds.
    Passed,
    /// No response comes.
    Silence,
    /// The table acts, but the connection is cut before its response.
    Cut,
    /// This is the response, and the table does not act.
    Instead(u16, serde_json::Value),
}

/// Starts a server in front of the table and returns a store that uses it. `fault` decides on each
/// request by its number (from 0) and body.
async fn behind(
    table: &TestTable,
    fault: impl Fn(usize, &str) -> TableFault + Send + Sync + 'static,
) -> (Store, Arc<AtomicUsize>) {
    behind_within(
        table,
        TimeoutConfig::builder().operation_timeout(Duration::from_secs(60)).build(),
        fault,
    )
    .await
}

/// Does the same as [`behind`] with the given timeouts.
async fn behind_within(
    table: &TestTable,
    timeouts: TimeoutConfig,
    fault: impl Fn(usize, &str) -> TableFault + Send + Sync + 'static,
) -> (Store, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (behind, requests, fault) =
        (table.address.clone(), Arc::new(AtomicUsize::new(0)), Arc::new(fault));
    let counter = requests.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (behind, counter, fault) = (behind.clone(), counter.clone(), fault.clone());
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while let Some(request) = message(&mut stream).await {
                    let body = String::from_utf8_lossy(&request).into_owned();
                    let response = match fault(counter.fetch_add(1, Ordering::SeqCst), &body) {
                        TableFault::Silence => std::future::pending().await,
                        TableFault::Instead(status, body) => {
                            let body = body.to_string();
                            let head = format!(
                                "HTTP/1.1 {status} X\r\ncontent-type: \
                                 application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
                                body.len()
                            );
                            format!("{head}{body}").into_bytes()
                        }
                        fault => {
                            let mut table =
                                BufReader::new(TcpStream::connect(&behind).await.unwrap());
                            table.get_mut().write_all(&request).await.unwrap();
                            let response = message(&mut table).await.unwrap();
                            if matches!(fault, TableFault::Cut) {
                                return;
                            }
                            response
                        }
                    };
                    stream.get_mut().write_all(&response).await.unwrap();
                }
            });
        }
    });
    (store(&client(&address, timeouts, Meter)), requests)
}

/// Reads an HTTP/1.1 message including its head; `None` at the end of the connection.
async fn message(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<Vec<u8>> {
    let (mut message, mut length) = (Vec::new(), 0);
    loop {
        let start = message.len();
        if stream.read_until(b'\n', &mut message).await.ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&message[start..]).to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let start = message.len();
    message.resize(start + length, 0);
    stream.read_exact(&mut message[start..]).await.ok()?;
    Some(message)
}

fn refusal(code: &str) -> serde_json::Value {
    json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "refused" })
}

async fn assert_unavailable<T: std::fmt::Debug>(operation: impl Future<Output = Result<T, Error>>) {
    let result = operation.await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
}

/// Creates a record of a patient, for a doctor who does not exist.
async fn create_record(store: &Store, patient: &Account) -> Result<(), LimitError> {
    let record = record(patient, &user(Role::Doctor, "", ""));
    let creation = event(patient, patient.id, Action::CreateRecord, None);
    let told = notification_to_doctor(patient, &record);
    store.create_record(&record, &[], &told, &creation, None, &unlimited()).await
}

/// Checks that reads, a write, a conditional write, a batch and a transaction are unavailable.
async fn assert_all_unavailable(store: &Store) {
    let account = patient();
    let record = record(&account, &user(Role::Doctor, "", ""));
    let filter = RecordFilter::default();
    let creation = event(&account, account.id, Action::CreateRecord, None);
    let told = notification_to_doctor(&account, &record);
    let inbox = up_to(id());
    tokio::join!(
        assert_unavailable(store.check()),
        assert_unavailable(store.get_account(account.id)),
        assert_unavailable(store.get_accounts([account.id])),
        assert_unavailable(store.create_events(std::slice::from_ref(&creation))),
        assert_unavailable(store.list_events_of_subject(account.id, None, 20, None)),
        assert_unavailable(store.list_annotation_versions(account.id, id(), 20, None)),
        assert_unavailable(store.list_record_versions(account.id, id(), 20, None)),
        assert_unavailable(store.list_records_of_patient(account.id, &filter, 20, None)),
        assert_unavailable(async {
            match store.end_session(account.id, id(), &creation).await {
                Err(EndSessionError::Store(error)) => Err::<(), _>(error),
                other => panic!("{other:?}"),
            }
        }),
        assert_unavailable(async {
            match store.update_profile(&account, &account, None).await {
                Err(store::UpdateError::Store(error)) => Err::<(), _>(error),
                other => panic!("{other:?}"),
            }
        }),
        assert_unavailable(store.mark_all_notifications_read(account.id, &inbox, at(1))),
        assert_unavailable(async {
            let allowance = unlimited();
            match store.create_record(&record, &[], &told, &creation, None, &allowance).await {
                Err(LimitError::Store(error)) => Err::<(), _>(error),
                other => panic!("{other:?}"),
            }
        }),
    );
}

#[tokio::test]
async fn a_silent_table_is_unavailable_within_three_seconds() {
    let table = TestTable::new().await;
    // With the timeouts of functions that serve HTTP requests.
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(500))
        .operation_attempt_timeout(Duration::from_millis(800))
        .operation_timeout(Duration::from_millis(2500))
        .build();
    let (store, _) = behind_within(&table, timeouts, |_, _| TableFault::Silence).await;
    // A busy machine may delay the test a little.
    for _ in 0..5 {
        let start = Instant::now();
        assert_all_unavailable(&store).await;
        if start.elapsed() < Duration::from_secs(3) {
            return;
        }
    }
    panic!("it always takes longer");
}

#[tokio::test]
async fn a_table_that_cannot_be_reached_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_millis(2500)).build();
    assert_all_unavailable(&store(&client(&address, timeouts, Meter))).await;
}

#[tokio::test]
async fn a_table_that_throttles_or_fails_is_unavailable() {
    let table = TestTable::new().await;
    for (status, code) in [
        (400, "ThrottlingException"),
        (400, "ProvisionedThroughputExceededException"),
        (400, "RequestLimitExceeded"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
    ] {
        let (store, requests) =
            behind(&table, move |_, _| TableFault::Instead(status, refusal(code))).await;
        assert_unavailable(store.get_account(id())).await;
        assert_eq!(requests.load(Ordering::SeqCst), 3, "{code}: three attempts");
    }
    let (store, _) =
        behind(&table, |_, _| TableFault::Instead(503, json!("no error at all"))).await;
    assert_all_unavailable(&store).await;
}

#[tokio::test]
async fn permanent_errors_are_not_reported_as_unavailable() {
    let table = TestTable::new().await;
    for code in ["AccessDeniedException", "ValidationException", "ResourceNotFoundException"] {
        let (store, requests) =
            behind(&table, move |_, _| TableFault::Instead(400, refusal(code))).await;
        let refused = store.get_account(id()).await;
        assert!(
            matches!(refused, Err(Error::Rejected(ref text)) if text.contains(code)),
            "{refused:?}"
        );
        assert_eq!(requests.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn short_faults_are_retried() {
    let table = TestTable::new().await;
    let account = patient();
    table.register(&account).await;
    for (status, code) in [(400, "ThrottlingException"), (500, "InternalServerError")] {
        let (store, _) = behind(&table, move |number, _| {
            if number < 2 { TableFault::Instead(status, refusal(code)) } else { TableFault::Passed }
        })
        .await;
        assert_eq!(store.get_account(account.id).await.unwrap().as_ref(), Some(&account));
    }
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(3)).build();
    let (store, _) = behind_within(&table, timeouts, |number, _| {
        if number == 0 { TableFault::Silence } else { TableFault::Passed }
    })
    .await;
    assert_eq!(store.get_account(account.id).await.unwrap(), Some(account));
}

fn canceled(reason: &str, steps: usize) -> serde_json::Value {
    let mut reasons = vec![json!({ "Code": "None" }); steps];
    reasons[steps - 1] = json!({ "Code": reason, "Message": "for the test" });
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{reason}]"
    );
    json!({ "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": message, "CancellationReasons": reasons })
}

#[tokio::test]
async fn a_transaction_conflict_is_tried_three_times_with_one_token() {
    let table = TestTable::new().await;
    for reason in ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"] {
        for (conflicts, succeeds) in [(2, true), (3, false)] {
            let tokens = Arc::new(std::sync::Mutex::new(Vec::new()));
            let seen = tokens.clone();
            let (store, requests) = behind(&table, move |number, body| {
                let body: serde_json::Value =
                    serde_json::from_str(body.split("\r\n\r\n").nth(1).unwrap()).unwrap();
                seen.lock().unwrap().push(body["ClientRequestToken"].as_str().unwrap().to_owned());
                if number < conflicts {
                    TableFault::Instead(400, canceled(reason, 4))
                } else {
                    TableFault::Passed
                }
            })
            .await;
            let result = create_record(&store, &patient()).await;
            assert_eq!(result.is_ok(), succeeds, "{result:?}");
            let unavailable = |error| matches!(error, LimitError::Store(Error::Unavailable(_)));
            assert!(result.is_ok() || result.is_err_and(unavailable));
            assert_eq!(requests.load(Ordering::SeqCst), 3);
            let mut tokens = tokens.lock().unwrap();
            tokens.dedup();
            assert_eq!(tokens.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_single_write_waits_for_a_transaction_on_its_item() {
    let table = TestTable::new().await;
    let session = session(&patient());
    for (conflicts, succeeds) in [(2, true), (3, false)] {
        // This many requests are sent before the write.
        let stores = async |reads: usize| {
            let conflict = move |number: usize, _: &str| match number.checked_sub(reads) {
                Some(write) if write < conflicts => {
                    TableFault::Instead(400, refusal("TransactionConflictException"))
                }
                _ => TableFault::Passed,
            };
            behind(&table, conflict).await
        };
        let check = |result: Result<(), Error>, requests: Arc<AtomicUsize>, reads: usize| {
            assert!(
                if succeeds {
                    result.is_ok()
                } else {
                    matches!(result, Err(Error::Unavailable(_)))
                },
                "{result:?}"
            );
            assert_eq!(requests.load(Ordering::SeqCst), reads + 3);
        };
        let (store, requests) = stores(0).await;
        check(store.create_session(&session, None).await, requests, 0);
        let (store, requests) = stores(1).await;
        let key = SigningKey {
            kid: format!("kid-{conflicts}"),
            x: "x".to_owned(),
            created_at: at(0),
            retire_after: Some(at(9)),
        };
        check(store.publish_signing_key(&key, at(9)).await, requests, 1);
        let (store, requests) = stores(0).await;
        check(
            store.delete_all_notifications(session.user_id, &up_to(id()), at(5)).await,
            requests,
            0,
        );
        let (store, requests) = stores(0).await;
        check(
            store
                .create_mail(&Mail::new(id(), MailKind::PasswordChanged, session.user_id, at(0)))
                .await,
            requests,
            0,
        );
    }
}

#[tokio::test]
async fn a_transaction_that_is_still_in_progress_is_sent_again() {
    let table = TestTable::new().await;
    let (store, _) = behind(&table, |number, _| match number {
        0 => TableFault::Instead(400, refusal("TransactionInProgressException")),
        _ => TableFault::Passed,
    })
    .await;
    create_record(&store, &patient()).await.unwrap();
}

#[tokio::test]
async fn the_error_of_a_refused_transaction_names_the_reasons_and_no_content_of_items() {
    let table = TestTable::new().await;
    let (store, requests) =
        behind(&table, |_, _| TableFault::Instead(400, canceled("ValidationError", 4))).await;
    let account = patient();
    let error = create_record(&store, &account).await.unwrap_err();
    let is_named = |text: &str| text.contains("ValidationError");
    assert!(
        matches!(&error, LimitError::Store(Error::Rejected(text)) if is_named(text)),
        "{error}"
    );
    assert!(!format!("{error:?}").contains(&account.id.to_string()));
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn unprocessed_keys_are_requested_again_a_limited_number_of_times() {
    let table = TestTable::new().await;
    let accounts = [patient(), patient()];
    for account in &accounts {
        table.register(account).await;
    }
    let unprocessed = |body: &str| {
        let body: serde_json::Value =
            serde_json::from_str(body.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        TableFault::Instead(
            200,
            json!({ "Responses": {}, "UnprocessedKeys": body["RequestItems"] }),
        )
    };
    let (store, _) =
        behind(
            &table,
            move |number, body| if number < 3 { unprocessed(body) } else { TableFault::Passed },
        )
        .await;
    assert_eq!(
        store.get_accounts(accounts.iter().map(|account| account.id)).await.unwrap().len(),
        2
    );
    let (store, _) = behind(&table, move |_, body| unprocessed(body)).await;
    assert_unavailable(store.get_accounts(accounts.iter().map(|account| account.id))).await;
}

/// Staff order a mail again after a purge has read that it was sent.
#[tokio::test]
async fn a_purge_marks_a_notification_whose_mail_was_ordered_meanwhile() {
    let table = TestTable::new().await;
    let doctor = crate::people::doctor();
    let all = mailed(&table, &doctor, 1).await;
    let (store, _) = behind(&table, |number, _| {
        // The deletion, after the query.
        if number == 1 {
            let error = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
            return TableFault::Instead(400, json!({ "__type": error }));
        }
        TableFault::Passed
    })
    .await;
    store.purge_deleted(doctor.id, None, all[0].id).await.unwrap();
    let key = (format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{}", all[0].id));
    let item = table.item(&key.0, &key.1).await.unwrap();
    assert!(item["is_deleted"].as_bool().unwrap());
    table.store.purge_deleted(doctor.id, None, all[0].id).await.unwrap();
    assert!(table.item(&key.0, &key.1).await.is_none());
}

/// Updates a notification at once, or deletes it, as another function does meanwhile.
fn change(database: &Database, notification: &Notification, update: Option<&str>) {
    let Notification { recipient_id, id, .. } = notification;
    let inbox = format!("INBOX#{recipient_id}");
    let mut request = json!({"TableName": NAME, "Key": {"pk": {"S": inbox},
        "sk": {"S": format!("NOTIFICATION#{id}")}}});
    let Some(update) = update else {
        database.delete_item(serde_json::from_value(request).unwrap()).unwrap();
        return;
    };
    let (name, value) = update.split_once(' ').unwrap();
    request["UpdateExpression"] = json!(format!("SET {name} = :value"));
    request["ExpressionAttributeValues"] = json!({":value": {"S": value}});
    database.update_item(serde_json::from_value(request).unwrap()).unwrap();
}

/// Returns a store for which a notification changes after its first request, a query.
async fn changing(
    table: &TestTable,
    notification: &Notification,
    update: Option<&'static str>,
) -> Store {
    let (database, of) = (table.database.clone(), notification.clone());
    let fault = move |number, _: &str| {
        if number == 1 {
            change(&database, &of, update);
        }
        TableFault::Passed
    };
    behind(table, fault).await.0
}

/// Returns what is stored of a notification.
async fn stored(table: &TestTable, notification: &Notification) -> Option<Item> {
    let Notification { recipient_id, id, .. } = notification;
    table.item(format!("INBOX#{recipient_id}"), format!("NOTIFICATION#{id}")).await
}

#[tokio::test]
async fn a_purge_does_not_take_away_a_mail_that_is_ordered_meanwhile() {
    let table = TestTable::new().await;
    let one = mailed(&table, &crate::people::doctor(), 1).await.remove(0);
    let store = changing(&table, &one, Some("mail_state ordered")).await;
    store.purge_deleted(one.recipient_id, None, one.id).await.unwrap();
    assert!(stored(&table, &one).await.unwrap()["is_deleted"].as_bool().unwrap());
}

/// The stream reports the end of a mail once: nothing removes the notification later.
#[tokio::test]
async fn a_purge_removes_a_notification_whose_mail_ends_meanwhile() {
    let table = TestTable::new().await;
    let one = notified(&table, &crate::people::doctor(), 1).await.remove(0);
    let store = changing(&table, &one, Some("mail_state sent")).await;
    store.purge_deleted(one.recipient_id, None, one.id).await.unwrap();
    assert_eq!(stored(&table, &one).await, None);
}

#[tokio::test]
async fn bulk_actions_do_not_recreate_what_is_removed_meanwhile() {
    let table = TestTable::new().await;
    for is_read in [true, false] {
        let one = notified(&table, &crate::people::doctor(), 1).await.remove(0);
        let store = changing(&table, &one, None).await;
        if is_read {
            store.settle_read(one.recipient_id, None, one.id, at(1)).await.unwrap();
        } else {
            store.purge_deleted(one.recipient_id, None, one.id).await.unwrap();
        }
        assert_eq!(stored(&table, &one).await, None);
    }
}

/// The handler has read it as open before.
#[tokio::test]
async fn a_notification_takes_the_place_of_an_open_one_only() {
    for update in [None, Some("mail_state sending"), Some("read_at x"), Some("is_deleted x")] {
        let table = TestTable::new().await;
        let (patient, doctor, before, _) = table.record_with_files(1).await;
        let one = notified(&table, &doctor, 1).await.remove(0);
        if update.is_some() {
            change(&table.database, &one, update);
        }
        let after = Record { version: before.version + 1, ..before.clone() };
        let told = notification_to_doctor(&patient, &after);
        let told = Notification { supersedes: Some(one.id), ..told };
        let by = event(&patient, before.patient_id, Action::UpdateRecord, Some(before.id));
        let (store, told) = (&table.store, [told]);
        store.update_record(&before, &after, &[], &told, &by, &unlimited()).await.unwrap();
        assert!(stored(&table, &told[0]).await.is_some());
        assert_eq!(stored(&table, &one).await.is_some(), update.is_some(), "{update:?}");
    }
}

/// Returns a store whose first request is carried out, but gets no response.
async fn cut_once(table: &TestTable) -> Store {
    behind(table, |number, _| if number == 0 { TableFault::Cut } else { TableFault::Passed })
        .await
        .0
}

#[tokio::test]
async fn a_transaction_that_is_repeated_after_a_cut_acts_once() {
    let table = TestTable::new().await;
    let account = patient();
    let registration = event(&account, account.id, Action::Register, None);
    let first = session(&account);
    cut_once(&table)
        .await
        .register(&account, &crate::people::credentials(&account), &first, &registration, None)
        .await
        .unwrap();
    assert_eq!(table.count().await, 4);

    let (_, doctor, before, files) = table.record_with_files(1).await;
    let note = annotation(&before);
    let creation = event(&doctor, before.patient_id, Action::CreateAnnotation, Some(before.id));
    cut_once(&table)
        .await
        .create_annotation(
            &note,
            at(1),
            &notification_to_patient(&doctor, &before),
            &creation,
            None,
            &unlimited(),
        )
        .await
        .unwrap();
    let chart = table.store.get_record_detail(before.patient_id, before.id).await.unwrap().unwrap();
    assert_eq!((chart.record.annotation_count, chart.record.version), (1, 2));

    let edited = Annotation { version: 2, ..note.clone() };
    let change = event(&doctor, before.patient_id, Action::UpdateAnnotation, Some(before.id));
    cut_once(&table)
        .await
        .update_annotation(
            &note,
            &edited,
            at(2),
            &notification_to_patient(&doctor, &before),
            &change,
            &unlimited(),
        )
        .await
        .unwrap();

    let read =
        table.store.get_record_detail(before.patient_id, before.id).await.unwrap().unwrap().record;
    let after = Record { file_count: 2, version: read.version + 1, ..read.clone() };
    let change = event(&account, before.patient_id, Action::UpdateRecord, Some(before.id));
    cut_once(&table)
        .await
        .update_record(&read, &after, &[file(&after)], &[], &change, &unlimited())
        .await
        .unwrap();

    let deletion = event(&account, before.patient_id, Action::DeleteFile, Some(before.id));
    let told = notification_to_doctor(&account, &after);
    cut_once(&table)
        .await
        .delete_file(&files[0], &after, at(3), &told, &deletion, &unlimited())
        .await
        .unwrap();
    let chart = table.store.get_record_detail(before.patient_id, before.id).await.unwrap().unwrap();
    assert_eq!((chart.record.file_count, chart.files.len(), chart.record.version), (1, 1, 5));
}

#[tokio::test]
async fn a_conditional_write_that_is_repeated_after_a_cut_succeeds() {
    let table = TestTable::new().await;
    let account = user(Role::Patient, "Jane", "Doe");
    let before = table.register(&account).await;
    let with_profile = Account { profile: patient().profile, version: 2, ..account.clone() };
    cut_once(&table).await.create_profile(&with_profile, None).await.unwrap();
    let next = Account { version: 3, ..with_profile.clone() };
    cut_once(&table).await.update_profile(&with_profile, &next, None).await.unwrap();
    assert_eq!(table.store.get_account(account.id).await.unwrap(), Some(next));

    let after = Session { token_hash: "second".to_owned(), ..before.clone() };
    cut_once(&table).await.rotate_session(&before, &after).await.unwrap();
    assert_eq!(table.store.get_session(account.id, before.id).await.unwrap(), Some(after));
    let ended = event(&account, account.id, Action::EndSession, None);
    cut_once(&table).await.end_session(account.id, before.id, &ended).await.unwrap();
    let mail = Mail::new(id(), MailKind::VerifyEmail, account.id, at(0));
    cut_once(&table).await.create_mail(&mail).await.unwrap();
    assert_eq!(table.store.get_mail(mail.id).await.unwrap(), Some(mail));

    let (_, _, record, files) = table.record_with_files(1).await;
    let rejected = Verdict::Rejected(Rejection::ContentMismatch);
    assert!(cut_once(&table).await.settle_file(&files[0], rejected).await.unwrap());
    assert_eq!(
        table
            .store
            .get_file(record.patient_id, record.id, files[0].id)
            .await
            .unwrap()
            .unwrap()
            .status,
        FileStatus::Rejected
    );
}

#[tokio::test]
async fn a_claim_of_a_mail_that_is_repeated_after_a_cut_succeeds() {
    let table = TestTable::new().await;
    let doctor = crate::people::doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let claim = cut_once(&table).await.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    let (mail, first) = claimed(claim);
    assert_eq!(mail, notification);
    cut_once(&table)
        .await
        .mark_mail_failed(&first, MailFailure::Throttled, mail::MailOutcome::TriedAgain, at(1))
        .await
        .unwrap();
    let claim = table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    let (mail, second) = claimed(claim);
    assert_eq!(mail, notification);
    cut_once(&table).await.mark_mail_sent(&second, at(2)).await.unwrap();
    assert_eq!(
        table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap(),
        MailClaim::AlreadySent
    );
}

#[tokio::test]
async fn bulk_actions_that_are_repeated_after_a_cut_succeed() {
    let table = TestTable::new().await;
    let doctor = crate::people::doctor();
    let all = notified(&table, &doctor, 2).await;
    let read = cut_once(&table).await;
    // The first two requests are reads.
    read.mark_all_notifications_read(doctor.id, &up_to(all[1].id), at(1)).await.unwrap();
    let shown = table.store.get_notification(doctor.id, all[1].id).await.unwrap().unwrap();
    assert_eq!(shown.read_at, Some(at(1)));
    let (cut, _) =
        behind(&table, |number, _| if number == 2 { TableFault::Cut } else { TableFault::Passed })
            .await;
    assert_eq!(
        cut.mark_notification_read(doctor.id, all[0].id, at(2)).await.unwrap().unwrap().read_at,
        Some(at(2))
    );
    cut_once(&table)
        .await
        .delete_all_notifications(doctor.id, &up_to(all[0].id), at(5))
        .await
        .unwrap();
    assert!(
        table.store.list_notifications(doctor.id, None, 10, None).await.unwrap().items.is_empty()
    );
}
