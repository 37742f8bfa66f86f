//! What must hold after every run, when all outages have ended and everything was delivered.

use std::collections::{BTreeMap, BTreeSet};

use archive::chain;
use domain::id::NotificationId;
use domain::notification::Notification;
use domain::rate::MAX_UNCONFIRMED_MAILS;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use store::archive::ArchiveHead;
use store::proof::StoredEvent;

use crate::clock::timestamp;
use crate::exchange::Exchange;
use crate::people::is_documented;
use crate::run::Run;
use crate::settings::{ARCHIVE, CHANGES_PER_DAY, FILES};
use crate::table::{CommittedChange, number, text};

/// What is left of a run: its state, and the items of the table.
pub struct Facts<'a> {
    /// The run.
    pub run: &'a Run,
    /// The items.
    pub items: Vec<Value>,
}

/// The bucket of changes that cannot be read.
const FAILURES: &str = "failures";

type Promise = fn(&Facts<'_>, &mut Vec<String>);

/// All promises by their names.
pub const PROMISES: [(&str, Promise); 21] = [
    ("every mail is sent once or has a reason", every_mail_is_sent_once_or_has_a_reason),
    ("who is new is asked to confirm the address", who_is_new_is_asked_to_confirm_the_address),
    ("who is gone cannot be found", who_is_gone_cannot_be_found),
    ("a mail is in doubt only if it may be sent", a_mail_is_in_doubt_only_if_it_may_be_sent),
    ("a mail in doubt is not sent again by itself", a_mail_in_doubt_is_not_sent_again_by_itself),
    ("a mail about changes waits for more of them", a_mail_about_changes_waits_for_more),
    ("a quota is waited out", a_quota_is_waited_out),
    ("an unconfirmed address gets few mails", an_unconfirmed_address_gets_few_mails),
    ("a bulk action covers what was there and nothing later", bulk_actions_cover_what_was_there),
    ("what is unread can be seen", what_is_unread_can_be_seen),
    ("the doctor of a record has its assignment", the_doctor_of_a_record_has_its_assignment),
    ("counts are right", counts_are_right),
    ("a change takes from an allowance once", allowances_pay_for_changes),
    ("former doctors see nothing", former_doctors_see_nothing),
    ("an idempotency key has one effect", an_idempotency_key_has_one_effect),
    ("every event is in the archive once", every_event_is_in_the_archive_once),
    ("files and objects belong together", files_and_objects_belong_together),
    ("every request has a documented exchange", every_request_has_a_documented_response),
    ("no change is given up", no_change_is_given_up),
    ("a change that cannot be read is set aside", what_cannot_be_read_is_set_aside),
    ("an address that bounces is noted", an_address_that_bounces_is_noted),
];

/// Types of notifications without a mail.
const NOT_MAILED: [&str; 3] = ["approval_granted", "approval_refused", "approval_suspended"];

/// Types of notifications whose mail waits for further changes.
const COALESCED: [&str; 2] = ["record_updated", "annotation_updated"];

/// Reasons for which a mail waits until the next day, or longer.
const QUOTAS: [&str; 2] = ["quota_exceeded", "sending_paused"];

/// How long an act of a request that ended badly may still be on its way, in ms.
const AFTERMATH: u64 = 30_000;

impl Facts<'_> {
    /// Returns the changes of each item with a mail, by the item's key.
    fn mails(&self) -> BTreeMap<String, Vec<&CommittedChange>> {
        let mut mails: BTreeMap<String, Vec<&CommittedChange>> = BTreeMap::new();
        for change in &self.run.table.log {
            let key = change.key();
            if let Some(changes) = mails.get_mut(&key) {
                changes.push(change);
            } else if change.event() == "INSERT" && is_mailed(change.new_image()) {
                mails.insert(key, vec![change]);
            }
        }
        mails
    }

    /// Returns the ids of notifications whose place another one took.
    fn superseded(&self) -> BTreeSet<&str> {
        let inserted = self.run.table.log.iter().filter(|change| change.event() == "INSERT");
        inserted.map(|change| text(change.new_image(), "supersedes")).collect()
    }

    fn of(&self, entity: &str) -> impl Iterator<Item = &Value> {
        self.items.iter().filter(move |item| text(item, "entity") == entity)
    }
}

fn is_mailed(item: &Value) -> bool {
    match text(item, "entity") {
        "notification" => !NOT_MAILED.contains(&text(item, "notification_type")),
        "mail" => text(item, "kind") != "nobody",
        _ => false,
    }
}

