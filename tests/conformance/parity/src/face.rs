//! The public face as `face.json` states it, in the core's names.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::language::Language;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Face {
    pub(crate) errors: Errors,
    pub(crate) operations: Vec<Operation>,
    pub(crate) options: Vec<Setting>,
    /// The fields of `RateLimits`.
    pub(crate) rate_limits: Vec<Setting>,
    /// What a client has beside the operations.
    pub(crate) client: Vec<String>,
    pub(crate) results: BTreeMap<String, Vec<Field>>,
    pub(crate) statuses: Vec<String>,
    /// How each language spells the types; several where it has several for one.
    pub(crate) types: BTreeMap<String, BTreeMap<String, Spelling>>,
    /// By language, or by several with commas between them.
    pub(crate) exceptions: BTreeMap<String, Vec<Exception>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Errors {
    pub(crate) kinds: Vec<Kind>,
    /// Classes that errors are not of, but under.
    pub(crate) groups: Vec<Group>,
    pub(crate) fields: Vec<Field>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kind {
    pub(crate) kind: String,
    pub(crate) class: String,
    pub(crate) parent: String,
    pub(crate) retried: bool,
    pub(crate) python_bases: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) class: String,
    pub(crate) parent: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operation {
    pub(crate) operation: String,
    pub(crate) method: String,
    pub(crate) parameters: Vec<Field>,
    pub(crate) result: String,
}

/// A parameter, or a field of a result or an error.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// None of what only the core has: its type in other languages is not known.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) optional: bool,
}

/// An option, or a field of `RateLimits`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setting {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) default: Value,
    /// `s`: given in milliseconds where that is the language's habit.
    pub(crate) unit: Option<String>,
    /// The environment's variable that stands in for it.
    pub(crate) environment: Option<String>,
    /// Whether a value of its own turns it off.
    #[serde(default)]
    pub(crate) off: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Spelling {
    One(String),
    Several(Vec<String>),
}

/// A difference that is meant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    /// The failure without the language in front of it; `*` stands for anything, `{A|B}` for both.
    pub(crate) what: String,
    /// Why the language is right to differ.
    pub(crate) why: String,
}

impl Face {
    /// The spellings of a type in a language; none where `face.json` has none.
    pub(crate) fn spellings(&self, kind: &str, language: Language) -> Vec<String> {
        let by_language = self.types.get(kind);
        let spelling = language.names().iter().find_map(|name| by_language?.get(*name));
        match spelling {
            Some(Spelling::One(one)) => vec![one.clone()],
            Some(Spelling::Several(several)) => several.clone(),
            None => Vec::new(),
        }
    }

    /// The exceptions that `face.json` argues for the language.
    pub(crate) fn exceptions(&self, language: Language) -> Vec<&Exception> {
        let is_for = |names: &str| names.split(", ").any(|name| name == language.name());
        self.exceptions.iter().filter(|(names, _)| is_for(names)).flat_map(|(_, exceptions)| exceptions).collect()
    }
}
