//! The function `inspector`: checks uploaded files.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let inspector = inspector::Inspector::start().await?;
        runtime::serve::events(async |event, _| Ok(inspector.handle(event).await)).await
    })
}
