//! Use [`Paging`], [`listing`] and [`PageBuilder`] for lists: pages, and the cursors between them.

use std::sync::Arc;

use axum::http::{HeaderValue, header};
use crypto::Sealer;
use domain::field::Reason;
use domain::id::UserId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::response::{ApiResponse, ok};
use crate::state::HttpState;

/// The greatest number of entries on a page.
pub const MAX_LIMIT: usize = 100;

/// The page of a list that a request asks for.
pub struct Paging<K> {
    /// The greatest number of entries.
    pub limit: usize,
    /// The position of the last entry of the page before, `None` for the first page.
    pub after: Option<K>,
    pub(crate) seal: Seal,
    pub(crate) address: Address,
}

impl<K: Serialize> Paging<K> {
    /// Returns path and query of the next page, if there is one. `next` is the position of the last
    /// entry of this page.
    ///
    /// # Errors
    /// 500 when the position cannot be serialized.
    pub fn next_url(&self, next: Option<&K>) -> Result<Option<String>, Problem> {
        next.map(|next| self.path_behind(next)).transpose()
    }

    fn path_behind(&self, position: &K) -> Result<String, Problem> {
        let Address { path, parameters, .. } = &self.address;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters).append_pair("cursor", &self.seal.close(position)?);
        Ok(format!("{path}?{}", query.finish()))
    }
}

/// The address of the list, without a cursor.
pub(crate) struct Address {
    pub(crate) base: String,
    pub(crate) path: String,
    pub(crate) parameters: Vec<(&'static str, String)>,
}

/// Seals and opens the cursors of one list, for one caller and one set of filters. Other cursors do
/// not open.
pub(crate) struct Seal {
    sealer: Arc<Sealer>,
    /// The list, caller and filters that a cursor is bound to.
    list: Vec<u8>,
}

impl HttpState {
    pub(crate) fn seal(&self, caller: UserId, list: &str, filters: &[(&str, String)]) -> Seal {
        // As JSON, so that different parts cannot give the same bytes.
        Seal {
            sealer: Arc::clone(&self.sealer),
            list: serde_json::json!([list, caller, filters]).to_string().into_bytes(),
        }
    }
}

impl Seal {
    pub(crate) fn open<K: DeserializeOwned>(&self, cursor: &str) -> Result<K, Reason> {
        let position = self.sealer.open(&self.list, cursor);
        position.and_then(|position| serde_json::from_slice(&position).ok()).ok_or_else(|| {
            Reason::new(
                "invalid",
                "Must be the cursor of a page of this list with the same filters.",
            )
        })
    }

    fn close(&self, position: &impl Serialize) -> Result<String, Problem> {
        let position = serde_json::to_vec(position).map_err(Problem::internal)?;
        Ok(self.sealer.seal(&self.list, &position))
    }
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub struct Listing<'a, T> {
    /// The URL of the next page, null on the last page.
    // `MAX_NEXT`
    #[schema(required, format = "uri", max_length = 8192)]
    next: Option<&'a str>,
    #[schema(max_items = 100)]
    results: Vec<T>,
}

/// How many bytes the body of a page may have, as it leaves the function. Lambda refuses responses
/// of more than 6 MB.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const MAX_BYTES: usize = 5_500_000;

/// How many bytes of a page are reserved for the URL of the next page and the JSON around the
/// entries.
const AROUND_ENTRIES: usize = MAX_NEXT + 100;

/// The greatest length of the URL of a next page.
const MAX_NEXT: usize = 8192;

/// How many entries of a page are read at once, where each may be as large as a record: then a page
/// that ends because of its size has read few entries that do not fit.
pub const READ_AT_ONCE: usize = 20;

/// A page that is built entry by entry, until it is as large as Lambda allows.
pub struct PageBuilder<'a, K> {
    paging: &'a Paging<K>,
    results: Vec<Box<RawValue>>,
    last: Option<K>,
    bytes_left: usize,
    is_full: bool,
}

impl<'a, K: Serialize> PageBuilder<'a, K> {
    /// Begins a page without entries.
    pub fn new(paging: &'a Paging<K>) -> Self {
        let (results, last) = (Vec::new(), None);
        Self { paging, results, last, bytes_left: MAX_BYTES - AROUND_ENTRIES, is_full: false }
    }

