//! The languages: how to start each runner, and what each language names its error classes.

use std::path::Path;

use tokio::process::Command;

use crate::api_surface::ApiSurface;

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

    /// The command that starts the runner.
    pub(crate) fn runner_command(self, repository: &Path) -> Command {
        let runners = repository.join("tests/conformance/runners");
        let python = |mode| {
            let mut command = Command::new(repository.join("bindings-python/.venv/bin/python"));
            command.arg(runners.join("python/runner.py")).arg(mode);
            command
        };
        match self {
            Language::Rust => {
                let harness = std::env::current_exe().unwrap_or_default();
                Command::new(harness.with_file_name("celper-conformance-rust"))
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

    /// The class of an error of this kind, and all classes that it must be an instance of.
    pub(crate) fn error_classes(self, surface: &ApiSurface, kind: &str, class: &str) -> (String, Vec<String>) {
        let class_and_parents = || surface.with_parents(class).into_iter().map(str::to_owned).collect::<Vec<_>>();
        match self {
            Language::PythonSync | Language::PythonAsync => {
                let mut classes = class_and_parents();
                classes.extend(surface.python_error_bases.get(class).cloned());
                (class.to_owned(), classes)
            }
            Language::Node => {
                let mut classes = class_and_parents();
                classes.push("Error".to_owned());
                (class.to_owned(), classes)
            }
            Language::Kotlin => {
                let renamed = |class: &str| format!("{}Exception", class.trim_end_matches("Error"));
                (renamed(class), class_and_parents().iter().map(|class| renamed(class)).collect())
            }
            Language::Rust => (case_name(kind, true), vec!["Error".to_owned()]),
            Language::Swift => (case_name(kind, false), vec!["CelperError".to_owned()]),
        }
    }

    /// An argument or option as this language spells it.
    pub(crate) fn argument_name(self, snake: &str) -> String {
        match self {
            Language::Rust | Language::PythonSync | Language::PythonAsync => snake.to_owned(),
            // Swift writes initialisms in capitals.
            Language::Swift if snake == "base_url" => "baseURL".to_owned(),
            Language::Node | Language::Kotlin | Language::Swift => case_name(snake, false),
        }
    }

    /// Whether results have a class at run time that a runner can report.
    pub(crate) fn has_result_classes(self) -> bool {
        self != Language::Node
    }

    /// The name of what a cancelled call throws.
    pub(crate) fn cancellation(self) -> &'static str {
        match self {
            // A call is cancelled by dropping its future: nothing is thrown.
            Language::Rust => "dropped",
            Language::PythonSync => "KeyboardInterrupt",
            Language::PythonAsync => "CancelledError",
            Language::Node => "AbortError",
            Language::Kotlin => "CancellationException",
            Language::Swift => "CancellationError",
        }
    }
}

/// A name in camel case: the kind `not_found` is the enum case `NotFound` in Rust and `notFound` in Swift.
fn case_name(snake: &str, upper_first: bool) -> String {
    let mut upper_next = upper_first;
    let mut name = String::new();
    for letter in snake.chars() {
        if letter == '_' {
            upper_next = true;
        } else {
            name.push(if upper_next { letter.to_ascii_uppercase() } else { letter });
            upper_next = false;
        }
    }
    name
}
