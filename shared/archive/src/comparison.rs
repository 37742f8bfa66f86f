//! Comparing the archive with the table: [`compare`] reports removed, altered and forged events.

use std::collections::HashMap;
use std::fmt;

use crypto::sha256_base64url;
use domain::id::EventId;
use jiff::{SignedDuration, Timestamp};
use store::Table;
use store::archive::ArchiveHead;
use store::proof::{AuditKey, StoredEvent};

use crate::chain::{Broken, PREFIX, follow, key_after, read_unchecked};
use crate::vault::Vault;

/// A difference or defect that must not exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// The chain is broken in the object with this key.
    Broken(String, Broken),
    /// The object with this key does not continue the chain: the one before it is missing, or this
    /// one was added.
    Misplaced(String),
    /// The object with this key was overwritten or deleted after it was created.
    Replaced(String),
    /// The archive does not contain the link that the table names as the last one.
    Head(u64),
    /// The event is in the archive but no longer in the table.
    RemovedFromTable(EventId),
    /// The event is in the table but, after more time than archiving takes, not in the archive.
    RemovedFromArchive(EventId),
    /// The table and the archive differ, and the event in the table has no valid proof.
    AlteredInTable(EventId),
    /// The table and the archive differ, and the event in the archive has no valid proof.
    AlteredInArchive(EventId),
    /// The event in the table has no valid proof: no function of ours has written it.
    ForgedInTable(EventId),
    /// The event in the archive has no valid proof: no function of ours has written it.
    ForgedInArchive(EventId),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(key, broken) => write!(f, "archive: {key}: {broken}"),
            Self::Misplaced(key) => write!(
                f,
                "archive: {key}: does not continue the chain; an object is missing or was added"
            ),
            Self::Replaced(key) => write!(f, "archive: {key}: was overwritten or deleted"),
            Self::Head(sequence) => {
                write!(f, "archive: link {sequence} is not the last one that the table knows")
            }
            Self::RemovedFromTable(id) => write!(f, "event {id}: removed from the table"),
            Self::RemovedFromArchive(id) => write!(f, "event {id}: not in the archive"),
            Self::AlteredInTable(id) => write!(f, "event {id}: altered in the table"),
            Self::AlteredInArchive(id) => write!(f, "event {id}: altered in the archive"),
            Self::ForgedInTable(id) => write!(f, "event {id}: forged in the table"),
            Self::ForgedInArchive(id) => write!(f, "event {id}: forged in the archive"),
        }
    }
}

/// The result of a comparison.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ComparisonReport {
    /// The number of links of the chain.
    pub links: u64,
    /// The number of objects of the archive.
    pub objects: u64,
    /// The number of events in the table.
    pub events: u64,
    /// The number of events that are not in the archive and too recent to be expected there.
    pub waiting: u64,
    /// The number of links that repeat an event unchanged, which is harmless.
    pub repeated: u64,
    /// The differences and defects.
    pub findings: Vec<Finding>,
    /// Events with valid proofs that should be in the archive and are not.
    pub missing: Vec<StoredEvent>,
}

/// How long archiving an event may take before its absence is a finding.
const ARCHIVING_TIME: SignedDuration = SignedDuration::from_mins(15);

/// An event of the archive.
struct Archived {
    hash: String,
    proved: bool,
}

/// A comparison in progress. Pass it the archive's head, then the objects in the order of their
/// keys, then the events of the table.
pub struct Comparison {
    key: AuditKey,
    begun_at: Timestamp,
    /// The archive's head as the table has it; the archive may be longer by now.
    expected: ArchiveHead,
    reached: bool,
    end: ArchiveHead,
    archived: HashMap<EventId, Archived>,
    report: ComparisonReport,
}

impl Comparison {
    /// Begins with the archive's head as the table has it.
    pub fn new(key: AuditKey, expected: ArchiveHead, begun_at: Timestamp) -> Self {
        let reached = expected == ArchiveHead::default();
        let (end, archived, report) =
            (ArchiveHead::default(), HashMap::new(), ComparisonReport::default());
        Self { key, begun_at, expected, reached, end, archived, report }
    }