/// Returns the last state of an item, and whether it was deleted.
fn last<'a>(changes: &[&'a CommittedChange]) -> (&'a Value, bool) {
    let last = changes[changes.len() - 1];
    if last.event() == "REMOVE" { (last.old_image(), true) } else { (last.new_image(), false) }
}

fn every_mail_is_sent_once_or_has_a_reason(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let superseded = facts.superseded();
    let inserted = facts.run.table.log.iter().filter(|change| change.event() == "INSERT");
    for key in inserted.filter(|it| !is_mailed(it.new_image())).map(CommittedChange::key) {
        if facts.run.mails.sent.iter().any(|mail| mail.of == key) {
            violations.push(format!("{key} was mailed"));
        }
    }
    for (key, changes) in facts.mails() {
        let sent = facts.run.mails.sent.iter().filter(|mail| mail.of == key).count();
        let ordered = changes
            .iter()
            .filter(|it| {
                text(it.new_image(), "mail_state") == "ordered"
                    && text(it.old_image(), "mail_state") != "ordered"
            })
            .count();
        let (end, is_deleted) = last(&changes);
        let (state, reason) = (text(end, "mail_state"), text(end, "mail_failure"));
        if sent > 1 + ordered {
            violations.push(format!("{key} was mailed {sent} times"));
        }
        let is_over = match state {
            "sent" => sent > 0,
            "failed" => !reason.is_empty() && sent <= ordered,
            "in_doubt" => !reason.is_empty(),
            "" => is_deleted && sent == 0 && superseded.contains(id_of(end)),
            _ => false,
        };
        if !is_over {
            let deleted = if is_deleted { " and deleted" } else { "" };
            violations.push(format!(
                "{key} was mailed {sent} times, and is {state:?}{deleted}, reason {reason:?}"
            ));
        }
    }
}

/// Checks the mails that ask for it. Such a mail has the id of its user, so that it is created
/// once.
fn who_is_new_is_asked_to_confirm_the_address(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let log = &facts.run.table.log;
    let inserted = || log.iter().filter(|change| change.event() == "INSERT");
    let created: BTreeSet<String> = inserted().map(CommittedChange::key).collect();
    for user in
        inserted().map(CommittedChange::new_image).filter(|item| text(item, "entity") == "user")
    {
        let id = text(user, "pk").trim_start_matches("USER#");
        let is_confirmed = user["email_verified"]["BOOL"] == true;
        let is_poison = facts.run.poison.iter().any(|poison| poison == id);
        if !is_confirmed && !is_poison && !created.contains(&format!("MAIL#{id} MAIL")) {
            violations.push(format!("the user {id} gets no mail"));
        }
    }
}

fn who_is_gone_cannot_be_found(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let users: BTreeSet<&str> =
        facts.of("user").map(|item| text(item, "pk").trim_start_matches("USER#")).collect();
    for name in facts.of("name") {
        let pk = text(name, "pk");
        if !users.contains(pk.trim_start_matches("NAMES#")) {
            violations.push(format!("{pk} is an entry of nobody"));
        }
    }
}

fn a_mail_is_in_doubt_only_if_it_may_be_sent(facts: &Facts<'_>, violations: &mut Vec<String>) {
    for (key, changes) in facts.mails() {
        for change in changes {
            let is_in_doubt = |item| text(item, "mail_state") == "in_doubt";
            if is_in_doubt(change.old_image()) || !is_in_doubt(change.new_image()) {
                continue;
            }
            let failure = text(change.new_image(), "mail_failure");
            let mut requests = facts.run.mails.requests.iter();
            let last = requests.rfind(|(at, of, _)| *of == key && *at <= change.at);
            let was_surely_not_sent = match failure {
                "no_answer" => last.is_some_and(|(_, _, may_be_sent)| !may_be_sent),
                // A mailer that has ended after its claim may have sent it.
                "interrupted" => {
                    last.is_none() && facts.run.is_calm && !facts.run.has_interruptions
                }
                _ => false,
            };
            if was_surely_not_sent {
                violations.push(format!("{key} was surely not sent"));
            }
        }
    }
}

fn a_mail_in_doubt_is_not_sent_again_by_itself(facts: &Facts<'_>, violations: &mut Vec<String>) {
    for (key, changes) in facts.mails() {
        for change in changes {
            let states =
                (text(change.old_image(), "mail_state"), text(change.new_image(), "mail_state"));
            if matches!(states, ("in_doubt" | "sent", "sending")) {
                violations.push(format!("{key} went from {} to {}", states.0, states.1));
            }
        }
    }
}

