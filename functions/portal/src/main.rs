//! The function `portal`: the web client for patients and doctors.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let app = portal::App::start()?;
        runtime::serve::http(portal::service(app)).await
    })
}
