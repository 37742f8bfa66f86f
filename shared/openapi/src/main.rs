//! Writes the document of the API to standard output: of all operations or, with `--public`,
//! without those of staff. `make openapi` writes both to `functions/docs`.

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
    let mut scope = Scope::All;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--public" => scope = Scope::Public,
            _ => return Err("the only argument is --public".to_owned()),
        }
    }
    let json = openapi::document(scope)?;
    std::io::stdout().write_all(json.as_bytes()).map_err(|error| error.to_string())
}
