//! Patient and staff assign records to another doctor beside annotations, changes of annotations,
//! deletions of files and looks, with If-Match and without.

use serde_json::json;

use super::{ScenarioWorld, all, below, beside, pause, upload};

const SOON: [u64; 6] = [0, 3, 30, 150, 900, 4_000];

pub(super) async fn run(world: ScenarioWorld) {
    let (people, staff) = (world.people, world.staff);
    let file = json!({"name": "a.pdf", "content_type": "application/pdf", "size_bytes": 9});
    let created =
        people.patient.create_record(&people.doctor, json!({"files": [file, file]})).await;
    let Some(record) = created.id() else { return };
    let doctors = [people.doctor.clone(), people.other_doctor.clone()];
    let first = people.doctor.annotate(&record).await.id();
    let path = format!("/api/records/patient/{record}/");
    for _ in 0..=below(2) {
        let mut started = Vec::new();
        for _ in 0..2 + below(4) {
            let (patient, record) = (people.patient.clone(), record.clone());
            let doctor = doctors[below(2) as usize].clone();
            let (path, etag) = (path.clone(), created.etag.clone());
            let file = created.body["files"][below(2) as usize].clone();
            let annotation = first.clone();
            match below(7) {
                0 => started.push(beside(&SOON, async move {
                    Some(patient.update_record(&record, json!({"doctor": doctor.id})).await)
                })),
                1 => started.push(beside(&SOON, async move {
                    let etag = etag.unwrap_or_default();
                    let change = json!({"doctor": doctor.id, "description": "a cough"});
                    Some(patient.send("PATCH", &path, Some(change), &[("if-match", &etag)]).await)
                })),
                2 => {
                    let staff = staff.clone();
                    drop(beside(&SOON, async move {
                        staff.assign(&patient, &record, &doctor).await;
                    }));
                }
                3 => {
                    started.push(beside(&SOON, async move { Some(doctor.annotate(&record).await) }))
                }
                4 => started.push(beside(&SOON, async move {
                    let path = format!("/api/records/doctor/annotations/{}/", annotation?);
                    Some(doctor.send("PATCH", &path, Some(json!({"note": "worse"})), &[]).await)
                })),
                5 => started.push(beside(&SOON, async move {
                    upload(&file, b"%PDF-1.7\n").await;
                    Some(patient.send("GET", &path, None, &[]).await)
                })),
                _ => started.push(beside(&SOON, async move {
                    let path = format!("/api/records/files/{}/", file["id"].as_str()?);
                    Some(patient.send("DELETE", &path, None, &[]).await)
                })),
            }
        }
        all(started).await;
        pause(&[0, 200, 20_000]).await;
    }
}
