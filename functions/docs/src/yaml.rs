//! JSON as YAML 1.2: blocks, and strings in quotes, which YAML takes from JSON as they are.

use serde_json::Value;

/// A document.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

/// Writes the lines of a value, each `depth` steps to the right.
fn block(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                text.push_str(&"  ".repeat(depth));
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                below(member, depth, text);
            }
        }
        Value::Array(entries) if !entries.is_empty() => {
            for entry in entries {
                text.push_str(&"  ".repeat(depth));
                text.push('-');
                below(entry, depth, text);
            }
        }
        simple => {
            text.push_str(&simple.to_string());
            text.push('\n');
        }
    }
}

/// Writes a value behind its name or dash: on the same line if it is simple, else on those below.
fn below(value: &Value, depth: usize, text: &mut String) {
    let is_simple = match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        _ => true,
    };
    text.push(if is_simple { ' ' } else { '\n' });
    block(value, depth + 1, text);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_nested_stands_to_the_right() {
        let value = json!({"a": {"b": [1, {"c": null, "d: \"": []}, [true]]}, "e": "x\n#"});
        let expected = r##""a":
  "b":
    - 1
    -
      "c": null
      "d: \"": []
    -
      - true
"e": "x\n#"
"##;
        assert_eq!(write(&value), expected);
    }
}
