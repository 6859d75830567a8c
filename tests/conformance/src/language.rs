//! The languages: how each runner is started, and how each names the errors of the table.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::face::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    PythonSync,
    PythonAsync,
    Node,
    Kotlin,
    Swift,
}

impl Language {
    pub(crate) const ALL: [Language; 6] = [
        Language::Rust,
        Language::PythonSync,
        Language::PythonAsync,
        Language::Node,
        Language::Kotlin,
        Language::Swift,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::PythonSync => "python-sync",
            Language::PythonAsync => "python-async",
            Language::Node => "node",
            Language::Kotlin => "kotlin",
            Language::Swift => "swift",
        }
    }

    /// The program that speaks for the language.
    pub(crate) fn command(self, repository: &Path) -> Command {
        let runners = repository.join("tests/conformance/runners");
        let python = |mode| {
            let mut command = Command::new(repository.join("bindings-python/.venv/bin/python"));
            command.arg(runners.join("python/runner.py")).arg(mode);
            command
        };
        match self {
            Language::Rust => {
                let here = std::env::current_exe().unwrap_or_default();
                Command::new(here.with_file_name("celper-conformance-rust"))
            }
            Language::PythonSync => python("sync"),
            Language::PythonAsync => python("async"),
            Language::Node => {
                let mut command = Command::new("node");
                command.arg(runners.join("node/runner.mjs"));
                command
            }
            Language::Kotlin => Command::new(runners.join("kotlin/run.sh")),
            Language::Swift => Command::new(runners.join("swift/run.sh")),
        }
    }

    /// The class that an error of a kind must have, and those that it must be an instance of.
    pub(crate) fn classes(self, kind: &Kind) -> (String, Vec<String>) {
        let own_and_above = || {
            let mut all = vec![kind.class.clone()];
            all.extend(kind.above.iter().cloned());
            all
        };
        match self {
            Language::PythonSync | Language::PythonAsync => {
                let mut all = own_and_above();
                all.extend(kind.python_bases.iter().cloned());
                (kind.class.clone(), all)
            }
            Language::Node => {
                let mut all = own_and_above();
                all.push("Error".to_owned());
                (kind.class.clone(), all)
            }
            Language::Kotlin => {
                let renamed = |class: &String| format!("{}Exception", class.trim_end_matches("Error"));
                let all: Vec<String> = own_and_above().iter().map(renamed).collect();
                (renamed(&kind.class), all)
            }
            Language::Rust => (case_name(&kind.kind, true), vec!["Error".to_owned()]),
            Language::Swift => (case_name(&kind.kind, false), vec!["CelperError".to_owned()]),
        }
    }

    /// What is thrown where a call was cancelled.
    pub(crate) fn cancellation(self) -> Value {
        json!(match self {
            // Dropping the future leaves nobody to tell.
            Language::Rust => "dropped",
            Language::PythonSync => "KeyboardInterrupt",
            Language::PythonAsync => "CancelledError",
            Language::Node => "AbortError",
            Language::Kotlin => "CancellationException",
            Language::Swift => "CancellationError",
        })
    }
}

/// `not_found` as `NotFound`, or as `notFound`.
fn case_name(kind: &str, upper: bool) -> String {
    let mut raise = upper;
    let mut name = String::new();
    for letter in kind.chars() {
        if letter == '_' {
            raise = true;
        } else {
            name.push(if raise { letter.to_ascii_uppercase() } else { letter });
            raise = false;
        }
    }
    name
}