/// Checks when such a mail is begun, if all clocks were right. A queue holds a message back for
/// whole seconds.
fn a_mail_about_changes_waits_for_more(facts: &Facts<'_>, violations: &mut Vec<String>) {
    if facts.run.has_wrong_clocks {
        return;
    }
    let least = Notification::COALESCING_TIME - SignedDuration::from_secs(1);
    for (key, changes) in facts.mails() {
        let item = changes[0].new_image();
        if !COALESCED.contains(&text(item, "notification_type")) {
            continue;
        }
        let created_at = || id_of(item).parse().ok().map(NotificationId::created_at);
        let first: Option<Timestamp> = text(item, "pending_since").parse().ok().or_else(created_at);
        let begun = changes.iter().find(|it| text(it.new_image(), "mail_state") == "sending");
        if let Some((first, begun)) = first.zip(begun)
            && timestamp(begun.at) < first + least
        {
            let early = timestamp(begun.at).duration_since(first);
            violations.push(format!("{key} is mailed {early:#} after the first change"));
        }
    }
}

fn a_quota_is_waited_out(facts: &Facts<'_>, violations: &mut Vec<String>) {
    for (key, changes) in facts.mails() {
        let (end, _) = last(&changes);
        let reason = text(end, "mail_failure");
        if text(end, "mail_state") == "failed" && QUOTAS.contains(&reason) {
            violations.push(format!("{key} is given up: {reason}"));
        }
    }
}

/// Counts the mails of each day about notifications of that day, without its first and last hours:
/// clocks differ.
fn an_unconfirmed_address_gets_few_mails(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let log = &facts.run.table.log;
    let ever_confirmed: BTreeSet<&str> = log
        .iter()
        .map(CommittedChange::new_image)
        .filter(|item| text(item, "entity") == "user" && item["email_verified"]["BOOL"] == true)
        .map(|item| text(item, "pk").trim_start_matches("USER#"))
        .collect();
    // The beginning is noon.
    let day = |at: u64| {
        let (hour, at) = (3_600_000, at + 12 * 3_600_000);
        (hour..23 * hour).contains(&(at % (24 * hour))).then_some(at / (24 * hour))
    };
    let mut counts: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    for (key, changes) in facts.mails() {
        let item = changes[0].new_image();
        let recipient = text(item, "pk").trim_start_matches("INBOX#");
        let is_new = text(item, "entity") == "notification" && !ever_confirmed.contains(recipient);
        let was_ordered = changes.iter().any(|it| text(it.new_image(), "mail_state") == "ordered");
        let sent = facts.run.mails.sent.iter().find(|mail| mail.of == key);
        if let (true, false, Some(sent)) = (is_new, was_ordered, sent)
            && let Some(today) = day(sent.at).filter(|today| day(changes[0].at) == Some(*today))
        {
            *counts.entry((recipient, today)).or_default() += 1;
        }
    }
    for ((recipient, _), count) in counts {
        if count > MAX_UNCONFIRMED_MAILS {
            violations.push(format!("{recipient} got {count} mails in a day"));
        }
    }
}

/// Returns the id in a sort key.
fn id_of(item: &Value) -> &str {
    text(item, "sk").rsplit('#').next().unwrap_or_default()
}

