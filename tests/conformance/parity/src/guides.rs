//! What is written for people: tables of options, kinds and fields in Markdown, and drawn trees of the error classes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use crate::compare::mentions;
use crate::face::{Face, Setting};
use crate::language::Language;

/// Sources whose documentation draws the tree.
const DRAWN: [&str; 3] = [
    "bindings-python/python/celper/_errors.py",
    "bindings-node/lib/errors.ts",
    "bindings-uniffi/kotlin/src/main/kotlin/ai/celper/CelperException.kt",
];

/// Tables and trees: how many are as they should be, and what is not.
#[derive(Debug, Default)]
pub(crate) struct Guides {
    pub(crate) passed: BTreeMap<&'static str, usize>,
    pub(crate) failures: Vec<String>,
}

pub(crate) fn check(repository: &Path, face: &Face) -> Result<Guides> {
    let mut guides = Guides::default();
    for file in pages(repository)? {
        let text = fs::read_to_string(repository.join(&file))?;
        guides.page(&file.display().to_string(), &text, face);
    }
    for sort in ["options", "kinds", "fields"] {
        if !guides.passed.contains_key(sort) {
            guides.failures.push(format!("no page has a table of the {sort}"));
        }
    }
    for file in DRAWN {
        guides.tree(file, &fs::read_to_string(repository.join(file))?, face, true);
    }
    Ok(guides)
}

/// The pages that users read, by their path in the repository.
fn pages(repository: &Path) -> Result<Vec<PathBuf>> {
    let mut pages: Vec<PathBuf> = ["", "bindings-python", "bindings-node", "bindings-uniffi"]
        .iter()
        .map(|folder| Path::new(folder).join("README.md"))
        .collect();
    for entry in fs::read_dir(repository.join("docs")).into_iter().flatten() {
        let path = Path::new("docs").join(entry?.file_name());
        pages.extend(path.extension().is_some_and(|extension| extension == "md").then(|| path.clone()));
    }
    pages.sort();
    Ok(pages)
}

/// In whose names a file speaks.
fn language(file: &str) -> Language {
    match file.split('/').next() {
        Some("bindings-node") => Language::Node,
        Some("bindings-python") => Language::Python,
        Some("bindings-uniffi") => Language::Kotlin,
        _ => Language::Rust,
    }
}

impl Guides {
    fn page(&mut self, file: &str, text: &str, face: &Face) {
        let language = language(file);
        for table in tables(text) {
            match table.head.first().map(String::as_str) {
                Some("option") => self.note("options", file, of_options(&table, face, language)),
                Some("kind") => self.note("kinds", file, of_kinds(&table, face)),
                Some("field") => self.note("fields", file, of_fields(&table, face, language)),
                _ => {}
            }
        }
        self.tree(file, text, face, false);
    }

    fn tree(&mut self, file: &str, text: &str, face: &Face, required: bool) {
        let language = language(file);
        let drawn = tree(text, &language.class("CelperError"));
        if required || !drawn.is_empty() {
            self.note("trees", file, of_classes(&drawn, face, language));
        }
    }

    fn note(&mut self, sort: &'static str, file: &str, failures: Vec<String>) {
        *self.passed.entry(sort).or_default() += usize::from(failures.is_empty());
        self.failures.extend(failures.into_iter().map(|failure| format!("{file}: {failure}")));
    }
}

struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// The tables of a page: each a line of heads, a line of dashes, and rows.
fn tables(text: &str) -> Vec<Table> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
    };
    let mut tables = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(head) = cells(line) {
            let rows = lines.by_ref().map_while(cells).skip(1).collect();
            tables.push(Table { head, rows });
        }
    }
    tables
}

impl Table {
    /// The rows by the names in their first cells, a row of several by each.
    fn by_name(&self) -> Vec<(&str, &[String])> {
        let mut named = Vec::new();
        for row in &self.rows {
            let first = row.first().map(String::as_str).unwrap_or_default();
            named.extend(first.split('`').skip(1).step_by(2).map(|name| (name, row.as_slice())));
        }
        named
    }

    fn cell<'a>(&self, row: &'a [String], head: &str) -> Option<&'a str> {
        let column = self.head.iter().position(|it| it == head)?;
        row.get(column).map(|cell| cell.trim_matches('`'))
    }

    fn row(&self, name: &str) -> Option<&[String]> {
        self.by_name().into_iter().find(|(row, _)| *row == name).map(|(_, row)| row)
    }

    fn lacks(&self, what: &str, wanted: &[String]) -> Vec<String> {
        let missing = wanted.iter().filter(|name| self.row(name).is_none());
        missing.map(|name| format!("the table has no row for the {what} {name}")).collect()
    }

    fn exceeds(&self, what: &str, wanted: &[String]) -> Vec<String> {
        let names = self.by_name();
        let extra = names.iter().filter(|(name, _)| !wanted.iter().any(|wanted| wanted == name));
        extra.map(|(name, _)| format!("the table has a row for {name}, which is no {what}")).collect()
    }
}

