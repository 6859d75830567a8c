//! Holds what a language has against what it should have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::expected::{Expect, Expected};
use crate::face::Exception;
use crate::item::{Item, Subject};

/// What came of a language.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// How many items are as they should be, by their sort.
    pub(crate) passed: BTreeMap<String, usize>,
    /// What is not, in sentences.
    pub(crate) failures: Vec<String>,
    /// How many differences were argued for.
    pub(crate) excepted: usize,
    /// What is there and not expected, nor argued for.
    pub(crate) extra: Vec<Subject>,
}

/// Compares, with the language's exceptions. What was to be said of an item that only the core has, says so.
pub(crate) fn compare(
    expected: &[Expected],
    items: &[Item],
    only_core: &[Expected],
    exceptions: &[&Exception],
) -> Verdict {
    let mut differences: Vec<(String, Option<Subject>)> = Vec::new();
    let mut verdict = Verdict::default();
    let mut there: BTreeMap<&Subject, &Item> = BTreeMap::new();
    for item in items {
        if item.subject.item == "problem" {
            differences.push((item.subject.name.clone(), None));
        } else if there.insert(&item.subject, item).is_some() {
            differences.push((format!("{} is there twice", item.subject), None));
        }
    }
    let mut known = BTreeSet::new();
    for (wanted, of_core) in expected.iter().map(|it| (it, false)).chain(only_core.iter().map(|it| (it, true))) {
        if !known.insert(&wanted.subject) {
            continue;
        }
        let before = differences.len();
        match there.get(&wanted.subject) {
            None if of_core => differences.push((format!("{} is missing, which the core has", wanted.subject), None)),
            None => differences.push((format!("{} is missing", wanted.subject), None)),
            Some(item) => differences.extend(of_item(wanted, item).into_iter().map(|text| (text, None))),
        }
        if differences.len() == before {
            *verdict.passed.entry(wanted.subject.item.clone()).or_default() += 1;
        }
    }
    for (subject, item) in &there {
        if !known.contains(subject) {
            differences.push((format!("{subject} is not in face.json"), Some((*subject).clone())));
            if item.text("doc").trim().is_empty() {
                differences.push((format!("{subject} has no documentation"), None));
            }
        }
    }
    settle(differences, exceptions, &mut verdict);
    verdict
}

/// Takes out the differences that are argued for; an argument that has none is a failure itself.
fn settle(differences: Vec<(String, Option<Subject>)>, exceptions: &[&Exception], verdict: &mut Verdict) {
    let mut patterns: Vec<(String, bool)> = Vec::new();
    for exception in exceptions {
        patterns.extend(alternatives(&exception.what).into_iter().map(|pattern| (pattern, false)));
        if exception.why.trim().is_empty() {
            verdict.failures.push(format!("nothing is said for this exception in face.json: {}", exception.what));
        }
    }
    for (text, extra) in differences {
        match patterns.iter_mut().find(|(pattern, _)| matches(pattern, &text)) {
            Some((_, used)) => {
                *used = true;
                verdict.excepted += 1;
            }
            None => {
                verdict.failures.push(text);
                verdict.extra.extend(extra);
            }
        }
    }
    let unused = patterns.into_iter().filter(|(_, used)| !used);
    verdict
        .failures
        .extend(unused.map(|(pattern, _)| format!("face.json has this for an exception, and it is not so: {pattern}")));
}

/// `{A|B}` stands for A and for B, each of which has to be there.
fn alternatives(what: &str) -> Vec<String> {
    let parts = what.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    match parts {
        Some((before, (inside, after))) => inside.split('|').map(|each| format!("{before}{each}{after}")).collect(),
        None => vec![what.to_owned()],
    }
}

/// `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let rest = text.strip_prefix(before);
    rest.is_some_and(|rest| (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| matches(after, rest))))
}

fn of_item(wanted: &Expected, item: &Item) -> Vec<String> {
    let subject = &wanted.subject;
    let mut differences = Vec::new();
    for (fact, expect) in &wanted.facts {
        let got = item.facts.get(*fact);
        let differs = match expect {
            Expect::Is(want) if !got.is_some_and(|got| plain(got) == plain(want)) => {
                Some(format!("{} is {}, not {}", fact, shown(got), shown(Some(want))))
            }
            Expect::OneOf(several) if !several.iter().any(|want| got.and_then(Value::as_str) == Some(want)) => {
                Some(format!("{} is {}, not {}", fact, shown(got), several.join(" or ")))
            }
            Expect::Is(_) | Expect::OneOf(_) => None,
            Expect::Says(_) if item.text(fact).trim().is_empty() => {
                differences.push(format!("{subject} has no documentation"));
                None
            }
            Expect::Says(words) => {
                let text = item.text(fact);
                let missing = words.iter().find(|word| !mentions(text, word));
                missing.map(|word| format!("the documentation does not say {word}"))
            }
        };
        differences.extend(differs.map(|text| format!("{subject}: {text}")));
    }
    differences
}

/// Whether a text has the word, or the number with spaces between its thousands.
pub(crate) fn mentions(text: &str, word: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    let is_digit = |at: usize| letters.get(at).is_some_and(char::is_ascii_digit);
    let is_gap = |at: usize| {
        let between = at > 0 && is_digit(at - 1) && (1..=3).all(|next| is_digit(at + next)) && !is_digit(at + 4);
        between && letters.get(at).is_some_and(|letter| " _,\u{a0}\u{202f}".contains(*letter))
    };
    let joined: String = letters.iter().enumerate().filter(|(at, _)| !is_gap(*at)).map(|(_, letter)| letter).collect();
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    joined.match_indices(word).any(|(at, _)| {
        let (before, after) = (joined.get(..at).unwrap_or_default(), joined.get(at + word.len()..).unwrap_or_default());
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

/// A value without the difference between 2 and 2.0.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or_else(|| value.clone(), Value::from),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "not known".to_owned(),
        Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
