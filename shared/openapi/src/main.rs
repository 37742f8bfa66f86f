//! Writes the document of the API to standard output, as JSON or, with `--yaml`, as YAML. `make
//! openapi` writes both to `functions/docs`.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = openapi::document()?;
    let text = match &arguments[..] {
        [] => json,
        [argument] if argument == "--yaml" => openapi::yaml(&json)?,
        _ => return Err("the only argument is --yaml".to_owned()),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())
}