fn of_options(table: &Table, face: &Face, language: Language) -> Vec<String> {
    let names: Vec<String> = face.options.iter().map(|option| language.spelled(&option.name)).collect();
    let mut failures = [table.lacks("option", &names), table.exceeds("option", &names)].concat();
    for option in &face.options {
        let name = language.spelled(&option.name);
        let Some(row) = table.row(&name) else { continue };
        let says = row.join(" ");
        let missing = words(option, face, language).into_iter().filter(|word| !mentions(&says, word));
        failures.extend(missing.map(|word| format!("the row of {name} does not say {word}")));
    }
    failures
}

/// What a row has to say of an option: the variable that stands in for it, and the numbers of its default.
fn words(option: &Setting, face: &Face, language: Language) -> Vec<String> {
    let number = |value: &Value, unit: Option<&str>| {
        let value = language.default(value, unit);
        value.is_number().then(|| value.to_string())
    };
    let unit = |name: &str| face.rate_limits.iter().find(|limit| limit.name == name).and_then(|it| it.unit.as_deref());
    let mut words: Vec<String> = option.environment.iter().cloned().collect();
    match &option.default {
        Value::Object(fields) => words.extend(fields.iter().filter_map(|(name, value)| number(value, unit(name)))),
        value => words.extend(number(value, option.unit.as_deref())),
    }
    words
}

fn of_kinds(table: &Table, face: &Face) -> Vec<String> {
    let kinds: Vec<String> = face.errors.kinds.iter().map(|kind| kind.kind.clone()).collect();
    let mut failures = [table.lacks("kind", &kinds), table.exceeds("kind", &kinds)].concat();
    for kind in &face.errors.kinds {
        let Some(row) = table.row(&kind.kind) else { continue };
        for (head, want) in [("class", &kind.class), ("under", &kind.parent)] {
            if let Some(says) = table.cell(row, head).filter(|says| says != want) {
                failures.push(format!("the row of {} has {says} for {head}, not {want}", kind.kind));
            }
        }
    }
    failures
}

fn of_fields(table: &Table, face: &Face, language: Language) -> Vec<String> {
    let fields: Vec<String> = face.errors.fields.iter().map(|field| language.spelled(&field.name)).collect();
    table.lacks("field", &fields)
}

type Edges = BTreeSet<(String, String)>;

fn of_classes(drawn: &Edges, face: &Face, language: Language) -> Vec<String> {
    if drawn.is_empty() {
        return vec!["there is no tree of the error classes".to_owned()];
    }
    let groups = face.errors.groups.iter().filter_map(|group| Some((&group.class, group.parent.as_ref()?)));
    let kinds = face.errors.kinds.iter().map(|kind| (&kind.class, &kind.parent));
    let wanted: Edges =
        groups.chain(kinds).map(|(class, parent)| (language.class(class), language.class(parent))).collect();
    let missing = wanted.difference(drawn).map(|(class, parent)| format!("the tree lacks {class} under {parent}"));
    let extra = drawn.difference(&wanted).map(|(class, parent)| format!("the tree has {class} under {parent}"));
    missing.chain(extra).collect()
}

/// The classes of the tree that is drawn below `root`, each with the one that it hangs from.
fn tree(text: &str, root: &str) -> Edges {
    let mut edges = Edges::new();
    // The classes from the root down to the last line, each with its column.
    let mut above: Vec<(usize, &str)> = Vec::new();
    for line in text.lines() {
        let branch = ["├── ", "└── "].iter().find_map(|branch| line.split_once(branch));
        let Some((before, rest)) = branch else {
            let is_root = line.trim_start_matches(['*', '/', ' ']).trim_end() == root;
            above = if is_root { vec![(0, root)] } else { Vec::new() };
            continue;
        };
        let column = before.chars().count() + 1;
        let name = rest.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        above.retain(|(of, _)| *of < column);
        if let Some((_, parent)) = above.last() {
            edges.insert((name.to_owned(), (*parent).to_owned()));
            above.push((column, name));
        }
    }
    edges
}

#[cfg(test)]
mod tests;
