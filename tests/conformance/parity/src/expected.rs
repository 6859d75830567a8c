//! The face that a language should have, in its own names: from `face.json`, and from what the core has beyond it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::face::{Face, Field, Kind, Operation, Setting};
use crate::item::{Item, Subject};
use crate::language::Language;

/// What a fact should be.
#[derive(Clone, Debug)]
pub(crate) enum Expect {
    Is(Value),
    OneOf(Vec<String>),
    /// A text that has something to say, and these words in it.
    Says(Vec<String>),
}

/// What should be there.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) subject: Subject,
    pub(crate) facts: BTreeMap<&'static str, Expect>,
}

impl Expected {
    fn new(subject: Subject) -> Self {
        Expected { subject, facts: BTreeMap::new() }
    }

    fn is(mut self, fact: &'static str, value: impl Into<Value>) -> Self {
        self.facts.insert(fact, Expect::Is(value.into()));
        self
    }

    fn says(mut self, words: impl IntoIterator<Item = String>) -> Self {
        self.facts.insert("doc", Expect::Says(words.into_iter().collect()));
        self
    }

    fn typed(mut self, face: &Face, language: Language, kind: &str) -> Self {
        self.facts.insert("type", Expect::OneOf(face.spellings(kind, language)));
        self
    }
}

/// Everything that `language` should have.
pub(crate) fn expected(face: &Face, language: Language) -> Vec<Expected> {
    let mut all = Vec::new();
    for Operation { operation, method, parameters, result } in &face.operations {
        let method = language.spelled(method);
        let mut expected = Expected::new(Subject::new("operation", &method)).is("type", result.as_str()).says([]);
        if language == Language::Rust {
            expected = expected.is("operation", operation.as_str());
        }
        all.push(expected);
        for (nth, parameter) in parameters.iter().enumerate() {
            let subject = Subject::new("parameter", language.spelled(&parameter.name)).of(&method);
            let mut expected = Expected::new(subject).says([]);
            if let Some(kind) = &parameter.kind {
                expected = expected.typed(face, language, kind).is("optional", parameter.optional);
            }
            if language.names_arguments() {
                // Two ids next to each other are easily swapped: only the first goes without its name.
                expected = expected.is("named", nth > 0);
            }
            all.push(expected);
        }
    }
    for option in &face.options {
        let expected = setting(face, language, "option", option);
        all.push(if option.kind.is_some() { expected.is("off", option.off) } else { expected });
    }
    all.extend(face.rate_limits.iter().map(|limit| setting(face, language, "limit", limit)));
    all.extend(face.client.iter().map(|name| Expected::new(Subject::new("member", language.spelled(name))).says([])));
    for (result, fields) in &face.results {
        all.push(Expected::new(Subject::new("result", result)).says([]));
        all.extend(fields.iter().map(|it| field(face, language, Subject::new("field", &it.name).of(result), it)));
    }
    for status in &face.statuses {
        all.push(Expected::new(Subject::new("status", status)).is("case", language.case(status)).says([]));
    }
    errors(face, language, &mut all);
    all
}

fn setting(face: &Face, language: Language, item: &str, setting: &Setting) -> Expected {
    let Setting { name, kind, default, unit, environment, .. } = setting;
    let default = language.default(default, unit.as_deref());
    let mut words: Vec<String> = environment.iter().cloned().collect();
    let mut expected = Expected::new(Subject::new(item, language.spelled(name)));
    // Of what only the core has, nothing more is known than that it should be there.
    if let Some(kind) = kind {
        expected = expected.typed(face, language, kind).is("optional", true);
        if language.declares_defaults() {
            expected = expected.is("default", default);
        } else if default.is_number() {
            words.push(default.to_string());
        }
    }
    expected.says(words)
}

fn field(face: &Face, language: Language, mut subject: Subject, field: &Field) -> Expected {
    subject.name = language.spelled(&subject.name);
    let expected = Expected::new(subject).says([]);
    match &field.kind {
        Some(kind) => expected.typed(face, language, kind).is("optional", field.optional),
        None => expected,
    }
}

