//! Pages of lists.

use jiff::Timestamp;

/// A page of a list.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T, K> {
    /// What the page shows.
    pub items: Vec<T>,
    /// Where the next page begins: pass it as `after`. Absent on the last page. With a filter, a page may hold fewer
    /// items than asked for, or none, and still have a next one: the work for one page is bounded.
    pub next: Option<K>,
}

/// How many times a page may go back to the table for more, when children are many or a filter is selective.
pub(crate) const MAX_FURTHER_QUERIES: usize = 4;

/// How many items each of these further queries may look at.
pub(crate) const FURTHER_ITEMS: usize = 300;

/// About how many bytes of items close a page: an answer must stay below the 6 MB that Lambda returns, and a single
/// record can be 2 MB long.
pub(crate) const MAX_BYTES: usize = 2_000_000;

/// The id just below one: the bound of a page that begins after it.
pub(crate) fn below<I: From<uuid::Uuid>>(id: &[u8; 16]) -> I {
    uuid::Uuid::from_u128(u128::from_be_bytes(*id).saturating_sub(1)).into()
}

/// `at` as a number of milliseconds, rounded up: ids know milliseconds only.
pub(crate) fn ceil(at: Timestamp) -> Timestamp {
    let milliseconds = (at.as_nanosecond() + 999_999).div_euclid(1_000_000);
    i64::try_from(milliseconds).ok().and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(Timestamp::MAX)
}
