//! The face of the Swift package, from the symbol graph that the compiler writes of the built module.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::item::{Item, Subject};
use crate::language::snake;

#[derive(Deserialize)]
struct Graph {
    symbols: Vec<Symbol>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Symbol {
    kind: Kind,
    /// `["CelperError", "Kind", "notFound"]`
    path_components: Vec<String>,
    declaration_fragments: Vec<Fragment>,
    doc_comment: Option<Doc>,
    /// What the compiler made by itself stands nowhere.
    location: Option<Value>,
}

#[derive(Deserialize)]
struct Kind {
    identifier: String,
}

#[derive(Deserialize)]
struct Fragment {
    spelling: String,
}

#[derive(Deserialize)]
struct Doc {
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    text: String,
}

/// A parameter as it is declared.
struct Parameter {
    name: String,
    /// Whether a caller writes its name.
    named: bool,
    kind: String,
    default: Option<String>,
}

pub(crate) fn read(text: &str) -> Result<Vec<Item>> {
    let graph: Graph = serde_json::from_str(text).context("the symbol graph")?;
    let symbols: Vec<Symbol> = graph.symbols.into_iter().filter(|symbol| symbol.location.is_some()).collect();
    let operations = symbols.iter().filter(|symbol| symbol.is_operation());
    let mut results: Vec<String> = operations.filter_map(Symbol::gives).map(str::to_owned).collect();
    let limits = symbols.iter().find(|symbol| symbol.is("swift.init", "RateLimits")).map(settings).unwrap_or_default();
    // What is in a result is a result.
    let mut nth = 0;
    while let Some(result) = results.get(nth).cloned() {
        let within =
            symbols.iter().filter(|symbol| symbol.within() == result && symbol.kind.identifier == "swift.property");
        for field in within.map(|symbol| maybe(&symbol.kind_of_value()).0.to_owned()) {
            let is_struct = symbols.iter().any(|symbol| symbol.is_type() && symbol.full_name() == field);
            if is_struct && !results.contains(&field) && field != "CandidateStatus" {
                results.push(field);
            }
        }
        nth += 1;
    }
    let mut items = Vec::new();
    for symbol in &symbols {
        symbol.items(&results, &limits, &mut items);
    }
    Ok(items)
}

impl Symbol {
    fn items(&self, results: &[String], limits: &Value, items: &mut Vec<Item>) {
        let (within, name) = (self.within(), self.name());
        let doc = self.doc();
        match (self.kind.identifier.as_str(), within.as_str()) {
            _ if self.is_operation() => {
                let gives = self.gives().unwrap_or_default();
                items.push(Item::new(Subject::new("operation", name)).with("type", gives).with("doc", doc));
                for parameter in self.parameters() {
                    let (kind, optional) = maybe(&parameter.kind);
                    items.push(
                        Item::new(Subject::new("parameter", &parameter.name).of(name))
                            .with("type", kind)
                            .with("optional", optional && parameter.default.as_deref() == Some("nil"))
                            .with("named", parameter.named)
                            .with("doc", self.doc_of(&parameter.name)),
                    );
                }
            }
            ("swift.init", "Celper") => {
                items.extend(self.parameters().iter().map(|it| setting("option", it, limits, self.doc_of(&it.name))));
            }
            // The text beside its fields is the fields' own.
            ("swift.init", "RateLimits") => {
                let said = |name: &str| if doc.is_empty() { String::new() } else { name.to_owned() };
                items.extend(self.parameters().iter().map(|it| setting("limit", it, limits, said(&it.name))));
            }
            ("swift.property", "RateLimits") if doc.is_empty() => {
                items.push(Item::problem(format!("RateLimits.{name} has no documentation")));
            }
            ("swift.property", "RateLimits") => {}
            ("swift.method" | "swift.property" | "swift.type.method" | "swift.type.property", "Celper") => {
                items.push(Item::new(Subject::new("member", name)).with("doc", doc));
            }
            ("swift.enum.case", "CandidateStatus") => {
                items.push(Item::new(Subject::new("status", name)).with("case", name).with("doc", doc));
            }
            ("swift.enum.case", "CelperError.Kind") => {
                items.push(Item::new(Subject::new("error kind", snake(name))).with("case", name).with("doc", doc));
            }
            ("swift.property" | "swift.method", "CelperError") => items.push(self.field("error field", None, doc)),
            ("swift.property", within) if results.iter().any(|result| result == within) => {
                items.push(self.field("field", Some(within), doc));
            }
            (_, "") if results.iter().any(|result| result == name) => {
                items.push(Item::new(Subject::new("result", name)).with("doc", doc));
            }
            (_, "") if ["Celper", "RateLimits", "CandidateStatus", "CelperError"].contains(&name) => {
                if doc.is_empty() {
                    items.push(Item::problem(format!("{name} has no documentation")));
                }
            }
            _ if self.full_name() == "CelperError.Kind" => {}
            _ => items.push(Item::new(Subject::new("name", self.full_name())).with("doc", doc)),
        }
    }

    fn field(&self, item: &str, of: Option<&str>, doc: String) -> Item {
        let kind = self.kind_of_value();
        let (kind, optional) = maybe(&kind);
        let mut subject = Subject::new(item, self.name());
        subject.of = of.map(str::to_owned);
        Item::new(subject).with("type", kind).with("optional", optional).with("doc", doc)
    }

