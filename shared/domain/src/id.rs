//! Identifiers: one type for each kind of thing, so that a record's id cannot be passed where a
//! file's is meant.
//!
//! All are UUID version 7 (RFC 9562): they sort by creation, and the moment of creation is read
//! from them ([`RecordId::created_at`]) instead of being stored beside them.

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
            /// When the thing was created, to the millisecond. The epoch for ids that are not of
            /// version 7.
            pub fn created_at(self) -> Timestamp {
                created_at(self.0)
            }

            /// The smallest id that a thing created at `at` can have: a bound for key ranges.
            pub fn first_at(at: Timestamp) -> Self {
                Self(bound(at, 0x00))
            }

            /// The largest id that a thing created at `at` can have: a bound for key ranges.
            pub fn last_at(at: Timestamp) -> Self {
                Self(bound(at, 0xff))
            }

            /// The sixteen bytes of the id.
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

        /// Takes the canonical form only, lower case with hyphens, so that an object has one URL.
        impl std::str::FromStr for $name {
            type Err = Reason;

            fn from_str(text: &str) -> Result<Self, Reason> {
                parse(text).map(Self)
            }
        }

        impl FieldValue for $name {
            fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
                string(value)?.trim().parse()
            }

            fn schema() -> utoipa::openapi::schema::Object {
                schema::id(&schema::description(&[$($doc),*]))
            }
        }

        schema::response_schema!($name);
    };
}

id!(
    /// A user's id, whatever the role.
    UserId
);
id!(
    /// A session: one sign-in on one device.
    SessionId
);
id!(
    /// A health record.
    RecordId
);
id!(
    /// A file of a record.
    FileId
);
id!(
    /// A doctor's annotation on a record.
    AnnotationId
);
id!(
    /// A notification in somebody's inbox.
    NotificationId
);
id!(
    /// A mail that has no notification behind it.
    MailId
);
id!(
    /// An event of the audit trail.
    EventId
);

fn parse(text: &str) -> Result<Uuid, Reason> {
    let invalid = || Reason::new("invalid", "Must be a UUID in lower case with hyphens.");
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
    use super::*;

    #[test]
    fn the_moment_of_creation_is_read_from_the_id() {
        let at: Timestamp = "2026-03-01T12:34:56.789Z".parse().unwrap();
        assert_eq!(RecordId::first_at(at).created_at(), at);
        assert_eq!(RecordId::last_at(at).created_at(), at);
        assert!(RecordId::first_at(at) < RecordId::last_at(at));
    }

    #[test]
    fn only_the_canonical_form_is_an_id() {
        assert!("0190a5c0-0000-7000-8000-000000000001".parse::<UserId>().is_ok());
        for text in [
            "",
            "1",
            "0190A5C0-0000-7000-8000-000000000001",
            "0190a5c0000070008000000000000001",
            "{0190a5c0-0000-7000-8000-000000000001}",
        ] {
            assert!(text.parse::<UserId>().is_err(), "{text:?} was taken");
        }
    }
}
