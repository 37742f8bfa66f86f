//! What a deployment must and may choose.

use crate::assert_same;
use crate::template::Template;
use crate::workspace;

#[test]
fn only_the_sender_must_be_given() {
    let template = Template::load();
    let parameters = template.section("Parameters");
    let required = parameters
        .iter()
        .filter(|(_, parameter)| parameter.get("Default").is_none())
        .map(|(name, _)| name.as_str());
    assert_same(
        required,
        ["MailSender"],
        "every other parameter of template.yaml needs a default that is good in a new account",
    );
    for (name, parameter) in parameters {
        let description = parameter["Description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.'), "the parameter {name} must be described in sentences");
        let is_limited = ["AllowedValues", "AllowedPattern", "MinValue"]
            .iter()
            .any(|limit| parameter.get(limit).is_some());
        assert!(is_limited, "the parameter {name} must refuse what cannot work");
    }
}

#[test]
fn every_parameter_is_shown_in_a_group() {
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
fn samconfig_has_an_environment_for_each_place() {
    let settings = workspace::toml("samconfig.toml");
    assert_same(
        settings.keys().map(String::as_str).filter(|key| *key != "version"),
        ["local", "dev", "prod"],
        "samconfig.toml must have these environments and no others",
    );
    for environment in ["local", "dev", "prod"] {
        let deploy = &settings[environment]["deploy"]["parameters"];
        for setting in ["stack_name", "region"] {
            assert!(
                deploy.get(setting).is_some_and(toml::Value::is_str),
                "{setting} is missing in {environment} of samconfig.toml"
            );
        }
        // Roles, and the two transforms.
        for capability in ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"] {
            let given = deploy["capabilities"].as_array().unwrap();
            assert!(
                given.iter().any(|given| given.as_str() == Some(capability)),
                "{environment} of samconfig.toml needs {capability}"
            );
        }
        assert!(
            deploy.get("parameter_overrides").is_none(),
            "{environment} of samconfig.toml: `make deploy` asks for the sender"
        );
    }
    let stack =
        |environment: &str| settings[environment]["deploy"]["parameters"]["stack_name"].clone();
    assert_ne!(stack("dev"), stack("prod"), "dev and prod must not be one stack");
}
