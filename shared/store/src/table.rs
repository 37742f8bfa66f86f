//! Use [`Table`] for operations on the table that write no events of the audit trail.

use aws_sdk_dynamodb::Client;

/// The table, through a client. Functions that write events of the audit trail have
/// [`crate::Store`].
#[derive(Clone, Debug)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl Table {
    /// Makes the table named `name`.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }
}
