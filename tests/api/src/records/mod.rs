//! `/api/records/...`.

mod annotations;
mod create;
mod doctor;
mod history;
mod patient;
mod update;