    /// Adds the next object of the archive. `text` is its oldest version, `None` if all are gone;
    /// `replaced` says that it is not the only one.
    pub fn object(&mut self, object_key: &str, text: Option<&str>, replaced: bool) {
        self.report.objects += 1;
        if replaced {
            self.report.findings.push(Finding::Replaced(object_key.to_owned()));
        }
        let Some(text) = text else { return };
        if object_key != key_after(&self.end) {
            self.report.findings.push(Finding::Misplaced(object_key.to_owned()));
        }
        let read = follow(&self.end, text).or_else(|broken| {
            self.report.findings.push(Finding::Broken(object_key.to_owned(), broken));
            read_unchecked(text)
        });
        // If a line is not a link, nothing more can be read; the finding above reports it.
        let Ok((events, end)) = read else { return };
        // Objects are created whole, so the expected head is the end of one of them.
        self.reached |= end == self.expected;
        self.end = end;
        for event in events {
            self.link(&event);
        }
    }

    fn link(&mut self, event: &StoredEvent) {
        self.report.links += 1;
        let Some(id) = event.id() else { return };
        let archived = Archived { hash: hash(event), proved: event.is_proved(&self.key) };
        if !archived.proved {
            self.report.findings.push(Finding::ForgedInArchive(id));
        }
        match self.archived.get(&id) {
            Some(before) if before.hash == archived.hash => self.report.repeated += 1,
            Some(_) => self.report.findings.push(Finding::AlteredInArchive(id)),
            None => drop(self.archived.insert(id, archived)),
        }
    }

    /// Adds an event of the table.
    pub fn event(&mut self, event: &StoredEvent) {
        self.report.events += 1;
        let Some(id) = event.id() else { return };
        let proved = event.is_proved(&self.key);
        let finding = match self.archived.remove(&id) {
            Some(archived) if archived.hash == hash(event) => {
                (!proved).then_some(Finding::ForgedInTable(id))
            }
            Some(archived) if archived.proved => Some(Finding::AlteredInTable(id)),
            Some(_) if proved => Some(Finding::AlteredInArchive(id)),
            Some(_) => Some(Finding::AlteredInTable(id)),
            None if !proved => Some(Finding::ForgedInTable(id)),
            None if self.begun_at.duration_since(id.created_at()) < ARCHIVING_TIME => {
                self.report.waiting += 1;
                None
            }
            None => {
                self.report.missing.push(event.clone());
                Some(Finding::RemovedFromArchive(id))
            }
        };
        self.report.findings.extend(finding);
    }

    /// Ends the comparison after all objects and events; returns its result.
    pub fn finish(mut self) -> ComparisonReport {
        if !self.reached {
            self.report.findings.push(Finding::Head(self.expected.sequence));
        }
        let mut removed: Vec<EventId> = self
            .archived
            .iter()
            .filter(|(_, archived)| archived.proved)
            .map(|(id, _)| *id)
            .collect();
        removed.sort_unstable();
        self.report.findings.extend(removed.into_iter().map(Finding::RemovedFromTable));
        self.report
    }
}

#[expect(clippy::expect_used, reason = "maps of names and JSON values can be serialized")]
fn hash(event: &StoredEvent) -> String {
    sha256_base64url(&serde_json::to_vec(event).expect("an event is JSON"))
}

