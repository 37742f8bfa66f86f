//! What only the deployed stack can show: the gateway, S3, SES, SQS, streams, the archive, rights.
//! `STACK_FILE` says where it is; without it these tests fail.
//!
//! `tests/system/tests/logs.rs` looks last at what the functions have logged about all this, and
//! about the tests of the API that ran before on the same stack.
#![cfg(test)]

mod archive;
mod console_mail;
mod counters;
mod day;
mod events;
mod files;
mod gateway;
mod iam;
mod keys;
mod mail_queue;
mod mails;
mod reconcile;
