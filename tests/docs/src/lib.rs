//! Runs the examples of the project's pages and checks their links. See this crate's `README.md`.
#![forbid(unsafe_code)]

mod page;

use std::env;
use std::error::Error;
use std::process::{Command, ExitCode, Termination};

use celper_sandbox::{Options, Sandbox};
use serde_json::Value;

pub use page::{Example, Page, pages, root};

/// The Rust examples as doctests.
#[cfg(doctest)]
#[allow(non_camel_case_types, reason = "named after the pages' paths")]
mod examples {
    include!(concat!(env!("OUT_DIR"), "/examples.rs"));
}

/// The environment variable that marks a process as the one that runs the example.
const CHILD_MARKER: &str = "CELPER_EXAMPLE";

/// Runs an example in a child process whose environment points to a sandbox with the candidates of `stage.json`.
#[allow(clippy::print_stderr, reason = "reports the failure in the test's output")]
pub fn against_sandbox<T: Termination>(example: impl FnOnce() -> T) -> ExitCode {
    if env::var_os(CHILD_MARKER).is_some() {
        return example().report();
    }
    match run_in_child() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run_in_child() -> Result<ExitCode, Box<dyn Error>> {
    let sandbox = Sandbox::start(Options { limits_enabled: false, ..Options::default() }).await?;
    create_candidates(&sandbox).await?;
    let mut program = Command::new(env::current_exe()?);
    program.args(env::args_os().skip(1)).env(CHILD_MARKER, "1");
    program.env("CELPER_API_KEY", sandbox.api_key()).env("CELPER_BASE_URL", sandbox.base_url());
    program.env("NO_PROXY", "127.0.0.1");
    let status = tokio::process::Command::from(program).status().await?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Creates the candidates that the examples of all languages use, by making the control calls of `stage.json`.
///
/// # Errors
///
/// If the sandbox rejects a call.
pub async fn create_candidates(sandbox: &Sandbox) -> Result<(), Box<dyn Error>> {
    let calls: Vec<Value> = serde_json::from_str(include_str!("../stage.json"))?;
    let http = reqwest::Client::builder().tls_backend_preconfigured(no_tls()?).no_proxy().build()?;
    for call in &calls {
        let path = call["path"].as_str().ok_or("a control call has no path")?;
        let url = format!("{}/_sandbox/{path}", sandbox.base_url());
        http.post(url).body(call["body"].to_string()).send().await?.error_for_status()?;
    }
    Ok(())
}

/// A TLS configuration that trusts nothing. The sandbox uses plain HTTP, but reqwest's builder requires a configuration.
fn no_tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}
