//! The search by name: entries of users, one for each key of the name, stored with the account.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::account::{Account, DoctorProfile, Role};
use domain::id::UserId;
use domain::name_search::{NameKeys, NameSearch};
use domain::text::Name;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attributes::{ENTITY, Item, TTL};
use crate::error::Error;
use crate::item::{Stored, to_item_at};
use crate::keys::{self, ItemKey, Range, Words};
use crate::page::{Page, PageFiller, Selection};
use crate::read::{Consistency, Order};
use crate::table::Table;
use crate::write::Step;

/// An entry of a user. That of a doctor in the directory has what the directory shows; all others
/// have their keys alone.
#[derive(Serialize, Deserialize)]
struct NameEntry {
    first_name: Option<Name>,
    last_name: Option<Name>,
    role: Option<Role>,
    profile: Option<DoctorProfile>,
}

impl Stored for NameEntry {
    const ENTITY: &'static str = "name";
    const IN_KEY: &'static [&'static str] = &["id"];
}

/// Makes the entries of an account, in the order of their places.
fn entries(account: &Account) -> Result<Vec<Item>, Error> {
    let listed = account.assignable_doctor();
    let entry = NameEntry {
        first_name: listed.map(|_| account.first_name.clone()),
        last_name: listed.map(|_| account.last_name.clone()),
        role: listed.map(|_| account.role),
        profile: listed.cloned(),
    };
    let slug = listed.map(|profile| profile.specialization.slug());
    let names = NameKeys::of(&account.first_name, &account.last_name);
    let mut items = Vec::new();
    for (words, names) in [(Words::One, &names.one_word), (Words::Several, &names.several_words)] {
        let mut before = "";
        for name in names {
            let shared = before.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
            let indexes = keys::name_indexes(account.id, words, name, shared, slug.as_deref());
            let key = keys::name_entry(account.id, items.len());
            items.push(to_item_at(&entry, key, indexes)?);
            before = name;
        }
    }
    Ok(items)
}

/// Makes the steps that store the entries of a new account.
pub(crate) fn add<E>(account: &Account) -> Result<Vec<Step<E>>, Error> {
    Ok(entries(account)?.into_iter().map(Step::put_item).collect())
}

/// Makes the steps that replace the entries of an account that changes. There are none unless the
/// change concerns the name or the directory.
pub(crate) fn replace<E>(before: &Account, after: &Account) -> Result<Vec<Step<E>>, Error> {
    let is_same = before.first_name == after.first_name
        && before.last_name == after.last_name
        && before.assignable_doctor() == after.assignable_doctor();
    if is_same {
        return Ok(Vec::new());
    }
    let (old, new) = (entries(before)?, entries(after)?);
    let gone = (new.len()..old.len()).map(|place| keys::name_entry(after.id, place));
    let gone: Vec<Step<E>> = gone.map(Step::delete).collect();
    let changed = new.into_iter().enumerate().filter(|(place, item)| old.get(*place) != Some(item));
    Ok(changed.map(|(_, item)| Step::put_item(item)).chain(gone).collect())
}

/// Makes steps that take as long as those of [`add`]: they store as many items, in as many indexes,
/// which no search finds, and which the table deletes. `nobody` is a random id.
pub(crate) fn add_decoys<E>(
    nobody: UserId,
    account: &Account,
    now: Timestamp,
) -> Result<Vec<Step<E>>, Error> {
    let nobody = Account { id: nobody, ..account.clone() };
    Ok(entries(&nobody)?.into_iter().map(|entry| Step::put_item(decoy(entry, now))).collect())
}

/// Makes an item as large as an entry, without what was typed.
fn decoy(mut entry: Item, now: Timestamp) -> Item {
    for (name, value) in &mut entry {
        if let AttributeValue::S(text) = value
            && name.starts_with("gsi")
        {
            let is_partition = name.ends_with("pk");
            *text = if is_partition { keys::decoys() } else { "-".repeat(text.len()) };
        }
    }
    entry.insert(ENTITY.to_owned(), AttributeValue::S("decoy".to_owned()));
    entry.insert(TTL.to_owned(), AttributeValue::N(now.as_second().to_string()));
    entry
}

impl Table {
    /// Deletes the entries of a removed account.
    pub async fn delete_names(&self, user: UserId) -> Result<(), Error> {
        for item in self.query_all(&keys::names(user), Consistency::Strong).await? {
            if let Some(key) = ItemKey::of(&item) {
                self.delete(key).await?;
            }
        }
        Ok(())
    }

    /// Lists the entries of a range that a search finds, each user once, with the sort keys in the
    /// index. Without a search, all are included.
    ///
    /// One Query does, unless so many entries are left out that the page is not full.
    pub(crate) async fn list_named(
        &self,
        range: &Range,
        search: Option<&NameSearch>,
        limit: usize,
    ) -> Result<Page<(Item, String), String>, Error> {
        let look = |item: Item| {
            let position = range.index.position(&item).map(str::to_owned);
            let position = position.ok_or(Error::corrupt("index entry", "no sort key"))?;
            let is_shown = search.is_none_or(|search| keys::is_first_found(&position, search));
            Ok((position.clone(), Selection::show_if(is_shown, (item, position))))
        };
        let (mut filling, mut start) = (PageFiller::new(limit), None);
        loop {
            let (items, rest) = self
                .query(range, Order::Ascending, Consistency::Eventual, limit + 1, start)
                .await?;
            start = rest;
            if !filling.take(items, start.is_some(), look)? {
                return Ok(filling.done());
            }
        }
    }
}