    /// Adds an entry with its position. Returns `false` if there is no room for it: the page ends
    /// before it. The first entry is always added: otherwise every request would return the same
    /// empty page.
    ///
    /// # Errors
    /// 500 when the entry cannot be serialized.
    pub fn push(&mut self, position: K, entry: &impl Serialize) -> Result<bool, Problem> {
        let entry = to_raw_value(entry).map_err(Problem::internal)?;
        let bytes_left = self.bytes_left.checked_sub(bytes_that_leave(entry.get()) + 1);
        self.is_full |= bytes_left.is_none() && self.last.is_some();
        if !self.is_full {
            self.bytes_left = bytes_left.unwrap_or(0);
            self.results.push(entry);
            self.last = Some(position);
        }
        Ok(!self.is_full)
    }

    /// Makes the response. `next` is the position of the last entry that was meant for this page,
    /// if there are more behind it.
    ///
    /// # Errors
    /// 500 when a position cannot be serialized.
    pub fn finish(self, next: Option<&K>) -> Result<ApiResponse, Problem> {
        let next = if self.is_full { self.last.as_ref() } else { next };
        listing_of_short(self.paging, next, self.results)
    }
}

/// Counts the bytes of JSON that leaves the function as a string within JSON, where quotes and
/// backslashes have another backslash before them.
fn bytes_that_leave(json: &str) -> usize {
    json.len() + json.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

/// Makes the response of a page of entries with their positions. `next` is the position of the last
/// entry, if there are more. A page that would be too large for Lambda ends earlier.
///
/// # Errors
/// 500 when an entry or a position cannot be serialized.
pub fn listing<K: Serialize, T: Serialize>(
    paging: &Paging<K>,
    next: Option<&K>,
    entries: impl IntoIterator<Item = (K, T)>,
) -> Result<ApiResponse, Problem> {
    let mut page = PageBuilder::new(paging);
    for (position, entry) in entries {
        if !page.push(position, &entry)? {
            break;
        }
    }
    page.finish(next)
}

/// Makes the response of a page of short entries: a hundred of the longest are far below the limit.
///
/// # Errors
/// 500 when the position cannot be serialized.
pub fn listing_of_short<K: Serialize, T: Serialize>(
    paging: &Paging<K>,
    next: Option<&K>,
    results: impl IntoIterator<Item = T>,
) -> Result<ApiResponse, Problem> {
    let results = results.into_iter().collect();
    let Some(next) = next else {
        return Ok(ok(&Listing { next: None, results }));
    };
    let url = format!("{}{}", paging.address.base, paging.path_behind(next)?);
    let link =
        HeaderValue::try_from(format!("<{url}>; rel=\"next\"")).map_err(Problem::internal)?;
    Ok(ok(&Listing { next: Some(&url), results }).with_header(header::LINK, link))
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::extract::FromRequestParts;
    use axum::http::Request;
    use axum::response::IntoResponse;
    use domain::record::RecordType;
    use serde_json::Value;

    use super::*;
    use crate::query::QueryParameters;
    use crate::state::tests::http_state;

    const CALLER: &str = "0190a5c0-0000-7000-8000-000000000001";
    const OTHER: &str = "0190a5c0-0000-7000-8000-000000000002";

    async fn page(
        http: &HttpState,
        caller: &str,
        list: &'static str,
        uri: &str,
    ) -> Result<Paging<u32>, Problem> {
        let mut parts = Request::builder().uri(uri).body(()).unwrap().into_parts().0;
        let Ok(query) = QueryParameters::from_request_parts(&mut parts, &()).await;
        query
            .parse(http, caller.parse().unwrap(), list, |query| {
                query.optional::<RecordType>("record_type")
            })
            .map(|(_, paging)| paging)
    }

    async fn next(paging: &Paging<u32>) -> String {
        let response = listing(paging, Some(&7), [(7, "a")]).unwrap().into_response();
        let link = response.headers()[header::LINK].to_str().unwrap().to_owned();
        let body: Value =
            serde_json::from_slice(&to_bytes(response.into_body(), 10_000).await.unwrap()).unwrap();
        assert_eq!(body["results"], serde_json::json!(["a"]));
        let next = body["next"].as_str().unwrap().to_owned();
        assert_eq!(link, format!("<{next}>; rel=\"next\""));
        next
    }

    #[tokio::test]
    async fn a_list_is_walked_by_its_links() {
        let http = http_state();
        let first = page(&http, CALLER, "list", "/list/?record_type=imaging&ignored=1&limit=3")
            .await
            .unwrap();
        assert_eq!((first.limit, first.after), (3, None));
        let url = next(&first).await;
        assert!(
            url.starts_with("https://api.example.org/list/?record_type=imaging&limit=3&cursor="),
            "{url}"
        );
        let second =
            page(&http, CALLER, "list", url.strip_prefix("https://api.example.org").unwrap())
                .await
                .unwrap();
        assert_eq!((second.limit, second.after), (3, Some(7)));
        let other_limit = url.replace("limit=3", "limit=5").replace("https://api.example.org", "");
        assert_eq!(
            page(&http, CALLER, "list", &other_limit).await.unwrap().limit,
            5,
            "the limit may change on the way"
        );
        assert_eq!(page(&http, CALLER, "list", "/list/").await.unwrap().limit, 20);
        let last = listing(&second, None, [(0, 0); 0]).unwrap().into_response();
        assert!(!last.headers().contains_key(header::LINK));
        assert_eq!(to_bytes(last.into_body(), 100).await.unwrap(), r#"{"next":null,"results":[]}"#);
    }

    #[tokio::test]
    async fn a_page_is_closed_by_the_bytes_that_leave() {
        let http = http_state();
        let paging = page(&http, CALLER, "list", "/list/?limit=100").await.unwrap();
        // Each character of the first text is four when it leaves: a backslash and a quote in JSON,
        // each with a backslash before it in the event.
        for (text, expected) in [
            ("\"".repeat(20_000), 68),
            ("é".repeat(40_000), 68),
            (" ".repeat(20_000), 100),
            // A hundred of these are exactly as large as the body may be, which has a link, too.
            (" ".repeat(54_995), 99),
        ] {
            let entries = (1..=100).map(|position| (position, &text));
            let response = listing(&paging, None, entries).unwrap().into_response();
            let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
            let event = serde_json::to_string(std::str::from_utf8(&body).unwrap()).unwrap();
            assert!(event.len() <= 5_500_000, "{}", event.len());
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["results"].as_array().unwrap().len(), expected);
            let Some(next) = body["next"].as_str() else {
                assert_eq!(expected, 100);
                continue;
            };
            let uri = next.strip_prefix("https://api.example.org").unwrap();
            let after = page(&http, CALLER, "list", uri).await.unwrap().after;
            assert_eq!(
                after,
                u32::try_from(expected).ok(),
                "the next page begins behind the last entry"
            );
        }
        // An entry that is too large by itself is not left out.
        let large = ["x".repeat(6_000_000), String::new()];
        let response = listing(&paging, None, (1..).zip(&large)).unwrap().into_response();
        let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["results"].as_array().unwrap().len(), 1);
        assert!(body["next"].is_string());
    }

    #[tokio::test]
    async fn no_other_cursor_opens() {
        let http = http_state();
        let url =
            next(&page(&http, CALLER, "list", "/list/?record_type=imaging").await.unwrap()).await;
        let cursor = url.split_once("cursor=").unwrap().1;
        let same = format!("/list/?record_type=imaging&cursor={cursor}");
        assert!(page(&http, CALLER, "list", &same).await.is_ok());
        assert!(page(&http, OTHER, "list", &same).await.is_err(), "another caller's");
        assert!(page(&http, CALLER, "other", &same).await.is_err(), "another list's");
        for uri in [
            format!("/list/?cursor={cursor}"),
            format!("/list/?record_type=general&cursor={cursor}"),
            format!("{same}&cursor={cursor}"),
            format!("{same}x"),
            same.replace(cursor, "7"),
            same.replace(cursor, &cursor[1..]),
            same.replace(cursor, &format!("{}{cursor}", &cursor[..4])),
        ] {
            let problem = page(&http, CALLER, "list", &uri).await.err().unwrap();
            assert_eq!(
                (problem.status().as_u16(), problem.code()),
                (400, "validation_failed"),
                "{uri}"
            );
        }
        assert!(page(&http, CALLER, "list", "/list/?cursor=").await.unwrap().after.is_none());
    }
}
