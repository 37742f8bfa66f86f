//! Writes the documents as YAML, too, and packs both forms, which `src/schema.rs` includes.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// The sections of a document, in the order in which people read them.
const SECTIONS: [&str; 6] = ["openapi", "info", "servers", "tags", "paths", "components"];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    for name in ["openapi", "openapi-public"] {
        println!("cargo::rerun-if-changed={name}.json");
        let json = fs::read_to_string(format!("{name}.json"))?;
        let yaml = yaml(&json).map_err(|error| format!("functions/docs/{name}.json: {error}"))?;
        fs::write(out.join(format!("{name}.yaml.gz")), packed(&yaml)?)?;
        fs::write(out.join(format!("{name}.json.gz")), packed(&json)?)?;
    }
    Ok(())
}

fn packed(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// Converts the JSON text of a document to YAML. Strings are quoted, so that parsers of YAML 1.1
/// read them as strings, too.
fn yaml(json: &str) -> Result<String, Box<dyn Error>> {
    let mut document: BTreeMap<&str, Value> = serde_json::from_str(json).map_err(|error| {
        format!("not valid JSON ({error}): restore the file with git, then run `make openapi`")
    })?;
    let mut text = String::new();
    for name in SECTIONS {
        let Some(content) = document.remove(name) else { continue };
        let section = BTreeMap::from([(name, content)]);
        let options = serde_saphyr::ser_options! { quote_all: true };
        serde_saphyr::to_fmt_writer_with_options(&mut text, &section, options)?;
    }
    match document.keys().next() {
        Some(unknown) => Err(format!("name the section {unknown} in build.rs").into()),
        None => Ok(text.split_inclusive('\n').map(in_ascii).collect()),
    }
}

/// Escapes all other characters of a line in double quotes, as those with a backslash are: most of
/// these characters are in patterns, and nobody would see them.
fn in_ascii(line: &str) -> String {
    if !line.contains('\\') {
        return line.to_owned();
    }
    let escaped = |character: char| match u32::from(character) {
        0..0x80 => character.to_string(),
        code @ 0x80..0x1_0000 => format!("\\u{code:04X}"),
        code => format!("\\U{code:08X}"),
    };
    line.chars().map(escaped).collect()
}
