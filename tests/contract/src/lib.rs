//! What no compiler compares: template.yaml on one side, and on the other the routers, the
//! configuration, the keys of the table, the table of who may do what, the table of the store's
//! tests, the samples in events/, Cargo.toml and samconfig.toml.
//!
//! The template is looked at as CloudFormation sees it, with the resources of SAM expanded; `make
//! test` writes that to a file and names it in the variable `TEMPLATE_JSON`. A test that fails says
//! which side to correct, or how to decide.
#![cfg(test)]

mod bucket;
mod document;
mod events;
mod functions;
mod operations;
mod queues;
mod rights;
mod routes;
mod settings;
mod table;
mod template;
mod workspace;

use std::collections::BTreeSet;

/// Fails with what is missing and what is too much, and with what to do about it.
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
