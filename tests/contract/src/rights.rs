//! Least privilege: the roles of the template are compared with two lists of permissions.
//!
//! The emulated cloud enforces actions and resources, but not `dynamodb:LeadingKeys`: no other test
//! finds a missing partition. The permissions of a function follow from the store operations that
//! it calls.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::assert_same;
use crate::functions::names;
use crate::template::{Template, resource_id, text, texts};
use crate::workspace;

/// Function, partition of the table or of an index, actions of DynamoDB.
const PARTITIONS: &[(&str, &str, &str)] = &[
    ("accounts", "USER#*", "BatchGetItem DeleteItem GetItem PutItem Query UpdateItem"),
    ("accounts", "NAMES#*", "DeleteItem PutItem"),
    ("accounts", "EMAIL#*", "ConditionCheckItem DeleteItem GetItem PutItem UpdateItem"),
    ("accounts", "FACTOR#*", "DeleteItem GetItem PutItem UpdateItem"),
    ("accounts", "RATE#*", "BatchGetItem DeleteItem PutItem UpdateItem"),
    ("accounts", "MAIL#*", "PutItem"),
    ("accounts", "TOKEN#*", "DeleteItem GetItem"),
    ("accounts", "RECOVERIES", "DeleteItem GetItem PutItem"),
    ("accounts", "JWKS", "PutItem Query"),
    ("accounts", "AUDIT#*", "PutItem Query"),
    ("accounts", "IDEMPOTENCY#*", "DeleteItem PutItem"),
    ("accounts", "gsi1 DOCTORS", "Query"),
    ("accounts", "gsi1 DOCTOR_NAME#*", "Query"),
    ("accounts", "gsi2 SPECIALIZATION#*", "Query"),
    ("accounts", "gsi2 SPECIALIST_NAME#*", "Query"),
    ("records", "USER#*", "BatchGetItem GetItem"),
    ("records", "JWKS", "Query"),
    ("records", "PATIENT#*", "BatchGetItem DeleteItem GetItem PutItem Query UpdateItem"),
    ("records", "DOCTOR#*", "BatchGetItem ConditionCheckItem DeleteItem GetItem PutItem Query"),
    ("records", "FILE#*", "DeleteItem GetItem PutItem"),
    ("records", "ANNOTATION#*", "GetItem PutItem"),
    ("records", "INBOX#*", "DeleteItem GetItem PutItem"),
    ("records", "AUDIT#*", "PutItem Query"),
    ("records", "RATE#*", "UpdateItem"),
    ("records", "IDEMPOTENCY#*", "DeleteItem PutItem"),
    ("docs", "READINESS", "GetItem"),
    ("notifications", "USER#*", "BatchGetItem"),
    ("notifications", "JWKS", "Query"),
    ("notifications", "PATIENT#*", "Query"),
    ("notifications", "INBOX#*", "GetItem Query UpdateItem"),
    ("notifications", "AUDIT#*", "PutItem"),
    ("notifications", "gsi1 UNREAD#*", "Query"),
    ("admin", "USER#*", "BatchGetItem DeleteItem GetItem PutItem Query UpdateItem"),
    ("admin", "NAMES#*", "DeleteItem PutItem"),
    ("admin", "EMAIL#*", "ConditionCheckItem PutItem"),
    ("admin", "JWKS", "Query"),
    ("admin", "AUDIT#*", "BatchGetItem PutItem Query"),
    ("admin", "INBOX#*", "PutItem"),
    ("admin", "MAIL#*", "PutItem"),
    ("admin", "ADMINS", "GetItem UpdateItem"),
    ("admin", "RECOVERIES", "DeleteItem GetItem PutItem Query"),
    ("admin", "IDEMPOTENCY#*", "DeleteItem PutItem"),
    ("admin", "gsi2 APPROVAL#*", "Query"),
    ("admin", "gsi2 ACTOR#*", "Query"),
    ("admin", "gsi3 USER#*", "Query"),
    ("admin", "gsi4 NAME#*", "Query"),
    ("admin", "gsi4 ACCOUNT_EMAIL#*", "Query"),
    ("console", "USER#*", "BatchGetItem DeleteItem GetItem PutItem Query UpdateItem"),
    ("console", "NAMES#*", "DeleteItem PutItem"),
    ("console", "EMAIL#*", "ConditionCheckItem PutItem"),
    ("console", "JWKS", "Query"),
    ("console", "AUDIT#*", "BatchGetItem PutItem Query"),
    ("console", "GLASS#*", "GetItem PutItem Query"),
    ("console", "PATIENT#*", "BatchGetItem PutItem Query UpdateItem"),
    ("console", "DOCTOR#*", "DeleteItem PutItem Query"),
    ("console", "INBOX#*", "BatchGetItem GetItem PutItem Query UpdateItem"),
    ("console", "MAIL#*", "BatchGetItem GetItem PutItem UpdateItem"),
    ("console", "RATE#*", "UpdateItem"),
    ("console", "COUNTERS#*", "Query"),
    ("console", "ADMINS", "GetItem UpdateItem"),
    ("console", "RECOVERIES", "DeleteItem GetItem PutItem Query"),
    ("console", "gsi2 APPROVAL#*", "Query"),
    ("console", "gsi2 ACTOR#*", "Query"),
    ("console", "gsi2 MAILED#*", "Query"),
    ("console", "gsi3 USER#*", "Query"),
    ("console", "gsi3 RECORD#*", "Query"),
    ("console", "gsi3 FILE#*", "Query"),
    ("console", "gsi3 ANNOTATION#*", "Query"),
    ("console", "gsi3 NOTIFICATION#*", "Query"),
    ("console", "gsi4 NAME#*", "Query"),
    ("console", "gsi4 ACCOUNT_EMAIL#*", "Query"),
    ("bootstrap-admin", "USER#*", "PutItem"),
    ("bootstrap-admin", "NAMES#*", "PutItem"),
    ("bootstrap-admin", "EMAIL#*", "PutItem"),
    ("bootstrap-admin", "MAIL#*", "PutItem"),
    ("bootstrap-admin", "AUDIT#*", "PutItem"),
    ("bootstrap-admin", "ADMINS", "UpdateItem"),
    ("recovery", "USER#*", "DeleteItem GetItem PutItem Query"),
    ("recovery", "EMAIL#*", "DeleteItem GetItem PutItem"),
    ("recovery", "FACTOR#*", "DeleteItem"),
    ("recovery", "MAIL#*", "PutItem"),
    ("recovery", "AUDIT#*", "PutItem"),
    ("recovery", "ADMINS", "ConditionCheckItem"),
    ("recovery", "RECOVERIES", "DeleteItem Query"),
    ("dispatcher", "INBOX#*", "DeleteItem Query UpdateItem"),
    ("dispatcher", "NAMES#*", "DeleteItem Query"),
    ("dispatcher", "MAIL#*", "PutItem"),
    ("dispatcher", "COUNTERS#*", "UpdateItem"),
    ("dispatcher", "COUNTED#*", "BatchGetItem PutItem"),
    ("mailer", "USER#*", "GetItem"),
    ("mailer", "INBOX#*", "DeleteItem UpdateItem"),
    ("mailer", "MAIL#*", "GetItem UpdateItem"),
    ("mailer", "TOKEN#*", "PutItem"),
    ("mailer", "RATE#*", "UpdateItem"),
    ("mail-events", "USER#*", "GetItem UpdateItem"),
    ("mail-events", "INBOX#*", "UpdateItem"),
    ("mail-events", "MAIL#*", "UpdateItem"),
    ("inspector", "FILE#*", "GetItem"),
    ("inspector", "PATIENT#*", "GetItem UpdateItem"),
    ("reconciler", "gsi3 NOTIFICATION#*", "Query"),
    ("reconciler", "gsi3 MAIL#*", "Query"),
    ("reconciler", "gsi3 FILE#*", "Query"),
    ("reconciler", "gsi3 ANNOTATION#*", "Query"),
    ("reconciler", "INBOX#*", "BatchGetItem DeleteItem Query UpdateItem"),
    ("reconciler", "MAIL#*", "BatchGetItem UpdateItem"),
    ("reconciler", "PATIENT#*", "BatchGetItem UpdateItem"),
    ("reconciler", "FILE#*", "BatchGetItem DeleteItem"),
    ("reconciler", "ANNOTATION#*", "DeleteItem"),
    ("reconciler", "RECONCILIATION", "GetItem PutItem"),
    ("archivist", "ARCHIVE", "GetItem PutItem"),
    ("archivist", "ARCHIVED#*", "BatchGetItem PutItem"),
];

