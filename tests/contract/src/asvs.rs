//! `shared/docs/asvs.md` has every requirement of levels 1 and 2, and names tests that exist.

use crate::workspace;

const DOCUMENT: &str = "shared/docs/asvs.md";

/// The chapters of ASVS 5.0.0 with the number of requirements of levels 1 and 2 in each of their
/// sections; those of level 3 come after them. Chapters without numbers have one row for all.
const CHAPTERS: [(u8, &[u8]); 17] = [
    (1, &[2, 9, 11, 3, 2]),
    (2, &[3, 3, 4, 1]),
    (3, &[0, 2, 4, 6, 5, 0, 2]),
    (4, &[3, 1, 2, 4]),
    (5, &[1, 3, 2, 3]),
    (6, &[3, 12, 4, 4, 5, 3, 0, 4]),
    (7, &[3, 4, 2, 5, 2, 2]),
    (8, &[2, 3, 1, 1]),
    (9, &[3, 4]),
    (10, &[]),
    (11, &[2, 3, 3, 4, 1, 1, 0]),
    (12, &[3, 2, 4]),
    (13, &[1, 5, 2, 5]),
    (14, &[2, 4, 3]),
    (15, &[3, 3, 7, 0]),
    (16, &[1, 5, 4, 3, 3]),
    (17, &[]),
];

/// Returns the numbers of a chapter's requirements, in order.
fn requirements(chapter: u8, sections: &[u8]) -> Vec<String> {
    if sections.is_empty() {
        return vec![chapter.to_string()];
    }
    let numbers = (1..).zip(sections).flat_map(|(section, count)| {
        (1..=*count).map(move |number| format!("{chapter}.{section}.{number}"))
    });
    numbers.collect()
}

/// Returns the rows about requirements: number, level, words, state and evidence.
fn rows() -> Vec<[String; 5]> {
    let text = workspace::read(DOCUMENT);
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.filter(|row| row.starts_with(|first: char| first.is_ascii_digit()));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
        cells.try_into().unwrap_or_else(|_| panic!("{DOCUMENT}: {row} needs five cells"))
    })
    .collect()
}

#[test]
fn every_requirement_of_levels_1_and_2_has_a_row() {
    let expected = CHAPTERS.map(|(chapter, sections)| requirements(chapter, sections)).concat();
    let actual: Vec<_> = rows().into_iter().map(|[number, ..]| number).collect();
    assert_eq!(actual, expected, "{DOCUMENT} must have these requirements in this order");
}

#[test]
fn what_is_met_is_shown_and_what_is_not_has_a_reason() {
    for [number, level, _, state, evidence] in rows() {
        assert!(["1", "2", "1, 2"].contains(&level.as_str()), "{number}: level {level}");
        match state.as_str() {
            "met" => assert!(
                evidence.contains(['`', '[']) || number == "1.4.3" || number == "6.4.2",
                "{number}: name what shows it"
            ),
            "in part" | "not met" => assert!(!evidence.is_empty(), "{number}: say what is missing"),
            "AWS" | "n/a" => {}
            _ => panic!("{number}: {state:?} is no state"),
        }
    }
}

/// Returns whether Rust code has a test of this name.
fn has_rust_test(code: &str, name: &str) -> bool {
    let lines: Vec<_> = code.lines().map(str::trim).collect();
    let is_function = |line: &str| {
        line.trim_start_matches("async ")
            .strip_prefix("fn ")
            .is_some_and(|rest| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')))
    };
    lines.iter().position(|line| is_function(line)).is_some_and(|at| {
        let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        attributes.into_iter().any(|line| line.contains("test"))
    })
}

/// Returns whether a file has what the document names: a test, or a part of the template.
fn has(file: &str, name: &str) -> bool {
    let text = workspace::read(file);
    match file.rsplit_once('.') {
        Some((_, "rs")) => has_rust_test(&text, name),
        Some((_, "py")) => text.contains(&format!("\ndef {name}(")),
        _ => text.contains(&format!("\n  {name}:\n")),
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let code = "#[test]\nfn a_b() {}\n#[tokio::test]\nasync fn b() {}\nfn c() {}";
    let found = ["a_b", "a", "b", "c"].map(|name| has_rust_test(code, name));
    assert_eq!(found, [true, false, true, false]);
    let text = workspace::read(DOCUMENT);
    let mut named = 0;
    for (file, name) in text.split('`').skip(1).step_by(2).filter_map(|it| it.split_once(": ")) {
        assert!(workspace::path(file).is_file(), "{DOCUMENT}: there is no {file}");
        assert!(has(file, name), "{DOCUMENT}: {file} has no {name}");
        named += 1;
    }
    assert!(named > 150, "{named}");
}
