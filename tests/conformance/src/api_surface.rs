//! What the harness needs of `api-surface.json`, the table of the public API that all languages share.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

const FILE: &str = "api-surface.json";

#[derive(Debug, Deserialize)]
pub(crate) struct ApiSurface {
    /// The client's method of each operation, in snake case.
    operations: BTreeMap<String, String>,
    methods: BTreeMap<String, Method>,
    /// The class of each kind.
    pub(crate) error_kinds: BTreeMap<String, String>,
    error_parents: BTreeMap<String, String>,
    /// Python's own class that an error class inherits from too.
    pub(crate) python_error_bases: BTreeMap<String, String>,
    pub(crate) options: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Method {
    returns: String,
    #[serde(flatten)]
    arguments: BTreeMap<String, String>,
}

impl ApiSurface {
    /// Reads the file in this crate's folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(folder.join(FILE)).context(FILE)?;
        serde_json::from_str(&text).context(FILE)
    }

    /// The client's method for an operation.
    pub(crate) fn method(&self, operation: &str) -> Result<&str> {
        let method = self.operations.get(operation);
        method.map(String::as_str).with_context(|| format!("{FILE} has no operation {operation:?}"))
    }

    /// The type of an operation's result.
    pub(crate) fn result_type(&self, operation: &str) -> Result<&str> {
        let method = self.method(operation)?;
        let found = self.methods.get(method);
        found.map(|method| method.returns.as_str()).with_context(|| format!("{FILE} has no method {method:?}"))
    }

    /// The names of all options and arguments, in snake case.
    pub(crate) fn argument_names(&self) -> impl Iterator<Item = &str> {
        let arguments = self.methods.values().flat_map(|method| method.arguments.keys());
        self.options.keys().chain(arguments).map(String::as_str)
    }

    /// An error class and the SDK's classes above it, nearest first.
    pub(crate) fn with_parents<'a>(&'a self, class: &'a str) -> Vec<&'a str> {
        std::iter::successors(Some(class), |class| self.error_parents.get(*class).map(String::as_str)).collect()
    }
}
