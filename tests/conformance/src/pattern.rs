//! Compares actual values with the patterns of a case.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

/// Compares values with patterns. Remembers the values that `$same_as` has named, for later comparisons of the same case.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    named_values: HashMap<String, Value>,
}

impl Matcher {
    /// The places where `actual` does not match `pattern`, one line each.
    pub(crate) fn mismatches(&mut self, pattern: &Value, actual: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.compare("", pattern, actual, &mut found);
        found
    }

    fn compare(&mut self, at: &str, pattern: &Value, actual: &Value, found: &mut Vec<String>) {
        match pattern {
            Value::Object(fields) if fields.keys().any(|name| name.starts_with('$')) => {
                if let Some(expectation) = self.failed_rule(fields, actual) {
                    found.push(format!("{at}: {expectation}, got {}", shortened(actual)));
                }
            }
            Value::Object(fields) => {
                if !actual.is_object() {
                    found.push(format!("{at}: expected {}, got {}", shortened(pattern), shortened(actual)));
                    return;
                }
                for (name, expected) in fields {
                    self.compare(&format!("{at}.{name}"), expected, &actual[name.as_str()], found);
                }
            }
            Value::Array(items) => {
                let actual_items = actual.as_array().map(Vec::as_slice).unwrap_or_default();
                if !actual.is_array() || actual_items.len() != items.len() {
                    found.push(format!("{at}: expected {} items, got {}", items.len(), shortened(actual)));
                    return;
                }
                for (index, (expected, item)) in items.iter().zip(actual_items).enumerate() {
                    self.compare(&format!("{at}[{index}]"), expected, item, found);
                }
            }
            literal if equal(literal, actual) => {}
            literal => {
                found.push(format!("{at}: expected {}, got {}", shortened(literal), shortened(actual)));
            }
        }
    }

    /// The first of the `$` rules that `actual` does not satisfy.
    fn failed_rule(&mut self, rules: &Map<String, Value>, actual: &Value) -> Option<String> {
        let mut failed = rules.iter().filter_map(|(rule, argument)| {
            let holds = match rule.as_str() {
                "$present" => !actual.is_null(),
                "$absent" => actual.is_null(),
                "$min" => actual.as_f64().zip(argument.as_f64()).is_some_and(|(actual, min)| actual >= min),
                "$max" => actual.as_f64().zip(argument.as_f64()).is_some_and(|(actual, max)| actual <= max),
                "$regex" => {
                    let regex = Regex::new(argument.as_str().unwrap_or_default());
                    regex.is_ok_and(|regex| actual.as_str().is_some_and(|text| regex.is_match(text)))
                }
                "$uuid" => {
                    let version = argument.as_u64().and_then(|version| usize::try_from(version).ok()).unwrap_or(0);
                    let uuid = actual.as_str().and_then(|text| uuid::Uuid::try_parse(text).ok());
                    uuid.is_some_and(|uuid| version == 0 || uuid.get_version_num() == version)
                }
                "$json" => {
                    let parsed = actual.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
                    parsed.is_some_and(|parsed| equal(argument, &parsed))
                }
                "$length" => actual.as_str().map(|text| text.chars().count() as u64) == argument.as_u64(),
                "$same_as" => {
                    let name = argument.as_str().unwrap_or_default();
                    *self.named_values.entry(name.to_owned()).or_insert_with(|| actual.clone()) == *actual
                        && !actual.is_null()
                }
                "$differs_from" => {
                    let named = self.named_values.get(argument.as_str().unwrap_or_default());
                    named.is_some_and(|named| named != actual)
                }
                "$one_of" => {
                    argument.as_array().is_some_and(|all| all.iter().any(|one| self.mismatches(one, actual).is_empty()))
                }
                _ => return Some(format!("{rule} is not a known rule")),
            };
            (!holds).then(|| format!("expected {rule} {}", shortened(argument)))
        });
        failed.next()
    }
}

/// Compares numbers by value: languages write the same number as 85 or 85.0.
fn equal(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Number(expected), Value::Number(actual)) => expected.as_f64() == actual.as_f64(),
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len() && expected.iter().zip(actual).all(|(one, other)| equal(one, other))
        }
        (Value::Object(expected), Value::Object(actual)) => {
            expected.len() == actual.len()
                && expected.iter().all(|(name, one)| actual.get(name).is_some_and(|other| equal(one, other)))
        }
        _ => expected == actual,
    }
}

/// A value for a message, cut to a readable length.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(pattern: Value, actual: Value) -> bool {
        Matcher::default().mismatches(&pattern, &actual).is_empty()
    }

    #[test]
    fn literals_objects_and_lists_match_by_value() {
        assert!(matches(json!({"a": 85}), json!({"a": 85.0, "b": 1})));
        assert!(!matches(json!({"a": 85}), json!({"a": "85"})));
        assert!(!matches(json!({"a": false}), json!({})));
        assert!(!matches(json!([1]), json!([1, 2])));
        assert!(!matches(json!([]), Value::Null));
        assert!(matches(json!({"a": null}), json!({})));
    }

    #[test]
    fn each_rule_accepts_and_rejects() {
        for (pattern, good, bad) in [
            (json!({"$present": true}), json!(0), json!(null)),
            (json!({"$absent": true}), json!(null), json!(0)),
            (json!({"$min": 1, "$max": 2}), json!(1.5), json!(2.1)),
            (json!({"$min": 1}), json!(1), json!("2")),
            (json!({"$regex": "^sess_"}), json!("sess_1"), json!("a sess_")),
            (
                json!({"$uuid": 4}),
                json!("a1b2c3d4-e5f6-4890-abcd-ef1234567890"),
                json!("a1b2c3d4-e5f6-7890-abcd-ef1234567890"),
            ),
            (json!({"$json": {"a": [1]}}), json!("{ \"a\": [1.0] }"), json!("{\"a\": [1], \"b\": 2}")),
            (json!({"$length": 2}), json!("é🔑"), json!("é")),
            (json!({"$one_of": [1, {"$regex": "x"}]}), json!("ax"), json!(2)),
        ] {
            assert!(matches(pattern.clone(), good), "{pattern}");
            assert!(!matches(pattern.clone(), bad), "{pattern}");
        }
    }

    #[test]
    fn an_unknown_rule_matches_nothing() {
        assert!(!matches(json!({"$typo": 1}), json!(null)));
        assert!(!matches(json!({"$typo": 1}), json!(1)));
    }

    #[test]
    fn named_values_are_kept_for_later_comparisons() {
        let mut matcher = Matcher::default();
        assert!(
            matcher
                .mismatches(
                    &json!([{"$same_as": "k"}, {"$same_as": "k"}, {"$differs_from": "k"}]),
                    &json!(["a", "a", "b"])
                )
                .is_empty()
        );
        assert!(!matcher.mismatches(&json!({"$same_as": "k"}), &json!("b")).is_empty());
        assert!(!matcher.mismatches(&json!({"$differs_from": "k"}), &json!("a")).is_empty());
        assert!(!matcher.mismatches(&json!({"$differs_from": "never named"}), &json!("a")).is_empty());
    }
}
