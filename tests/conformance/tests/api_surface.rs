//! The table of the API that all languages share, `api-surface.json`, against the core: its tables and defaults as values, its
//! signatures and fields from the sources, which rustfmt keeps in one form.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::array;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use celper::{CandidateStatus, ClientBuilder, ErrorKind, Operation, RateLimits};
use regex::{Captures, Regex};
use serde_json::{Value, json};

type Lines = BTreeSet<String>;

fn table() -> Value {
    serde_json::from_str(include_str!("../api-surface.json")).unwrap()
}

/// One line for each item of a part of the table.
fn lines(path: &str, node: &Value) -> Vec<String> {
    match node {
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, node)| lines(&format!("{path}.{name}"), node)).collect()
        }
        Value::Array(values) => values.iter().flat_map(|value| lines(path, value)).collect(),
        Value::String(text) => vec![format!("{path}: {text}")],
        other => panic!("{path} is {other}"),
    }
}

/// What the table has of a section for Rust.
fn expected(section: &str) -> Lines {
    let table = table();
    // In Rust a duration is one in results, too; an option's default is compared as a value.
    let options = section == "options";
    let spelled = |line: String| {
        let line = line.replace(": seconds", ": duration").replace(": operation", ": string");
        if options { line.split([' ', '?']).take(2).collect::<Vec<_>>().join(" ") } else { line }
    };
    let mut expected: Lines = lines(section, &table[section]).into_iter().map(spelled).collect();
    for difference in table["differences"]["rust"].as_object().unwrap().keys() {
        let (sign, line) = difference.split_once(' ').unwrap();
        if line.split(['.', ':']).next() == Some(section) {
            let effective = if sign == "+" { expected.insert(line.to_owned()) } else { expected.remove(line) };
            assert!(effective, "the difference {difference} has no effect");
        }
    }
    expected
}

fn compare(section: &str, core: Lines) {
    let expected = expected(section);
    let missing: Vec<_> = expected.difference(&core).collect();
    let unlisted: Vec<_> = core.difference(&expected).collect();
    assert!(missing.is_empty() && unlisted.is_empty(), "the core lacks {missing:#?}, the table lacks {unlisted:#?}");
}

/// All of the core's sources as one text.
fn sources(folder: &Path) -> String {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| if path.is_dir() { sources(&path) } else { fs::read_to_string(path).unwrap() }).collect()
}

fn core() -> String {
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/src"))
}

/// What the groups of a pattern match, an empty text for a group that is not there.
fn find<'a, const N: usize>(pattern: &str, text: &'a str) -> Vec<[&'a str; N]> {
    let group = |found: &Captures<'a>, number| found.get(number).map_or("", |group| group.as_str());
    let pattern = Regex::new(pattern).unwrap();
    pattern.captures_iter(text).map(|found| array::from_fn(|index| group(&found, index + 1))).collect()
}

/// A Rust type in the table's words.
fn described(rust: &str) -> String {
    let optional = rust.strip_prefix("Option<").and_then(|inner| inner.strip_suffix('>'));
    let plain = optional.or_else(|| rust.strip_prefix("JobPositionId<")?.strip_suffix('>')).unwrap_or(rust);
    let described = match plain {
        "" => "nothing",
        "String" | "&str" | "&'static str" | "impl Into<String>" => "string",
        "u16" | "u32" | "u64" => "integer",
        "f64" => "number",
        "bool" => "boolean",
        "Duration" => "duration",
        "SystemTime" => "datetime",
        "ErrorKind" => "kind",
        "impl AsRef<[u8]>" => "pem",
        "impl IntoIterator<Item = impl Into<String>>" => "strings",
        "impl Into<Option<RateLimits>>" => "RateLimits",
        "&RateLimit" => "RateLimit",
        "&CandidateState" => "CandidateState",
        "&CallRecord" | "Box<CallRecord>" => "CallRecord",
        other => other,
    };
    format!("{described}{}", if optional.is_some() { "?" } else { "" })
}

struct Method<'a> {
    name: &'a str,
    takes_self: bool,
    parameters: Vec<[&'a str; 2]>,
    returns: &'a str,
}

/// A type's public methods, without those that its documentation hides.
fn methods<'a>(core: &'a str, of: &str) -> Vec<Method<'a>> {
    let blocks = find::<1>(&format!(r"(?ms)^impl(?:<[^{{]*?>)? {of}\b[^{{]*\{{\n(.*?)^\}}"), core);
    let pattern = r"(?ms)^(    #\[doc\(hidden\)\]\n)?    pub (?:const |async )?fn (\w+)(?:<.*?>)?\(([^{]*?)\)(?: -> ((?:[^{()\n]|\(\))*?))? \{";
    let found = blocks.into_iter().flat_map(|[block]| find::<4>(pattern, block));
    let public = found.filter(|[hidden, ..]| hidden.is_empty()).map(|[_, name, parameters, returns]| Method {
        name,
        takes_self: parameters.contains("self"),
        parameters: find(r"(\w+): (.+?)(?:,\s|,?\s*$)", parameters),
        returns,
    });
    public.collect()
}

/// A record's public fields.
fn fields<'a>(core: &'a str, of: &str) -> Vec<[&'a str; 2]> {
    let [[body]] = find::<1>(&format!(r"(?ms)^pub struct {of} \{{\n(.*?)^\}}"), core)[..] else { panic!("no {of}") };
    find(r"(?m)^    pub (\w+): (.*),$", body)
}

fn variants<'a>(core: &'a str, of: &str) -> Vec<&'a str> {
    let [[body]] = find::<1>(&format!(r"(?ms)^pub enum {of} \{{\n(.*?)^\}}"), core)[..] else { panic!("no {of}") };
    find::<1>(r"(?m)^    (\w+)[,(]", body).concat()
}

