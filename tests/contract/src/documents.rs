//! Documents and comments name files that exist, every decision is in the index, and comments have
//! the form of the style guide.

use std::collections::BTreeSet;

use crate::{assert_same, layers, workspace};

const DECISIONS: &str = "shared/docs/decisions";

/// What a path from the root begins with. Others are names, commands and parts of URLs.
const TOP: [&str; 6] = ["functions/", "shared/", "tests/", "events/", ".github/", ".ci/"];

/// Returns the Markdown files of a folder, by their paths from the root.
fn markdown_in(folder: &str) -> Vec<String> {
    let files = workspace::list(folder).into_iter().filter(|file| file.ends_with(".md"));
    files.map(|file| format!("{folder}/{file}")).collect()
}

fn documents() -> Vec<String> {
    let roots = ["README.md", "CHANGELOG.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md"]
        .map(str::to_owned);
    [roots.to_vec(), markdown_in("shared/docs"), markdown_in(DECISIONS)].concat()
}

/// Returns a document without its blocks of code.
fn prose(document: &str) -> String {
    workspace::read(document).split("```").step_by(2).collect()
}

/// Returns the targets of links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// Returns the name under which GitHub links a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    kept.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    for document in documents() {
        for link in links(&prose(&document)).filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let folder = document.rsplit_once('/').map_or(".", |(folder, _)| folder);
            let target =
                if file.is_empty() { document.clone() } else { format!("{folder}/{file}") };
            assert!(workspace::path(&target).exists(), "{document}: there is no {link}");
            let headings = || prose(&target).lines().any(|line| anchor(line) == heading);
            assert!(heading.is_empty() || headings(), "{document}: {link} has no such heading");
        }
    }
}

#[test]
fn every_path_that_the_documents_name_exists() {
    let documents =
        ["README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md"].map(str::to_owned);
    for document in documents.into_iter().chain(markdown_in("shared/docs")) {
        for name in prose(&document).split('`').skip(1).step_by(2) {
            let is_path = TOP.iter().any(|folder| name.starts_with(folder));
            let is_placeholder = name.contains(['<', '*', '{', ' ']);
            assert!(
                !is_path || is_placeholder || workspace::path(name).exists(),
                "{document} names {name}, which does not exist"
            );
        }
    }
}

/// Returns the paths from the root in the comments of a file, without those in which a part stands
/// for others, such as `<name>`.
fn paths_in_comments(source: &str) -> Vec<&str> {
    let comments = source.lines().filter_map(|line| {
        let begin = ["//", "# "].iter().filter_map(|mark| line.find(mark)).min()?;
        Some(&line[begin..])
    });
    let is_part = |letter: char| letter.is_alphanumeric() || "_-./<*{".contains(letter);
    let words = comments.flat_map(move |comment| comment.split(move |letter| !is_part(letter)));
    words
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| TOP.iter().any(|folder| word.starts_with(folder)))
        .filter(|word| !word.contains(['<', '*', '{']))
        .collect()
}

#[test]
fn every_path_that_a_comment_names_exists() {
    let of = |source| paths_in_comments(source).join(" ");
    assert_eq!(
        of("a(); // See `tests/a.rs`, tests/<name>.rs and\n# shared/b.rs."),
        "tests/a.rs shared/b.rs"
    );
    let others = ["template.yaml", "samconfig.toml", "Cargo.toml", "deny.toml", "Makefile"];
    let rust = ["functions", "shared", "tests"].map(workspace::rust_files).concat();
    // The samples above.
    let files = rust.into_iter().filter(|file| !file.ends_with("contract/src/documents.rs"));
    for file in files.chain(others.map(str::to_owned)) {
        for path in paths_in_comments(&workspace::read(&file)) {
            assert!(workspace::path(path).exists(), "{file} names {path}, which does not exist");
        }
    }
}