fn errors(face: &Face, language: Language, all: &mut Vec<Expected>) {
    all.extend(face.errors.fields.iter().map(|it| field(face, language, Subject::new("error field", &it.name), it)));
    for Kind { kind, class, parent, retried, .. } in &face.errors.kinds {
        let expected = Expected::new(Subject::new("error kind", kind));
        all.push(match language {
            Language::Rust => expected
                .is("case", language.case(kind))
                .is("class", class.as_str())
                .is("parent", parent.as_str())
                .is("retried", *retried)
                .says([]),
            Language::Swift => expected.is("case", language.case(kind)).says([]),
            _ => expected.is("class", language.class(class)),
        });
    }
    if !language.has_error_classes() {
        return;
    }
    let groups = face.errors.groups.iter().map(|group| (&group.class, group.parent.as_ref(), &[] as &[String]));
    let kinds = face.errors.kinds.iter().map(|kind| (&kind.class, Some(&kind.parent), kind.python_bases.as_slice()));
    for (class, parent, bases) in groups.chain(kinds) {
        let mut expected = Expected::new(Subject::new("error class", language.class(class)))
            .is("parent", json!(parent.map(|parent| language.class(parent))))
            .says([]);
        if language.is_python() {
            expected = expected.is("bases", json!(bases));
        }
        all.push(expected);
    }
}

/// The face with what only the core has: the other languages should have that, too.
pub(crate) fn with_core(face: &Face, extra: &[&Item]) -> Face {
    let mut face = face.clone();
    for Item { subject, facts } in extra {
        let Subject { item, of, name } = subject;
        let field = Field {
            name: name.clone(),
            kind: None,
            optional: facts.get("optional").and_then(Value::as_bool).unwrap_or_default(),
        };
        let text = |fact: &str| facts.get(fact).and_then(Value::as_str).unwrap_or_default().to_owned();
        let setting = || Setting {
            name: name.clone(),
            kind: None,
            default: facts.get("default").cloned().unwrap_or_default(),
            unit: None,
            environment: None,
            off: facts.get("off").and_then(Value::as_bool).unwrap_or_default(),
        };
        match (item.as_str(), of) {
            ("operation", _) => face.operations.push(Operation {
                operation: name.clone(),
                method: name.clone(),
                parameters: Vec::new(),
                result: text("type"),
            }),
            ("parameter", Some(of)) => {
                let operation = face.operations.iter_mut().find(|operation| operation.method == *of);
                operation.into_iter().for_each(|operation| operation.parameters.push(field.clone()));
            }
            ("option", _) => face.options.push(setting()),
            ("limit", _) => face.rate_limits.push(setting()),
            ("member", _) => face.client.push(name.clone()),
            ("result", _) => {
                face.results.entry(name.clone()).or_default();
            }
            ("field", Some(of)) => face.results.entry(of.clone()).or_default().push(field),
            ("error kind", _) => face.errors.kinds.push(Kind {
                kind: name.clone(),
                class: text("class"),
                parent: text("parent"),
                retried: facts.get("retried").and_then(Value::as_bool).unwrap_or_default(),
                python_bases: Vec::new(),
            }),
            ("error field", _) => face.errors.fields.push(field),
            ("status", _) => face.statuses.push(name.clone()),
            _ => {}
        }
    }
    face
}

#[cfg(test)]
/// A face that is as it should be, for tests to break.
pub(crate) fn flawless(face: &Face, language: Language) -> Vec<Item> {
    let item = |expected: Expected| {
        let value = |expect: Expect| match expect {
            Expect::Is(value) => value,
            Expect::OneOf(several) => several.first().cloned().into(),
            Expect::Says(words) => format!("What it is. {}", words.join(" ")).into(),
        };
        let facts = expected.facts.into_iter().map(|(fact, expect)| (fact.to_owned(), value(expect)));
        Item { subject: expected.subject, facts: facts.collect() }
    };
    expected(face, language).into_iter().map(item).collect()
}
