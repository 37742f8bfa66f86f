//! The hash chain: each link holds an event and the hash of the link before it. Use [`extend`] to
//! write an object and [`follow`] to read one.
//!
//! An object contains consecutive links, one JSON line each. Its key contains the number of the
//! first one, so that of two writers who extend the same end of the chain one finds the key taken:
//! the chain cannot fork.

use crypto::sha256_base64url;
use serde::{Deserialize, Serialize};
use store::archive::ArchiveHead;
use store::proof::StoredEvent;

/// The prefix of all keys.
pub const PREFIX: &str = "audit/";

/// A link of the chain.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// The link's number, from 1.
    pub sequence: u64,
    /// The hash of the previous link; empty in the first.
    pub previous: String,
    /// The event.
    pub event: StoredEvent,
}

/// An object of the archive: consecutive links.
#[derive(Clone, PartialEq, Debug)]
pub struct Object {
    /// The content.
    pub text: String,
    /// The head of the chain after this object.
    pub head: ArchiveHead,
}

/// Why an object does not continue a chain.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// A line is not a link.
    #[error("line {0} is not a link")]
    NoLink(usize),
    /// A link does not have the next number.
    #[error("link {expected} is missing, found link {found} instead")]
    Number {
        /// The next number.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// The previous link is not the one whose hash this link contains.
    #[error("link {0} does not follow the one before it")]
    Previous(u64),
}

/// Returns the key of the object that continues a chain.
pub fn key_after(head: &ArchiveHead) -> String {
    // Padded to twelve digits, so that keys sort by number.
    format!("{PREFIX}{:012}.jsonl", head.sequence + 1)
}

/// Writes events as the object that continues a chain.
///
/// # Errors
/// None in practice: maps of names and JSON values can be serialized.
pub fn extend(
    head: &ArchiveHead,
    events: impl IntoIterator<Item = StoredEvent>,
) -> Result<Object, serde_json::Error> {
    let mut object = Object { text: String::new(), head: head.clone() };
    for event in events {
        let link = Link { sequence: object.head.sequence + 1, previous: object.head.tip, event };
        let line = serde_json::to_string(&link)?;
        object.head =
            ArchiveHead { sequence: link.sequence, tip: sha256_base64url(line.as_bytes()) };
        object.text.push_str(&line);
        object.text.push('\n');
    }
    Ok(object)
}

/// Reads the object that continues a chain; returns its events and the new head.
///
/// # Errors
/// The first defect of the chain.
pub fn follow(head: &ArchiveHead, text: &str) -> Result<(Vec<StoredEvent>, ArchiveHead), Broken> {
    let (mut head, mut events) = (head.clone(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let Link { sequence, previous, event } =
            serde_json::from_str(line).map_err(|_| Broken::NoLink(index + 1))?;
        if sequence != head.sequence + 1 {
            return Err(Broken::Number { expected: head.sequence + 1, found: sequence });
        }
        if previous != head.tip {
            return Err(Broken::Previous(sequence));
        }
        head = ArchiveHead { sequence, tip: sha256_base64url(line.as_bytes()) };
        events.push(event);
    }
    Ok((events, head))
}

/// Reads an object without checking that it continues a chain; returns its events and the head that
/// follows from its last link.
///
/// # Errors
/// When a line is not a link.
pub fn read_unchecked(text: &str) -> Result<(Vec<StoredEvent>, ArchiveHead), Broken> {
    let (mut head, mut events) = (ArchiveHead::default(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let Link { sequence, event, .. } =
            serde_json::from_str(line).map_err(|_| Broken::NoLink(index + 1))?;
        head = ArchiveHead { sequence, tip: sha256_base64url(line.as_bytes()) };
        events.push(event);
    }
    Ok((events, head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::tests::event;

    #[test]
    fn what_extend_writes_follow_reads() {
        let start = ArchiveHead::default();
        let events: Vec<StoredEvent> = (0..3).map(|_| event("read_record")).collect();
        let first = extend(&start, events[..2].iter().cloned()).unwrap();
        let second = extend(&first.head, events[2..].iter().cloned()).unwrap();
        assert_eq!(
            (key_after(&start), key_after(&first.head)),
            ("audit/000000000001.jsonl".into(), "audit/000000000003.jsonl".into())
        );
        assert_eq!(
            follow(&start, &first.text).unwrap(),
            (events[..2].to_vec(), first.head.clone())
        );
        assert_eq!(
            follow(&first.head, &second.text).unwrap(),
            (events[2..].to_vec(), second.head.clone())
        );
        assert_eq!(read_unchecked(&second.text).unwrap(), (events[2..].to_vec(), second.head));
    }

    #[test]
    fn a_broken_chain_is_not_followed() {
        let start = ArchiveHead::default();
        let object = extend(&start, (0..3).map(|_| event("read_record"))).unwrap();
        let lines: Vec<&str> = object.text.lines().collect();
        assert_eq!(
            follow(&start, &lines[1..].join("\n")),
            Err(Broken::Number { expected: 1, found: 2 })
        );
        assert_eq!(
            follow(&start, &[lines[0], lines[2]].join("\n")),
            Err(Broken::Number { expected: 2, found: 3 })
        );
        assert_eq!(
            follow(&start, &object.text.replacen("read_record", "list_records", 1)),
            Err(Broken::Previous(2))
        );
        assert_eq!(follow(&start, "{}\n"), Err(Broken::NoLink(1)));
        assert_eq!(
            follow(&object.head, &object.text),
            Err(Broken::Number { expected: 4, found: 1 })
        );
        let other = extend(&start, [event("login")]).unwrap();
        let stolen = extend(&other.head, [event("login")]).unwrap();
        let own = extend(&start, [event("login")]).unwrap();
        assert_eq!(follow(&own.head, &stolen.text), Err(Broken::Previous(2)));
    }
}
