//! The table: keys, items, operations, transactions.
