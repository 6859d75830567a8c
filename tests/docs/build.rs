//! Turns each Rust example in the pages into a doctest, so that rustdoc compiles and runs it.

#[path = "src/page.rs"]
#[allow(dead_code, unreachable_pub, reason = "also a module of the crate, whose tests use the rest of it")]
mod page;

use std::fmt::Write as _;
use std::path::Path;
use std::{env, error, fs};

use page::{Example, Page};

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-changed=pages.txt");
    let mut doctests = String::new();
    for page in page::pages()? {
        println!("cargo::rerun-if-changed={}", page::root().join(&page.path).display());
        for example in page.examples() {
            if example.language == "rust" && example.not_run.is_none() {
                add_doctest(&mut doctests, &page, &example)?;
            }
        }
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("examples.rs"), doctests)?;
    Ok(())
}

/// Appends the doctest of one example. The `main` of an example that has one is renamed and called by another `main`. Any other
/// example becomes the body of a function that has a `client`.
fn add_doctest(doctests: &mut String, page: &Page, example: &Example) -> Result<(), std::fmt::Error> {
    let function = if example.code.contains("fn main()") {
        example.code.replace("fn main()", "fn example()")
    } else {
        format!(
            "#[tokio::main]\nasync fn example() -> Result<(), Box<dyn std::error::Error>> {{\n\
             let client = celper::Client::from_env()?;\n{}Ok(())\n}}\n",
            example.code
        )
    };
    let program = format!(
        "```rust\n#![allow(unused)]\n{function}fn main() -> std::process::ExitCode {{ celper_docs::against_sandbox(example) }}\n```\n"
    );
    let name: String =
        page.path.chars().map(|character| if character.is_alphanumeric() { character } else { '_' }).collect();
    writeln!(doctests, "#[doc = {program:?}]\nstruct {name}_line_{};", example.line)
}
