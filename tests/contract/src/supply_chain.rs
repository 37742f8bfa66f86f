//! What the project is built from is pinned: actions by commit, Python packages by hash, crates by
//! Cargo.lock. Dependabot looks after all of it.

use serde_json::Value;

use crate::{assert_same, workspace};

const WORKFLOWS: &str = ".github/workflows";
const REQUIREMENTS: &str = "tests/stack";

/// Returns the files of a folder whose names end like this, by their paths from the root.
fn files(folder: &str, end: &str) -> Vec<String> {
    let names = workspace::list(folder).into_iter().filter(|name| name.ends_with(end));
    let files: Vec<_> = names.map(|name| format!("{folder}/{name}")).collect();
    assert!(!files.is_empty(), "{folder} has no {end}");
    files
}

#[test]
fn actions_are_pinned_by_commit_and_name_their_version() {
    for file in files(WORKFLOWS, ".yml") {
        let text = workspace::read(&file);
        let actions = text.lines().filter_map(|line| line.split_once("uses: "));
        for (_, action) in actions {
            let (_, commit) = action.split_once('@').unwrap_or_default();
            let (commit, version) = commit.split_once(" # v").unwrap_or_default();
            let is_commit = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
            assert!(
                is_commit && version.starts_with(|first: char| first.is_ascii_digit()),
                "{file}: pin {action} as action@<commit> # v<version>"
            );
        }
    }
}

#[test]
fn python_packages_have_hashes() {
    let locked = files(REQUIREMENTS, ".txt");
    let wanted = files(REQUIREMENTS, ".in").into_iter().map(|file| file.replace(".in", ".txt"));
    assert_same(locked.clone(), wanted, "run `make requirements`");
    for file in locked {
        let text = workspace::read(&file);
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        for (line, next) in lines.iter().zip(lines.iter().skip(1).chain([&""])) {
            let is_package = !line.starts_with(' ');
            assert!(
                !is_package || (line.contains("==") && next.trim().starts_with("--hash=sha256:")),
                "{file}: {line} has no hash; run `make requirements`"
            );
        }
    }
    let makefile = workspace::read("Makefile");
    assert!(makefile.contains("--require-hashes"), "pip must require hashes");
}

/// Returns the commands of a file that run cargo so that it resolves versions, each to the end of
/// its line.
fn cargo_commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for line in text.lines().map(str::trim) {
        let line = line.replace("$(CARGO)", "cargo").replace(['"', ','], "");
        if line.starts_with('#') || line.starts_with("@#") {
            continue;
        }
        for (start, _) in line.match_indices("cargo ") {
            let command = &line[start..];
            let begins = |subcommand: &&str| command["cargo ".len()..].starts_with(subcommand);
            let resolves = ["build", "fetch", "install --", "lambda", "metadata", "run", "test"];
            // Words in backticks describe a command.
            if resolves.iter().any(begins) && !line[..start].ends_with('`') {
                commands.push(command.to_owned());
            }
        }
    }
    commands
}

#[test]
fn no_command_of_the_project_changes_cargo_lock() {
    let found =
        cargo_commands("\t$(CARGO) build --locked -p x\n# cargo run\n[\"cargo\", \"test\"]");
    assert_eq!(found, ["cargo build --locked -p x", "cargo test]"]);
    let files =
        [vec!["Makefile".to_owned()], files(WORKFLOWS, ".yml"), files("tests/stack", ".py")];
    let mut commands = 0;
    for file in files.concat() {
        for command in cargo_commands(&workspace::read(&file)) {
            assert!(command.contains("--locked"), "{file}: add --locked to `{command}`");
            commands += 1;
        }
    }
    assert!(commands > 10, "{commands}");
}

#[test]
fn dependabot_watches_everything_that_is_pinned() {
    let text = workspace::read(".github/dependabot.yml");
    let settings: Value = serde_saphyr::from_str(&text).unwrap();
    let watched = settings["updates"].as_array().unwrap().iter().flat_map(|update| {
        let ecosystem = update["package-ecosystem"].as_str().unwrap();
        let several = update["directories"].as_array().cloned().unwrap_or_default();
        let folders = several.into_iter().chain(update.get("directory").cloned());
        folders.map(move |folder| format!("{ecosystem} {}", folder.as_str().unwrap()))
    });
    let node = workspace::list("tests")
        .into_iter()
        .filter(|folder| workspace::path(&format!("tests/{folder}/package-lock.json")).is_file());
    let expected = node.map(|folder| format!("npm /tests/{folder}")).chain([
        "cargo /".to_owned(),
        "github-actions /".to_owned(),
        format!("uv /{REQUIREMENTS}"),
    ]);
    assert_same(watched, expected, "correct .github/dependabot.yml");
}

#[test]
fn workflows_look_for_vulnerabilities_and_sign_releases() {
    let (ci, release) = (
        workspace::read(".github/workflows/ci.yml"),
        workspace::read(".github/workflows/release.yml"),
    );
    for step in ["make dependencies ADVISORIES=1", "make sbom", "upload-artifact@", ".local/sbom"] {
        assert!(ci.contains(step), "ci.yml lacks {step}");
    }
    for step in ["make release-files", "attest-build-provenance@", "subject-path: .local/release/*"]
    {
        assert!(release.contains(step), "release.yml lacks {step}");
    }
    let makefile = workspace::read("Makefile");
    let documents = makefile.lines().find(|line| line.starts_with("documents:")).unwrap();
    assert!(documents.contains("dependencies"), "`make test` must check licences and sources");
    assert!(workspace::read(".github/SECURITY.md").contains("attestation"));
}
