//! Pages of the audit trail.

pub(crate) mod list_events;