/// Function, action and resource of all other permissions, with their condition if any.
const OTHERS: &[&str] = &[
    "accounts secretsmanager:GetSecretValue ${SigningSecret.Id}",
    "accounts secretsmanager:GetSecretValue ${CredentialsSecret.Id}",
    "accounts secretsmanager:GetSecretValue ${CursorSecret.Id}",
    "accounts secretsmanager:GetSecretValue ${IdempotencySecret.Id}",
    "accounts secretsmanager:GetSecretValue ${AuditSecret.Id}",
    "records secretsmanager:GetSecretValue ${CursorSecret.Id}",
    "records secretsmanager:GetSecretValue ${IdempotencySecret.Id}",
    "records secretsmanager:GetSecretValue ${AuditSecret.Id}",
    "notifications secretsmanager:GetSecretValue ${CursorSecret.Id}",
    "notifications secretsmanager:GetSecretValue ${AuditSecret.Id}",
    "admin secretsmanager:GetSecretValue ${CursorSecret.Id}",
    "admin secretsmanager:GetSecretValue ${IdempotencySecret.Id}",
    "admin secretsmanager:GetSecretValue ${AuditSecret.Id}",
    "console secretsmanager:GetSecretValue ${ConsoleSecret.Id}",
    "console secretsmanager:GetSecretValue ${CursorSecret.Id}",
    "console secretsmanager:GetSecretValue ${AuditSecret.Id}",
    "bootstrap-admin secretsmanager:GetSecretValue ${AuditSecret.Id}",
    "recovery secretsmanager:GetSecretValue ${AuditSecret.Id}",
    "records s3:GetObject ${Bucket.Arn}/files/*",
    "records s3:PutObject ${Bucket.Arn}/files/*",
    "records s3:ListBucket ${Bucket.Arn}",
    "console sqs:GetQueueAttributes ${MailQueue.Arn}",
    "console sqs:GetQueueAttributes ${AccountMailQueue.Arn}",
    "console sqs:GetQueueAttributes ${MailDeadLetterQueue.Arn}",
    "console sqs:GetQueueAttributes ${UploadQueue.Arn}",
    "console sqs:GetQueueAttributes ${UploadDeadLetterQueue.Arn}",
    "console sqs:GetQueueAttributes ${StreamFailureQueue.Arn}",
    "console sqs:ReceiveMessage ${MailDeadLetterQueue.Arn}",
    "console sqs:ChangeMessageVisibility ${MailDeadLetterQueue.Arn}",
    "console sqs:DeleteMessage ${MailDeadLetterQueue.Arn}",
    "console sqs:SendMessage ${MailQueue.Arn}",
    "console sqs:SendMessage ${AccountMailQueue.Arn}",
    "dispatcher dynamodb:DescribeStream ${Table.StreamArn}",
    "dispatcher dynamodb:GetRecords ${Table.StreamArn}",
    "dispatcher dynamodb:GetShardIterator ${Table.StreamArn}",
    "dispatcher dynamodb:ListStreams *",
    "dispatcher sqs:SendMessage* ${MailQueue.Arn}",
    "dispatcher sqs:SendMessage* ${AccountMailQueue.Arn}",
    "dispatcher s3:PutObject ${FailureBucket.Arn}/*",
    "dispatcher s3:ListBucket ${FailureBucket.Arn}",
    "dispatcher s3:DeleteObject ${Bucket.Arn}/files/*",
    "dispatcher s3:DeleteObjectVersion ${Bucket.Arn}/files/*",
    r#"dispatcher s3:ListBucketVersions ${Bucket.Arn} if {"StringLike":{"s3:prefix":"files/*"}}"#,
    "mailer sqs:ReceiveMessage ${MailQueue.Arn}",
    "mailer sqs:DeleteMessage ${MailQueue.Arn}",
    "mailer sqs:GetQueueAttributes ${MailQueue.Arn}",
    "mailer sqs:ChangeMessageVisibility ${MailQueue.Arn}",
    "mailer sqs:ReceiveMessage ${AccountMailQueue.Arn}",
    "mailer sqs:DeleteMessage ${AccountMailQueue.Arn}",
    "mailer sqs:GetQueueAttributes ${AccountMailQueue.Arn}",
    "mailer sqs:ChangeMessageVisibility ${AccountMailQueue.Arn}",
    concat!(
        "mailer ses:SendEmail * if ",
        r#"{"StringEqualsIfExists":{"ses:FromAddress":{"Ref":"MailSender"}}}"#
    ),
    "mail-events sqs:ReceiveMessage ${MailEventQueue.Arn}",
    "mail-events sqs:DeleteMessage ${MailEventQueue.Arn}",
    "mail-events sqs:GetQueueAttributes ${MailEventQueue.Arn}",
    "inspector sqs:ReceiveMessage ${UploadQueue.Arn}",
    "inspector sqs:DeleteMessage ${UploadQueue.Arn}",
    "inspector sqs:GetQueueAttributes ${UploadQueue.Arn}",
    "inspector s3:GetObject ${Bucket.Arn}/files/*",
    "inspector s3:DeleteObject ${Bucket.Arn}/files/*",
    "inspector s3:DeleteObjectVersion ${Bucket.Arn}/files/*",
    r#"inspector s3:ListBucketVersions ${Bucket.Arn} if {"StringLike":{"s3:prefix":"files/*"}}"#,
    "inspector s3:ListBucket ${Bucket.Arn}",
    "reconciler sqs:SendMessage ${MailQueue.Arn}",
    "reconciler sqs:SendMessage ${AccountMailQueue.Arn}",
    "reconciler sqs:SendMessage ${UploadQueue.Arn}",
    "reconciler s3:GetObject ${Bucket.Arn}/files/*",
    "reconciler s3:ListBucket ${Bucket.Arn}",
    "archivist dynamodb:DescribeStream ${Table.StreamArn}",
    "archivist dynamodb:GetRecords ${Table.StreamArn}",
    "archivist dynamodb:GetShardIterator ${Table.StreamArn}",
    "archivist dynamodb:ListStreams *",
    "archivist s3:PutObject ${ArchiveBucket.Arn}/audit/*",
    "archivist s3:GetObject ${ArchiveBucket.Arn}/audit/*",
];

