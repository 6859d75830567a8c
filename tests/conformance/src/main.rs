//! Judges every language by one set of cases.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]
// What a JSON value lacks is null; nothing panics.
#![allow(clippy::indexing_slicing)]

mod always;
mod case;
mod face;
mod judge;
mod language;
mod matrix;
mod pattern;
mod runner;
mod soak;
mod template;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use celper_sandbox::{Options, Sandbox};
use clap::Parser;
use futures_util::stream::{self, StreamExt};
use tokio::sync::Mutex;

use crate::case::Case;
use crate::face::Kind;
use crate::judge::Court;
use crate::language::Language;
use crate::matrix::Column;
use crate::runner::{Runner, Start};

/// The column of the cases that look at the sandbox alone.
const SANDBOX: &str = "sandbox";

/// Cases under way at a time: most of them wait most of the time.
const SIDE_BY_SIDE: usize = 16;

#[derive(Parser)]
struct Arguments {
    /// The languages to judge, by name; all of them if not said.
    #[arg(long, num_args = 1..)]
    languages: Vec<String>,
    /// Only cases whose name, or topic, has this in it.
    #[arg(long, default_value = "")]
    only: String,
    /// The repository.
    #[arg(long, default_value = ".")]
    repository: PathBuf,
    /// End with the first case that fails.
    #[arg(long)]
    fail_fast: bool,
    /// In place of the cases: so many seconds of random faults for each language.
    #[arg(long)]
    soak: Option<u64>,
    /// The seed of the soak; a new one if not said.
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
        bail!("{unknown} is none of the languages");
    }
    if let Some(seconds) = arguments.soak {
        return soak_all(&repository, &arguments, Duration::from_secs(seconds)).await;
    }
    let folder = repository.join("tests/conformance");
    let all = case::read_all(&folder)?;
    let kinds = face::kinds(&std::fs::read_to_string(folder.join("face.json")).context("face.json")?)?;
    let chosen = |case: &&Case| case.name.contains(&arguments.only) || case.topic.contains(&arguments.only);
    let (http, cases): (Vec<&Case>, Vec<&Case>) = all.iter().filter(chosen).partition(|case| case.is_plain_http());

    let mut columns = Vec::new();
    for language in arguments.languages() {
        columns.push(judged(&repository, language, &kinds, &cases, arguments.fail_fast).await);
    }
    if arguments.languages.is_empty() || arguments.languages.iter().any(|name| name == SANDBOX) {
        columns.push(sandbox_alone(&http).await);
    }
    let (text, passed, failed) = matrix::draw(&columns);
    println!("{text}\n{passed} passed, {failed} failed");
    Ok(if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn soak_all(repository: &Path, arguments: &Arguments, length: Duration) -> Result<ExitCode> {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    println!("seed {seed}: --soak {} --seed {seed} plays the same stories again", length.as_secs());
    let (mut passed, mut failed) = (0, 0);
    for language in arguments.languages() {
        let Some(account) = soak::soak(repository, language, seed, length).await? else {
            continue;
        };
        println!(
            "{}: {} stories in {} requests: {} done, {} surely not done, {} unknown, {} cancelled; {} wrong",
            language.name(),
            account.stories,
            account.requests,
            account.done,
            account.refused,
            account.unknown,
            account.cancelled,
            account.problems.len()
        );
        for problem in &account.problems {
            println!("  {problem}");
        }
        failed += account.problems.len();
        passed += account.stories - account.problems.len();
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn judged(repository: &Path, language: Language, kinds: &[Kind], cases: &[&Case], fail_fast: bool) -> Column {
    let started = Instant::now();
    let results = match try_judge(repository, language, kinds, cases, fail_fast).await {
        Ok(Some(results)) => results,
        Ok(None) => return Column { language: language.name(), cases: Vec::new(), skipped: cases.len() },
        // A runner that does not run fails every case.
        Err(problem) => vec![vec![format!("{problem:#}")]; cases.len()],
    };
    println!("{}: {} cases in {:.1} s", language.name(), cases.len(), started.elapsed().as_secs_f64());
    column(language.name(), cases, results)
}

async fn try_judge(
    repository: &Path,
    language: Language,
    kinds: &[Kind],
    cases: &[&Case],
    fail_fast: bool,
) -> Result<Option<Vec<Vec<String>>>> {
    let environment = Sandbox::start(Options { limits_enabled: false, ..Options::default() }).await?;
    let (url, key) = (environment.base_url(), environment.api_key().to_owned());
    let runner = match Runner::start(language.command(repository), &url, &key).await? {
        Start::Ready(runner) => runner,
        Start::Skipped(reason) => {
            println!("{reason}");
            return Ok(None);
        }
    };
    let environment = Mutex::new(environment);
    let cancelling = Mutex::new(());
    let court = Court { language, kinds, runner: &runner, environment: &environment, cancelling: &cancelling };
    let court = &court;
    let numbered = cases
        .iter()
        .enumerate()
        .map(|(number, case)| async move { (number, judge::problems(court, number, case).await) });
    let mut under_way = stream::iter(numbered).buffer_unordered(SIDE_BY_SIDE);
    let mut results = vec![vec!["not tried".to_owned()]; cases.len()];
    while let Some((number, problems)) = under_way.next().await {
        let failed = !problems.is_empty();
        if let Some(place) = results.get_mut(number) {
            *place = problems;
        }
        if failed && fail_fast {
            return Ok(Some(results));
        }
    }
    drop(under_way);
    runner.finish().await?;
    Ok(Some(results))
}

/// The sandbox beside the API's documentation, with no client between.
async fn sandbox_alone(cases: &[&Case]) -> Column {
    let results = stream::iter(cases.iter().map(|case| judge::http_problems(case))).buffered(SIDE_BY_SIDE);
    column(SANDBOX, cases, results.collect().await)
}

fn column(language: &'static str, cases: &[&Case], results: Vec<Vec<String>>) -> Column {
    let cases = cases.iter().zip(results);
    let cases = cases.map(|(case, problems)| (case.topic.clone(), case.name.clone(), problems)).collect();
    Column { language, cases, skipped: 0 }
}
