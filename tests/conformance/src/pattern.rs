//! What a case expects, held against what there is.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

/// The values that a case gave names to.
#[derive(Debug, Default)]
pub(crate) struct Scope(HashMap<String, Value>);

impl Scope {
    /// What of `actual` is not as `pattern` says, one line each; empty where it fits.
    pub(crate) fn mismatches(&mut self, pattern: &Value, actual: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.compare("", pattern, actual, &mut found);
        found
    }

    fn compare(&mut self, at: &str, pattern: &Value, actual: &Value, found: &mut Vec<String>) {
        match pattern {
            Value::Object(fields) if fields.keys().any(|name| name.starts_with('$')) => {
                if let Some(problem) = self.special(fields, actual) {
                    found.push(format!("{at}: {problem}, but it is {}", shortened(actual)));
                }
            }
            Value::Object(fields) => {
                if !actual.is_object() {
                    found.push(format!("{at}: expected {}, but it is {}", shortened(pattern), shortened(actual)));
                    return;
                }
                for (name, expected) in fields {
                    self.compare(&format!("{at}.{name}"), expected, &actual[name.as_str()], found);
                }
            }
            Value::Array(items) => {
                let there = actual.as_array().map(Vec::as_slice).unwrap_or_default();
                if !actual.is_array() || there.len() != items.len() {
                    found.push(format!("{at}: expected {} items, but it is {}", items.len(), shortened(actual)));
                    return;
                }
                for (index, (expected, item)) in items.iter().zip(there).enumerate() {
                    self.compare(&format!("{at}[{index}]"), expected, item, found);
                }
            }
            literal if equal(literal, actual) => {}
            literal => {
                found.push(format!("{at}: expected {}, but it is {}", shortened(literal), shortened(actual)));
            }
        }
    }

    /// The problem with what a `$`-pattern asks for.
    fn special(&mut self, rules: &Map<String, Value>, actual: &Value) -> Option<String> {
        let mut problems = rules.iter().filter_map(|(rule, given)| {
            let holds = match rule.as_str() {
                "$any" => !actual.is_null(),
                "$absent" => actual.is_null(),
                "$min" => actual.as_f64().zip(given.as_f64()).is_some_and(|(actual, least)| actual >= least),
                "$max" => actual.as_f64().zip(given.as_f64()).is_some_and(|(actual, most)| actual <= most),
                "$regex" => {
                    let regex = Regex::new(given.as_str().unwrap_or_default());
                    regex.is_ok_and(|regex| actual.as_str().is_some_and(|text| regex.is_match(text)))
                }
                "$uuid" => {
                    let version = given.as_u64().and_then(|version| usize::try_from(version).ok()).unwrap_or(0);
                    let uuid = actual.as_str().and_then(|text| uuid::Uuid::try_parse(text).ok());
                    uuid.is_some_and(|uuid| version == 0 || uuid.get_version_num() == version)
                }
                "$json" => {
                    let parsed = actual.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
                    parsed.is_some_and(|parsed| equal(given, &parsed))
                }
                "$length" => actual.as_str().map(|text| text.chars().count() as u64) == given.as_u64(),
                "$same" => {
                    let name = given.as_str().unwrap_or_default();
                    *self.0.entry(name.to_owned()).or_insert_with(|| actual.clone()) == *actual && !actual.is_null()
                }
                "$differs" => self.0.get(given.as_str().unwrap_or_default()).is_some_and(|known| known != actual),
                "$not" => !self.mismatches(given, actual).is_empty(),
                "$one_of" => {
                    given.as_array().is_some_and(|all| all.iter().any(|one| self.mismatches(one, actual).is_empty()))
                }
                _ => return Some(format!("{rule} is no pattern")),
            };
            (!holds).then(|| format!("expected {rule} {}", shortened(given)))
        });
        problems.next()
    }
}

/// Numbers are compared as numbers: 85 and 85.0 are the same in JSON, and each language writes its own.
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

/// A value for a message, cut where it would fill the screen.
pub(crate) fn shortened(value: &Value) -> String {
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

    fn fits(pattern: Value, actual: Value) -> bool {
        Scope::default().mismatches(&pattern, &actual).is_empty()
    }

    #[test]
    fn literals_and_shapes() {
        assert!(fits(json!({"a": 85}), json!({"a": 85.0, "b": 1})));
        assert!(!fits(json!({"a": 85}), json!({"a": "85"})));
        assert!(!fits(json!({"a": false}), json!({})));
        assert!(!fits(json!([1]), json!([1, 2])));
        assert!(!fits(json!([]), Value::Null));
        assert!(fits(json!({"a": null}), json!({})));
    }

    #[test]
    fn each_pattern_can_fail() {
        for (pattern, good, bad) in [
            (json!({"$any": true}), json!(0), json!(null)),
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
            (json!({"$not": 1}), json!(2), json!(1)),
            (json!({"$one_of": [1, {"$regex": "x"}]}), json!("ax"), json!(2)),
            (json!({"$typo": 1}), json!(null), json!(1)),
        ] {
            let typo = pattern.to_string().contains("typo");
            assert_eq!(fits(pattern.clone(), good), !typo, "{pattern}");
            assert!(!fits(pattern.clone(), bad), "{pattern}");
        }
    }

    #[test]
    fn names_hold_through_a_case() {
        let mut scope = Scope::default();
        assert!(
            scope
                .mismatches(&json!([{"$same": "k"}, {"$same": "k"}, {"$differs": "k"}]), &json!(["a", "a", "b"]))
                .is_empty()
        );
        assert!(!scope.mismatches(&json!({"$same": "k"}), &json!("b")).is_empty());
        assert!(!scope.mismatches(&json!({"$differs": "k"}), &json!("a")).is_empty());
        assert!(!scope.mismatches(&json!({"$differs": "never named"}), &json!("a")).is_empty());
    }
}
