//! The Rust cases as a test, for tools that run only tests, such as cargo-mutants.
#![forbid(unsafe_code)]

use std::process::Command;

#[test]
#[ignore = "make conformance runs the cases in all languages"]
fn every_case_passes_in_rust() {
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let harness = env!("CARGO_BIN_EXE_celper-conformance");
    let status =
        Command::new(harness).args(["--languages", "rust", "--fail-fast", "--repository", repository]).status();
    assert!(status.unwrap().success());
}
