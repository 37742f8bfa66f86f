//! The functions in the template: names, environment variables, settings and logs.

use serde_json::{Value, json};

use crate::assert_same;
use crate::routes::paths;
use crate::template::{Template, number, resource_id, text, texts};
use crate::workspace;

/// Returns the names of all functions: the folders of functions/.
pub(crate) fn names() -> Vec<String> {
    workspace::list("functions")
}

#[test]
fn folder_package_resource_and_configuration_have_the_same_name() {
    let template = Template::load();
    let source = workspace::read("template.yaml");
    assert_same(
        runtime::config::FUNCTIONS.iter().map(|(name, _)| *name),
        names(),
        "FUNCTIONS in shared/runtime/src/config.rs must list the folders of functions/",
    );
    assert_same(
        template.all("AWS::Lambda::Function").map(|(id, _)| id),
        names().iter().map(|name| resource_id(name, "Function")),
        "template.yaml must have a function <Name>Function for each folder of functions/",
    );
    for name in names() {
        let manifest = workspace::toml(&format!("functions/{name}/Cargo.toml"));
        assert_eq!(
            manifest["package"]["name"].as_str(),
            Some(name.as_str()),
            "the package in functions/{name} must have that name"
        );
        assert!(
            !manifest.contains_key("bin"),
            "functions/{name}: remove [[bin]], the binary is named after the package"
        );
        let id = resource_id(&name, "Function");
        let block = source
            .split(&format!("\n  {id}:\n"))
            .nth(1)
            .and_then(|rest| rest.split("\n\n").next())
            .unwrap_or_default();
        let code = block.lines().find_map(|line| line.trim().strip_prefix("CodeUri: "));
        assert_eq!(
            code,
            Some(format!("functions/{name}").as_str()),
            "CodeUri of {id} in template.yaml"
        );
        let output = &template.section("Outputs")[&resource_id(&name, "FunctionName")]["Value"];
        assert_eq!(
            text(output),
            format!("${{{id}}}"),
            "template.yaml must have an output with the name of {name}"
        );
    }
}

#[test]
fn functions_have_exactly_the_environment_variables_that_they_read() {
    let template = Template::load();
    for (function, groups) in runtime::config::FUNCTIONS {
        let properties =
            template.properties(&resource_id(function, "Function"), "AWS::Lambda::Function");
        let given = properties["Environment"]["Variables"].as_object().unwrap();
        // The template gives all functions the name of the table, and the portal reads none.
        let is_needless = |name: &str| *function == "portal" && name == "TABLE_NAME";
        assert_same(
            given
                .keys()
                .map(String::as_str)
                .filter(|name| !name.starts_with("AWS_") && !is_needless(name)),
            groups.iter().flat_map(|group| group.iter().copied()),
            &format!(
                "the environment of {function} in template.yaml must have the variables that \
                 shared/runtime/src/config.rs lists"
            ),
        );
        for (name, value) in given {
            assert!(
                !value.is_number() && !value.is_boolean(),
                "{function}: quote {name} in template.yaml, because variables are strings"
            );
        }
    }
}

#[test]
fn no_secret_is_in_the_configuration_of_a_function() {
    let template = Template::load();
    let secrets: Vec<&str> =
        template.all("AWS::SecretsManager::Secret").map(|(id, _)| id).collect();
    assert!(!secrets.is_empty());
    for (id, function) in template.all("AWS::Lambda::Function") {
        assert!(
            !function.to_string().contains("{{resolve:"),
            "{id}: CloudFormation would write the value into the configuration: give the function \
             the ARN of the secret"
        );
        for (name, value) in function["Environment"]["Variables"].as_object().unwrap() {
            let value = text(value);
            let is_arn = secrets.iter().any(|secret| value == format!("${{{secret}.Id}}"));
            assert_eq!(
                is_arn,
                name.ends_with("_SECRET_ARN"),
                "{id}: {name} must be the ARN of a secret, and no other variable may be"
            );
            let mentions = secrets.iter().any(|secret| value.contains(&format!("${{{secret}")));
            assert_eq!(mentions, is_arn, "{id}: {name} must be the ARN alone");
        }
    }
    for (name, parameter) in template.section("Parameters") {
        assert_eq!(parameter["NoEcho"], Value::Null, "{name}: secrets are no parameters");
    }
}

