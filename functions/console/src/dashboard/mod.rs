//! The first page: open work, and numbers over time.

pub(crate) mod export_counts;
mod plot;
pub(crate) mod show_dashboard;
