//! The Rust cases as a test, for tools that know only tests: those that change the code and look whether anybody notices.
#![forbid(unsafe_code)]

use std::process::Command;

#[test]
#[ignore = "make conformance runs the cases, with all languages"]
fn every_case_passes_in_rust() {
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let judge = env!("CARGO_BIN_EXE_celper-conformance");
    let status = Command::new(judge).args(["--languages", "rust", "--fail-fast", "--repository", repository]).status();
    assert!(status.unwrap().success());
}
