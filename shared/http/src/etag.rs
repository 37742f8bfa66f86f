//! Use [`ETag`] and [`IfMatch`] for changes of a certain version: entity tags and `If-Match` (RFC
//! 9110, sections 8.8.3 and 13.1.1).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use domain::problem::Code;

use crate::problem::Problem;

/// The entity tag of one version of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ETag(u64);

impl ETag {
    /// Returns the tag of a version.
    pub fn of(version: u64) -> Self {
        Self(version)
    }

    fn text(self) -> String {
        format!("\"{}\"", self.0)
    }

    pub(crate) fn value(self) -> HeaderValue {
        // Digits and quotes are always a header value.
        HeaderValue::try_from(self.text()).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

/// The versions that the client wants to change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IfMatch {
    /// No header: any version.
    Absent,
    /// `*`: any version.
    Any,
    /// One of these tags. Weak or malformed tags never match.
    Tags(Vec<String>),
}

impl IfMatch {
    /// Returns the condition for one version.
    pub fn version(version: u64) -> Self {
        Self::Tags(vec![ETag(version).text()])
    }

    /// Compares with the present version.
    ///
    /// # Errors
    /// 412 when the client names another.
    pub fn check(&self, version: u64) -> Result<(), Problem> {
        match self {
            Self::Absent | Self::Any => Ok(()),
            // Our tags hold no comma, so the list can be split at commas.
            Self::Tags(tags) if tags.contains(&ETag(version).text()) => Ok(()),
            Self::Tags(tags) => Err(match tags.iter().find_map(|tag| mistake_in(tag)) {
                Some(mistake) => Problem::precondition_failed_because(mistake),
                None => Problem::precondition_failed(),
            }),
        }
    }

    /// Returns the problem when another request has changed the object first: 412 when the client
    /// named a version, else 409.
    pub fn lost_race(&self) -> Problem {
        match self {
            Self::Absent | Self::Any => Problem::conflict(
                Code::ChangedMeanwhile,
                "The object was changed by another request; try again.",
            ),
            Self::Tags(_) => Problem::precondition_failed(),
        }
    }
}

/// Returns why a tag can never match, `None` for a strong tag in quotes.
fn mistake_in(tag: &str) -> Option<&'static str> {
    if tag.starts_with("W/") || tag.starts_with("w/") {
        return Some(
            "If-Match must name a strong entity tag: send the header ETag back as it was, without \
             W/.",
        );
    }
    let opaque = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    opaque.is_none_or(|opaque| opaque.contains('"')).then_some(
        "If-Match must be an entity tag in double quotes, such as \"7\": send the header ETag back \
         as it was.",
    )
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let lines = parts.headers.get_all(header::IF_MATCH);
        let tags: Vec<String> = lines
            .iter()
            .flat_map(|line| line.to_str().unwrap_or("not text").split(','))
            .map(|tag| tag.trim().to_owned())
            .filter(|tag| !tag.is_empty())
            .collect();
        Ok(match tags.as_slice() {
            [] if !parts.headers.contains_key(header::IF_MATCH) => Self::Absent,
            [any] if any == "*" => Self::Any,
            // An empty header names nothing; it is not an absent one.
            [] => Self::Tags(vec![String::new()]),
            _ => Self::Tags(tags),
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn if_match(lines: &[&'static [u8]]) -> IfMatch {
        let mut parts = Request::new(()).into_parts().0;
        for line in lines {
            parts.headers.append(header::IF_MATCH, HeaderValue::from_bytes(line).unwrap());
        }
        IfMatch::from_request_parts(&mut parts, &()).await.unwrap()
    }

    #[tokio::test]
    async fn only_the_version_that_is_named_matches() {
        let matches = async |lines: &[&'static [u8]]| if_match(lines).await.check(7).is_ok();
        assert!(matches(&[]).await);
        assert!(matches(&[b"*"]).await);
        assert!(matches(&[b"\"7\""]).await);
        assert!(matches(&[b"\"6\", \"7\""]).await);
        assert!(matches(&[b"\"6\"", b"\"7\""]).await, "lines are one list");
        for other in [&b"\"8\""[..], b"W/\"7\"", b"7", b"", b"\"", b"\xff"] {
            assert!(
                !matches(&[Box::leak(other.to_vec().into_boxed_slice())]).await,
                "{other:?} matches"
            );
        }
    }

    #[tokio::test]
    async fn a_tag_that_can_never_match_is_not_called_outdated() {
        let detail = async |line: &'static str| {
            let problem = if_match(&[line.as_bytes()]).await.check(7).unwrap_err();
            assert_eq!((problem.status().as_u16(), problem.code()), (412, "precondition_failed"));
            problem.detail().to_owned()
        };
        assert!(detail("\"6\"").await.contains("has changed since"));
        assert!(detail("\"\"").await.contains("has changed since"));
        for weak in ["W/\"7\"", "w/\"7\"", "\"6\", W/\"7\""] {
            assert!(detail(weak).await.contains("strong entity tag"), "{weak}");
        }
        for unquoted in ["7", "\"7", "7\"", "\"", "", "*, \"7 \"8\""] {
            assert!(detail(unquoted).await.contains("in double quotes"), "{unquoted}");
        }
    }

    #[tokio::test]
    async fn a_lost_race_is_412_for_those_who_named_a_version() {
        assert_eq!(if_match(&[]).await.lost_race().status(), 409);
        assert_eq!(if_match(&[b"*"]).await.lost_race().status(), 409);
        assert_eq!(if_match(&[b"\"7\""]).await.lost_race().status(), 412);
    }

    #[test]
    fn a_tag_is_strong() {
        assert_eq!(ETag::of(7).value(), "\"7\"");
    }
}
