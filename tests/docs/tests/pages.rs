//! The pages themselves: nothing in them is without a test unless it says why, and their links lead somewhere.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use celper_docs::{Example, Page, pages, root, set_stage};
use celper_sandbox::{Options, Sandbox};

/// Languages whose examples are run or compiled, and where that is done.
const TESTED: [(&str, &str); 8] = [
    ("json", "read here"),
    ("sh", "run here"),
    ("rust", "doctests of this crate"),
    ("python", "bindings-python/tests/test_pages.py"),
    ("ts", "bindings-node/test/pages.test.mjs"),
    ("kotlin", "bindings-uniffi/examples.sh"),
    ("java", "bindings-uniffi/examples.sh"),
    ("swift", "bindings-uniffi/examples.sh"),
];

/// Folders in which there are pages of others, or built ones.
const PASSED_OVER: [&str; 5] = ["target", "node_modules", "dist", "packed", "mutants.out"];

fn every_page() -> Vec<Page> {
    pages().unwrap()
}

#[test]
fn every_page_is_in_the_list() {
    let mut found = Vec::new();
    collect(&root(), &mut found);
    let listed: HashSet<PathBuf> = every_page().iter().map(|page| root().join(&page.path)).collect();
    let missing: Vec<_> = found.iter().filter(|path| !listed.contains(*path)).collect();
    assert!(missing.is_empty(), "add to tests/docs/pages.txt: {missing:?}");
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !name.starts_with('.') && !PASSED_OVER.contains(&name.as_str()) {
            collect(&entry.path(), found);
        } else if kind.is_file() && name.ends_with(".md") {
            found.push(entry.path());
        }
    }
}

#[test]
fn every_example_is_tested_or_says_why_not() {
    let mut problems = Vec::new();
    for page in every_page() {
        let examples = page.examples();
        for example in &examples {
            problems.extend(problem(example).map(|problem| format!("{}:{}: {problem}", page.path, example.line)));
        }
        let marked = examples.iter().filter(|example| example.not_run.is_some()).count();
        if marked != page.marks() {
            problems.push(format!("{}: a line that says `not run` belongs right above an example", page.path));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

fn problem(example: &Example) -> Option<String> {
    if !example.plain {
        return Some("write it between ``` at the beginning of a line, which is where its test looks".to_owned());
    }
    if let Some(reason) = &example.not_run {
        return reason.is_empty().then(|| "say why it is not run".to_owned());
    }
    match example.language.as_str() {
        "json" => serde_json::from_str::<serde_json::Value>(&example.code).err().map(|error| error.to_string()),
        language if TESTED.iter().any(|(tested, _)| *tested == language) => None,
        language => Some(format!(
            "no test runs `{language}`; put `<!-- not run: the reason -->` into the line above, or use one of {TESTED:?}"
        )),
    }
}

#[test]
fn every_link_leads_somewhere() {
    let pages = every_page();
    let mut problems = Vec::new();
    for page in &pages {
        for link in page.links() {
            if link.starts_with("https://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                root().join(&page.path)
            } else {
                root().join(&page.path).parent().unwrap().join(path)
            };
            let is_target = |other: &&Page| root().join(&other.path).canonicalize().ok() == target.canonicalize().ok();
            let reached = match pages.iter().find(is_target) {
                Some(other) => anchor.is_empty() || other.anchors().iter().any(|known| known == anchor),
                None => anchor.is_empty() && target.exists(),
            };
            if !reached {
                problems.push(format!("{}: {link}", page.path));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// What stands before a page's commands: curl fails where the sandbox refuses, and `make` only looks whether it could.
const PRELUDE: &str = r#"set -euo pipefail
curl() { command curl --silent --show-error --fail-with-body --noproxy '*' "$@"; echo; }
make() { command make --dry-run "$@" >/dev/null; }
"#;

/// A page's commands are one script, as somebody would type them one after another.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_runs() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: the commands of the pages need curl");
        return;
    }
    let mut ran = 0;
    for page in every_page() {
        let examples = page.examples();
        let commands = examples.iter().filter(|example| example.language == "sh" && example.not_run.is_none());
        let script: String = commands.map(|example| format!(": line {}\n{}", example.line, example.code)).collect();
        if script.is_empty() {
            continue;
        }
        let sandbox = Sandbox::start(Options { limits_enabled: false, ..Options::default() }).await.unwrap();
        set_stage(&sandbox).await.unwrap();
        let address = sandbox.base_url().trim_start_matches("http://").to_owned();
        let script = script.replace("localhost:8787", &address).replace("127.0.0.1:8787", &address);
        let mut bash = tokio::process::Command::new("bash");
        bash.args(["-xc", &format!("{PRELUDE}{script}")]).current_dir(root());
        bash.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
        let done = bash.stdin(Stdio::null()).output().await.unwrap();
        let said = [done.stdout, done.stderr].concat();
        assert!(done.status.success(), "{}:\n{}", page.path, String::from_utf8_lossy(&said));
        ran += 1;
    }
    assert!(ran > 0, "no page has commands");
}
