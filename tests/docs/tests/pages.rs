//! Checks the pages: every example is tested or says why not, and every link has a target.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use celper_docs::{Example, Page, create_candidates, pages, root};
use celper_sandbox::{Options, Sandbox};

/// The languages whose examples are run or compiled, and where.
const TESTED: [(&str, &str); 8] = [
    ("json", "parsed here"),
    ("sh", "run here"),
    ("rust", "this crate's doctests"),
    ("python", "bindings-python/tests/test_pages.py"),
    ("ts", "bindings-node/test/pages.test.mjs"),
    ("kotlin", "bindings-uniffi/examples.sh"),
    ("java", "bindings-uniffi/examples.sh"),
    ("swift", "bindings-uniffi/examples.sh"),
];

/// Folders with generated or third-party pages.
const SKIPPED_FOLDERS: [&str; 5] = ["target", "node_modules", "dist", "packed", "mutants.out"];

fn all_pages() -> Vec<Page> {
    pages().unwrap()
}

#[test]
fn every_page_is_in_the_list() {
    let mut found = Vec::new();
    collect(&root(), &mut found);
    let listed: HashSet<PathBuf> = all_pages().iter().map(|page| root().join(&page.path)).collect();
    let missing: Vec<_> = found.iter().filter(|path| !listed.contains(*path)).collect();
    assert!(missing.is_empty(), "add to tests/docs/pages.txt: {missing:?}");
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !name.starts_with('.') && !SKIPPED_FOLDERS.contains(&name.as_str()) {
            collect(&entry.path(), found);
        } else if kind.is_file() && name.ends_with(".md") {
            found.push(entry.path());
        }
    }
}

#[test]
fn every_example_is_tested_or_says_why_not() {
    let mut errors = Vec::new();
    for page in all_pages() {
        let examples = page.examples();
        for example in &examples {
            errors.extend(check(example).map(|error| format!("{}:{}: {error}", page.path, example.line)));
        }
        let not_run = examples.iter().filter(|example| example.not_run.is_some()).count();
        if not_run != page.not_run_comments() {
            errors.push(format!("{}: put each `not run` comment directly above its example", page.path));
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

/// What is wrong with an example, if anything.
fn check(example: &Example) -> Option<String> {
    if !example.is_fenced {
        return Some("fence it with ``` at the start of a line; the tests find no other form".to_owned());
    }
    if let Some(reason) = &example.not_run {
        return reason.is_empty().then(|| "give the reason why it is not run".to_owned());
    }
    match example.language.as_str() {
        "json" => serde_json::from_str::<serde_json::Value>(&example.code).err().map(|error| error.to_string()),
        language if TESTED.iter().any(|(tested, _)| *tested == language) => None,
        language => Some(format!(
            "no test runs `{language}`; put `<!-- not run: the reason -->` in the line above, or use one of {TESTED:?}"
        )),
    }
}

#[test]
fn every_link_has_a_target() {
    let pages = all_pages();
    let mut broken = Vec::new();
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
            let found = match pages.iter().find(is_target) {
                Some(other) => anchor.is_empty() || other.anchors().iter().any(|known| known == anchor),
                None => anchor.is_empty() && target.exists(),
            };
            if !found {
                broken.push(format!("{}: {link}", page.path));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Runs before a page's commands: makes curl fail on an HTTP error, and `make` do a dry run.
const PRELUDE: &str = r#"set -euo pipefail
curl() { command curl --silent --show-error --fail-with-body --noproxy '*' "$@"; echo; }
make() { command make --dry-run "$@" >/dev/null; }
"#;

/// Runs all commands of a page as one script, as a reader would type them.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_runs() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: the pages' commands need curl");
        return;
    }
    let mut ran = 0;
    for page in all_pages() {
        let examples = page.examples();
        let commands = examples.iter().filter(|example| example.language == "sh" && example.not_run.is_none());
        let script: String = commands.map(|example| format!(": line {}\n{}", example.line, example.code)).collect();
        if script.is_empty() {
            continue;
        }
        let sandbox = Sandbox::start(Options { limits_enabled: false, ..Options::default() }).await.unwrap();
        create_candidates(&sandbox).await.unwrap();
        let address = sandbox.base_url().trim_start_matches("http://").to_owned();
        let script = script.replace("localhost:8787", &address).replace("127.0.0.1:8787", &address);
        let mut bash = tokio::process::Command::new("bash");
        bash.args(["-xc", &format!("{PRELUDE}{script}")]).current_dir(root());
        bash.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
        let result = bash.stdin(Stdio::null()).output().await.unwrap();
        let output = [result.stdout, result.stderr].concat();
        assert!(result.status.success(), "{}:\n{}", page.path, String::from_utf8_lossy(&output));
        ran += 1;
    }
    assert!(ran > 0, "no page has commands");
}
