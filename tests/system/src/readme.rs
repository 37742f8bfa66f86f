//! Runs the examples of the README and of the tour as they are printed.

use std::process::Command;

use api_tests::harness::Stack;

/// Runs all `sh` blocks of a document in one shell and checks what they print.
fn run_examples(document: &str, expected: &[&str]) {
    let path = format!("{}/../../{document}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let script: String =
        text.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect();
    let output = Command::new("sh")
        .args(["-eux", "-c", &script])
        .env("API", &Stack::get().base_url)
        .output()
        .unwrap();
    let (printed, steps) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{document} fails:\n{printed}\n{steps}");
    for text in expected {
        assert!(printed.contains(text), "{document} does not show {text:?}:\n{printed}\n{steps}");
    }
}

#[test]
fn the_requests_of_the_readme_work_as_printed() {
    run_examples("README.md", &["\"specialization\":\"Cardiology\"", "patient_assigned"]);
}

#[test]
fn the_tour_works_as_printed() {
    run_examples(
        "shared/docs/tour.md",
        &[
            "Smith",
            "available",
            "All values are normal.",
            "Dr. Jane Smith has",
            "\"unread_count\":0",
            "Jones",
            "not found, as expected",
            "Health Record ",
        ],
    );
}
