//! Compares the public face of every language with `face.json` and with the Rust core's.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

mod compare;
mod core;
mod expected;
mod face;
mod guides;
mod item;
mod language;
mod readers;
mod swift;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::compare::{Verdict, compare};
use crate::expected::{expected, with_core};
use crate::face::Face;
use crate::item::Item;
use crate::language::Language;
use crate::readers::Reader;

#[derive(Parser)]
struct Arguments {
    /// The languages to compare, by name; all of them if not said. The core is always read.
    #[arg(long, num_args = 1..)]
    languages: Vec<String>,
    /// The repository.
    #[arg(long, default_value = ".")]
    repository: PathBuf,
}

fn main() -> Result<ExitCode> {
    let Arguments { languages, repository } = Arguments::parse();
    let repository = repository.canonicalize().context("the repository")?;
    if let Some(unknown) = languages.iter().find(|name| !Language::ALL.iter().any(|language| language.name() == *name))
    {
        bail!("there is no language {unknown}; there are {}", Language::ALL.map(Language::name).join(", "));
    }
    let text = fs::read_to_string(repository.join("tests/conformance/face.json")).context("reading face.json")?;
    let face: Face = serde_json::from_str(&text).context("face.json")?;
    let (mut passed, mut failed) = (0, 0);
    let mut report = |language: Language, verdict: &Verdict| {
        print(language, verdict);
        passed += verdict.passed.values().sum::<usize>();
        failed += verdict.failures.len();
    };

    let core = Reader::Rust.read(&repository, &[])?.remove(&Language::Rust).unwrap_or_default();
    let verdict = compare(&expected(&face, Language::Rust), &core, &[], &face.exceptions(Language::Rust));
    report(Language::Rust, &verdict);
    // What the core has more, the others are to have as well, whatever face.json says.
    let extra: Vec<&Item> = core.iter().filter(|item| verdict.extra.contains(&item.subject)).collect();
    let with_core = with_core(&face, &extra);
    let kinds: Vec<String> = with_core.errors.kinds.iter().map(|kind| kind.kind.clone()).collect();

    for reader in Reader::ALL.into_iter().filter(|reader| *reader != Reader::Rust) {
        let wanted = |language: &Language| languages.is_empty() || languages.iter().any(|name| name == language.name());
        let wanted: Vec<Language> = reader.languages().iter().copied().filter(wanted).collect();
        if wanted.is_empty() {
            continue;
        }
        let mut faces = reader.read(&repository, &kinds);
        for language in wanted {
            let items = match &mut faces {
                Ok(faces) => faces.remove(&language).unwrap_or_default(),
                Err(error) => {
                    let failures = vec![format!("cannot be read: {error:#}")];
                    report(language, &Verdict { failures, ..Verdict::default() });
                    continue;
                }
            };
            let only_core = expected(&with_core, language);
            let exceptions = face.exceptions(language);
            report(language, &compare(&expected(&face, language), &items, &only_core, &exceptions));
        }
    }

    let guides = guides::check(&repository, &with_core)?;
    if guides.failures.is_empty() {
        let counts = guides.passed.iter().map(|(sort, count)| format!("{count} of {sort}")).collect::<Vec<_>>();
        println!("documents: tables and trees, {}, as in the core", counts.join(", "));
    } else {
        println!("documents: differ");
        guides.failures.iter().for_each(|failure| println!("  {failure}"));
    }
    passed += guides.passed.values().sum::<usize>();
    failed += guides.failures.len();
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(language: Language, verdict: &Verdict) {
    if !verdict.failures.is_empty() {
        println!("{language}: differs");
        verdict.failures.iter().for_each(|failure| println!("  {language}: {failure}"));
        return;
    }
    let sorts = [
        ("operation", "operations"),
        ("parameter", "parameters"),
        ("option", "options"),
        ("limit", "rate limits"),
        ("member", "other members"),
        ("result", "results"),
        ("field", "fields"),
        ("error kind", "error kinds"),
        ("error class", "error classes"),
        ("error field", "error fields"),
        ("status", "statuses"),
    ];
    let counts = sorts.iter().filter_map(|(item, name)| Some(format!("{} {name}", verdict.passed.get(*item)?)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let whom = if language == Language::Rust { "face.json" } else { "the core" };
    let argued = match verdict.excepted {
        0 => String::new(),
        1 => " but for one argued difference".to_owned(),
        several => format!(" but for {several} argued differences"),
    };
    println!("{language}: {counts}, as in {whom}{argued}");
}
