//! The function `recovery`: carries out recoveries that are due, and recovers the only admin.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let recoverer = recovery::Recoverer::start().await?;
        runtime::serve::events(async |event, _| recoverer.handle(event).await).await
    })
}
