//! The function `admin`: the JSON API of staff below `/api/admin/`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let app = admin::App::start().await?;
        runtime::serve::http(admin::service(app)).await
    })
}
