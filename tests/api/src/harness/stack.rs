//! The deployed stack.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

/// What was deployed, and where.
pub struct Stack {
    pub base_url: String,
    /// Where sent mails can be read.
    pub mails_url: String,
    /// The emulated AWS.
    pub endpoint_url: String,
    pub region: String,
    pub table: String,
    pub bucket: String,
    /// The bucket of the audit trail's archive.
    pub archive_bucket: String,
    /// URLs by `mail`, `account_mail`, `mail_dlq`, `mail_event`, `mail_event_dlq`, `upload`,
    /// `upload_dlq`, `stream_failure`.
    pub queues: HashMap<String, String>,
    /// Names by `accounts`, `records`, `notifications`, `dispatcher`, `mailer`, `mail-events`,
    /// `inspector`.
    pub functions: HashMap<String, String>,
}

impl Stack {
    /// Returns the stack, for tests that run only on it.
    pub fn get() -> &'static Self {
        static STACK: OnceLock<Stack> = OnceLock::new();
        STACK.get_or_init(|| {
            Self::from_env().expect(
                "STACK_FILE is not set, and this test needs the deployed stack: `make run` starts \
                 one in another terminal; then set STACK_FILE=$PWD/.local/stack.json",
            )
        })
    }

    /// Reads the file that `STACK_FILE` names, if it is set.
    pub(super) fn from_env() -> Option<Self> {
        let path = std::env::var("STACK_FILE").ok().filter(|path| !path.is_empty())?;
        Some(Self::read(&path))
    }

    fn read(path: &str) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| {
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
    }
}
