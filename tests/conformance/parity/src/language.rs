//! The languages, and how each spells the core's names.

use std::fmt;

use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Language {
    Rust,
    Python,
    PythonAsync,
    Node,
    Kotlin,
    Java,
    Swift,
}

impl Language {
    pub(crate) const ALL: [Language; 7] = [
        Language::Rust,
        Language::Python,
        Language::PythonAsync,
        Language::Node,
        Language::Kotlin,
        Language::Java,
        Language::Swift,
    ];

    /// Its name, and then those of the languages whose types it takes where it has none of its own.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Language::Rust => &["rust"],
            Language::Python => &["python"],
            Language::PythonAsync => &["python-async", "python"],
            Language::Node => &["node"],
            Language::Kotlin => &["kotlin"],
            Language::Java => &["java", "kotlin"],
            Language::Swift => &["swift"],
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.names().first().copied().unwrap_or_default()
    }

    /// The name of an option, a parameter, a field or a method.
    pub(crate) fn spelled(self, name: &str) -> String {
        match self {
            Language::Rust | Language::Python | Language::PythonAsync => name.to_owned(),
            Language::Node | Language::Kotlin | Language::Java => camel(name),
            // Swift's own names have their abbreviations in capitals.
            Language::Swift => camel(name).replace("Url", "URL"),
        }
    }

    /// The name of an error class.
    pub(crate) fn class(self, class: &str) -> String {
        match (self, class.strip_suffix("Error")) {
            (Language::Kotlin | Language::Java, Some(stem)) => format!("{stem}Exception"),
            _ => class.to_owned(),
        }
    }

    /// The name of the constant or case that goes with a status or kind.
    pub(crate) fn case(self, value: &str) -> String {
        match self {
            Language::Python | Language::PythonAsync => value.to_uppercase(),
            Language::Swift => camel(value),
            Language::Rust | Language::Node | Language::Kotlin | Language::Java => pascal(value),
        }
    }

    /// Whether each kind of error has a class of its own there, and not merely a case.
    pub(crate) fn has_error_classes(self) -> bool {
        !matches!(self, Language::Rust | Language::Swift)
    }

    pub(crate) fn is_python(self) -> bool {
        matches!(self, Language::Python | Language::PythonAsync)
    }

    /// Whether a caller can be made to name an argument.
    pub(crate) fn names_arguments(self) -> bool {
        !matches!(self, Language::Kotlin | Language::Java)
    }

    /// Whether a declaration shows its defaults. Where it does not, the documentation has to say them.
    pub(crate) fn declares_defaults(self) -> bool {
        self != Language::Node
    }

    /// A default as a caller would pass it.
    pub(crate) fn default(self, value: &Value, unit: Option<&str>) -> Value {
        match (self, unit, value.as_f64()) {
            (Language::Node, Some("s"), Some(seconds)) => Value::from((seconds * 1_000.0).round() as i64),
            _ => value.clone(),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

pub(crate) fn pascal(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
    };
    name.split('_').map(capital).collect()
}

fn camel(name: &str) -> String {
    let (first, rest) = name.split_once('_').unwrap_or((name, ""));
    format!("{first}{}", pascal(rest))
}

pub(crate) fn snake(name: &str) -> String {
    let mut spelled = String::new();
    for (nth, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && nth > 0 {
            spelled.push('_');
        }
        spelled.extend(letter.to_lowercase());
    }
    spelled
}
