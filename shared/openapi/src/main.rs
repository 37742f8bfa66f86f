//! Writes the document of the API to standard output: `make openapi`.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let written = openapi::document().and_then(|text| {
        std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
