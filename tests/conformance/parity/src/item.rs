//! One thing that a language's public face has: an option, a parameter, an error class.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// What a reader prints, one a line. Everything but what and whose it is, is a fact; a reader names those that its language
/// has.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Item {
    #[serde(flatten)]
    pub(crate) subject: Subject,
    #[serde(flatten)]
    pub(crate) facts: BTreeMap<String, Value>,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Subject {
    /// Its sort: `option`, `parameter`, `error class` …
    pub(crate) item: String,
    /// The operation of a parameter, or the result of a field.
    pub(crate) of: Option<String>,
    /// Its name in the language.
    pub(crate) name: String,
}

impl Subject {
    pub(crate) fn new(item: &str, name: impl Into<String>) -> Self {
        Subject { item: item.to_owned(), of: None, name: name.into() }
    }

    pub(crate) fn of(mut self, of: impl Into<String>) -> Self {
        self.of = Some(of.into());
        self
    }
}

impl Item {
    pub(crate) fn new(subject: Subject) -> Self {
        Item { subject, facts: BTreeMap::new() }
    }

    pub(crate) fn with(mut self, fact: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(fact.to_owned(), value.into());
        self
    }

    /// A contradiction that the reader itself found.
    pub(crate) fn problem(text: impl Into<String>) -> Self {
        Item::new(Subject::new("problem", text))
    }

    /// The fact as text, empty where there is none.
    pub(crate) fn text(&self, fact: &str) -> &str {
        self.facts.get(fact).and_then(Value::as_str).unwrap_or_default()
    }
}

/// How a failure and an exception call it.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.item.as_str(), &self.of) {
            ("limit", _) => write!(f, "field {} of RateLimits", self.name),
            ("member", _) => write!(f, "member {} of the client", self.name),
            (item, Some(of)) => write!(f, "{item} {} of {of}", self.name),
            (item, None) => write!(f, "{item} {}", self.name),
        }
    }
}
