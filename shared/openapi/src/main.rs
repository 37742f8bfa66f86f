//! Writes the document of the API to standard output: of all operations or, with `--public`,
//! without those of staff; as JSON or, with `--yaml`, as YAML. `make openapi` writes all four to
//! `functions/docs`.

use std::io::Write;
use std::process::ExitCode;

use openapi::Scope;

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
    let (mut scope, mut is_yaml) = (Scope::All, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--public" => scope = Scope::Public,
            "--yaml" => is_yaml = true,
            _ => return Err("the only arguments are --public and --yaml".to_owned()),
        }
    }
    let json = openapi::document(scope)?;
    let text = if is_yaml { openapi::yaml(&json)? } else { json };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())
}
