//! Short names for the ids in a history: those of people, and for all others a letter for what the
//! id is of, and a number.

use std::collections::BTreeMap;

/// The length of a UUID as text.
const LENGTH: usize = 36;

/// What is named by a letter, by the text before its id.
const KINDS: [(&str, &str); 8] = [
    ("NOTIFICATION#", "n"),
    ("RECORD#", "r"),
    ("FILE#", "f"),
    ("files/", "f"),
    ("ANNOTATION#", "a"),
    ("HISTORY#", "a"),
    ("MAIL#", "m"),
    ("ARCHIVED#", "e"),
];

/// The names given so far.
#[derive(Default)]
pub struct Names {
    names: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, u32>,
}

impl Names {
    /// Gives an id a name.
    pub fn add(&mut self, id: &str, name: &str) {
        self.names.insert(id.to_owned(), name.to_owned());
    }

    /// Replaces the ids in a line.
    pub fn shorten(&mut self, line: &str) -> String {
        let mut short = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            match rest.get(..LENGTH).filter(|text| is_id(text)) {
                Some(id) => {
                    short += &self.name(id, &short);
                    rest = &rest[LENGTH..];
                }
                None => {
                    short.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        short
    }

    fn name(&mut self, id: &str, before: &str) -> String {
        if let Some(name) = self.names.get(id) {
            return name.clone();
        }
        let kind = KINDS.iter().find(|(prefix, _)| before.ends_with(prefix));
        let letter = match kind {
            Some((_, letter)) => letter,
            None if before.ends_with("/patient/") || before.ends_with("/doctor/") => "r",
            None if before.ends_with("/users/") || before.ends_with("/doctors/") => "u",
            None => "e",
        };
        let count = self.counts.entry(letter).or_default();
        *count += 1;
        let name = format!("{letter}{count}");
        self.add(id, &name);
        name
    }
}

fn is_id(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        14 => byte == b'7',
        _ => byte.is_ascii_hexdigit(),
    })
}
