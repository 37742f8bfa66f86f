//! The function `accounts`: registration, sessions, profiles, the directory of doctors.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let app = accounts::App::start().await?;
        runtime::serve::http(http_api::middleware::service(accounts::router(), app)).await
    })
}
