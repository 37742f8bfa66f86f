//! Pages of records, files, annotations and notifications.

pub(crate) mod break_glass;
pub(crate) mod correct_assignment;
mod created;
pub(crate) mod list_annotations;
pub(crate) mod list_files;
pub(crate) mod list_notifications;
pub(crate) mod list_records;
mod listing;
mod people;
pub(crate) mod read_record;
