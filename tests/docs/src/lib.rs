//! Runs the examples of the project's pages, and checks what they link to. See `README.md` here.
#![forbid(unsafe_code)]

mod page;

use std::env;
use std::error::Error;
use std::process::{Command, ExitCode, Termination};

use celper_sandbox::{Options, Sandbox};
use serde_json::Value;

pub use page::{Example, Page, pages, root};

/// The Rust examples, each as a doctest.
#[cfg(doctest)]
#[allow(non_camel_case_types, reason = "their names are the pages' paths")]
mod examples {
    include!(concat!(env!("OUT_DIR"), "/examples.rs"));
}

/// What a process that runs an example finds in its environment.
const INSIDE: &str = "CELPER_EXAMPLE";

/// Runs an example in a process of its own, whose environment names a sandbox with the stage set.
#[allow(clippy::print_stderr, reason = "an example's failure is read by people")]
pub fn against_sandbox<T: Termination>(example: impl FnOnce() -> T) -> ExitCode {
    if env::var_os(INSIDE).is_some() {
        return example().report();
    }
    match run_again() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run_again() -> Result<ExitCode, Box<dyn Error>> {
    let sandbox = Sandbox::start(Options { limits_enabled: false, ..Options::default() }).await?;
    set_stage(&sandbox).await?;
    let mut program = Command::new(env::current_exe()?);
    program.args(env::args_os().skip(1)).env(INSIDE, "1");
    program.env("CELPER_API_KEY", sandbox.api_key()).env("CELPER_BASE_URL", sandbox.base_url());
    program.env("NO_PROXY", "127.0.0.1");
    let done = tokio::process::Command::from(program).status().await?;
    Ok(if done.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Puts up what all languages' examples find: the control calls of `stage.json`.
///
/// # Errors
///
/// When the sandbox refuses one of them.
pub async fn set_stage(sandbox: &Sandbox) -> Result<(), Box<dyn Error>> {
    let stage: Vec<Value> = serde_json::from_str(include_str!("../stage.json"))?;
    let http = reqwest::Client::builder().tls_backend_preconfigured(no_tls()?).no_proxy().build()?;
    for call in &stage {
        let path = call["path"].as_str().ok_or("a control call has a path")?;
        let url = format!("{}/_sandbox/{path}", sandbox.base_url());
        http.post(url).body(call["body"].to_string()).send().await?.error_for_status()?;
    }
    Ok(())
}

/// The sandbox speaks plain HTTP, but reqwest is not made without TLS.
fn no_tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}
