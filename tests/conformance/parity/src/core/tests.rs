//! The core's sources, each time with one thing changed in a copy.

use std::path::PathBuf;

use super::*;
use crate::compare::compare;
use crate::expected::expected;
use crate::face::Face;
use crate::language::Language;

const CORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../core/src");

/// What is said of a core in one of whose files something stands in another's place.
fn failures(file: &str, from: &str, to: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    copy(CORE.into(), folder.path().to_owned());
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    let face: Face = serde_json::from_str(include_str!("../../../face.json")).unwrap();
    let exceptions = face.exceptions(Language::Rust);
    compare(&expected(&face, Language::Rust), &read(folder.path()).unwrap(), &[], &exceptions).failures
}

fn copy(from: PathBuf, to: PathBuf) {
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(path, to.join(name));
        } else {
            fs::copy(path, to.join(name)).unwrap();
        }
    }
}

#[test]
fn the_core_as_it_is_passes() {
    assert_eq!(failures("lib.rs", "mod answer;", "mod answer;"), [""; 0]);
}

#[test]
fn one_change_is_named_and_nothing_else() {
    for (file, from, to, said) in [
        (
            "config.rs",
            "pub fn proxy(",
            "pub fn proxy_url(",
            &["option proxy is missing", "option proxy_url is not in face.json"][..],
        ),
        (
            "config.rs",
            "    /// The time for one HTTP attempt, connecting included: 30 s.\n",
            "",
            &["option attempt_timeout has no documentation"],
        ),
        (
            "config.rs",
            "pub fn timeout(mut self, timeout: Duration)",
            "pub fn timeout(mut self, timeout: f64)",
            &["option timeout: type is f64, not Duration"],
        ),
        (
            "request.rs",
            "pub fn email_body(",
            "fn email_body(",
            &["parameter email_body of invite_candidate is missing"],
        ),
        (
            "model.rs",
            "pub session_id: String",
            "pub session_id: Option<String>",
            &["field session_id of Invitation: optional is true, not false"],
        ),
        (
            "model.rs",
            "    /// Whether the candidate was invited.\n",
            "",
            &["field invited of Invitation has no documentation"],
        ),
        ("model.rs", "    /// Rejected.\n    Rejected,", "    Rejected,", &["status rejected has no documentation"]),
        (
            "error.rs",
            "pub fn attempts(&self)",
            "pub fn tries(&self)",
            &["error field attempts is missing", "error field tries is not in face.json"],
        ),
        ("error.rs", "    /// HTTP 404.\n", "", &["error kind not_found has no documentation"]),
        (
            "client.rs",
            "    pub fn select_candidate(\n        &self,",
            "    pub fn select_candidate(\n        &self,\n        note: String,",
            &["parameter note of select_candidate is not in face.json"],
        ),
        (
            "lib.rs",
            "pub use config::ClientBuilder;",
            "pub use config::{ClientBuilder, Extra};",
            &["name Extra is not in face.json", "name Extra has no documentation"],
        ),
    ] {
        let found = failures(file, from, to);
        // That the call as data has the same parameters is a contradiction of its own.
        let (contradictions, found): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|it| it.starts_with("OperationInput"));
        assert_eq!(found, said);
        assert_eq!(contradictions.len(), usize::from(said.iter().any(|it| it.starts_with("parameter"))), "{said:?}");
    }
}