#[test]
fn operations_error_kinds_and_defaults() {
    let table = table();
    let operations: Value = Operation::ALL.iter().map(|it| (it.name(), it.method_name())).collect();
    assert_eq!(table["operations"], operations);
    assert_eq!(variants(&core(), "Operation").len(), Operation::ALL.len());
    assert_eq!(table["error_kinds"], ErrorKind::TABLE.iter().map(|row| (row.name, row.class)).collect::<Value>());
    for row in ErrorKind::TABLE {
        assert_eq!(table["error_parents"][row.class], row.parent);
    }
    let retried: Value = ErrorKind::TABLE.iter().filter(|row| row.retried).map(|row| row.name).collect();
    assert_eq!(table["retried_kinds"], retried);
    let options = json!([
        // Without a `timeout` the wait for the rate limit is not bounded; DEFAULT_TIMEOUT begins after it.
        "duration?".to_owned(),
        format!("duration = {}", ClientBuilder::DEFAULT_ATTEMPT_TIMEOUT.as_secs()),
        format!("integer = {}", ClientBuilder::DEFAULT_MAX_RETRIES),
    ]);
    let tabled: Value = ["timeout", "attempt_timeout", "max_retries"].map(|name| table["options"][name].clone()).into();
    assert_eq!(tabled, options);
}

#[test]
fn options_and_rate_limits() {
    let core = core();
    let setters = methods(&core, "ClientBuilder").into_iter().flat_map(|method| {
        let of = method.name;
        method.parameters.into_iter().map(move |[_, kind]| format!("options.{of}: {}", described(kind)))
    });
    compare("options", setters.collect());
    let RateLimits { reads, actions, total, window, .. } = RateLimits::default();
    let defaults = json!({"reads": reads, "actions": actions, "total": total, "window": window.as_secs()});
    let limits = fields(&core, "RateLimits").into_iter();
    compare(
        "rate_limits",
        limits.map(|[name, kind]| format!("rate_limits.{name}: {} = {}", described(kind), defaults[name])).collect(),
    );
}

#[test]
fn methods_and_their_arguments() {
    let (core, table) = (core(), table());
    let (setters, listed) = (methods(&core, "Request"), expected("methods"));
    let (mut calls, mut properties, mut arguments) = (Lines::new(), Lines::new(), Lines::new());
    for Method { name, parameters, returns, .. } in methods(&core, "Client") {
        let result = find::<1>(r"^Request<(?:'_, )?(\w+)>$", returns).first().map(|[result]| *result);
        if table["properties"].get(name).is_some() {
            properties.insert(format!("properties.{name}: {}", described(returns)));
        } else if result.is_none() && !returns.is_empty() {
            calls.insert(format!("methods.{name}"));
        } else {
            calls.insert(format!("methods.{name}.returns: {}", described(result.unwrap_or(returns))));
            let required = parameters.iter().map(|[name, kind]| (*name, described(kind)));
            let optional = setters.iter().flat_map(|setter| {
                let start = format!("methods.{name}.{}: ", setter.name);
                let listed = listed.iter().any(|line| line.starts_with(&start));
                let kinds = setter.parameters.iter().filter(move |_| listed);
                kinds.map(|[_, kind]| (setter.name, format!("{}?", described(kind))))
            });
            for (argument, kind) in required.chain(optional) {
                calls.insert(format!("methods.{name}.{argument}: {kind}"));
                arguments.insert(argument.to_owned());
            }
        }
    }
    compare("methods", calls);
    compare("properties", properties);
    let of_requests = setters.iter().filter(|setter| !setter.parameters.is_empty()).map(|setter| setter.name);
    let unlisted: Vec<_> = of_requests.filter(|name| !arguments.contains(*name)).collect();
    assert!(unlisted.is_empty(), "Request has {unlisted:?}, which the table has for no method");
    arguments.insert("operation".to_owned());
    assert_eq!(
        fields(&core, "OperationInput").into_iter().map(|[name, _]| name.to_owned()).collect::<Lines>(),
        arguments
    );
}

#[test]
fn results_statuses_errors_and_names() {
    let (core, table) = (core(), table());
    let results = table["results"].as_object().unwrap();
    let of_results = results.keys().flat_map(|result| {
        let fields = fields(&core, result).into_iter();
        fields.map(move |[name, kind]| format!("results.{result}.{name}: {}", described(kind)))
    });
    compare("results", of_results.collect());

    let statuses =
        variants(&core, "CandidateStatus").into_iter().map(|name| format!("statuses: {}", name.to_lowercase()));
    compare("statuses", statuses.collect());
    let known: Value = CandidateStatus::KNOWN.iter().map(CandidateStatus::as_str).collect();
    assert_eq!(table["statuses"], known);

    let getters = methods(&core, "Error").into_iter().filter(|method| method.takes_self);
    let of_errors = getters.map(|getter| format!("error_fields.{}: {}", getter.name, described(getter.returns)));
    compare("error_fields", of_errors.collect());

    let root = include_str!("../../../core/src/lib.rs");
    let used = find::<1>(r"(?ms)^pub use (?:[\w:]+::)?\{?([\w, \n]+?),?\s*\}?;", root).concat().join(", ");
    let modules = find::<2>(r"(?m)^(#\[cfg.*\n)?pub mod (\w+);", root);
    let modules = modules.iter().filter(|[cfg, _]| cfg.is_empty()).map(|[_, name]| *name);
    let exported: Vec<&str> = used.split(',').map(str::trim).chain(modules).collect();
    assert!(results.keys().all(|result| exported.contains(&result.as_str())));
    let names = exported.iter().filter(|name| !results.contains_key(**name));
    compare("names", names.map(|name| format!("names: {name}")).collect());
}
