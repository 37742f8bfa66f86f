//! Attributes of items: their names, and how values are written and read.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// An item of the table, or the part of one that a query projects.
pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) const PK: &str = "pk";
pub(crate) const SK: &str = "sk";
/// Says what an item is.
pub(crate) const ENTITY: &str = "entity";
/// When the table may delete an item: seconds since 1970.
pub(crate) const TTL: &str = "ttl";

/// A value of an expression, by its placeholder.
pub(crate) type Value = (&'static str, AttributeValue);

pub(crate) fn string(name: &'static str, value: impl ToString) -> Value {
    (name, AttributeValue::S(value.to_string()))
}

pub(crate) fn number(name: &'static str, value: impl Into<u64>) -> Value {
    (name, AttributeValue::N(value.into().to_string()))
}

/// Makes an attribute with a time in seconds since 1970.
pub(crate) fn seconds(name: &'static str, at: jiff::Timestamp) -> Value {
    (name, AttributeValue::N(at.as_second().to_string()))
}

pub(crate) fn flag(name: &'static str, value: bool) -> Value {
    (name, AttributeValue::Bool(value))
}

/// Returns a text attribute of an item.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// Returns what an item is; empty when it does not say.
pub(crate) fn entity(item: &Item) -> &str {
    text(item, ENTITY).unwrap_or_default()
}

/// Collects the attribute names of a request's expressions, all of them: names that are reserved
/// words of DynamoDB stand in expressions behind a `#` and must be declared, and no other name may
/// be.
pub(crate) fn names<'a>(
    expressions: impl IntoIterator<Item = &'a str>,
) -> Option<HashMap<String, String>> {
    let names: HashMap<String, String> = expressions
        .into_iter()
        .flat_map(|expression| expression.split('#').skip(1))
        .map(|rest| {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let length = rest.bytes().take_while(is_name).count();
            let name = &rest[..length];
            (format!("#{name}"), name.to_owned())
        })
        .collect();
    (!names.is_empty()).then_some(names)
}

/// Collects the values of a request's expressions.
pub(crate) fn values(values: impl IntoIterator<Item = Value>) -> Option<Item> {
    let values: Item = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    (!values.is_empty()).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_collected_from_every_expression() {
        let found = names(["SET #status = :a", "#ttl <= :now AND (#status = :b)", "size, #status"]);
        let expected = [("#status", "status"), ("#ttl", "ttl")];
        let expected =
            expected.map(|(placeholder, name)| (placeholder.to_owned(), name.to_owned()));
        assert_eq!(found, Some(expected.into()));
        assert_eq!(names(["version = :before"]), None);
    }
}
