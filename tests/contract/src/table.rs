//! The table: the schema that the store is tested with, expiry, encryption, recovery and retention.

use serde_json::{Value, json};

use crate::assert_same;
use crate::template::{Template, text};
use crate::workspace;

const KIND: &str = "AWS::DynamoDB::Table";

/// Returns the properties that the store's operations depend on, one per line.
fn properties(table: &Value) -> Vec<String> {
    let mut properties = vec![
        format!("billing: {}", table["BillingMode"]),
        format!("stream: {}", table["StreamSpecification"]["StreamViewType"]),
    ];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    properties.extend(
        list(&table["AttributeDefinitions"])
            .iter()
            .map(|attribute| format!("attribute: {attribute}")),
    );
    properties.push(format!("key: {}", table["KeySchema"]));
    for index in list(&table["GlobalSecondaryIndexes"]) {
        let name = &index["IndexName"];
        properties.push(format!("{name} key: {}", index["KeySchema"]));
        properties.push(format!("{name} projection: {}", index["Projection"]["ProjectionType"]));
        properties.extend(
            list(&index["Projection"]["NonKeyAttributes"])
                .iter()
                .map(|attribute| format!("{name} projects {attribute}")),
        );
    }
    assert_eq!(
        table["LocalSecondaryIndexes"],
        Value::Null,
        "local indexes are not compared yet: add them to `properties`"
    );
    properties
}

#[test]
fn the_store_is_tested_with_the_table_of_the_template() {
    let template = Template::load();
    let tested: Value =
        serde_json::from_str(&workspace::read("tests/store/src/table.json")).unwrap();
    assert_same(
        properties(template.properties("Table", KIND)),
        properties(&tested),
        "Table in template.yaml and tests/store/src/table.json must be equal: update the outdated \
         one",
    );
}

#[test]
fn items_expire_by_the_attribute_ttl() {
    let template = Template::load();
    let time_to_live = &template.properties("Table", KIND)["TimeToLiveSpecification"];
    // For example `domain::session::Session::ttl`.
    assert_eq!(time_to_live, &json!({ "AttributeName": "ttl", "Enabled": true }));
}

#[test]
fn data_is_encrypted_recoverable_and_retained_by_default() {
    let template = Template::load();
    let table = template.properties("Table", KIND);
    assert_eq!(
        table["PointInTimeRecoverySpecification"],
        json!({ "PointInTimeRecoveryEnabled": true })
    );
    assert_eq!(table["SSESpecification"], json!({ "SSEEnabled": true }));
    assert_eq!(
        table["DeletionProtectionEnabled"],
        json!({ "Fn::If": ["RetainData", true, false] })
    );
    assert_eq!(
        template.section("Conditions")["RetainData"],
        json!({ "Fn::Equals": [{ "Ref": "DataPolicy" }, "Retain"] })
    );
    assert_eq!(
        template.section("Parameters")["DataPolicy"]["Default"],
        "Retain",
        "data must not be deleted by default"
    );
    for id in ["Table", "Bucket"] {
        let resource = template.resource(id);
        // What was created with a stack that could not be created is empty, and its name would be
        // taken at the next attempt.
        assert_eq!(
            resource["DeletionPolicy"],
            json!({ "Fn::If": ["RetainData", "RetainExceptOnCreate", "Delete"] }),
            "DeletionPolicy of {id} in template.yaml"
        );
        assert_eq!(
            text(&resource["UpdateReplacePolicy"]),
            "${DataPolicy}",
            "UpdateReplacePolicy of {id} in template.yaml"
        );
    }
}
