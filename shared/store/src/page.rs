//! Pages of lists.

use jiff::Timestamp;

use crate::Store;
use crate::error::Error;
use crate::item::Item;
use crate::keys::Range;
use crate::read::{Consistency, Order};

/// A page of a list.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T, K> {
    /// What the page shows.
    pub items: Vec<T>,
    /// Where the next page begins: pass it as `after`. Absent on the last page. With a filter, a page may hold fewer
    /// items than asked for, or none, and still have a next one: the work for one page is bounded.
    pub next: Option<K>,
}

/// What a list makes of an item.
pub(crate) enum Look<T> {
    /// It is shown.
    Show(T),
    /// It is left out.
    Skip,
    /// Neither it nor anything behind it is shown.
    Stop,
}

impl<T> Look<T> {
    pub(crate) fn show_if(shown: bool, entry: T) -> Self {
        if shown { Self::Show(entry) } else { Self::Skip }
    }
}

impl Store {
    /// A page of a range, newest first. `look` tells of each item where it stands and what becomes of it. `first` is what
    /// the first Query gave, for one item more than `limit`.
    pub(crate) async fn page_from<T, K>(
        &self,
        range: &Range,
        consistency: Consistency,
        limit: usize,
        first: (Vec<Item>, Option<Item>),
        look: impl Fn(Item) -> Result<(K, Look<T>), Error>,
    ) -> Result<Page<T, K>, Error> {
        let mut page = Page { items: Vec::new(), next: None };
        let (mut items, mut start) = first;
        // The last item that was looked at, shown or not.
        let mut last = None;
        for further in 0.. {
            for item in items {
                let (position, look) = look(item)?;
                if matches!(look, Look::Stop) {
                    return Ok(page);
                }
                if page.items.len() >= limit {
                    page.next = last;
                    return Ok(page);
                }
                last = Some(position);
                if let Look::Show(entry) = look {
                    page.items.push(entry);
                }
            }
            if start.is_none() {
                break;
            }
            if further >= MAX_FURTHER_QUERIES {
                page.next = last;
                break;
            }
            (items, start) = self.query(range, Order::Descending, consistency, FURTHER_ITEMS, start).await?;
        }
        Ok(page)
    }
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