    fn is(&self, kind: &str, within: &str) -> bool {
        self.kind.identifier == kind && self.within() == within
    }

    fn is_operation(&self) -> bool {
        self.is("swift.method", "Celper") && !self.parameters().is_empty()
    }

    fn is_type(&self) -> bool {
        ["swift.struct", "swift.class", "swift.enum"].contains(&self.kind.identifier.as_str())
    }

    fn within(&self) -> String {
        self.path_components.split_last().map(|(_, above)| above.join(".")).unwrap_or_default()
    }

    /// Its name without the labels of its parameters.
    fn name(&self) -> &str {
        let last = self.path_components.last().map(String::as_str).unwrap_or_default();
        last.split('(').next().unwrap_or(last)
    }

    fn full_name(&self) -> String {
        self.path_components.join(".")
    }

    fn declaration(&self) -> String {
        self.declaration_fragments.iter().map(|fragment| fragment.spelling.as_str()).collect()
    }

    /// What a function gives.
    fn gives(&self) -> Option<&str> {
        let arrow = self.declaration_fragments.iter().position(|fragment| fragment.spelling.contains("->"))?;
        self.declaration_fragments.get(arrow + 1).map(|fragment| fragment.spelling.as_str())
    }

    /// The type of a property.
    fn kind_of_value(&self) -> String {
        let declaration = self.declaration();
        let kind = declaration.split_once(": ").map_or(declaration.as_str(), |(_, kind)| kind);
        kind.trim_end_matches(" { get }").to_owned()
    }

    /// The parameters, from between the declaration's outermost parentheses.
    fn parameters(&self) -> Vec<Parameter> {
        let declaration = self.declaration();
        let inside = declaration.split_once('(').map(|(_, rest)| rest).unwrap_or_default();
        let mut parts = vec![String::new()];
        let mut depth = 0;
        for letter in inside.chars() {
            match letter {
                '(' | '[' | '<' => depth += 1,
                ')' | ']' | '>' if depth > 0 => depth -= 1,
                ')' => break,
                _ => {}
            }
            match (letter, depth, parts.last_mut()) {
                (',', 0, _) => parts.push(String::new()),
                (_, _, Some(part)) => part.push(letter),
                _ => {}
            }
        }
        parts.iter().filter_map(|part| parameter(part.trim())).collect()
    }

    fn doc(&self) -> String {
        let lines = self.doc_comment.iter().flat_map(|doc| &doc.lines);
        lines.map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// What the documentation says of a parameter: `- name: text` below `- Parameters:`, or `- Parameter name: text`.
    fn doc_of(&self, parameter: &str) -> String {
        let doc = self.doc();
        let listed = doc.split_once("- Parameters:").map(|(_, rest)| rest).unwrap_or_default();
        let said = |text: &str, start: &str| {
            text.lines().find_map(|line| line.trim_start().strip_prefix(start)).map(|said| said.trim().to_owned())
        };
        let one = || said(&doc, &format!("- Parameter {parameter}:"));
        said(listed, &format!("- {parameter}:")).or_else(one).unwrap_or_default()
    }
}

/// `label name: Type = default`, where `_` for a label means that the caller writes none.
fn parameter(declared: &str) -> Option<Parameter> {
    let (names, rest) = declared.split_once(": ")?;
    let (kind, default) = match rest.split_once(" = ") {
        Some((kind, default)) => (kind, Some(default.to_owned())),
        None => (rest, None),
    };
    let (label, name) = names.split_once(' ').unwrap_or((names, names));
    let name = if label == "_" { name } else { label };
    Some(Parameter { name: name.to_owned(), named: label != "_", kind: kind.to_owned(), default })
}

/// The defaults of an initializer's parameters, by name.
fn settings(initializer: &Symbol) -> Value {
    let parameters = initializer.parameters();
    parameters.iter().map(|it| (it.name.clone(), value(it.default.as_deref(), &Value::Null))).collect()
}

fn setting(item: &str, parameter: &Parameter, limits: &Value, doc: String) -> Item {
    let (kind, optional) = maybe(&parameter.kind);
    let default = value(parameter.default.as_deref(), limits);
    Item::new(Subject::new(item, &parameter.name))
        .with("type", kind)
        .with("optional", parameter.default.is_some())
        .with("off", optional && !default.is_null())
        .with("default", default)
        .with("doc", doc)
}

/// A default's text as JSON has it.
fn value(default: Option<&str>, limits: &Value) -> Value {
    let seconds = default.and_then(|text| text.strip_prefix(".seconds(")?.strip_suffix(')')?.parse::<f64>().ok());
    match default {
        None | Some("nil") => Value::Null,
        Some("RateLimits()") => limits.clone(),
        Some(text) => match (seconds, text.parse::<f64>(), text.parse::<bool>()) {
            (Some(number), ..) | (_, Ok(number), _) => json!(number),
            (.., Ok(truth)) => json!(truth),
            _ => json!(text),
        },
    }
}

/// A type without its `?`, and whether it had one.
fn maybe(kind: &str) -> (&str, bool) {
    kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true))
}

#[cfg(test)]
mod tests;
