//! Tests of what the roles of the functions must not do: each request is signed as the function
//! itself would.
//!
//! The emulated cloud enforces actions and resources of the roles' policies, but not
//! `dynamodb:LeadingKeys`, which limits each role to its partitions (the mailer cannot read
//! `PATIENT#...`, records cannot read `EMAIL#...`, and no function deletes an item of `AUDIT#...`).
//! The contract tests check those conditions in the template.

use aws_credential_types::Credentials;
use serde_json::{Value, json};

use api_tests::harness::{MARKER, Response, Stack, aws};

struct Role(Credentials);

impl Role {
    fn of(function: &str) -> Self {
        Self(aws::role_of(function))
    }

    fn table(&self, name: &str, mut body: Value) -> Response {
        body["TableName"] = json!(Stack::get().table);
        aws::operation(self.0.clone(), "dynamodb", &format!("DynamoDB_20120810.{name}"), &body)
    }

    fn get_item(&self) -> Response {
        self.table("GetItem", json!({"Key": key()}))
    }

    fn query(&self, index: Option<&str>) -> Response {
        let pk = index.map_or("pk".to_owned(), |index| format!("{index}pk"));
        let mut body = json!({"KeyConditionExpression": format!("{pk} = :pk"),
            "ExpressionAttributeValues": {":pk": {"S": "nobody"}}});
        if let Some(index) = index {
            body["IndexName"] = json!(index);
        }
        self.table("Query", body)
    }

    fn scan(&self) -> Response {
        self.table("Scan", json!({"Limit": 1}))
    }

    fn put_item(&self) -> Response {
        self.table("PutItem", json!({"Item": key()}))
    }

    fn delete_item(&self) -> Response {
        self.table("DeleteItem", json!({"Key": key()}))
    }

    /// Reads the table in PartiQL, which knows no leading keys.
    fn statement(&self) -> Response {
        let statement = format!("SELECT * FROM \"{}\" WHERE pk = 'nobody'", Stack::get().table);
        aws::operation(
            self.0.clone(),
            "dynamodb",
            "DynamoDB_20120810.ExecuteStatement",
            &json!({"Statement": statement}),
        )
    }

    fn delete_table(&self) -> Response {
        self.table("DeleteTable", json!({}))
    }

    fn object(&self, method: &str, key: &str) -> Response {
        aws::send(
            self.0.clone(),
            "s3",
            method,
            &format!("/{}/{key}", Stack::get().bucket),
            &[],
            Vec::new(),
        )
    }

    fn queue(&self, name: &str, queue: &str, mut body: Value) -> Response {
        body["QueueUrl"] = json!(Stack::get().queues[queue]);
        aws::operation(self.0.clone(), "sqs", &format!("AmazonSQS.{name}"), &body)
    }

    fn send_message(&self, queue: &str) -> Response {
        self.queue("SendMessage", queue, json!({"MessageBody": MARKER}))
    }

    fn receive_message(&self, queue: &str) -> Response {
        self.queue("ReceiveMessage", queue, json!({"VisibilityTimeout": 0}))
    }

    fn send_mail(&self, sender: &str) -> Response {
        let body = format!(
            "Action=SendEmail&Version=2010-12-01&Source={sender}\
             &Destination.ToAddresses.member.1=nobody%40example.com\
             &Message.Subject.Data=x&Message.Body.Text.Data=x"
        );
        aws::send(
            self.0.clone(),
            "ses",
            "POST",
            "/",
            &[("content-type", "application/x-www-form-urlencoded")],
            body,
        )
    }

    fn secrets(&self) -> Response {
        aws::operation(self.0.clone(), "secretsmanager", "secretsmanager.ListSecrets", &json!({}))
    }

    fn secret(&self, id: &str) -> Response {
        aws::operation(
            self.0.clone(),
            "secretsmanager",
            "secretsmanager.GetSecretValue",
            &json!({"SecretId": id}),
        )
    }

    fn invoke(&self, function: &str) -> Response {
        let path =
            format!("/2015-03-31/functions/{}/invocations", Stack::get().functions[function]);
        aws::send(self.0.clone(), "lambda", "POST", &path, &[], "{}")
    }
}

/// Returns the key of an item that does not exist.
fn key() -> Value {
    json!({"pk": {"S": "nobody"}, "sk": {"S": "nobody"}})
}

const OBJECT: &str = "files/01936f2a-0000-7000-8000-00000000ffff";