/// A statement of a function's role.
struct Statement {
    function: String,
    actions: Vec<String>,
    resources: Vec<String>,
    condition: Value,
}

impl Statement {
    /// Returns the index whose items it allows access to, `""` for the table itself, and `None` for
    /// other resources.
    fn items_of(&self) -> Option<&str> {
        let [resource] = &self.resources[..] else { return None };
        match resource.strip_prefix("${Table.Arn}")? {
            "" => Some(""),
            index => index.strip_prefix("/index/"),
        }
    }

    /// Returns the partitions in the condition.
    fn partitions(&self) -> Vec<String> {
        let patterns = &self.condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
        assert_eq!(
            self.condition,
            json!({ "ForAllValues:StringLike": { "dynamodb:LeadingKeys": patterns } }),
            "{:?} of {} must be limited to partitions: add a condition on dynamodb:LeadingKeys to \
             template.yaml",
            self.actions,
            self.function,
        );
        let target = self.items_of().unwrap_or_default();
        texts(patterns)
            .into_iter()
            .map(|pattern| format!("{target} {pattern}").trim_start().to_owned())
            .collect()
    }
}

fn statements(template: &Template) -> Vec<Statement> {
    let mut statements = Vec::new();
    for function in names() {
        let role = template.properties(&resource_id(&function, "Role"), "AWS::IAM::Role");
        // The role of the portal has none.
        let policies = role["Policies"].as_array();
        for statement in policies
            .into_iter()
            .flatten()
            .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap())
        {
            assert_eq!(statement["Effect"], "Allow", "{function}: use only Allow in roles");
            for inverse in ["NotAction", "NotResource", "Principal"] {
                assert_eq!(
                    statement[inverse],
                    Value::Null,
                    "{function}: {inverse} allows more than it names: remove it"
                );
            }
            statements.push(Statement {
                function: function.clone(),
                actions: texts(&statement["Action"]),
                resources: texts(&statement["Resource"]),
                condition: statement["Condition"].clone(),
            });
        }
    }
    statements
}

