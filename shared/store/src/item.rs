//! Turns types of the domain into items and back.
//!
//! An item holds the fields of its type under their own names, without absent ones and without
//! those that are ids of its key; and the attributes `pk`, `sk` and `entity` and the keys of
//! indexes. Reading ignores attributes that the type does not have.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attributes::{ENTITY, Item, PK, SK, TTL, entity};
use crate::error::Error;
use crate::keys::{self, IndexKeys, ItemKey};

/// A type that items are made of.
pub(crate) trait Stored: Serialize + DeserializeOwned {
    /// The value of the attribute `entity`.
    const ENTITY: &'static str;
    /// The fields whose values are the ids of the key, in the key's order.
    const IN_KEY: &'static [&'static str];
}

/// A type whose values say under which keys they are stored.
pub(crate) trait Keyed: Stored {
    fn key(&self) -> ItemKey;

    fn indexes(&self) -> IndexKeys {
        Vec::new()
    }
}

/// Makes the item of a value.
pub(crate) fn to_item<T: Keyed>(value: &T) -> Result<Item, Error> {
    to_item_at(value, value.key(), value.indexes())
}

/// Makes the item of a value under keys that the value does not say.
pub(crate) fn to_item_at<T: Stored>(
    value: &T,
    key: ItemKey,
    indexes: IndexKeys,
) -> Result<Item, Error> {
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(value)
        .map_err(|error| Error::corrupt(T::ENTITY, kind_of(&error.to_string())))?;
    item.retain(|name, value| !value.is_null() && !T::IN_KEY.contains(&name.as_str()));
    let keys = [(PK, key.pk), (SK, key.sk), (ENTITY, T::ENTITY.to_owned())];
    item.extend(
        keys.into_iter()
            .chain(indexes)
            .map(|(name, value)| (name.to_owned(), AttributeValue::S(value))),
    );
    Ok(item)
}

/// Makes an item that marks something as done until a time: it has no fields.
pub(crate) fn mark(key: ItemKey, entity: &str, until: Timestamp) -> Item {
    let mut item = key.into_attributes();
    item.insert(ENTITY.to_owned(), AttributeValue::S(entity.to_owned()));
    item.insert(TTL.to_owned(), AttributeValue::N(until.as_second().to_string()));
    item
}

/// Reads an item back.
pub(crate) fn from_item<T: Stored>(item: Item) -> Result<T, Error> {
    if entity(&item) != T::ENTITY {
        return Err(Error::corrupt(T::ENTITY, "it is of another entity"));
    }
    read_part(item, T::ENTITY, T::IN_KEY)
}

/// Reads a type from an item of an entity, or from the part of it that an index or a query shows.
/// The fields `in_key` are the ids of the item's key.
pub(crate) fn read_part<T: DeserializeOwned>(
    mut item: Item,
    entity: &'static str,
    in_key: &[&str],
) -> Result<T, Error> {
    let from_key: Vec<_> = in_key
        .iter()
        .map(|name| (*name).to_owned())
        .zip(keys::ids(&item).map(str::to_owned).map(AttributeValue::S))
        .collect();
    item.extend(from_key);
    let item = serde_dynamo::AttributeValue::M(serde_dynamo::Item::from(item).into_inner());
    let fields = serde_dynamo::Deserializer::from_attribute_value(item);
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let kind = kind_of(&error.inner().to_string());
        Error::corrupt(entity, format!("{}: {kind}", error.path()))
    })
}

/// Returns serde's message without values, which may be personal data: `missing field id` as a
/// whole, but of others only their beginning, such as `invalid type`.
fn kind_of(message: &str) -> String {
    if let Some(field) = message.strip_prefix("missing field ") {
        return format!("missing field {}", field.trim_matches('`'));
    }
    let kinds =
        ["invalid type", "invalid value", "invalid length", "unknown variant", "duplicate field"];
    // Messages of serde_dynamo itself begin with `Expected` or `Failed to parse`, and then with the
    // value.
    let of_dynamo = |message: &str| message.starts_with("Expected").then(|| message.to_owned());
    let kind = kinds.into_iter().find(|kind| message.starts_with(kind)).map(str::to_owned);
    kind.or_else(|| of_dynamo(message)).unwrap_or_else(|| "the value is not valid".to_owned())
}

/// Estimates how many bytes of a response an item becomes.
pub(crate) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.as_s().map_or(8, String::len)).sum()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Entry {
        #[serde(rename = "id")]
        _id: String,
        #[serde(rename = "age")]
        _age: u8,
    }

    fn read(attributes: &[(&str, AttributeValue)]) -> String {
        let item = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        read_part::<Entry>(item.collect(), "entry", &[]).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_field_and_what_is_wrong_but_no_value() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let number = |number: &str| AttributeValue::N(number.to_owned());
        let missing = read(&[("age", number("7"))]);
        assert_eq!(missing, "a stored item cannot be read: entry: .: missing field id");
        let type_ = read(&[("id", text("Jane")), ("age", text("Jane"))]);
        assert_eq!(type_, "a stored item cannot be read: entry: age: Expected num");
        let value = read(&[("id", text("Jane")), ("age", number("471"))]);
        assert!(value.starts_with("a stored item cannot be read: entry: age: "), "{value}");
        assert!(!value.contains("471"), "{value}");
    }
}
