//! The function `bootstrap-admin`: creates the first admin, once.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let bootstrap = bootstrap_admin::Bootstrap::start().await?;
        runtime::serve::events(async |event, _| bootstrap.handle(event).await).await
    })
}
