//! The function `archivist`: appends the events of the audit trail to the archive.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let archivist = archivist::Archivist::start().await?;
        runtime::serve::events(async |event, _| Ok(archivist.handle(event).await)).await
    })
}
