//! The table of the template is the table that the store is tested with.

use serde_json::{Value, json};

use crate::assert_same;
use crate::template::{Template, text};
use crate::workspace;

const KIND: &str = "AWS::DynamoDB::Table";

/// What decides how the store's operations work, one line for each fact.
fn facts(table: &Value) -> Vec<String> {
    let mut facts = vec![
        format!("billing: {}", table["BillingMode"]),
        format!("stream: {}", table["StreamSpecification"]["StreamViewType"]),
    ];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    facts.extend(
        list(&table["AttributeDefinitions"])
            .iter()
            .map(|attribute| format!("attribute: {attribute}")),
    );
    facts.push(format!("key: {}", table["KeySchema"]));
    for index in list(&table["GlobalSecondaryIndexes"]) {
        let name = &index["IndexName"];
        facts.push(format!("{name} key: {}", index["KeySchema"]));
        facts.push(format!("{name} projection: {}", index["Projection"]["ProjectionType"]));
        facts.extend(
            list(&index["Projection"]["NonKeyAttributes"])
                .iter()
                .map(|attribute| format!("{name} shows {attribute}")),
        );
    }
    assert_eq!(table["LocalSecondaryIndexes"], Value::Null, "compare local indexes here too");
    facts
}

#[test]
fn the_table_is_the_one_that_the_store_is_tested_with() {
    let template = Template::load();
    let tested: Value =
        serde_json::from_str(&workspace::read("tests/store/src/table.json")).unwrap();
    assert_same(
        facts(template.properties("Table", KIND)),
        facts(&tested),
        "Table in template.yaml and tests/store/src/table.json must be the same: correct the one \
         that is behind",
    );
}

#[test]
fn ended_sessions_are_deleted_by_the_table() {
    let template = Template::load();
    let time_to_live = &template.properties("Table", KIND)["TimeToLiveSpecification"];
    // The attribute is `domain::session::Session::ttl`.
    assert_eq!(time_to_live, &json!({ "AttributeName": "ttl", "Enabled": true }));
}

#[test]
fn data_is_encrypted_recoverable_and_kept() {
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
        "data is lost only by decision"
    );
    for id in ["Table", "Bucket"] {
        let resource = template.resource(id);
        for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
            assert_eq!(
                text(&resource[policy]),
                "${DataPolicy}",
                "{policy} of {id} in template.yaml"
            );
        }
    }
}
