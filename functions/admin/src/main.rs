//! The function `admin`: what staff do with users, doctors' approvals, the audit trail.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let app = admin::App::start().await?;
        runtime::serve::http(admin::service(app)).await
    })
}