/// Returns the permitted actions on items by function and partition, without the prefix
/// `dynamodb:`.
fn rights_on_items(template: &Template) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut rights: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for statement in statements(template).iter().filter(|statement| statement.items_of().is_some())
    {
        for partition in statement.partitions() {
            let actions = statement
                .actions
                .iter()
                .map(|action| action.strip_prefix("dynamodb:").unwrap_or(action).to_owned());
            rights.entry((statement.function.clone(), partition)).or_default().extend(actions);
        }
    }
    rights
}

/// Returns whether a pattern of partitions can match one with this prefix.
fn can_match(pattern: &str, prefix: &str) -> bool {
    let fixed = pattern.rsplit(' ').next().unwrap_or_default().trim_end_matches('*');
    prefix.starts_with(fixed) || fixed.starts_with(prefix)
}

#[test]
fn functions_can_access_exactly_the_items_that_they_need() {
    let rights = rights_on_items(&Template::load());
    assert_same(
        rights.into_iter().map(|((function, partition), actions)| {
            format!(
                "{function}: {partition}: {}",
                actions.into_iter().collect::<Vec<_>>().join(" ")
            )
        }),
        PARTITIONS
            .iter()
            .map(|(function, partition, actions)| format!("{function}: {partition}: {actions}")),
        "a role in template.yaml and PARTITIONS here differ: allow in both what the function's \
         code does with the table",
    );
}

