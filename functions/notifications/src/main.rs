//! The function `notifications`: the inbox.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let app = notifications::App::start().await?;
        runtime::serve::http(http_api::middleware::service(notifications::router(), app)).await
    })
}
