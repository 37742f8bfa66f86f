//! Pages of the mail pipeline: queues, orders that were set aside, mails to a user.

pub(crate) mod list_mails;
mod mails;
pub(crate) mod pipeline;
pub(crate) mod redrive_mails;
pub(crate) mod resend_mail;
pub(crate) mod show_pipeline;
