//! Numbers in the documents for clients are those of the code and the defaults of the template.

use domain::content::MAX_BEFORE_PDF;
use domain::rate::{FAILURE_WINDOW, FREE_FAILURES, MAX_LOCKOUT};
use domain::text::PhoneNumber;
use http_api::page::{MAX_BYTES, MAX_LIMIT};

use crate::template::{Template, number};
use crate::workspace;

const README: &str = "README.md";
const API: &str = "shared/docs/api.md";

/// Returns a document without its line breaks.
fn on_one_line(document: &str) -> String {
    workspace::read(document).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn numbers_in_the_documents_are_those_of_the_code() {
    let template = Template::load();
    let default =
        |parameter: &str| number(&template.section("Parameters")[parameter]["Default"], parameter);
    let access = default("AccessTokenSeconds") / 60;
    let upload = default("UploadUrlSeconds") / 60;
    assert_eq!(access, upload, "{API} has one number for both: state each where it is repeated");
    let of_network = default("MaxFailuresPerNetwork");
    let of_account = default("MaxFailuresPerAccount");
    let window = FAILURE_WINDOW.as_secs() / 60;
    let lockout = MAX_LOCKOUT.as_secs() / 60;
    assert_eq!(FREE_FAILURES, 5, "{API} has the number as a word");
    let before_pdf = format!("{},{:03}", MAX_BEFORE_PDF / 1000, MAX_BEFORE_PDF % 1000);
    let megabytes = MAX_BYTES as f64 / 1e6;
    let number_length = PhoneNumber::MAX;
    for (document, stated) in [
        (README, format!("An upload URL expires after {upload} minutes")),
        (README, format!("Access tokens expire after {access} minutes")),
        (README, format!("{of_network} failed sign-ins from one network within {window} minutes")),
        (API, format!("`?limit=` from 1 to {MAX_LIMIT}.")),
        (API, format!("Two things in it expire after {access} minutes")),
        (API, format!("an access token ({access} minutes by default)")),
        (API, format!("Access tokens live {access} minutes.")),
        (API, format!("PDF has at most {before_pdf} bytes before")),
        (API, format!("five at an account from one network (/24 or /64) are free within {window}")),
        (API, format!("the wait doubles from one second to {lockout} minutes")),
        (API, format!("After {of_account} failed sign-ins in a row with an address")),
        (API, format!("After {of_network} failures from one network within {window} minutes")),
        (API, format!("until these {window} minutes have passed")),
        (API, format!("would leave the function with more than {megabytes} MB")),
        (API, format!("taken; at most {number_length} characters")),
        (API, format!("Telephone numbers have up to {number_length} characters")),
    ] {
        assert!(on_one_line(document).contains(&stated), "{document} must say: {stated}");
    }
}
