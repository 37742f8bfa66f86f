//! Identifiers: one type per entity, so that they cannot be confused.
//!
//! All are UUIDs of version 7 (RFC 9562): they sort by time of creation and contain it
//! ([`RecordId::created_at`]), so it is not stored separately.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::field::{FieldValue, Reason, string};
use crate::schema;

macro_rules! id {
    ($(#[doc = $doc:literal])* $name:ident) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Returns the time of creation in milliseconds; the epoch for ids that are not of
            /// version 7.
            pub fn created_at(self) -> Timestamp {
                created_at(self.0)
            }

            /// Returns the smallest id created at `at`: the lower bound of a key range.
            pub fn first_at(at: Timestamp) -> Self {
                Self(bound(at, 0x00))
            }

            /// Returns the largest id created at `at`: the upper bound of a key range.
            pub fn last_at(at: Timestamp) -> Self {
                Self(bound(at, 0xff))
            }

            /// Returns the id's 16 bytes.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        /// Parses the canonical form only, lower case with hyphens, so that each object has one
        /// URL.
        impl std::str::FromStr for $name {
            type Err = Reason;

            fn from_str(text: &str) -> Result<Self, Reason> {
                parse(text).map(Self)
            }
        }

        impl FieldValue for $name {
            /// Parses the digits in either case: some clients write them in upper case.
            fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
                string(value)?.trim().to_ascii_lowercase().parse()
            }

            fn schema() -> utoipa::openapi::schema::Object {
                schema::sent_id(&schema::description(&[$($doc),*]))
            }
        }

        schema::response_schema!($name, schema::id(&schema::description(&[$($doc),*])));
    };
}

id!(
    /// The id of a user of any role.
    UserId
);
id!(
    /// The id of a session: one sign-in on one device.
    SessionId
);
id!(
    /// The id of a health record.
    RecordId
);
id!(
    /// The id of a file of a record.
    FileId
);
id!(
    /// The id of a doctor's annotation on a record.
    AnnotationId
);
id!(
    /// The id of a notification.
    NotificationId
);
id!(
    /// The id of an account mail.
    MailId
);
id!(
    /// The id of a recovery that staff have started.
    RecoveryId
);
id!(
    /// The id of an event of the audit trail.
    EventId
);

fn parse(text: &str) -> Result<Uuid, Reason> {
    let invalid = || Reason::new("invalid", "Must be a UUID with hyphens.");
    let id: Uuid = text.parse().map_err(|_| invalid())?;
    if id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text {
        Ok(id)
    } else {
        Err(invalid())
    }
}

fn created_at(id: Uuid) -> Timestamp {
    let (seconds, nanoseconds) = id.get_timestamp().map_or((0, 0), |at| at.to_unix());
    let milliseconds =
        i64::try_from(seconds).unwrap_or(0) * 1000 + i64::from(nanoseconds / 1_000_000);
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn bound(at: Timestamp, fill: u8) -> Uuid {
    let milliseconds = u64::try_from(at.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &[fill; 10]).into_uuid()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_time_of_creation_is_read_from_the_id() {
        let at: Timestamp = "2026-03-01T12:34:56.789Z".parse().unwrap();
        assert_eq!(RecordId::first_at(at).created_at(), at);
        assert_eq!(RecordId::last_at(at).created_at(), at);
        assert!(RecordId::first_at(at) < RecordId::last_at(at));
    }

    #[test]
    fn only_the_canonical_form_is_accepted() {
        assert!("0190a5c0-0000-7000-8000-000000000001".parse::<UserId>().is_ok());
        for text in [
            "",
            "1",
            "0190A5C0-0000-7000-8000-000000000001",
            "0190a5c0000070008000000000000001",
            "{0190a5c0-0000-7000-8000-000000000001}",
        ] {
            assert!(text.parse::<UserId>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn ids_are_sent_in_either_case_and_written_in_lower_case() {
        let id = "0190a5c0-0000-7000-8000-00000000000f";
        for text in [id, &id.to_uppercase(), &format!(" {} ", id.replace('c', "C"))] {
            assert_eq!(UserId::from_json(&json!(text)).unwrap().to_string(), id, "{text:?}");
        }
        for text in [id.replace('-', ""), format!("{{{id}}}"), format!("urn:uuid:{id}")] {
            assert!(UserId::from_json(&json!(text)).is_err(), "{text:?} was accepted");
        }
    }
}
