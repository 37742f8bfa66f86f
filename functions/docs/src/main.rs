//! The function `docs`: the API's document, Swagger UI, the pages of problems, health.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let app = docs::App::start().await?;
        runtime::serve::http(docs::service(app)).await
    })
}
