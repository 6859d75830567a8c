//! Makes a doctest of each Rust example in the pages, so that rustdoc compiles and runs it.

#[path = "src/page.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is a module of the crate, which shows it to the checks")]
mod page;

use std::fmt::Write as _;
use std::path::Path;
use std::{env, error, fs};

use page::{Example, Page};

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-changed=pages.txt");
    let mut made = String::new();
    for page in page::pages()? {
        println!("cargo::rerun-if-changed={}", page::root().join(&page.path).display());
        for example in page.examples() {
            if example.language == "rust" && example.not_run.is_none() {
                add_doctest(&mut made, &page, &example)?;
            }
        }
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("examples.rs"), made)?;
    Ok(())
}

/// An example that has a `main` is a program, which is called by another `main`. The others become a function's body that
/// has a `client`.
fn add_doctest(made: &mut String, page: &Page, example: &Example) -> Result<(), std::fmt::Error> {
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
    writeln!(made, "#[doc = {program:?}]\nstruct {name}_line_{};", example.line)
}