#[test]
fn functions_have_exactly_the_other_permissions_that_they_need() {
    let template = Template::load();
    let mut rights = Vec::new();
    for Statement { function, actions, resources, condition } in
        statements(&template).into_iter().filter(|statement| statement.items_of().is_none())
    {
        let condition =
            if condition.is_null() { String::new() } else { format!(" if {condition}") };
        for action in &actions {
            rights.extend(
                resources
                    .iter()
                    .map(|resource| format!("{function} {action} {resource}{condition}")),
            );
        }
    }
    assert_same(
        rights,
        OTHERS.iter().copied(),
        "a role in template.yaml and OTHERS here differ: allow in both what the function's code \
         does",
    );
}

#[test]
fn all_partitions_of_an_action_are_in_one_statement() {
    // The leading keys of a batch are those of all its keys; ForAllValues matches only if one
    // statement contains them all.
    let mut seen = BTreeSet::new();
    for statement in statements(&Template::load()) {
        let Some(target) = statement.items_of().map(str::to_owned) else { continue };
        for action in statement.actions {
            let right = format!(
                "{action} of {}{}",
                statement.function,
                if target.is_empty() { "" } else { " in an index" }
            );
            assert!(
                seen.insert((statement.function.clone(), target.clone(), action)),
                "{right} is in two statements of template.yaml: put all its partitions into one"
            );
        }
    }
}

#[test]
fn no_permitted_action_works_without_a_partition() {
    for ((function, partition), actions) in rights_on_items(&Template::load()) {
        for action in actions {
            let needs_key =
                !action.contains('*') && action != "Scan" && !action.starts_with("PartiQL");
            assert!(
                needs_key,
                "{function} may {action} {partition}: remove it, because the condition does not \
                 limit requests without a partition"
            );
        }
        assert!(
            partition.trim_end_matches('*').len() > 3,
            "{function}: {partition} matches more than one kind of partition"
        );
    }
}

#[test]
fn no_function_can_change_or_delete_audit_events() {
    for ((function, partition), actions) in rights_on_items(&Template::load()) {
        if can_match(&partition, "AUDIT#") {
            for action in ["UpdateItem", "DeleteItem", "BatchWriteItem"] {
                assert!(
                    !actions.contains(action),
                    "{function} may {action} {partition}: remove it, audit events never change"
                );
            }
        }
    }
}