fn bulk_actions_cover_what_was_there(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let present: BTreeMap<String, &Value> = facts
        .items
        .iter()
        .map(|item| (format!("{} {}", text(item, "pk"), text(item, "sk")), item))
        .collect();
    let superseded = facts.superseded();
    // The bounds of bulk actions at the time of each change.
    let mut bounds: BTreeMap<&str, &Value> = BTreeMap::new();
    for change in &facts.run.table.log {
        if text(change.new_image(), "entity") == "inbox_state" {
            bounds.insert(text(change.new_image(), "pk"), change.new_image());
        }
        if change.event() != "INSERT" || text(change.new_image(), "entity") != "notification" {
            continue;
        }
        let (inbox, born) = (text(change.new_image(), "pk"), id_of(change.new_image()));
        let is_below = |name| bounds.get(inbox).is_some_and(|state| born <= text(state, name));
        if is_below("read_through") || is_below("deleted_through") {
            violations.push(format!("{} was covered before it was there", change.key()));
        }
        let (key, id) = (change.key(), id_of(change.new_image()));
        if superseded.contains(id) {
            continue;
        }
        let recipient = text(change.new_image(), "pk").trim_start_matches("INBOX#");
        let state = present.get(&format!("INBOX#{recipient} STATE"));
        let through = |name| state.map(|state| text(state, name)).unwrap_or_default();
        let item = present.get(&key);
        let is_visible = item.is_some_and(|item| {
            item["is_deleted"]["BOOL"] != true && id > through("deleted_through")
        });
        let is_read = item
            .is_some_and(|item| !text(item, "read_at").is_empty() || id <= through("read_through"));
        let of_recipient = |what: &'static str| {
            facts.run.exchanges.iter().filter(move |exchange| {
                exchange.who.to_string() == recipient && exchange.request.ends_with(what)
            })
        };
        let may_be_later = |exchange: &Exchange| {
            let over = exchange.ended + if exchange.is_in_doubt() { AFTERMATH } else { 0 };
            (exchange.is_ok() || exchange.is_in_doubt()) && over >= change.at
        };
        let is_before = |exchange: &Exchange| exchange.is_ok() && change.at < exchange.began;
        let (deletions, readings) = ("delete-all/", "mark-all-read/");
        let single = facts.run.exchanges.iter().any(|exchange| exchange.request.contains(id));
        if !is_visible && !of_recipient(deletions).any(may_be_later) {
            violations.push(format!("{key} was created after the last delete-all and is hidden"));
        }
        if is_visible && of_recipient(deletions).any(is_before) {
            violations.push(format!("{key} was created before a delete-all and is visible"));
        }
        if is_visible && is_read && !single && !of_recipient(readings).any(may_be_later) {
            violations.push(format!("{key} was created after the last mark-all-read and is read"));
        }
        if is_visible && !is_read && of_recipient(readings).any(is_before) {
            violations.push(format!("{key} was created before a mark-all-read and is unread"));
        }
    }
}

fn what_is_unread_can_be_seen(facts: &Facts<'_>, violations: &mut Vec<String>) {
    for item in facts.of("notification") {
        let key = format!("{} {}", text(item, "pk"), text(item, "sk"));
        let counts = text(item, "gsi1pk").starts_with("UNREAD#");
        let is_hidden = item["is_deleted"]["BOOL"] == true;
        let is_read = !text(item, "read_at").is_empty();
        if counts && (is_hidden || is_read) {
            violations.push(format!("{key} counts as unread and is hidden or read"));
        }
        if !counts && !is_hidden && !is_read {
            violations.push(format!("{key} is unread and does not count"));
        }
    }
}

fn the_doctor_of_a_record_has_its_assignment(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let assigned: BTreeSet<(String, String)> = facts
        .of("assignment")
        .map(|item| {
            let doctor = text(item, "pk").trim_start_matches("DOCTOR#");
            (id_of(item).to_owned(), doctor.to_owned())
        })
        .collect();
    let expected: BTreeSet<(String, String)> = facts
        .of("record")
        .map(|item| (id_of(item).to_owned(), text(item, "doctor_id").to_owned()))
        .collect();
    if assigned != expected {
        violations.push(format!("assigned are {assigned:?}, the records say {expected:?}"));
    }
}

fn counts_are_right(facts: &Facts<'_>, violations: &mut Vec<String>) {
    for record in facts.of("record") {
        let (pk, sk) = (text(record, "pk"), text(record, "sk"));
        let children = |entity, part: &str| {
            let prefix = format!("{sk}#{part}#");
            let all = facts.of(entity);
            all.filter(|it| text(it, "pk") == pk && text(it, "sk").starts_with(&prefix)).count()
        };
        for (name, counted) in [
            ("file_count", children("file", "FILE")),
            ("annotation_count", children("annotation", "ANNOTATION")),
        ] {
            if number(record, name) != counted as u64 {
                let says = number(record, name);
                violations.push(format!("{pk} {sk} says {name} {says}, there are {counted}"));
            }
        }
    }
    let log = &facts.run.table.log;
    let inserted = |entity: &str| {
        log.iter()
            .filter(|it| it.event() == "INSERT" && text(it.new_image(), "entity") == entity)
            .count() as u64
    };
    let ended = |states: &[&str]| {
        log.iter()
            .filter(|it| {
                text(it.old_image(), "mail_state") == "sending"
                    && states.contains(&text(it.new_image(), "mail_state"))
            })
            .count() as u64
    };
    let parts = || facts.items.iter().filter(|item| text(item, "pk") == "COUNTERS#ALL");
    let total = |name: &str| parts().map(|part| number(part, name)).sum::<u64>();
    for (name, expected) in [
        ("records", inserted("record")),
        ("mails_sent", ended(&["sent"])),
        ("mails_failed", ended(&["failed", "in_doubt"])),
    ] {
        if total(name) != expected {
            let says = total(name);
            violations.push(format!("the counter {name} says {says}, it were {expected}"));
        }
    }
}