#[test]
fn functions_have_valid_settings() {
    let template = Template::load();
    for name in names() {
        let function =
            template.properties(&resource_id(&name, "Function"), "AWS::Lambda::Function");
        assert_eq!(function["Runtime"], "provided.al2023", "{name}");
        assert_eq!(function["Handler"], "bootstrap", "{name}");
        assert_eq!(
            function["Architectures"],
            json!([{ "Ref": "Architecture" }]),
            "Architectures of {name} must be the parameter Architecture"
        );
        // The SDK's calls would be missing from traces.
        assert_eq!(function["TracingConfig"], Value::Null, "{name} must not be traced");
        assert_eq!(
            text(&function["Role"]),
            format!("${{{}.Arn}}", resource_id(&name, "Role")),
            "{name} must have its own role"
        );
        // New accounts have no concurrency to reserve: only if that is asked for.
        let reserved = match name.as_str() {
            "accounts" => json!({ "Fn::If": ["ReservesAccountsConcurrency",
                { "Ref": "AccountsConcurrency" }, { "Ref": "AWS::NoValue" }] }),
            _ => Value::Null,
        };
        assert_eq!(function["ReservedConcurrentExecutions"], reserved, "{name}");
        let memory = number(&function["MemorySize"], "MemorySize");
        assert!((128..=3008).contains(&memory), "{name}: a new account allows 128 to 3008 MB");
        let timeout = number(&function["Timeout"], "Timeout");
        let serves_http = paths().iter().any(|path| path.function == name);
        // API Gateway times out after 30 seconds; the function must respond before.
        let limit = if serves_http { 30 } else { 900 };
        assert!(timeout < limit, "{name}: reduce its timeout of {timeout} s below {limit} s");
        // A request must end before its lease, or a repetition would be carried out beside it.
        let lease = store::idempotency::LEASE_DURATION.as_secs();
        assert!(
            !serves_http || i64::try_from(timeout).unwrap() < lease,
            "{name}: requests have a lease of {lease} s only"
        );
    }
    assert_eq!(template.section("Parameters")["AccountsConcurrency"]["Default"], 0);
    let hashes = template.properties("AccountsFunction", "AWS::Lambda::Function");
    assert!(
        number(&hashes["MemorySize"], "MemorySize") >= 1769,
        "accounts hashes passwords and needs one full vCPU: give it 1769 MB or more"
    );
}

#[test]
fn logs_are_structured_and_expire() {
    let template = Template::load();
    for (id, group) in template.all("AWS::Logs::LogGroup") {
        assert_eq!(
            text(&group["RetentionInDays"]),
            "${LogRetentionDays}",
            "RetentionInDays of {id} must be the parameter LogRetentionDays"
        );
    }
    for name in names() {
        let function =
            template.properties(&resource_id(&name, "Function"), "AWS::Lambda::Function");
        let id = resource_id(&name, "LogGroup");
        assert_eq!(
            function["LoggingConfig"],
            json!({
                "LogFormat": "JSON",
                "ApplicationLogLevel":
                    { "Fn::FindInMap": ["LogLevels", { "Ref": "LogLevel" }, "Lambda"] },
                "SystemLogLevel": "WARN",
                "LogGroup": { "Ref": id },
            }),
            "{name}"
        );
        let levels = template.section("Mappings")["LogLevels"].as_object().unwrap();
        for (ours, lambdas) in levels {
            assert_eq!(lambdas["Lambda"], ours.to_uppercase());
        }
        assert_same(
            levels.keys(),
            texts(&template.section("Parameters")["LogLevel"]["AllowedValues"]),
            "LogLevels of template.yaml must have each LogLevel",
        );
        let group = template.properties(&id, "AWS::Logs::LogGroup");
        // TelemetryPolicy allows functions to write to groups of this pattern.
        assert_eq!(text(&group["LogGroupName"]), format!("/aws/lambda/${{AWS::StackName}}-{name}"));
        assert_eq!(text(&function["FunctionName"]), format!("${{AWS::StackName}}-{name}"));
    }
}
