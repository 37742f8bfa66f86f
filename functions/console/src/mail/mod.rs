//! Pages of the mail pipeline: queues, dead letters, mails to a user.

pub(crate) mod list_mails;
mod mail_row;
pub(crate) mod pipeline;
pub(crate) mod redrive_mails;
pub(crate) mod resend_mail;
pub(crate) mod show_pipeline;
