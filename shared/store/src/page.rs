//! Pages of lists: fill a page from queries of bounded cost.

use domain::id::RecordId;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::attributes::Item;
use crate::error::Error;
use crate::keys::Range;
use crate::read::{Consistency, Order};
use crate::table::Table;

/// A page of a list.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T, K> {
    /// The entries of the page.
    pub items: Vec<T>,
    /// The position after which the next page begins: pass it as `after`. Absent on the last page.
    /// With a filter, a page may contain fewer entries than requested, or none, and still have a
    /// next one, because the work for one page is bounded.
    pub next: Option<K>,
}

/// The period of creation that a list includes; unbounded by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// Created at this time or later.
    pub created_after: Option<Timestamp>,
    /// Created before this time.
    pub created_before: Option<Timestamp>,
}

impl Span {
    /// Returns the oldest and the newest id that the next page can include; `None` when there is
    /// none between.
    pub(crate) fn bounds<I: From<Uuid>>(&self, after: Option<Uuid>) -> Option<(I, I)> {
        let oldest = RecordId::first_at(self.created_after.map_or(Timestamp::UNIX_EPOCH, ceil));
        let last = match self.created_before.map(ceil) {
            Some(before) if before <= Timestamp::UNIX_EPOCH => return None,
            Some(before) => {
                before.checked_sub(SignedDuration::from_millis(1)).unwrap_or(Timestamp::UNIX_EPOCH)
            }
            None => Timestamp::MAX,
        };
        let newest = RecordId::last_at(last)
            .min(after.map_or(RecordId::last_at(Timestamp::MAX), |id| below(id.as_bytes())));
        (oldest <= newest).then_some((Uuid::from(oldest).into(), Uuid::from(newest).into()))
    }

    /// Returns whether something was created in the period.
    pub fn holds(&self, created_at: Timestamp) -> bool {
        self.created_after.is_none_or(|after| created_at >= after)
            && self.created_before.is_none_or(|before| created_at < before)
    }
}

/// What a list does with an item.
pub(crate) enum Selection<T> {
    /// The item is included.
    Include(T),
    /// The item is left out.
    Exclude,
    /// Neither the item nor any after it is included.
    Stop,
}

impl<T> Selection<T> {
    pub(crate) fn show_if(shown: bool, entry: T) -> Self {
        if shown { Self::Include(entry) } else { Self::Exclude }
    }
}

/// Fills a page from the items of several queries.
pub(crate) struct PageFiller<T, K> {
    page: Page<T, K>,
    limit: usize,
    /// The position of the last item that was read, included or not.
    last: Option<K>,
    further: usize,
    /// Whether the latest items were read for a page that was full already.
    has_read_on: bool,
}

impl<T, K> PageFiller<T, K> {
    /// Makes an empty page. Query one item more than `limit` first, and [`FURTHER_ITEMS`] each time
    /// after that.
    pub(crate) fn new(limit: usize) -> Self {
        let page = Page { items: Vec::new(), next: None };
        Self { page, limit, last: None, further: 0, has_read_on: false }
    }

    /// Takes items until the page is full; `look` returns the position of each and what to do with
    /// it. Returns whether to query the items after them, if there are any.
    pub(crate) fn take<I>(
        &mut self,
        items: Vec<I>,
        are_more: bool,
        look: impl Fn(I) -> Result<(K, Selection<T>), Error>,
    ) -> Result<bool, Error> {
        for item in items {
            let (position, look) = look(item)?;
            match look {
                Selection::Stop => return Ok(false),
                Selection::Include(_) if self.page.items.len() >= self.limit => {
                    self.page.next = self.last.take();
                    return Ok(false);
                }
                Selection::Include(entry) => self.page.items.push(entry),
                Selection::Exclude => {}
            }
            self.last = Some(position);
        }
        if !are_more {
            return Ok(false);
        }
        // A full page reads on once, to find out whether the next one would be empty.
        let is_full = self.page.items.len() >= self.limit;
        if self.further >= MAX_FURTHER_QUERIES || (is_full && self.has_read_on) {
            self.page.next = self.last.take();
            return Ok(false);
        }
        self.has_read_on = is_full;
        self.further += 1;
        Ok(true)
    }

    /// Returns the page.
    pub(crate) fn done(self) -> Page<T, K> {
        self.page
    }
}

impl Table {
    /// Fills a page from a range, newest first. `first` is the result of the first Query, for one
    /// item more than `limit`.
    pub(crate) async fn page_from<T, K>(
        &self,
        range: &Range,
        consistency: Consistency,
        limit: usize,
        first: (Vec<Item>, Option<Item>),
        look: impl Fn(Item) -> Result<(K, Selection<T>), Error>,
    ) -> Result<Page<T, K>, Error> {
        let (mut filling, (mut items, mut start)) = (PageFiller::new(limit), first);
        while filling.take(items, start.is_some(), &look)? {
            (items, start) =
                self.query(range, Order::Descending, consistency, FURTHER_ITEMS, start).await?;
        }
        Ok(filling.done())
    }
}

/// How many further queries a page may need when a record has many children or a filter is
/// selective.
pub(crate) const MAX_FURTHER_QUERIES: usize = 4;

/// How many items each further query reads.
pub(crate) const FURTHER_ITEMS: usize = 300;

/// About how many bytes of items end a page: a response must stay below the 6 MB that Lambda
/// returns, and a single record can take 2 MB.
pub(crate) const MAX_BYTES: usize = 2_000_000;

/// Returns the id just below another: the upper bound of the page after it.
pub(crate) fn below<I: From<Uuid>>(id: &[u8; 16]) -> I {
    Uuid::from_u128(u128::from_be_bytes(*id).saturating_sub(1)).into()
}

/// Rounds up to whole milliseconds, the resolution of ids.
fn ceil(at: Timestamp) -> Timestamp {
    let milliseconds = (at.as_nanosecond() + 999_999).div_euclid(1_000_000);
    i64::try_from(milliseconds)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Returns the id by which an index is sorted.
pub(crate) fn position<I: std::str::FromStr>(range: &Range, item: &Item) -> Result<I, Error> {
    let id = range.index.position(item).and_then(|id| id.parse().ok());
    id.ok_or(Error::corrupt("index entry", "its sort key is not an id"))
}
