//! Writes the Kotlin and Swift glue: `celper-uniffi-bindgen kotlin|swift LIBRARY OUT_DIR`.
//!
//! The library must not be stripped: what it exports is read from its symbols.

use std::process::ExitCode;
use std::{env, fs};

use uniffi::{GenerateOptions, SwiftBindingsOptions, TargetLanguage};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/uniffi.toml");

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[expect(clippy::print_stderr, reason = "a program says what went wrong there")]
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let written = match arguments[..] {
        ["kotlin", library, out] => kotlin(library, out),
        ["swift", library, out] => swift(library, out),
        _ => Err("usage: celper-uniffi-bindgen kotlin|swift LIBRARY OUT_DIR".into()),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("celper-uniffi-bindgen: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

/// `OUT_DIR/ai/celper/internal/ffi/celper.kt`, with nothing public in it.
fn kotlin(library: &str, out: &str) -> Result<(), Failed> {
    uniffi::generate(GenerateOptions {
        languages: vec![TargetLanguage::Kotlin],
        source: library.into(),
        out_dir: out.into(),
        config_override: Some(CONFIG.into()),
        metadata_no_deps: true,
        ..GenerateOptions::default()
    })?;
    let path = format!("{out}/ai/celper/internal/ffi/celper.kt");
    let code = fs::read_to_string(&path)?;
    let lines: Vec<String> = code.lines().map(internal).collect();
    fs::write(&path, lines.join("\n") + "\n")?;
    Ok(())
}

/// `UniFFI` has no setting for it, so each declaration at the top level is made internal here. What this misses, the
/// explicit API mode of the Kotlin build reports.
fn internal(line: &str) -> String {
    const DECLARATIONS: [&str; 14] = [
        "abstract ",
        "class ",
        "const ",
        "data ",
        "enum ",
        "fun ",
        "fun<",
        "inline ",
        "interface ",
        "object ",
        "open ",
        "sealed ",
        "typealias ",
        "val ",
    ];
    // Only functions at the top level follow their comment's end on its line.
    if let Some(function) = line.trim_start().strip_prefix("*/ fun ") {
        return format!("*/ internal fun {function}");
    }
    // Private is what the hand-written layer needs too: where the library is.
    let declared = ["public ", "private "].iter().find_map(|start| line.strip_prefix(start)).unwrap_or(line);
    if DECLARATIONS.iter().any(|start| declared.starts_with(start)) {
        format!("internal {declared}")
    } else {
        line.to_owned()
    }
}

/// `OUT_DIR/CelperGenerated/CelperGenerated.swift`, and header and module map in `OUT_DIR/CelperFFI`.
fn swift(library: &str, out: &str) -> Result<(), Failed> {
    let options = |out_dir: String| SwiftBindingsOptions {
        generate_swift_sources: false,
        generate_headers: false,
        generate_modulemap: false,
        source: library.into(),
        out_dir: out_dir.into(),
        xcframework: false,
        module_name: Some("CelperFFI".to_owned()),
        modulemap_filename: Some("module.modulemap".to_owned()),
        metadata_no_deps: true,
        link_frameworks: Vec::new(),
        config: Some(CONFIG.into()),
    };
    let sources = options(format!("{out}/CelperGenerated"));
    let headers = options(format!("{out}/CelperFFI"));
    for directory in [&sources.out_dir, &headers.out_dir] {
        fs::create_dir_all(directory)?;
    }
    uniffi::generate_swift_bindings(SwiftBindingsOptions { generate_swift_sources: true, ..sources })?;
    uniffi::generate_swift_bindings(SwiftBindingsOptions {
        generate_headers: true,
        generate_modulemap: true,
        ..headers
    })?;
    Ok(())
}
