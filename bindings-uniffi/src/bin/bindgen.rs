//! Generates the Kotlin or Swift glue code: `celper-uniffi-bindgen kotlin|swift LIBRARY OUT_DIR`.
//!
//! The library must not be stripped: the generator reads the exported interface from its symbols.

use std::process::ExitCode;
use std::{env, fs};

use uniffi::{GenerateOptions, SwiftBindingsOptions, TargetLanguage};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/uniffi.toml");

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[expect(clippy::print_stderr, reason = "a command-line program reports its errors there")]
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["kotlin", library, out] => kotlin(library, out),
        ["swift", library, out] => swift(library, out),
        _ => Err("usage: celper-uniffi-bindgen kotlin|swift LIBRARY OUT_DIR".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("celper-uniffi-bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Writes `OUT_DIR/ai/celper/internal/ffi/celper.kt`, and makes all of its declarations internal.
fn kotlin(library: &str, out: &str) -> Result<(), BoxError> {
    uniffi::generate(GenerateOptions {
        languages: vec![TargetLanguage::Kotlin],
        source: library.into(),
        out_dir: out.into(),
        config_override: Some(CONFIG.into()),
        metadata_no_deps: true,
        ..GenerateOptions::default()
    })?;
    let path = format!("{out}/ai/celper/internal/ffi/celper.kt");
    let code = without_unused_futures(&fs::read_to_string(&path)?);
    let lines: Vec<String> = code.lines().map(make_internal).collect();
    fs::write(&path, lines.join("\n") + "\n")?;
    Ok(())
}

/// Removes the declarations of functions that `scaffolding.rs` leaves out, which JNA would look up. Each has two lines.
fn without_unused_futures(code: &str) -> String {
    let mut lines = code.lines();
    let mut kept = String::new();
    while let Some(line) = lines.next() {
        let future = line.trim_start().strip_prefix("external fun ffi_celper_uniffi_rust_future_");
        if future.is_some_and(|name| !name.split('(').next().unwrap_or_default().ends_with("_rust_buffer")) {
            lines.next();
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Makes a top-level declaration internal, as `UniFFI` has no setting for that. If this misses one, the Kotlin build fails:
/// its explicit API mode requires a visibility.
fn make_internal(line: &str) -> String {
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
    // The generator puts a function on the line on which its comment ends only at the top level.
    if let Some(function) = line.trim_start().strip_prefix("*/ fun ") {
        return format!("*/ internal fun {function}");
    }
    // Private ones too: the hand-written layer calls `findLibraryName`, which is private in the generated code.
    let declaration = ["public ", "private "].iter().find_map(|start| line.strip_prefix(start)).unwrap_or(line);
    if DECLARATIONS.iter().any(|start| declaration.starts_with(start)) {
        format!("internal {declaration}")
    } else {
        line.to_owned()
    }
}

/// Writes `OUT_DIR/CelperGenerated/CelperGenerated.swift`, and the header and module map in `OUT_DIR/CelperFFI`.
fn swift(library: &str, out: &str) -> Result<(), BoxError> {
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
