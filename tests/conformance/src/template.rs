//! What a case leaves to be filled in: where things are in this run, and texts too long to write out.

use std::collections::BTreeMap;

use serde_json::Value;

/// Fills `{name}` in all texts, and makes `{"$repeat": [text, times]}` one text.
pub(crate) fn fill(value: &Value, names: &BTreeMap<&'static str, String>) -> Value {
    match value {
        Value::String(text) => Value::String(fill_text(text, names)),
        Value::Array(items) => items.iter().map(|item| fill(item, names)).collect(),
        Value::Object(fields) => match repeated(fields.get("$repeat")) {
            Some(text) => Value::String(text),
            None => fields.iter().map(|(name, field)| (name.clone(), fill(field, names))).collect(),
        },
        other => other.clone(),
    }
}

/// The same for one text.
pub(crate) fn fill_text(text: &str, names: &BTreeMap<&'static str, String>) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

fn repeated(given: Option<&Value>) -> Option<String> {
    let times = given?.get(1)?.as_u64()?;
    Some(given?.get(0)?.as_str()?.repeat(usize::try_from(times).ok()?))
}