/// Compares the archive with the table. Calls `progress` with the numbers of objects and events
/// that have been compared, after each of them.
///
/// # Errors
/// When a call to the table or the bucket fails.
pub async fn compare(
    store: &Table,
    vault: &Vault,
    key: AuditKey,
    now: Timestamp,
    mut progress: impl FnMut(u64, u64),
) -> Result<ComparisonReport, runtime::serve::Error> {
    let mut comparison = Comparison::new(key, store.get_archive_head().await?, now);
    // The archive before the table, so that events written meanwhile count as waiting.
    for (object_key, versions) in vault.versions().await? {
        if !object_key.starts_with(PREFIX) {
            continue;
        }
        let text = match &versions.first {
            Some(version) => Some(vault.read(&object_key, Some(version)).await?),
            None => None,
        };
        comparison.object(&object_key, text.as_deref(), versions.number != 1);
        progress(comparison.report.objects, 0);
    }
    let scanned = store.scan_events(|event| {
        comparison.event(&event);
        progress(comparison.report.objects, comparison.report.events);
    });
    scanned.await?;
    Ok(comparison.finish())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::{BTreeMap, HashMap};

    use runtime::clock;
    use serde_json::{Value, json};

    use super::*;
    use crate::chain::extend;

    const SECRET: &str = "a secret for tests";

    /// Creates an event of now, with a valid proof.
    pub(crate) fn event(action: &str) -> StoredEvent {
        event_of(clock::new_id(), action)
    }

    fn event_of(id: EventId, action: &str) -> StoredEvent {
        let subject = "0190a5c0-0000-7000-8000-000000000001";
        stored(&json!({
            "pk": format!("AUDIT#{subject}"), "sk": id.to_string(), "entity": "audit_event",
                "action": action, "actor_id": subject,
        }))
    }

    /// Makes an event with the proof that the store adds.
    fn stored(attributes: &Value) -> StoredEvent {
        let mut item: HashMap<String, serde_dynamo::AttributeValue> =
            serde_dynamo::to_item(attributes).unwrap();
        let proof =
            AuditKey::new(SECRET).prove(&serde_json::from_value(attributes.clone()).unwrap());
        item.insert("proof".to_owned(), serde_dynamo::AttributeValue::S(proof));
        StoredEvent::from_image("INSERT", item.into()).unwrap().unwrap()
    }

    /// Returns the event with another value of an attribute, proof and all else as before.
    fn altered(event: &StoredEvent) -> StoredEvent {
        let mut attributes: BTreeMap<String, Value> =
            serde_json::from_value(serde_json::to_value(event).unwrap()).unwrap();
        attributes.insert("action".to_owned(), json!("login"));
        serde_json::from_value(serde_json::to_value(attributes).unwrap()).unwrap()
    }

    /// An archive of three objects and a table that agree.
    #[derive(Clone)]
    struct ArchivedTable {
        head: ArchiveHead,
        objects: Vec<(String, Option<String>, bool)>,
        table: Vec<StoredEvent>,
    }

    fn long_ago(number: u8) -> EventId {
        format!("0190a5c0-0000-7000-8000-1000000000{number:02}").parse().unwrap()
    }

    impl ArchivedTable {
        fn new() -> Self {
            let table: Vec<StoredEvent> =
                (10..16).map(|number| event_of(long_ago(number), "read_record")).collect();
            let mut world =
                Self { head: ArchiveHead::default(), objects: Vec::new(), table: table.clone() };
            for events in table.chunks(2) {
                world.archive(events);
            }
            world
        }

        fn archive(&mut self, events: &[StoredEvent]) {
            let object = extend(&self.head, events.iter().cloned()).unwrap();
            self.objects.push((key_after(&self.head), Some(object.text), false));
            self.head = object.head;
        }

        fn compare(&self) -> ComparisonReport {
            let mut comparison =
                Comparison::new(AuditKey::new(SECRET), self.head.clone(), clock::now());
            for (key, text, replaced) in &self.objects {
                comparison.object(key, text.as_deref(), *replaced);
            }
            for event in &self.table {
                comparison.event(event);
            }
            comparison.finish()
        }

        fn findings(&self) -> Vec<Finding> {
            self.compare().findings
        }
    }

    #[test]
    fn proofs_stay_those_that_events_are_stored_with() {
        // HMAC-SHA256 with the raw secret as the key, over the attributes in the order of names.
        let event: StoredEvent = serde_json::from_value(json!({
            "sk": "0190a5c0-0000-7000-8000-000000000002", "entity": "audit_event",
            "pk": "AUDIT#0190a5c0-0000-7000-8000-000000000001", "action": "login", "proof": "x",
        }))
        .unwrap();
        let proof = "WDjKl6dZglZFxmPz4dUe42VG6eHtk3CSOcz4NuskXGc";
        assert_eq!(AuditKey::new(SECRET).prove(&event), proof);
    }

    #[test]
    fn what_agrees_has_no_findings() {
        let mut world = ArchivedTable::new();
        let expected =
            ComparisonReport { links: 6, objects: 3, events: 6, ..ComparisonReport::default() };
        assert_eq!(world.compare(), expected);
        // New ones are on the way; what the stream told twice is harmless; the archive may be ahead
        // of what was expected.
        world.table.push(event("login"));
        let before = world.head.clone();
        world.archive(&[world.table[0].clone()]);
        world.head = before;
        assert_eq!(
            world.compare(),
            ComparisonReport {
                links: 7,
                objects: 4,
                events: 7,
                waiting: 1,
                repeated: 1,
                ..expected
            }
        );
        let empty =
            ArchivedTable { head: ArchiveHead::default(), objects: Vec::new(), table: Vec::new() };
        assert_eq!(empty.compare(), ComparisonReport::default());
    }

    #[test]
    fn changes_of_the_table_are_found() {
        let mut world = ArchivedTable::new();
        world.table.remove(3);
        assert_eq!(world.findings(), [Finding::RemovedFromTable(long_ago(13))]);

        let mut world = ArchivedTable::new();
        world.table[3] = altered(&world.table[3]);
        assert_eq!(world.findings(), [Finding::AlteredInTable(long_ago(13))]);

        // Invented, and told to the archive by the stream like any other; or too young to be there.
        let (old, young) =
            (altered(&event_of(long_ago(20), "read_record")), altered(&event("read_record")));
        for invented in [old, young] {
            let id = invented.id().unwrap();
            let mut world = ArchivedTable::new();
            world.table.push(invented.clone());
            assert_eq!(world.findings(), [Finding::ForgedInTable(id)]);
            world.archive(&[invented]);
            assert_eq!(
                world.findings(),
                [Finding::ForgedInArchive(id), Finding::ForgedInTable(id)]
            );
        }
    }

    #[test]
    fn changes_of_the_archive_are_found() {
        let key = |index: usize| ArchivedTable::new().objects[index].0.clone();

        // An event altered, in the middle and at the end, where no link follows that says so.
        let altering = |world: &ArchivedTable, object: usize, line: usize| {
            let text = world.objects[object].1.clone().unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines[line] = lines[line].replace("read_record", "login");
            lines.join("\n") + "\n"
        };
        let mut world = ArchivedTable::new();
        world.objects[1].1 = Some(altering(&world, 1, 0));
        assert_eq!(
            world.findings(),
            [
                Finding::Broken(key(1), Broken::Previous(4)),
                Finding::ForgedInArchive(long_ago(12)),
                Finding::AlteredInArchive(long_ago(12))
            ]
        );
        let mut world = ArchivedTable::new();
        world.objects[2].1 = Some(altering(&world, 2, 1));
        assert_eq!(
            world.findings(),
            [
                Finding::ForgedInArchive(long_ago(15)),
                Finding::AlteredInArchive(long_ago(15)),
                Finding::Head(6)
            ]
        );

        // An object removed: the first, one in the middle, the last.
        for index in 0..3 {
            let mut world = ArchivedTable::new();
            world.objects.remove(index);
            let findings = world.findings();
            let removed = [10 + 2 * index, 11 + 2 * index]
                .map(|number| long_ago(u8::try_from(number).unwrap()));
            for id in removed {
                assert!(findings.contains(&Finding::RemovedFromArchive(id)), "{findings:?}");
            }
            let gap =
                if index == 2 { Finding::Head(6) } else { Finding::Misplaced(key(index + 1)) };
            assert!(findings.contains(&gap), "{findings:?}");
        }

        // An event removed from an object; an object added; the whole archive written anew without
        // an event.
        let mut world = ArchivedTable::new();
        world.objects[0].1 =
            world.objects[0].1.as_ref().map(|text| text.lines().next().unwrap().to_owned() + "\n");
        let findings = world.findings();
        assert!(
            findings.contains(&Finding::RemovedFromArchive(long_ago(11)))
                && findings.contains(&Finding::Misplaced(key(1)))
        );
        let mut world = ArchivedTable::new();
        let before = world.head.clone();
        let invented = altered(&event("read_record"));
        world.archive(std::slice::from_ref(&invented));
        world.head = before;
        assert_eq!(world.findings(), [Finding::ForgedInArchive(invented.id().unwrap())]);
        let mut world = ArchivedTable::new();
        let head = world.head.clone();
        let table = world.table.clone();
        (world.head, world.objects) = (ArchiveHead::default(), Vec::new());
        world.archive(&table[1..]);
        world.head = head;
        assert_eq!(world.findings(), [Finding::RemovedFromArchive(long_ago(10)), Finding::Head(6)]);

        // Something that is no link; an object written over or deleted.
        let mut world = ArchivedTable::new();
        world.objects[1].1 = Some("nonsense\n".to_owned());
        assert!(world.findings().contains(&Finding::Broken(key(1), Broken::NoLink(1))));
        let mut world = ArchivedTable::new();
        world.objects[1].2 = true;
        assert_eq!(world.findings(), [Finding::Replaced(key(1))]);
        world.objects[1].1 = None;
        assert!(world.findings().contains(&Finding::RemovedFromArchive(long_ago(12))));
    }

    #[test]
    fn findings_are_sentences_without_what_the_event_says() {
        for finding in [
            Finding::RemovedFromTable(long_ago(10)),
            Finding::Broken("audit/1".into(), Broken::Previous(4)),
            Finding::Head(6),
        ] {
            let text = finding.to_string();
            assert!(!text.is_empty() && !text.contains("read_record"));
        }
    }
}
