//! Fills in the variable parts of a case: addresses of this run, and long repeated texts.

use std::collections::BTreeMap;

use serde_json::Value;

/// The variables of a case: `{name}` in a text is replaced by the value.
pub(crate) type Variables = BTreeMap<String, String>;

/// Replaces `{name}` in all texts, and `{"$repeat": [text, times]}` by the repeated text.
pub(crate) fn fill(value: &Value, variables: &Variables) -> Value {
    match value {
        Value::String(text) => Value::String(fill_text(text, variables)),
        Value::Array(items) => items.iter().map(|item| fill(item, variables)).collect(),
        Value::Object(fields) => match repeated_text(fields.get("$repeat")) {
            Some(text) => Value::String(text),
            None => fields.iter().map(|(name, field)| (name.clone(), fill(field, variables))).collect(),
        },
        other => other.clone(),
    }
}

/// Replaces `{name}` in one text.
pub(crate) fn fill_text(text: &str, variables: &Variables) -> String {
    variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

fn repeated_text(arguments: Option<&Value>) -> Option<String> {
    let times = arguments?.get(1)?.as_u64()?;
    Some(arguments?.get(0)?.as_str()?.repeat(usize::try_from(times).ok()?))
}
