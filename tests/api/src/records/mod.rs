//! `/api/records/...`.

mod annotations;
mod create;
mod doctor;
mod files;
mod history;
mod patient;
mod update;
mod uploads;
