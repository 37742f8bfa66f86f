//! The table, through a client.

use aws_sdk_dynamodb::Client;

/// The table, for functions that write no events of the audit trail; [`crate::Store`] is for those
/// that do.
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
