//! The function `console`: the pages at `/admin/`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let app = console::App::start().await?;
        runtime::serve::http(console::service(app)).await
    })
}
