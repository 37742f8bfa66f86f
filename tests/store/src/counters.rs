//! Tests of counters: exact, although the stream delivers changes more than once and concurrently.

use domain::counter::Counts;
use jiff::civil::{Date, date};
use store::counters::CountedChange;

use crate::meter::Cost;
use crate::people::at;
use crate::table::TestTable;

const DAY: Date = date(2026, 3, 1);

/// Makes the change of a record created on a day.
fn counted(event_id: impl ToString, day: Date) -> CountedChange {
    CountedChange {
        event_id: event_id.to_string(),
        day,
        counts: Counts { records: 1, ..Counts::default() },
    }
}

fn records(number: u64) -> Counts {
    Counts { records: number, ..Counts::default() }
}

#[tokio::test]
async fn a_change_that_is_delivered_again_is_not_counted_again() {
    let table = TestTable::new().await;
    let told: Vec<CountedChange> = (0..120).map(|number| counted(number, DAY)).collect();
    table.store.increment_counters(&told, at(0)).await.unwrap();
    assert_eq!(table.store.list_counters(DAY, DAY).await.unwrap(), [(DAY, records(120))]);
    // All of them again; then some of them together with new ones, in another order, one of them
    // twice.
    table.store.increment_counters(&told, at(0)).await.unwrap();
    let mut mixed: Vec<CountedChange> =
        (100..140).rev().map(|number| counted(number, DAY)).collect();
    mixed.push(counted(139, DAY));
    table.store.increment_counters(&mixed, at(0)).await.unwrap();
    assert_eq!(table.store.list_counters(DAY, DAY).await.unwrap(), [(DAY, records(140))]);
    assert_eq!(table.store.get_total_counters().await.unwrap(), records(140));
    table.store.increment_counters(&[], at(0)).await.unwrap();
    let mark = table.item("COUNTED#7", "COUNTED").await.unwrap();
    assert_eq!(mark["ttl"].as_n().unwrap(), &(at(0).as_second() + 48 * 3600).to_string());
}

#[tokio::test]
async fn concurrent_deliveries_of_a_change_count_once() {
    let table = TestTable::new().await;
    let told: Vec<CountedChange> = (0..60).map(|number| counted(number, DAY)).collect();
    // A caller that is disturbed too often gets an error; the stream then delivers the change
    // again.
    let all = (0..8).map(|first| {
        let (store, told) = (table.store.clone(), told[first * 5..].to_vec());
        tokio::spawn(async move { while store.increment_counters(&told, at(0)).await.is_err() {} })
    });
    for done in futures_util::future::join_all(all).await {
        done.unwrap();
    }
    assert_eq!(table.store.list_counters(DAY, DAY).await.unwrap(), [(DAY, records(60))]);
    assert_eq!(table.store.get_total_counters().await.unwrap(), records(60));
}

#[tokio::test]
async fn changes_are_counted_on_their_day() {
    let table = TestTable::new().await;
    let days = [date(2025, 12, 30), date(2025, 12, 31), date(2026, 1, 1), DAY];
    let everything =
        Counts { patients: 1, doctors: 2, admins: 3, records: 4, mails_sent: 5, mails_failed: 6 };
    let mut told: Vec<CountedChange> = days.iter().map(|day| counted(day, *day)).collect();
    told.push(CountedChange { event_id: "everything".to_owned(), day: DAY, counts: everything });
    table.store.increment_counters(&told, at(0)).await.unwrap();
    let sum = Counts { records: 5, ..everything };
    let all = [(days[0], records(1)), (days[1], records(1)), (days[2], records(1)), (DAY, sum)];
    assert_eq!(table.store.list_counters(days[0], DAY).await.unwrap(), all);
    assert_eq!(table.store.list_counters(days[1], days[2]).await.unwrap(), all[1..3]);
    assert_eq!(table.store.list_counters(date(2026, 1, 2), date(2026, 2, 28)).await.unwrap(), []);
    assert_eq!(
        table.store.get_total_counters().await.unwrap(),
        Counts { records: 8, ..everything }
    );
}

#[tokio::test]
async fn changes_are_counted_in_one_round_trip() {
    let table = TestTable::new().await;
    let told: Vec<CountedChange> = (0..49).map(|number| counted(number, DAY)).collect();
    let (done, cost) = table.meter.measure(table.store.increment_counters(&told, at(0))).await;
    done.unwrap();
    // Two units for each mark and each counter, as in every transaction.
    assert_eq!(cost, Cost { round_trips: 1, calls: 1, read: 0.0, write: 2.0 * 51.0, index: 0.0 });
    let (done, cost) = table.meter.measure(table.store.increment_counters(&told, at(0))).await;
    done.unwrap();
    assert_eq!((cost.round_trips, cost.write), (2, 0.0), "told again, it costs a look");

    let mut day = date(2026, 1, 1);
    for _ in 0..365 {
        table.store.increment_counters(&[counted(day, day)], at(0)).await.unwrap();
        day = day.tomorrow().unwrap();
    }
    let (days, cost) =
        table.meter.measure(table.store.list_counters(date(2025, 7, 1), date(2026, 6, 30))).await;
    assert_eq!(days.unwrap().len(), 181);
    assert_eq!((cost.round_trips, cost.calls), (1, 2), "one for each year, at once");
    assert!(cost.read <= 5.0, "{cost:?}");
}
