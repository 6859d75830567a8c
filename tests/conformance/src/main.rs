//! Runs one set of cases in every language.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]
// Indexing a JSON value gives null for what is missing; it does not panic.
#![allow(clippy::indexing_slicing)]

mod api_surface;
mod case;
mod case_run;
mod invariants;
mod language;
mod matrix;
mod pattern;
mod runner;
mod sandbox_case;
mod soak;
mod template;
mod test_env;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use celper_sandbox::{Options, ProxyOptions, Sandbox};
use clap::Parser;
use futures_util::stream::{self, StreamExt};
use tokio::sync::Mutex;

use crate::api_surface::ApiSurface;
use crate::case::Case;
use crate::case_run::Harness;
use crate::language::Language;
use crate::matrix::{CaseResult, Column};
use crate::runner::{Runner, Start};
use crate::test_env::unique_key;

/// The name of the column for the cases that test the sandbox itself.
const SANDBOX: &str = "sandbox";

/// The number of cases that run at a time. Most of them spend their time waiting.
const CONCURRENT_CASES: usize = 16;

#[derive(Parser)]
struct Arguments {
    /// The languages to test, and `sandbox` for the cases that test the sandbox itself [default: all]
    #[arg(long, num_args = 1..)]
    languages: Vec<String>,
    /// Run only the cases whose name or file name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// The path of the repository
    #[arg(long, default_value = ".")]
    repository: PathBuf,
    /// Stop at the first case that fails
    #[arg(long)]
    fail_fast: bool,
    /// Instead of the cases, make random calls against random faults for so many seconds in each language
    #[arg(long)]
    soak: Option<u64>,
    /// The seed of the soak [default: random]
    #[arg(long)]
    seed: Option<u64>,
}

impl Arguments {
    fn languages(&self) -> impl Iterator<Item = Language> {
        let named = |language: &Language| self.languages.iter().any(|name| name == language.name());
        Language::ALL.into_iter().filter(move |language| self.languages.is_empty() || named(language))
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let repository = std::path::absolute(&arguments.repository)?;
    let known = |name: &String| name == SANDBOX || Language::ALL.iter().any(|language| language.name() == name);
    if let Some(unknown) = arguments.languages.iter().find(|name| !known(name)) {
        bail!("unknown language {unknown}");
    }
    let folder = repository.join("tests/conformance");
    let surface = ApiSurface::read(&folder)?;
    if let Some(seconds) = arguments.soak {
        return soak_all(&repository, &surface, &arguments, Duration::from_secs(seconds)).await;
    }
    let all = case::read_all(&folder)?;
    let selected = |case: &&Case| case.name.contains(&arguments.only) || case.topic.contains(&arguments.only);
    let (sandbox_cases, cases): (Vec<&Case>, Vec<&Case>) =
        all.iter().filter(selected).partition(|case| case.is_sandbox_case());

    let mut columns = Vec::new();
    for language in arguments.languages() {
        columns.push(run_language(&repository, &surface, language, &cases, arguments.fail_fast).await);
    }
    if arguments.languages.is_empty() || arguments.languages.iter().any(|name| name == SANDBOX) {
        columns.push(run_sandbox_cases(&sandbox_cases).await);
    }
    let (text, passed, failed) = matrix::draw(&columns);
    println!("{text}");
    Ok(finish(passed, failed))
}

/// Prints the totals. Running nothing is a failure too.
fn finish(passed: usize, failed: usize) -> ExitCode {
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn soak_all(
    repository: &Path,
    surface: &ApiSurface,
    arguments: &Arguments,
    length: Duration,
) -> Result<ExitCode> {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    println!("seed {seed}: run the same scenarios again with --soak {} --seed {seed}", length.as_secs());
    let (mut passed, mut failed) = (0, 0);
    for language in arguments.languages() {
        let Some(summary) = soak::soak(repository, surface, language, seed, length).await? else {
            continue;
        };
        println!(
            "{}: {} scenarios in {} requests: {} done, {} not done, {} unknown, {} cancelled; {} wrong",
            language.name(),
            summary.scenarios,
            summary.requests,
            summary.done,
            summary.not_done,
            summary.unknown,
            summary.cancelled,
            summary.failures.len()
        );
        for failure in &summary.failures {
            println!("  {failure}");
        }
        failed += summary.failures.len();
        passed += summary.scenarios - summary.failures.len();
    }
    Ok(finish(passed, failed))
}

async fn run_language(
    repository: &Path,
    surface: &ApiSurface,
    language: Language,
    cases: &[&Case],
    fail_fast: bool,
) -> Column {
    let started = Instant::now();
    let cases: Vec<&Case> = cases.iter().copied().filter(|case| case.runs_in(language)).collect();
    let cases = cases.as_slice();
    let failures = match run_cases(repository, surface, language, cases, fail_fast).await {
        Ok(Some(failures)) => failures,
        Ok(None) => return Column { language: language.name(), cases: Vec::new(), skipped: cases.len() },
        // A runner that cannot run fails every case.
        Err(error) => vec![vec![format!("{error:#}")]; cases.len()],
    };
    println!("{}: {} cases in {:.1} s", language.name(), cases.len(), started.elapsed().as_secs_f64());
    column(language.name(), cases, failures)
}

/// The failures of each case, or none if this machine lacks the language's toolchain.
async fn run_cases(
    repository: &Path,
    surface: &ApiSurface,
    language: Language,
    cases: &[&Case],
    fail_fast: bool,
) -> Result<Option<Vec<Vec<String>>>> {
    let proxy = Some(ProxyOptions { credentials: None });
    let keys = vec![unique_key()];
    let shared_sandbox = Sandbox::start(Options { limits_enabled: false, proxy, keys, ..Options::default() }).await?;
    let runner = match Runner::start(language.runner_command(repository), &shared_sandbox).await? {
        Start::Ready(runner) => runner,
        Start::Skipped(reason) => {
            println!("{reason}");
            return Ok(None);
        }
    };
    let (shared_sandbox, cancel_lock) = (Mutex::new(shared_sandbox), Mutex::new(()));
    let harness =
        Harness { language, surface, runner: &runner, shared_sandbox: &shared_sandbox, cancel_lock: &cancel_lock };
    let harness = &harness;
    let runs = cases.iter().enumerate().map(|(number, case)| async move { (number, harness.run(number, case).await) });
    let mut runs = stream::iter(runs).buffer_unordered(CONCURRENT_CASES);
    let mut results = vec![vec!["not run".to_owned()]; cases.len()];
    while let Some((number, failures)) = runs.next().await {
        let failed = !failures.is_empty();
        if let Some(result) = results.get_mut(number) {
            *result = failures;
        }
        if failed && fail_fast {
            return Ok(Some(results));
        }
    }
    drop(runs);
    runner.finish().await?;
    Ok(Some(results))
}

/// Compares the sandbox with the API's documentation, without a client.
async fn run_sandbox_cases(cases: &[&Case]) -> Column {
    let runs = stream::iter(cases.iter().map(|case| sandbox_case::run(case))).buffered(CONCURRENT_CASES);
    column(SANDBOX, cases, runs.collect().await)
}

fn column(language: &'static str, cases: &[&Case], failures: Vec<Vec<String>>) -> Column {
    let results = cases.iter().zip(failures).map(|(case, failures)| CaseResult {
        topic: case.topic.clone(),
        name: case.name.clone(),
        failures,
    });
    Column { language, cases: results.collect(), skipped: 0 }
}
