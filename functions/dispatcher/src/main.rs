//! The function `dispatcher`: turns changes of the table into mail messages, deletions of objects
//! and purges, and counts them.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let dispatcher = dispatcher::Dispatcher::start().await?;
        runtime::serve::events(async |event, _| Ok(dispatcher.handle(event).await)).await
    })
}