/// Checks that each of these is refused for lack of a policy that allows it, and not for another
/// reason.
#[track_caller]
fn refused(responses: impl IntoIterator<Item = Response>) {
    for (index, response) in responses.into_iter().enumerate() {
        let text = String::from_utf8_lossy(&response.bytes);
        let denied = [400, 403].contains(&response.status)
            && (text.contains("AccessDenied") || text.contains("not authorized"));
        assert!(denied, "number {index} was not refused: {response}");
    }
}

/// Returns the ids of all secrets.
fn secret_ids() -> Vec<String> {
    let list =
        aws::operation(aws::root(), "secretsmanager", "secretsmanager.ListSecrets", &json!({}))
            .ok(200);
    list["SecretList"]
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| secret["ARN"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn no_function_reads_a_whole_table_or_leaves_its_own_things() {
    for function in Stack::get().functions.keys() {
        let role = Role::of(function);
        refused([role.scan(), role.statement(), role.delete_table(), role.secrets()]);
        refused(["accounts", "mailer", "bootstrap-admin"].map(|other| role.invoke(other)));
        refused(["upload_dlq", "stream_failure"].map(|queue| role.receive_message(queue)));
        if function != "console" {
            refused([role.receive_message("mail_dlq")]);
        }
        if function != "reconciler" {
            refused([role.send_message("upload")]);
        }
        refused([role.object("DELETE", ""), role.object("GET", "elsewhere/x")]);
        // Whether they are the right ones is tested with the template.
        let readable = match function.as_str() {
            "accounts" => 5,
            "records" | "admin" | "console" => 3,
            "notifications" => 2,
            "bootstrap-admin" | "recovery" => 1,
            _ => 0,
        };
        let (read, others): (Vec<Response>, Vec<Response>) = secret_ids()
            .iter()
            .map(|id| role.secret(id))
            .partition(|response| response.status == 200);
        assert_eq!(read.len(), readable, "{function}");
        refused(others);
        if function != "mailer" {
            refused([role.send_mail("records%40example.org")]);
        }
        if !["console", "dispatcher", "reconciler"].contains(&function.as_str()) {
            refused([role.send_message("mail")]);
        }
    }
}

#[test]
fn accounts_has_no_files() {
    let role = Role::of("accounts");
    refused([
        role.object("GET", OBJECT),
        role.object("PUT", OBJECT),
        role.object("DELETE", OBJECT),
        role.object("GET", ""),
    ]);
    refused([
        role.query(Some("gsi3")),
        role.receive_message("mail"),
        role.receive_message("upload"),
    ]);
}

#[test]
fn the_portal_reads_nothing() {
    let role = Role::of("portal");
    refused([role.get_item(), role.query(None), role.put_item(), role.delete_item()]);
    refused(["GET", "PUT", "DELETE"].map(|method| role.object(method, OBJECT)));
    refused([role.object("GET", ""), role.receive_message("mail"), role.send_message("mail")]);
}

#[test]
fn records_reads_no_index_and_deletes_no_object() {
    let role = Role::of("records");
    refused(["gsi1", "gsi2", "gsi3"].map(|index| role.query(Some(index))));
    refused([
        role.object("DELETE", OBJECT),
        role.receive_message("mail"),
        role.receive_message("upload"),
    ]);
    refused([role.object("GET", "?versions")]);
}

#[test]
fn notifications_deletes_nothing_and_creates_no_object() {
    let role = Role::of("notifications");
    refused([role.delete_item(), role.query(Some("gsi2")), role.query(Some("gsi3"))]);
    refused([
        role.object("PUT", OBJECT),
        role.object("DELETE", OBJECT),
        role.object("GET", ""),
        role.receive_message("mail"),
    ]);
}

#[test]
fn admin_has_neither_files_nor_queues() {
    let role = Role::of("admin");
    // It may delete the leases of idempotent requests and, by a condition on keys, nothing else.
    refused([role.query(Some("gsi1"))]);
    refused(["mail", "mail_dlq", "upload"].map(|queue| role.receive_message(queue)));
    refused(["mail", "mail_dlq"].map(|queue| role.send_message(queue)));
    refused([
        role.object("GET", OBJECT),
        role.object("PUT", OBJECT),
        role.object("DELETE", OBJECT),
        role.object("GET", ""),
    ]);
}

#[test]
fn the_console_has_no_files() {
    let role = Role::of("console");
    // It may delete assignments and, by a condition on keys, nothing else, like the dispatcher.
    refused([
        role.query(Some("gsi1")),
        role.receive_message("mail"),
        role.receive_message("upload"),
    ]);
    refused([
        role.object("GET", OBJECT),
        role.object("PUT", OBJECT),
        role.object("DELETE", OBJECT),
        role.object("GET", ""),
    ]);
}

#[test]
fn bootstrap_admin_can_read_nothing() {
    let role = Role::of("bootstrap-admin");
    refused([
        role.get_item(),
        role.query(None),
        role.delete_item(),
        role.receive_message("mail"),
        role.receive_message("upload"),
    ]);
    refused(["gsi1", "gsi2", "gsi3", "gsi4"].map(|index| role.query(Some(index))));
    refused([
        role.object("GET", OBJECT),
        role.object("PUT", OBJECT),
        role.object("DELETE", OBJECT),
        role.object("GET", ""),
    ]);
}

#[test]
fn recovery_has_no_indexes_queues_and_files() {
    let role = Role::of("recovery");
    refused(["gsi1", "gsi2", "gsi3", "gsi4"].map(|index| role.query(Some(index))));
    refused([role.receive_message("mail"), role.receive_message("upload")]);
    refused([
        role.object("GET", OBJECT),
        role.object("PUT", OBJECT),
        role.object("DELETE", OBJECT),
        role.object("GET", ""),
    ]);
}

#[test]
fn the_dispatcher_reads_no_item_and_no_object() {
    let role = Role::of("dispatcher");
    // It may put mails; the condition on keys that forbids everything else is not evaluated by the
    // emulated cloud.
    refused([role.get_item(), role.query(Some("gsi1")), role.query(Some("gsi3"))]);
    refused([role.object("GET", OBJECT), role.object("PUT", OBJECT), role.receive_message("mail")]);
}

#[test]
fn the_mailer_reads_no_lists_and_mails_as_nobody_else() {
    let role = Role::of("mailer");
    // It may put the hashes of tokens and delete notifications and, by a condition on keys, nothing
    // else, like the dispatcher.
    refused([role.query(None), role.query(Some("gsi1")), role.query(Some("gsi3"))]);
    refused([
        role.object("GET", OBJECT),
        role.object("PUT", OBJECT),
        role.receive_message("upload"),
    ]);
    // In AWS by the role; the emulated cloud does not pass the sender to policies, and refuses a
    // foreign identity.
    assert!([400, 403].contains(&role.send_mail("somebody%40example.net").status));
}

#[test]
fn mail_events_creates_lists_and_sends_nothing() {
    let role = Role::of("mail-events");
    refused([
        role.put_item(),
        role.delete_item(),
        role.query(None),
        role.query(Some("gsi2")),
        role.query(Some("gsi4")),
    ]);
    refused([
        role.object("GET", OBJECT),
        role.receive_message("mail"),
        role.receive_message("upload"),
        role.send_mail("somebody%40example.net"),
    ]);
}

#[test]
fn the_inspector_uploads_nothing_and_creates_nothing() {
    let role = Role::of("inspector");
    refused([
        role.put_item(),
        role.delete_item(),
        role.query(None),
        role.query(Some("gsi1")),
        role.query(Some("gsi3")),
    ]);
    refused([role.object("PUT", OBJECT), role.receive_message("mail")]);
}

#[test]
fn the_archivist_deletes_nothing_and_reads_no_chart() {
    let role = Role::of("archivist");
    refused([
        role.delete_item(),
        role.query(None),
        role.query(Some("gsi2")),
        role.query(Some("gsi3")),
    ]);
    let update = json!({"Key": key(), "UpdateExpression": "SET a = :a",
        "ExpressionAttributeValues": {":a": {"S": "a"}}});
    refused([
        role.table("UpdateItem", update),
        role.table("BatchWriteItem", json!({"RequestItems": {}})),
    ]);
    refused([
        role.object("GET", OBJECT),
        role.object("PUT", OBJECT),
        role.receive_message("mail"),
        role.send_message("mail"),
    ]);
}

#[test]
fn the_roles_work_for_what_is_allowed() {
    // Otherwise everything above would be refused for another reason.
    let role = Role::of("records");
    for response in [role.get_item(), role.query(None), role.delete_item(), role.object("GET", "")]
    {
        response.ok(200);
    }
    Role::of("accounts").query(Some("gsi1")).ok(200);
    Role::of("notifications").query(Some("gsi1")).ok(200);
    Role::of("admin").query(Some("gsi4")).ok(200);
    Role::of("console").query(Some("gsi3")).ok(200);
    Role::of("dispatcher").query(None).ok(200);
    Role::of("mailer").get_item().ok(200);
    Role::of("inspector").get_item().ok(200);
}
