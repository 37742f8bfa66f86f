//! Pages of records, files, annotations and notifications.

pub(crate) mod break_glass;
mod clinical_reads;
pub(crate) mod correct_assignment;
mod created_period;
pub(crate) mod list;
mod list_annotations;
mod list_files;
mod list_notifications;
mod list_query;
mod list_records;
mod list_view;
mod person_search;
pub(crate) mod read_record;
