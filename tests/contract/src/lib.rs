//! Checks of template.yaml against everything it must agree with: routers, configuration, keys of
//! the table, the access table, the table of the store's tests, the samples in events/, Cargo.toml
//! and samconfig.toml.
//!
//! The template is checked in its expanded form, without SAM resources; `make test` writes it to a
//! file and sets `TEMPLATE_JSON` to its path. A failed test says which side to correct.
#![cfg(test)]

mod alarms;
mod asvs;
mod bucket;
mod console;
mod dependencies;
mod document;
mod documents;
mod events;
mod functions;
mod layers;
mod mail_events;
mod numbers;
mod operations;
mod queues;
mod rights;
mod routes;
mod schemas;
mod settings;
mod supply_chain;
mod table;
mod template;
mod workspace;

use std::collections::BTreeSet;

/// Fails with the missing and unexpected elements and with advice.
#[track_caller]
fn assert_same(
    actual: impl IntoIterator<Item: Into<String>>,
    expected: impl IntoIterator<Item: Into<String>>,
    advice: &str,
) {
    let actual: BTreeSet<String> = actual.into_iter().map(Into::into).collect();
    let expected: BTreeSet<String> = expected.into_iter().map(Into::into).collect();
    let missing: Vec<_> = expected.difference(&actual).collect();
    let unexpected: Vec<_> = actual.difference(&expected).collect();
    assert!(
        missing.is_empty() && unexpected.is_empty(),
        "{advice}\nmissing: {missing:#?}\nunexpected: {unexpected:#?}"
    );
}
