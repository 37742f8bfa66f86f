//! The function `admin`: what staff do with users, doctors' approvals, the audit trail.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let app = admin::App::start().await?;
        runtime::serve::http(http_kit::middleware::service(admin::router(), app)).await
    })
}