#[test]
fn every_decision_has_a_number_of_its_own_a_date_and_a_row_in_the_index() {
    let mut numbers = BTreeSet::new();
    let rows =
        workspace::list(DECISIONS).into_iter().filter(|file| file != "README.md").map(|file| {
            let text = workspace::read(&format!("{DECISIONS}/{file}"));
            let line_after = |start: &str| {
                text.lines()
                    .find_map(|line| line.strip_prefix(start))
                    .unwrap_or_else(|| panic!("{file} has no line that starts with {start:?}"))
            };
            let number = file.split('-').next().unwrap().to_owned();
            let title = line_after(&format!("# {}. ", number.trim_start_matches('0')));
            let (date, status) = (line_after("* Date: "), line_after("* Status: "));
            let is_date = |(place, letter): (usize, char)| match place {
                4 | 7 => letter == '-',
                _ => letter.is_ascii_digit(),
            };
            assert!(date.len() == 10 && date.chars().enumerate().all(is_date), "{file}: {date}");
            let row = format!("| [{number}]({file}) | {title} | {date} | {status} |");
            assert!(numbers.insert(number), "the number of {file} is that of another decision");
            row
        });
    let rows: Vec<_> = rows.collect();
    let index = workspace::read(&format!("{DECISIONS}/README.md"));
    let index: Vec<_> = index.lines().filter(|line| line.starts_with("| [")).collect();
    assert_same(index, rows, "correct the table of shared/docs/decisions/README.md");
}

/// Returns the first words of the doc comments of a file's functions. Two kinds are left out:
/// handlers of the API, whose first sentences are summaries in the document, in the imperative, and
/// tests, whose names say what they show.
fn first_words_of_functions(source: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut comment, mut is_left_out) = (None, false);
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            comment.get_or_insert_with(|| text.trim().to_owned());
            continue;
        }
        is_left_out |= line.contains("utoipa::path(")
            || ["#[test]", "#[tokio::test"].iter().any(|attribute| line.starts_with(attribute));
        let modifiers = ["pub", "pub(crate)", "pub(super)", "async", "const"];
        let mut tokens = line.split(' ').skip_while(|token| modifiers.contains(token));
        if tokens.next() == Some("fn") && !is_left_out {
            words.extend(comment.take().and_then(|text| text.split(' ').next().map(str::to_owned)));
        }
        // Attributes may take several lines.
        if line.is_empty() || line.ends_with(['{', ';', '}']) {
            (comment, is_left_out) = (None, false);
        }
    }
    words
}

#[test]
fn doc_comments_of_functions_start_with_a_verb() {
    let of = |source| first_words_of_functions(source).join(" ");
    assert_eq!(
        of("/// Returns it.\n#[must_use]\npub fn a() {\n}\n\n/// The b.\nfn b()"),
        "Returns The"
    );
    assert_eq!(of("/// A struct.\npub struct A {\n}\nfn b() {}"), "");
    assert_eq!(of("/// The promise.\n#[test]\nfn a() {\n}\n"), "");
    for folder in layers::crates() {
        for (module, source) in layers::modules(&folder) {
            for word in first_words_of_functions(&source) {
                assert!(
                    word.trim_end_matches(',').ends_with('s'),
                    "{folder}, {module}: a function's comment starts with {word:?}, not with what \
                     the function does, such as \"Returns\""
                );
            }
        }
    }
}

#[test]
fn no_line_of_rust_is_longer_than_100_columns() {
    let files = ["functions", "shared", "tests"].map(workspace::rust_files).concat();
    assert!(files.len() > 100, "{files:?}");
    for file in files {
        for (number, line) in workspace::read(&file).lines().enumerate() {
            let columns = line.chars().count();
            assert!(columns <= 100, "{file}:{}: {columns} columns", number + 1);
        }
    }
}

#[test]
fn the_readme_is_read_in_two_minutes() {
    let lines = workspace::read("README.md").lines().count();
    assert!((80..=120).contains(&lines), "the README has {lines} lines");
}
