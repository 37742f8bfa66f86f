//! Tests of known devices.

use domain::device::{KnownDevice, MAX_DEVICE_FAILURES};
use jiff::SignedDuration;

use crate::people::{at, id};
use crate::table::TestTable;

#[tokio::test]
async fn a_known_device_has_its_own_failures_and_is_forgotten_by_too_many() {
    let table = TestTable::new().await;
    let device = KnownDevice::new(id(), "hash".to_owned(), 3, at(0));
    table.store.create_device(&device, 7).await.unwrap();
    let begin = async |place, hash, now| {
        table.store.start_device_attempt(device.user_id, place, hash, now).await.unwrap()
    };
    assert_eq!(begin(8, "hash", at(0)).await, None, "another place");
    assert_eq!(begin(7, "another hash", at(0)).await, None);
    let late = at(0) + SignedDuration::from_hours(180 * 24);
    assert_eq!(begin(7, "hash", late).await, None, "forgotten, though the item is there");
    for failures in 1..=MAX_DEVICE_FAILURES {
        let counted = begin(7, "hash", at(0)).await;
        assert_eq!(counted, Some(KnownDevice { failures, ..device.clone() }));
    }
    assert_eq!(begin(7, "hash", at(0)).await, None, "it counts as unknown");
    // A sign-in takes the place again.
    let renewed = KnownDevice::new(device.user_id, "another hash".to_owned(), 3, at(0));
    table.store.create_device(&renewed, 7).await.unwrap();
    assert_eq!(begin(7, "hash", at(0)).await, None);
    assert!(begin(7, "another hash", at(0)).await.is_some());
    let stored = table.store.get_device(device.user_id, 7).await.unwrap().unwrap();
    assert!(stored.has_secret("another hash", at(0)) && !stored.has_secret("hash", at(0)));
    assert!(!stored.has_secret("another hash", late));
    assert_eq!(table.count().await, 1);
}