#[test]
fn credentials_charts_and_objects_are_accessible_to_few_functions() {
    let template = Template::load();
    let rights = rights_on_items(&template);
    let reaching = |prefix: &str| -> BTreeSet<&str> {
        rights
            .keys()
            .filter(|(_, partition)| can_match(partition, prefix))
            .map(|(function, _)| function.as_str())
            .collect()
    };
    let only = |functions: &[&'static str]| functions.iter().copied().collect::<BTreeSet<_>>();
    let creators = ["admin", "bootstrap-admin", "console"];
    for function in creators {
        let rights = &rights[&(function.to_owned(), "EMAIL#*".to_owned())];
        let allowed = ["ConditionCheckItem", "PutItem"];
        assert!(
            rights.iter().all(|action| allowed.contains(&action.as_str())),
            "{function} may only store the credentials of new users, and check that there are none"
        );
    }
    let others: BTreeSet<&str> =
        reaching("EMAIL#").into_iter().filter(|function| !creators.contains(function)).collect();
    assert_eq!(
        others,
        only(&["accounts", "recovery"]),
        "only accounts and recovery may use credentials"
    );
    assert_eq!(
        reaching("PATIENT#"),
        only(&["console", "inspector", "notifications", "reconciler", "records"]),
        "no other function may access charts"
    );
    let statements = statements(&template);
    let doing = |action: &str| -> BTreeSet<&str> {
        let matching = statements.iter().filter(|statement| {
            statement.actions.iter().any(|allowed| {
                allowed == action
                    || allowed.strip_suffix('*').is_some_and(|start| action.starts_with(start))
            })
        });
        matching.map(|statement| statement.function.as_str()).collect()
    };
    let reading = |secret: &str| -> BTreeSet<&str> {
        let secret = format!("${{{secret}.Id}}");
        let statements = statements.iter().filter(|statement| {
            statement.actions.iter().any(|action| action.starts_with("secretsmanager:"))
                && statement.resources.contains(&secret)
        });
        statements.map(|statement| statement.function.as_str()).collect()
    };
    assert_eq!(reading("SigningSecret"), only(&["accounts"]), "only accounts signs tokens");
    assert_eq!(
        reading("CredentialsSecret"),
        only(&["accounts"]),
        "only accounts checks passwords and codes"
    );
    assert_eq!(reading("ConsoleSecret"), only(&["console"]), "only the console makes its cookies");
    for reader_of_the_stream in ["dispatcher", "archivist"] {
        assert!(
            !doing("secretsmanager:GetSecretValue").contains(reader_of_the_stream),
            "{reader_of_the_stream} sees sealed values in the stream, and must not open them"
        );
    }
    assert_eq!(
        doing("s3:PutObject"),
        only(&["archivist", "dispatcher", "records"]),
        "only records signs uploads, and the others have buckets of their own"
    );
    assert_eq!(
        doing("s3:DeleteObject"),
        only(&["dispatcher", "inspector"]),
        "objects are deleted by dispatcher and inspector"
    );
    assert_eq!(doing("ses:SendEmail"), only(&["mailer"]), "only the mailer sends");
}

#[test]
fn guardduty_reads_the_files_and_changes_nothing_in_them() {
    let template = Template::load();
    let role = template.properties("MalwareProtectionRole", "AWS::IAM::Role");
    let trusted = &role["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(trusted["Principal"]["Service"], "malware-protection-plan.guardduty.amazonaws.com");
    let mut rights = Vec::new();
    for statement in role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap() {
        let resource = text(&statement["Resource"]);
        for action in texts(&statement["Action"]) {
            if action.starts_with("events:") {
                assert!(resource.contains("rule/DO-NOT-DELETE-AmazonGuardDuty"), "{resource}");
            } else {
                rights.push(format!("{action} {resource}"));
            }
        }
    }
    assert_same(
        rights,
        [
            "s3:PutBucketNotification ${Bucket.Arn}",
            "s3:GetBucketNotification ${Bucket.Arn}",
            "s3:ListBucket ${Bucket.Arn}",
            "s3:PutObject ${Bucket.Arn}/malware-protection-resource-validation-object",
            "s3:GetObject ${Bucket.Arn}/*",
            "s3:GetObjectVersion ${Bucket.Arn}/*",
        ],
        "correct MalwareProtectionRole in template.yaml",
    );
}

#[test]
fn each_function_has_its_own_role_and_shares_only_telemetry() {
    let template = Template::load();
    // The role of GuardDuty is no function's.
    let roles = || template.all("AWS::IAM::Role").filter(|(id, _)| *id != "MalwareProtectionRole");
    assert_same(
        roles().map(|(id, _)| id),
        names().iter().map(|name| resource_id(name, "Role")),
        "template.yaml must have one role <Name>Role for each function, and no other roles",
    );
    for (id, role) in roles() {
        let assume = json!([{ "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com"
             }, "Action": "sts:AssumeRole" }]);
        assert_eq!(
            role["AssumeRolePolicyDocument"]["Statement"], assume,
            "only Lambda may assume {id}"
        );
        assert_eq!(
            texts(&role["ManagedPolicyArns"]),
            ["${TelemetryPolicy}"],
            "{id} must have no other managed policies"
        );
    }
    let others = template
        .section("Resources")
        .values()
        .filter_map(|resource| resource["Type"].as_str()?.strip_prefix("AWS::IAM::"));
    let others: Vec<_> = others.filter(|kind| !["Role", "ManagedPolicy"].contains(kind)).collect();
    assert!(
        others.is_empty(),
        "{others:?}: move permissions into the roles of the functions, where these tests check them"
    );
    let policies: Vec<_> = template.all("AWS::IAM::ManagedPolicy").collect();
    let [(_, telemetry)] = policies[..] else {
        panic!("move the permissions of other managed policies into the roles of the functions")
    };
    let allowed =
        telemetry["PolicyDocument"]["Statement"].as_array().unwrap().iter().flat_map(|statement| {
            let resource = text(&statement["Resource"]);
            texts(&statement["Action"])
                .into_iter()
                .map(move |action| format!("{action} {resource}"))
        });
    const LOGS: &str = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:\
        log-group:/aws/lambda/${AWS::StackName}-*:*";
    assert_same(
        allowed,
        ["logs:CreateLogStream", "logs:PutLogEvents"].map(|action| format!("{action} {LOGS}")),
        "TelemetryPolicy must allow logs only",
    );
}

/// Returns the partitions in shared/store/src/keys.rs, found by the code that precedes their
/// literals. Writing to an index needs no permission, so partitions of keys that are only written
/// are not included.
fn partitions_of_the_store() -> BTreeSet<String> {
    let source = workspace::read("shared/store/src/keys.rs");
    let code: Vec<&str> = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(str::split_whitespace)
        .collect();
    // rustfmt may break a line after an opening parenthesis.
    let code = code.join(" ").replace("( \"", "(\"");
    let beginnings =
        ["ItemKey::new(format!(\"", "pk: format!(\"", "-> String { format!(\"", ": &str = \""];
    let literals = beginnings.iter().flat_map(|beginning| code.split(beginning).skip(1));
    let mut partitions = BTreeSet::new();
    for literal in literals {
        let name: String =
            literal.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
        let rest = &literal[name.len()..];
        if !name.is_empty() && (rest.starts_with('#') || rest.starts_with('"')) {
            partitions.insert(if rest.starts_with('#') { format!("{name}#*") } else { name });
        }
    }
    partitions
}

#[test]
fn roles_and_keys_name_the_same_partitions() {
    let rights = rights_on_items(&Template::load());
    assert_same(
        rights
            .into_keys()
            .map(|(_, partition)| partition.rsplit(' ').next().unwrap_or_default().to_owned()),
        partitions_of_the_store(),
        "the roles of template.yaml must name the partitions of shared/store/src/keys.rs, or \
         partitions_of_the_store must be adapted",
    );
}

/// What the store reads and writes of charts and inboxes without returning clinical text.
const WITHOUT_CLINICAL_TEXT: &[&str] = &[
    "count_unread_notifications",
    "create_annotation",
    "create_record",
    "delete_file",
    "delete_all_notifications",
    "get_assignment",
    "get_inbox_extent",
    "list_assignments_of_doctor",
    "mark_all_notifications_read",
    "purge_notification",
    "settle_file",
    "update_annotation",
    "update_record",
];

/// Store operations for the console only: emergency access, and the lists of charts and inboxes.
const FOR_THE_CONSOLE: &[&str] = &[
    "break_glass",
    "correct_assignment",
    "get_grant",
    "get_granted_annotations",
    "get_granted_files",
    "get_granted_notifications",
    "get_granted_record",
    "get_entry",
    "get_mail_delivery",
    "get_notification_delivery",
    "get_record_outline",
    "list_grants",
    "list_entries_of_chart",
    "list_entries_of_inbox",
    "list_mailed_notifications",
    "list_mails_of_user",
    "note_resent_order",
    "resend_mail",
];

/// Returns the store operations that a crate's clippy.toml forbids.
fn forbidden(folder: &str) -> Vec<String> {
    let rules = workspace::toml(&format!("{folder}/clippy.toml"));
    for (rule, value) in &workspace::toml("clippy.toml") {
        assert_eq!(
            rules.get(rule),
            Some(value),
            "copy {rule} into {folder}/clippy.toml, which replaces the file at the root"
        );
    }
    let methods = rules["disallowed-methods"].as_array().unwrap().iter();
    methods.map(|method| method["path"].as_str().unwrap().to_owned()).collect()
}

/// Returns the public operations in a file of the store, by their names: the path of each.
fn operations(file: &str) -> BTreeMap<String, String> {
    let source = workspace::read(&format!("shared/store/src/{file}.rs"));
    let (mut owner, mut operations) = ("", BTreeMap::new());
    for line in source.lines() {
        if let Some(name) = line.strip_prefix("impl ").and_then(|rest| rest.strip_suffix(" {")) {
            owner = name;
        }
        if let Some(rest) = line.strip_prefix("    pub async fn ") {
            let name = rest.split(['(', '<']).next().unwrap();
            operations.insert(name.to_owned(), format!("store::{owner}::{name}"));
        }
    }
    operations
}

#[test]
fn staff_read_clinical_text_only_with_emergency_access() {
    // IAM cannot require emergency access for a read, so clippy forbids the other operations in
    // the console.
    let operations =
        ["annotations", "files", "notifications", "records", "versions"].map(operations);
    let clinical = operations
        .into_iter()
        .flatten()
        .filter(|(name, _)| !WITHOUT_CLINICAL_TEXT.contains(&name.as_str()));
    assert_same(
        forbidden("functions/console"),
        clinical.map(|(_, path)| path),
        "forbid store operations on charts and inboxes in functions/console/clippy.toml, or list \
         them in WITHOUT_CLINICAL_TEXT if they return no text written by users",
    );
}

#[test]
fn the_admin_api_reads_no_charts_and_inboxes() {
    for name in operations("staff/emergency_access").keys() {
        assert!(FOR_THE_CONSOLE.contains(&name.as_str()), "list {name} in FOR_THE_CONSOLE");
    }
    let files = ["assignments", "emergency_access", "lists", "mail", "outline"];
    let operations: BTreeMap<String, String> =
        files.into_iter().flat_map(|file| operations(&format!("staff/{file}"))).collect();
    let mut expected = forbidden("functions/console");
    expected.extend(FOR_THE_CONSOLE.iter().map(|name| operations[*name].clone()));
    for folder in ["functions/admin", "shared/staff"] {
        assert_same(
            forbidden(folder),
            &expected,
            &format!(
                "{folder}/clippy.toml must forbid everything that functions/console/clippy.toml \
                 does, and FOR_THE_CONSOLE"
            ),
        );
    }
}

#[test]
fn the_admin_api_has_no_permissions_on_charts_and_queues() {
    let template = Template::load();
    let rights = rights_on_items(&template);
    for prefix in ["PATIENT#", "DOCTOR#", "FILE#", "ANNOTATION#", "GLASS#", "COUNTERS#", "MAILED#"]
    {
        for (function, partition) in rights.keys().filter(|(function, _)| function == "admin") {
            assert!(!can_match(partition, prefix), "{function} must not access {partition}");
        }
    }
    for (partition, why) in [("INBOX#*", "notifies doctors"), ("MAIL#*", "requests mails")] {
        let rights = &rights[&("admin".to_owned(), partition.to_owned())];
        assert!(rights.iter().eq(["PutItem"]), "admin {why}, so it may only put {partition}");
    }
    let others: Vec<_> = statements(&template)
        .into_iter()
        .filter(|statement| statement.function == "admin" && statement.items_of().is_none())
        .flat_map(|statement| statement.actions)
        .filter(|action| action != "secretsmanager:GetSecretValue")
        .collect();
    assert!(
        others.is_empty(),
        "admin must not have permissions beyond the table and its secrets: {others:?}"
    );
    for name in ["CONSOLE_SECRET_ARN", "MAIL_QUEUE_URL", "MAIL_DEAD_LETTER_QUEUE_URL"] {
        let properties = template.properties("AdminFunction", "AWS::Lambda::Function");
        assert_eq!(
            properties["Environment"]["Variables"][name],
            Value::Null,
            "admin must not read {name}"
        );
    }
}
