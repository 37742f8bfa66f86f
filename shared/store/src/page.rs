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
    /// Where the next page begins: pass it as `after`. Absent on the last page. With a filter, a
    /// page may hold fewer items than asked for, or none, and still have a next one: the work for
    /// one page is bounded.
    pub next: Option<K>,
}

/// What a list makes of an item.
pub(crate) enum Selection<T> {
    /// It is shown.
    Include(T),
    /// It is left out.
    Exclude,
    /// Neither it nor anything behind it is shown.
    Stop,
}

impl<T> Selection<T> {
    pub(crate) fn show_if(shown: bool, entry: T) -> Self {
        if shown { Self::Include(entry) } else { Self::Exclude }
    }
}

/// A page that is being filled with what a list makes of items.
pub(crate) struct PageBuilder<T, K> {
    page: Page<T, K>,
    limit: usize,
    /// Where the last item stands that was looked at, shown or not.
    last: Option<K>,
    further: usize,
}

impl<T, K> PageBuilder<T, K> {
    /// An empty page. Ask for one item more than `limit` first, and for [`FURTHER_ITEMS`] each time
    /// after that.
    pub(crate) fn new(limit: usize) -> Self {
        Self { page: Page { items: Vec::new(), next: None }, limit, last: None, further: 0 }
    }

    /// Looks at items until the page is full; `look` tells of each where it stands and what becomes
    /// of it. Whether the items behind them are wanted, if there are any.
    pub(crate) fn take<I>(
        &mut self,
        items: Vec<I>,
        are_more: bool,
        look: impl Fn(I) -> Result<(K, Selection<T>), Error>,
    ) -> Result<bool, Error> {
        for item in items {
            let (position, look) = look(item)?;
            if matches!(look, Selection::Stop) {
                return Ok(false);
            }
            if self.page.items.len() >= self.limit {
                self.page.next = self.last.take();
                return Ok(false);
            }
            self.last = Some(position);
            if let Selection::Include(entry) = look {
                self.page.items.push(entry);
            }
        }
        if !are_more {
            return Ok(false);
        }
        if self.further >= MAX_FURTHER_QUERIES {
            self.page.next = self.last.take();
            return Ok(false);
        }
        self.further += 1;
        Ok(true)
    }

    /// The page.
    pub(crate) fn done(self) -> Page<T, K> {
        self.page
    }
}

impl Store {
    /// A page of a range, newest first. `first` is what the first Query gave, for one item more
    /// than `limit`.
    pub(crate) async fn page_from<T, K>(
        &self,
        range: &Range,
        consistency: Consistency,
        limit: usize,
        first: (Vec<Item>, Option<Item>),
        look: impl Fn(Item) -> Result<(K, Selection<T>), Error>,
    ) -> Result<Page<T, K>, Error> {
        let (mut filling, (mut items, mut start)) = (PageBuilder::new(limit), first);
        while filling.take(items, start.is_some(), &look)? {
            (items, start) =
                self.query(range, Order::Descending, consistency, FURTHER_ITEMS, start).await?;
        }
        Ok(filling.done())
    }
}

/// How many times a page may go back to the table for more, when children are many or a filter is
/// selective.
pub(crate) const MAX_FURTHER_QUERIES: usize = 4;

/// How many items each of these further queries may look at.
pub(crate) const FURTHER_ITEMS: usize = 300;

/// About how many bytes of items close a page: an answer must stay below the 6 MB that Lambda
/// returns, and a single record can be 2 MB long.
pub(crate) const MAX_BYTES: usize = 2_000_000;

/// The id just below one: the bound of a page that begins after it.
pub(crate) fn below<I: From<uuid::Uuid>>(id: &[u8; 16]) -> I {
    uuid::Uuid::from_u128(u128::from_be_bytes(*id).saturating_sub(1)).into()
}

/// `at` as a number of milliseconds, rounded up: ids know milliseconds only.
pub(crate) fn ceil(at: Timestamp) -> Timestamp {
    let milliseconds = (at.as_nanosecond() + 999_999).div_euclid(1_000_000);
    i64::try_from(milliseconds)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok())
        .unwrap_or(Timestamp::MAX)
}
