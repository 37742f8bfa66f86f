//! The parameters of the template and the environments of samconfig.toml.

use serde_json::json;

use crate::assert_same;
use crate::template::Template;
use crate::workspace;

#[test]
fn the_mail_sender_is_the_only_required_parameter() {
    let template = Template::load();
    let parameters = template.section("Parameters");
    let required = parameters
        .iter()
        .filter(|(_, parameter)| parameter.get("Default").is_none())
        .map(|(name, _)| name.as_str());
    assert_same(
        required,
        ["MailSender"],
        "every other parameter of template.yaml needs a default that works in a new account",
    );
    for (name, parameter) in parameters {
        let description = parameter["Description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.'), "describe the parameter {name} in sentences");
        let is_limited = ["AllowedValues", "AllowedPattern", "MinValue"]
            .iter()
            .any(|limit| parameter.get(limit).is_some());
        assert!(
            is_limited,
            "limit the values of the parameter {name}: AllowedValues, AllowedPattern or MinValue"
        );
    }
}

#[test]
fn every_parameter_belongs_to_a_group() {
    let template = Template::load();
    let interface = &template.section("Metadata")["AWS::CloudFormation::Interface"];
    let shown = interface["ParameterGroups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["Parameters"].as_array().unwrap());
    assert_same(
        shown.map(|name| name.as_str().unwrap()),
        template.section("Parameters").keys().map(String::as_str),
        "the groups in Metadata of template.yaml must list all parameters",
    );
}

#[test]
fn plain_http_is_for_the_emulated_cloud_only() {
    let template = Template::load();
    let addresses = template.section("Parameters").iter().filter(|(name, parameter)| {
        *name != "LocalOrigins" && parameter["AllowedPattern"].as_str().unwrap_or("").contains("//")
    });
    for (name, parameter) in addresses {
        let pattern = parameter["AllowedPattern"].as_str().unwrap();
        assert!(!pattern.contains("https?"), "{name} must take https only: {pattern}");
        assert_eq!(parameter["Default"], "", "{name} must be the stack's own address by default");
    }
    let not_local = json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "Environment" }, "local"] }] });
    let rule = &template.section("Rules")["PlainHttpIsLocal"];
    assert_eq!(rule["RuleCondition"], not_local);
    assert_eq!(
        rule["Assertions"][0]["Assert"],
        json!({ "Fn::Equals": [{ "Ref": "LocalOrigins" }, ""] })
    );
    assert_ne!(template.section("Parameters")["Environment"]["Default"], "local");
}

/// A second stack may send from the same domain or address, and none may delete it for the other.
#[test]
fn the_identity_of_the_sender_may_exist_and_is_kept() {
    let template = Template::load();
    let identity = template.resource("SenderIdentity");
    assert_eq!(identity["Condition"], "CreatesMailIdentity");
    let conditions = template.section("Conditions");
    let is = |kind: &str| json!({ "Fn::Equals": [{ "Ref": "MailIdentity" }, kind] });
    assert_eq!(conditions["CreatesMailIdentity"], json!({ "Fn::Not": [is("EXISTING")] }));
    assert_eq!(conditions["VerifiesMailDomain"], is("DOMAIN"));
    assert_eq!(
        identity["DeletionPolicy"],
        json!({ "Fn::If": ["RetainData", "RetainExceptOnCreate", "Delete"] })
    );
    let records = &template.section("Outputs")["MailDnsRecords"];
    assert_eq!(records["Condition"], "VerifiesMailDomain");
    let records = records["Value"].to_string();
    for needed in ["DkimDNSTokenName3", "DkimDNSTokenValue3", " MX 10 ", "v=spf1", "v=DMARC1"] {
        assert!(records.contains(needed), "MailDnsRecords must contain {needed}: {records}");
    }
}

#[test]
fn samconfig_has_the_environments_local_dev_and_prod() {
    let settings = workspace::toml("samconfig.toml");
    assert_same(
        settings.keys().map(String::as_str).filter(|key| *key != "version"),
        ["local", "dev", "prod"],
        "samconfig.toml must have the environments local, dev and prod only",
    );
    for environment in ["local", "dev", "prod"] {
        let deploy = &settings[environment]["deploy"]["parameters"];
        for setting in ["stack_name", "region"] {
            assert!(
                deploy.get(setting).is_some_and(toml::Value::is_str),
                "add {setting} to {environment} in samconfig.toml"
            );
        }
        // For the roles and the two transforms.
        for capability in ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"] {
            let given = deploy["capabilities"].as_array().unwrap();
            assert!(
                given.iter().any(|given| given.as_str() == Some(capability)),
                "{environment} of samconfig.toml needs {capability}"
            );
        }
    }
    let overrides = |environment: &str| {
        let given = settings[environment]["deploy"]["parameters"].get("parameter_overrides");
        let given = given.map(|given| given.as_array().unwrap().as_slice()).unwrap_or_default();
        given.iter().map(|given| given.as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(overrides("local"), [""; 0], "tests/stack sets the parameters");
    assert_eq!(overrides("dev"), ["Environment=dev"], "otherwise the defaults of the template");
    let template = Template::load();
    for given in overrides("prod") {
        let (name, _) = given.split_once('=').unwrap();
        assert!(
            template.section("Parameters").contains_key(name),
            "samconfig.toml sets {name}, which template.yaml does not have"
        );
    }
    assert_eq!(
        overrides("prod"),
        [
            "Environment=prod",
            "AuditLockMode=COMPLIANCE",
            "StaffIdleHours=2",
            "StaffAbsoluteHours=12"
        ],
        "prod keeps the archive unchangeable and ends sessions of staff soon"
    );
    let stack =
        |environment: &str| settings[environment]["deploy"]["parameters"]["stack_name"].clone();
    assert_ne!(stack("dev"), stack("prod"), "dev and prod must be different stacks");
}
