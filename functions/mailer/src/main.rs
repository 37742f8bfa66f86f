//! The function `mailer`: sends mails, each once.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let mailer = mailer::Mailer::start().await?;
        runtime::serve::events(async |event, deadline| Ok(mailer.handle(event, deadline).await))
            .await
    })
}
