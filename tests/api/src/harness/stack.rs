//! Where the stack is.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

/// What was deployed, and where.
pub(crate) struct Stack {
    pub(crate) base_url: String,
    /// Where sent mails are read.
    pub(crate) mails_url: String,
    /// The emulated AWS.
    pub(crate) endpoint_url: String,
    pub(crate) region: String,
    pub(crate) table: String,
    pub(crate) bucket: String,
    /// The bucket of the audit trail's archive.
    pub(crate) archive_bucket: String,
    /// URLs by `mail`, `mail_dlq`, `upload`, `upload_dlq`, `stream_failure`.
    pub(crate) queues: HashMap<String, String>,
    /// Names by `accounts`, `records`, `notifications`, `dispatcher`, `mailer`, `inspector`.
    pub(crate) functions: HashMap<String, String>,
}

impl Stack {
    pub(crate) fn get() -> &'static Self {
        static STACK: OnceLock<Stack> = OnceLock::new();
        STACK.get_or_init(|| {
            let path = std::env::var("STACK_FILE").unwrap_or_default();
            assert!(
                !path.is_empty(),
                "STACK_FILE is not set: run `make test`, or `make run` in another terminal and \
                 then these tests with STACK_FILE=$PWD/.local/stack.json"
            );
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
                panic!(
                    "STACK_FILE={path} cannot be read ({error}): is a \
                                                stack running? `make run` starts one"
                )
            });
            let file: Value = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("STACK_FILE={path} is no JSON: {error}"));
            let text = |name: &str| {
                file[name]
                    .as_str()
                    .unwrap_or_else(|| {
                        panic!(
                            "{name} is \
                 missing in {path}"
                        )
                    })
                    .to_owned()
            };
            let map = |name: &str| {
                let entries = file[name].as_object().unwrap_or_else(|| {
                    panic!(
                        "{name} is missing \
                     in {path}"
                    )
                });
                entries
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                    .collect()
            };
            Self {
                base_url: text("base_url"),
                mails_url: text("mails_url"),
                endpoint_url: text("endpoint_url"),
                region: text("region"),
                table: text("table"),
                bucket: text("bucket"),
                archive_bucket: text("archive_bucket"),
                queues: map("queues"),
                functions: map("functions"),
            }
        })
    }
}
