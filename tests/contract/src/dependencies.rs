//! Tests of how the dependencies are compiled.

use std::collections::BTreeSet;
use std::process::Command;

use crate::workspace;

/// Returns the crates of the AWS SDK that a selection of packages is compiled with, and those that
/// these depend on, each with its features.
fn sdk(selection: &[&str]) -> BTreeSet<String> {
    const FORM: [&str; 6] =
        ["--edges", "normal,build,dev", "--prefix", "none", "--format", "{p} {f}"];
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(workspace::path("")).args(["tree", "--locked"]).args(FORM);
    let output = command.args(selection).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates = tree.lines().map(|line| line.trim_end_matches(" (*)").to_owned());
    crates
        .filter(|line| ["aws-", "hyper", "rustls", "tokio"].iter().any(|it| line.starts_with(it)))
        .collect()
}

/// The SDK takes longer to compile than everything else, and each set of features is a build of
/// its own. `make test` and `make test-stack` select these packages.
#[test]
fn every_selection_of_tests_uses_the_same_build_of_the_sdk() {
    let workspace = sdk(&["--workspace"]);
    assert!(workspace.iter().any(|it| it.starts_with("aws-sdk-dynamodb")), "{workspace:?}");
    for selection in [
        &["-p", "contract-tests", "-p", "system-tests"][..],
        &["-p", "api-tests", "-p", "contract-tests", "-p", "system-tests"],
        &["-p", "api-tests"],
    ] {
        assert_eq!(sdk(selection), workspace, "{selection:?}");
    }
}
