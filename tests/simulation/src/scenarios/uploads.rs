//! Files are uploaded, once and twice, valid or not, while people look, delete them and ask for
//! other URLs, and events of the bucket are late, doubled or lost.

use serde_json::json;

use super::{ScenarioWorld, all, below, beside, pause, upload};

const SOON: [u64; 6] = [0, 20, 500, 3_000, 20_000, 120_000];

pub(super) async fn run(world: ScenarioWorld) {
    let people = world.people;
    let file = json!({"name": "a.pdf", "content_type": "application/pdf", "size_bytes": 9});
    let files = vec![file; 1 + below(2) as usize];
    let created = people.patient.create_record(&people.doctor, json!({"files": files})).await;
    let Some(record) = created.id() else { return };
    let files = created.body["files"].as_array().cloned().unwrap_or_default();
    let mut started = Vec::new();
    for file in files.clone() {
        for _ in 0..2 + below(4) {
            let (patient, doctor) = (people.patient.clone(), people.doctor.clone());
            let (file, record) = (file.clone(), record.clone());
            let content: &[u8] = if below(3) == 2 { b"something" } else { b"%PDF-1.7\n" };
            let path = format!("/api/records/files/{}/", file["id"].as_str().unwrap_or_default());
            match below(6) {
                0 | 1 => {
                    drop(beside(&SOON, async move { upload(&file, content).await }));
                }
                2 => started.push(beside(&SOON, async move {
                    patient.send("DELETE", &path, None, &[]).await
                })),
                3 => started.push(beside(&SOON, async move {
                    let path = format!("/api/records/patient/{record}/");
                    patient.send("GET", &path, None, &[]).await
                })),
                4 => started.push(beside(&SOON, async move {
                    let path = format!("/api/records/doctor/{record}/");
                    doctor.send("GET", &path, None, &[]).await
                })),
                _ => started.push(beside(&SOON, async move {
                    let path = format!("{path}upload-url/");
                    let renewed = patient.send("POST", &path, None, &[]).await;
                    if renewed.is_ok() {
                        upload(&renewed.body, content).await;
                    }
                    renewed
                })),
            }
        }
    }
    all(started).await;
    pause(&[0, 60_000]).await;
    // Files that were inspected are deleted, too.
    for file in files.iter().take(below(2) as usize) {
        let path = format!("/api/records/files/{}/", file["id"].as_str().unwrap_or_default());
        people.patient.send("DELETE", &path, None, &[]).await;
    }
}
