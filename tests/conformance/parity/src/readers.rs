//! Runs the programs that read a language's face from what was built of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::item::Item;
use crate::language::Language;
use crate::{core, swift};

const READERS: &str = "tests/conformance/parity/readers";

/// A reader, and the faces that it gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reader {
    Rust,
    Python,
    Node,
    Kotlin,
    Swift,
}

impl Reader {
    pub(crate) const ALL: [Reader; 5] = [Reader::Rust, Reader::Python, Reader::Node, Reader::Kotlin, Reader::Swift];

    pub(crate) fn languages(self) -> &'static [Language] {
        match self {
            Reader::Rust => &[Language::Rust],
            Reader::Python => &[Language::Python, Language::PythonAsync],
            Reader::Node => &[Language::Node],
            Reader::Kotlin => &[Language::Kotlin, Language::Java],
            Reader::Swift => &[Language::Swift],
        }
    }

    /// The faces by language. `kinds` are all kinds of errors, for a language that has to be asked for each.
    pub(crate) fn read(self, repository: &Path, kinds: &[String]) -> Result<BTreeMap<Language, Vec<Item>>> {
        let readers = repository.join(READERS);
        let output = match self {
            Reader::Rust => {
                return Ok(BTreeMap::from([(Language::Rust, core::read(&repository.join("core/src"))?)]));
            }
            Reader::Python => {
                run(Command::new(repository.join("bindings-python/.venv/bin/python")).arg(readers.join("python.py")))
            }
            Reader::Node => {
                run(Command::new("node").arg(readers.join("node.mjs")).arg(repository.join("bindings-node")))
            }
            Reader::Kotlin => {
                let sources = repository.join("bindings-uniffi/kotlin/src/main/kotlin").display().to_string();
                let arguments = [&[sources], kinds].concat().join(" ");
                let mut maven = Command::new("mvn");
                maven.args(["-q", "-B", "-f"]).arg(readers.join("kotlin/pom.xml"));
                run(maven.args(["compile", "exec:java"]).arg(format!("-Dexec.args={arguments}")))
            }
            Reader::Swift => {
                let package = repository.join("bindings-uniffi/swift");
                let mut toolchain = Command::new(package.join("toolchain.sh"));
                let graph = run(toolchain.arg(readers.join("swift.sh")).current_dir(package))?;
                return Ok(BTreeMap::from([(Language::Swift, swift::read(&graph)?)]));
            }
        };
        faces(&output?)
    }
}

/// What a reader printed: the items of one face after the other's, each begun by its name.
fn faces(output: &str) -> Result<BTreeMap<Language, Vec<Item>>> {
    let mut faces: BTreeMap<Language, Vec<Item>> = BTreeMap::new();
    let mut current = None;
    for line in output.lines() {
        // Maven sets the terminal's colours back, whatever it is told.
        let Some(start) = line.find('{') else { continue };
        let line = line.get(start..).unwrap_or_default();
        let item: Item = serde_json::from_str(line).with_context(|| format!("no item: {line}"))?;
        if item.subject.item == "face" {
            current = Language::ALL.into_iter().find(|language| language.name() == item.subject.name);
            continue;
        }
        let language = current.with_context(|| format!("an item of no face: {line}"))?;
        faces.entry(language).or_default().push(item);
    }
    Ok(faces)
}

fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {program}"))?;
    let text = String::from_utf8(output.stdout).with_context(|| format!("{program} prints what is no text"))?;
    if !output.status.success() {
        bail!("{program}: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}
