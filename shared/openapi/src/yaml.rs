//! The document as YAML, for clients that ask for it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::SECTIONS;

/// Converts the JSON text of the document to YAML, with its sections in the same order.
///
/// Strings are quoted, so that parsers of YAML 1.1 read them as strings too.
///
/// # Errors
/// When the text is not JSON.
pub fn yaml(json: &str) -> Result<String, String> {
    let document: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut text = String::new();
    for name in SECTIONS {
        let section = BTreeMap::from([(name, &document[name])]);
        let options = serde_saphyr::ser_options! { quote_all: true };
        serde_saphyr::to_fmt_writer_with_options(&mut text, &section, options)
            .map_err(|error| error.to_string())?;
    }
    Ok(text.split_inclusive('\n').map(in_ascii).collect())
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