/// Compares what was taken from allowances with what was created and changed: all of both, because
/// the counters have hashes of users in their keys.
fn allowances_pay_for_changes(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let log = &facts.run.table.log;
    let is_counter = |it: &&CommittedChange| text(it.new_image(), "entity") == "rate_window";
    let taken = |name: &str| -> u64 {
        let of_counters = log.iter().filter(is_counter);
        of_counters.map(|it| number(it.new_image(), name) - number(it.old_image(), name)).sum()
    };
    for change in log.iter().filter(is_counter) {
        for name in ["record_count", "change_count"] {
            let most = number(change.old_image(), name) + 1;
            if number(change.new_image(), name) > most {
                violations.push(format!("{} took more than one of {name}", change.key()));
            }
        }
        let changes = number(change.new_image(), "change_count");
        if changes > CHANGES_PER_DAY {
            violations.push(format!("{} allows {changes} changes in a day", change.key()));
        }
    }
    let inserted = |entity: &str| {
        let inserted =
            log.iter().filter(|it| it.event() == "INSERT").map(CommittedChange::new_image);
        let entity = entity.to_owned();
        inserted.filter(move |item| text(item, "entity") == entity)
    };
    // Staff have no allowance.
    let by_patients = inserted("record_version")
        .filter(|item| text(item, "pk").ends_with(text(item, "author_id")))
        .count();
    let changes = by_patients + inserted("annotation_version").count();
    for (name, expected) in [
        ("record_count", inserted("record").count()),
        ("file_count", inserted("file").count()),
        ("change_count", changes),
    ] {
        if taken(name) != expected as u64 {
            let taken = taken(name);
            violations.push(format!("{taken} of {name} were taken, and there were {expected}"));
        }
    }
}

fn files_and_objects_belong_together(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let files: BTreeMap<&str, &Value> = facts.of("file").map(|item| (id_of(item), item)).collect();
    for ((bucket, key), versions) in &facts.run.buckets.objects {
        let id = key.rsplit('/').next().unwrap_or_default();
        let has_file = files.contains_key(id);
        if bucket == FILES && !has_file && !versions.is_empty() {
            violations.push(format!("the object {key} has no file"));
        }
    }
    for (id, file) in files {
        let has_object = facts.run.buckets.present(FILES, &format!("files/{id}")).is_some();
        let status = text(file, "status");
        let expected = status == "available";
        if has_object != expected {
            violations.push(format!("the file {id} is {status}, its object: {has_object}"));
        }
    }
}

fn former_doctors_see_nothing(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let doctors: BTreeMap<&str, &str> =
        facts.of("record").map(|item| (id_of(item), text(item, "doctor_id"))).collect();
    let patients: BTreeSet<&str> =
        facts.of("record").map(|item| text(item, "pk").trim_start_matches("PATIENT#")).collect();
    let probes =
        facts.run.exchanges.iter().filter(|exchange| exchange.began >= facts.run.healed_at);
    for exchange in probes.filter(|exchange| !patients.contains(exchange.who.to_string().as_str()))
    {
        let who = exchange.who.to_string();
        if let Some(record) = exchange.request.strip_prefix("GET /api/records/doctor/") {
            let is_doctor = doctors[record.trim_end_matches('/')] == who;
            if exchange.status != if is_doctor { 200 } else { 404 } {
                violations.push(format!("{who}: {} -> {}", exchange.request, exchange.status));
            }
        }
        for notification in exchange.body["results"].as_array().into_iter().flatten() {
            let record = notification["record"]["id"].as_str();
            if record.is_some_and(|record| doctors[record] != who) {
                violations.push(format!("{who} sees a record in {notification}"));
            }
        }
    }
}

