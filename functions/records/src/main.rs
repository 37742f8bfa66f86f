//! The function `records`: charts, assignments, files, annotations.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let app = records::App::start().await?;
        runtime::serve::http(http_api::middleware::service(records::router(), app)).await
    })
}
