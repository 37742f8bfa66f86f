//! The README's tour, executed as it stands.

use std::process::Command;

use crate::harness::Stack;

#[test]
fn the_tour_tells_the_truth() {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let tour = readme
        .split_once("\n## A tour\n")
        .and_then(|(_, rest)| rest.split_once("\n## "))
        .unwrap()
        .0;
    let script: String =
        tour.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect();
    let output = Command::new("sh")
        .args(["-eux", "-c", &script])
        .env("API", &Stack::get().base_url)
        .output()
        .unwrap();
    let (told, steps) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the tour fails:\n{told}\n{steps}");
    for expected in [
        "Smith",
        "available",
        "All values are normal.",
        "Dr. Jane Smith has",
        "\"unread_count\":0",
        "Jones",
        "not found, as it should be",
        "Health Record ",
    ] {
        assert!(told.contains(expected), "the tour does not show {expected:?}:\n{told}\n{steps}");
    }
}