fn an_idempotency_key_has_one_effect(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let keys: BTreeSet<&String> =
        facts.run.exchanges.iter().filter_map(|exchange| exchange.key.as_ref()).collect();
    for key in keys {
        let created = facts
            .run
            .table
            .log
            .iter()
            .filter(|it| it.event() == "INSERT" && text(it.new_image(), "description") == key)
            .count();
        let exchanges = facts.run.exchanges.iter().filter(|it| it.key.as_ref() == Some(key));
        let ids: BTreeSet<String> = exchanges.filter_map(Exchange::id).collect();
        if created > 1 || ids.len() > created {
            let ids = ids.len();
            violations.push(format!("{key} has created {created} records, responses say {ids}"));
        }
    }
}

fn every_event_is_in_the_archive_once(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let mut archived: BTreeMap<String, u32> = BTreeMap::new();
    let (mut head, mut objects) = (ArchiveHead::default(), 0);
    while let Some(object) = facts.run.buckets.present(ARCHIVE, &chain::key_after(&head)) {
        let text = String::from_utf8_lossy(object.content.as_deref().unwrap_or_default());
        match chain::follow(&head, &text) {
            Ok((events, end)) => {
                objects += 1;
                head = end;
                for id in events.iter().filter_map(StoredEvent::id) {
                    *archived.entry(id.to_string()).or_default() += 1;
                }
            }
            Err(error) => {
                violations.push(format!("after object {objects}: {error}"));
                break;
            }
        }
    }
    let all = facts.run.buckets.objects.keys().filter(|(bucket, _)| bucket == ARCHIVE).count();
    if all != objects {
        violations.push(format!("{all} objects, and {objects} in the chain"));
    }
    for event in facts.of("audit_event") {
        let times = archived.get(id_of(event)).copied().unwrap_or_default();
        if times != 1 {
            violations.push(format!("{} is there {times} times", id_of(event)));
        }
    }
}

fn every_request_has_a_documented_response(facts: &Facts<'_>, violations: &mut Vec<String>) {
    for exchange in &facts.run.exchanges {
        if !is_documented(exchange) {
            violations.push(format!("{} has no {}", exchange.request, exchange.status));
        }
    }
}

fn no_change_is_given_up(facts: &Facts<'_>, violations: &mut Vec<String>) {
    violations.extend(facts.run.given_up.iter().map(|key| format!("{key} was given up")));
}

fn what_cannot_be_read_is_set_aside(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let objects = facts.run.buckets.objects.iter().filter(|((bucket, _), _)| bucket == FAILURES);
    // One that was replaced by another is as good as lost.
    let contents = objects.filter_map(|(_, versions)| versions.last()?.content.as_ref());
    let set_aside: BTreeSet<String> = contents
        .filter_map(|content| serde_json::from_slice::<Value>(content).ok())
        .map(|event| {
            let keys = &event["Records"][0]["dynamodb"]["Keys"];
            format!("{} {}", text(keys, "pk"), text(keys, "sk"))
        })
        .collect();
    let poison: BTreeSet<String> =
        facts.run.poison.iter().map(|id| format!("USER#{id} ACCOUNT")).collect();
    for key in poison.difference(&set_aside) {
        violations.push(format!("{key} cannot be read, and is not in the bucket"));
    }
    for key in set_aside.difference(&poison) {
        violations.push(format!("{key} was set aside and can be read"));
    }
}

fn an_address_that_bounces_is_noted(facts: &Facts<'_>, violations: &mut Vec<String>) {
    let mails = &facts.run.mails;
    let bounced = || mails.sent.iter().filter(|mail| mails.refused_by.contains(&mail.to));
    let is_known = bounced().any(|mail| mail.at < facts.run.probed_at);
    for mail in bounced() {
        let recipient = mail.tags["recipient_id"].as_str();
        let account = facts.of("user").find(|item| text(item, "pk").ends_with(recipient));
        if account.is_none_or(|account| text(account, "email_problem") != "bounced") {
            violations.push(format!("{} bounced, and its recipient has no mark", mail.of));
        }
        // A mail that staff have ordered again may say what became of it then.
        let item = facts.items.iter().find(|item| {
            mail.of == format!("{} {}", text(item, "pk"), text(item, "sk"))
                && text(item, "mail_ordered_at").is_empty()
        });
        if item.is_some_and(|item| text(item, "mail_failure") != "bounced") {
            violations.push(format!("{} bounced, and does not say so", mail.of));
        }
        if is_known && mail.at > facts.run.probed_at {
            violations.push(format!("{} was sent to an address that had bounced", mail.of));
        }
    }
}
