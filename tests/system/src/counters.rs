//! Tests of counters: a change that the stream delivers is counted once on its day, however often
//! and by however many functions it is handled.

use serde_json::{Value, json};
use uuid::{NoContext, Timestamp, Uuid};

use api_tests::harness::{Doctor, Patient, aws, eventually, unique};

/// Reads a number of counters from all their parts.
fn count(pk: &str, counters: &str, name: &str) -> u64 {
    let parts = aws::query(pk).into_iter();
    let parts = parts.filter(|item| item["sk"]["S"].as_str().unwrap().starts_with(counters));
    parts.map(|it| it[name]["N"].as_str().map_or(0, |number| number.parse().unwrap())).sum()
}

/// A new record as the stream delivers it, created on a day that no other test uses.
struct InsertedRecord {
    item: Value,
    year: String,
    day: String,
}

impl InsertedRecord {
    fn new() -> Self {
        let (patient, doctor) = (Patient::new(), Doctor::new());
        let id = patient.record_for(&doctor).text("id").to_owned();
        let mut item =
            aws::get_item(&format!("PATIENT#{}", patient.id), &format!("RECORD#{id}")).unwrap();
        // A day in the first thirty years since 1970.
        let seconds = u64::from_str_radix(&unique()[..8], 16).unwrap() % 10_000 * 86_400;
        item["sk"]["S"] =
            json!(format!("RECORD#{}", Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0))));
        let day = jiff::Timestamp::from_second(i64::try_from(seconds).unwrap())
            .unwrap()
            .to_string()[..10]
            .to_owned();
        Self { item, year: format!("COUNTERS#{}", &day[..4]), day }
    }

    /// Makes a record of the stream.
    fn record(&self, event_id: &str, sequence_number: u32) -> Value {
        json!({
            "eventID": event_id, "eventName": "INSERT", "eventVersion": "1.1",
                "eventSource": "aws:dynamodb", "awsRegion": "eu-central-1",
            "eventSourceARN": "", "dynamodb": {
                "Keys": {"pk": self.item["pk"], "sk": self.item["sk"]}, "NewImage": self.item,
                    "SequenceNumber": sequence_number.to_string(),
                "SizeBytes": 1, "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        })
    }

    fn counted(&self) -> u64 {
        count(&self.year, &self.day, "records")
    }
}

fn dispatch(records: &[&Value]) -> Value {
    aws::invoke("dispatcher", &json!({"Records": records})).body
}

#[test]
fn repeated_stream_records_count_once() {
    let told = InsertedRecord::new();
    let ids: Vec<String> = (0..3).map(|_| format!("{}{}", unique(), unique())).collect();
    let records: Vec<Value> =
        ids.iter().zip(1..).map(|(id, number)| told.record(id, number)).collect();
    let before = told.counted();
    // Several concurrently, and batches with other boundaries.
    std::thread::scope(|scope| {
        for batch in [&records[..], &records[..2], &records[1..], &records[..]] {
            // A function that the others disturb too often returns where the stream must continue.
            scope.spawn(move || {
                while dispatch(&batch.iter().collect::<Vec<_>>())
                    != json!({"batchItemFailures": []})
                {}
            });
        }
    });
    assert_eq!(told.counted() - before, 3);
    assert_eq!(dispatch(&[&records[2], &records[2]]), json!({"batchItemFailures": []}));
    assert_eq!(told.counted() - before, 3);
}

#[test]
fn registrations_records_and_mails_are_counted() {
    let names = ["patients", "doctors", "records", "mails_sent"];
    let numbers = || names.map(|name| count("COUNTERS#ALL", "ALL", name));
    let before = numbers();
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.record_for(&doctor);
    eventually("everything has been counted", || {
        numbers().iter().zip(before).all(|(after, before)| *after > before).then_some(())
    });
    let item = aws::query("COUNTERS#ALL").remove(0);
    let mut names: Vec<&String> = item.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "admins",
            "doctors",
            "entity",
            "mails_failed",
            "mails_sent",
            "patients",
            "pk",
            "records",
            "sk"
        ],
        "nothing of anybody"
    );
}
