//! The function `mail-events`: notes bounces and complaints.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let mail_events = mail_events::MailEvents::start().await?;
        runtime::serve::events(async |event, _| Ok(mail_events.handle(event).await)).await
    })
}
