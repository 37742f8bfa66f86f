//! The table, and the key with which events of the audit trail are proved.

use std::ops::Deref;

use crate::proof::AuditKey;
use crate::table::Table;

/// The table, for functions that write events of the audit trail: an event without a proof would
/// later be reported as invented, so that none can be written without the key.
#[derive(Clone, Debug)]
pub struct Store {
    table: Table,
    pub(crate) audit_key: AuditKey,
}

impl Store {
    /// Makes the store on a table.
    pub fn new(table: Table, audit_key: AuditKey) -> Self {
        Self { table, audit_key }
    }
}

/// The table: operations that need no audit key are its methods.
impl Deref for Store {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.table
    }
}
