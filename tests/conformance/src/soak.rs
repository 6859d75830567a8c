//! Runs random calls against random faults for a while, then compares what the callers were told with what the sandbox did.
//!
//! A scenario has a candidate of its own, the faults for its requests, and one call. The call can be cancelled, and a call with
//! an unknown outcome can be repeated with the same idempotency key. Seed and number determine the scenario.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use celper_sandbox::{Options, Sandbox};
use fastrand::Rng;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::api_surface::ApiSurface;
use crate::case::JOB_POSITION_ID;
use crate::language::Language;
use crate::runner::{Runner, Start};
use crate::test_env::{control, logged_requests, plain_http_client};

/// The number of calls in progress at a time.
const CALLERS: usize = 32;
/// In seconds. Short, so that delayed responses become timeouts.
const ATTEMPT_TIMEOUT: f64 = 0.4;
/// The client's name in the runner.
const CLIENT: &str = "soak";

/// The counts and failures of one language.
pub(crate) struct Summary {
    pub(crate) scenarios: usize,
    pub(crate) done: usize,
    pub(crate) not_done: usize,
    pub(crate) unknown: usize,
    pub(crate) cancelled: usize,
    pub(crate) requests: usize,
    pub(crate) failures: Vec<String>,
}

#[derive(Debug)]
struct Scenario {
    number: u64,
    candidate_id: String,
    operation: &'static str,
    faults: Vec<Value>,
    max_retries: u64,
    cancel_after: Option<Duration>,
    repeat_if_unknown: bool,
}

/// What the SDK reports to its caller.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Done,
    NotDone,
    Unknown,
    Cancelled,
}

pub(crate) async fn soak(
    repository: &Path,
    surface: &ApiSurface,
    language: Language,
    seed: u64,
    length: Duration,
) -> Result<Option<Summary>> {
    let options = Options { limits_enabled: false, log_capacity: 1_000_000, ..Options::default() };
    let sandbox = Sandbox::start(options).await?;
    let (url, key) = (sandbox.base_url(), sandbox.api_key().to_owned());
    let runner = match Runner::start(language.runner_command(repository), &sandbox).await? {
        Start::Ready(runner) => runner,
        Start::Skipped(reason) => {
            println!("{reason}");
            return Ok(None);
        }
    };
    let opened = runner
        .request(json!({"command": "open", "client": CLIENT, "options": {
            "api_key": key, "base_url": url, "rate_limits": null, "attempt_timeout": ATTEMPT_TIMEOUT, "timeout": 30,
        }}))
        .await?;
    if !opened["opened"].is_object() {
        bail!("the client could not be created: {opened}");
    }
    let http = plain_http_client(None)?;
    let (next_number, end) = (AtomicU64::new(0), Instant::now() + length);
    let callers = (0..CALLERS).map(|caller| {
        let (next_number, runner, http, url) = (&next_number, &runner, &http, &url);
        async move {
            let mut outcomes = Vec::new();
            while Instant::now() < end {
                // Only one cancellable call can be in progress at a time.
                let scenario = Scenario::new(seed, next_number.fetch_add(1, Ordering::Relaxed), caller == 0);
                let outcome = run(runner, surface, http, url, &scenario).await?;
                outcomes.push((scenario, outcome));
            }
            Ok::<_, anyhow::Error>(outcomes)
        }
    });
    let mut outcomes = Vec::new();
    for caller in join_all(callers).await {
        outcomes.extend(caller?);
    }
    runner.finish().await?;
    wait_until_idle(&http, &url).await?;
    summarize(&http, &url, &outcomes).await.map(Some)
}

impl Scenario {
    fn new(seed: u64, number: u64, cancellable: bool) -> Self {
        let mut random = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number));
        let operation = choose(&mut random, ["invite", "invite", "select", "reject", "status"]);
        let faults = (0..random.usize(..4)).map(|_| random_fault(&mut random)).collect();
        Scenario {
            number,
            candidate_id: format!("soak_{number}"),
            operation,
            faults,
            max_retries: random.u64(..4),
            cancel_after: (cancellable && random.bool()).then(|| Duration::from_millis(random.u64(..600))),
            repeat_if_unknown: random.u8(..4) == 0,
        }
    }
}

/// A fault of a server or a network. None reports an action as refused that took place: that would be the service's own fault.
fn random_fault(random: &mut Rng) -> Value {
    let act = choose(random, ["before", "none"]);
    match random.u8(..12) {
        0 => json!({"kind": "status", "status": 429, "headers": {"Retry-After": "0"}}),
        1 | 2 => json!({"kind": "status", "status": choose(random, [500, 502, 503, 504]), "act": act}),
        3 => json!({"kind": "delay", "seconds": random.f64(), "act": choose(random, ["before", "after"])}),
        4 | 5 => json!({"kind": "close", "reset": random.bool(), "act": act}),
        6 => json!({"kind": "cut", "afterBytes": random.u64(..60)}),
        7 => json!({"kind": "drip", "bytesPerSecond": random.u64(50..5_000)}),
        8 => json!({"kind": "not_json", "status": choose(random, [200, 502])}),
        9 => json!({"kind": "endless"}),
        10 => json!({"kind": "answer", "data": {"status": 7}}),
        _ => json!({"kind": "close_idle"}),
    }
}

fn choose<T: Copy, const N: usize>(random: &mut Rng, all: [T; N]) -> T {
    all[random.usize(..N)]
}

async fn run(
    runner: &Runner,
    surface: &ApiSurface,
    http: &reqwest::Client,
    url: &str,
    scenario: &Scenario,
) -> Result<Outcome> {
    let initial_status = if matches!(scenario.operation, "select" | "reject") { "interviewed" } else { "new" };
    let candidate = json!({
        "candidateId": scenario.candidate_id, "jobPositionId": JOB_POSITION_ID, "status": initial_status,
        "analysisViewed": true
    });
    control(http, url, "POST", "candidates", &candidate).await?;
    for fault in &scenario.faults {
        let mut fault = fault.clone();
        fault["candidateId"] = scenario.candidate_id.as_str().into();
        control(http, url, "POST", "faults", &fault).await?;
    }
    let mut command = json!({
        "command": "call", "client": CLIENT, "method": surface.method(scenario.operation)?,
        "arguments": {
            "candidate_id": scenario.candidate_id, "job_position_id": JOB_POSITION_ID,
            "max_retries": scenario.max_retries,
        },
        "cancellable": scenario.cancel_after.is_some(),
    });
    let pending = runner.send(command.clone()).await?;
    if let Some(delay) = scenario.cancel_after {
        sleep(delay).await;
        runner.cancel(&pending).await?;
    }
    let response = pending.wait().await?;
    let first = outcome(&response)?;
    let key = &response["error"]["idempotency_key"];
    if !(first == Outcome::Unknown && scenario.repeat_if_unknown && key.is_string()) {
        return Ok(first);
    }
    // Do what the error's message advises: repeat the call with the same idempotency key.
    command["arguments"]["idempotency_key"] = key.clone();
    command["cancellable"] = false.into();
    Ok(match outcome(&runner.request(command).await?)? {
        // An error response to the second call says nothing about the first: the service does not store a 5xx under its key.
        Outcome::NotDone => Outcome::Unknown,
        second => second,
    })
}

fn outcome(response: &Value) -> Result<Outcome> {
    if response["result"].is_object() {
        Ok(Outcome::Done)
    } else if response["error"].is_object() {
        Ok(if response["error"]["outcome_unknown"] == true { Outcome::Unknown } else { Outcome::NotDone })
    } else if !response["cancelled"].is_null() {
        Ok(Outcome::Cancelled)
    } else {
        bail!("unexpected outcome of a call: {response}")
    }
}

/// Waits until the sandbox has finished all requests.
async fn wait_until_idle(http: &reqwest::Client, url: &str) -> Result<()> {
    let finished = |request: &Value| {
        !request["response_status"].is_null() || request["client_disconnected"] == true || request["fault"] == "close"
    };
    while !logged_requests(http, url).await?.iter().all(finished) {
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Compares the outcomes with the sandbox's requests and e-mails.
async fn summarize(http: &reqwest::Client, url: &str, outcomes: &[(Scenario, Outcome)]) -> Result<Summary> {
    let requests = logged_requests(http, url).await?;
    let outbox = control(http, url, "GET", "outbox", &Value::Null).await?;
    let mut actions: HashMap<&str, usize> = HashMap::new();
    for request in requests.iter().filter(|request| request["action_taken"] == true) {
        *actions.entry(request["candidate_id"].as_str().unwrap_or_default()).or_default() += 1;
    }
    let mut emails: HashMap<&str, usize> = HashMap::new();
    for email in outbox.as_array().into_iter().flatten() {
        *emails.entry(email["candidateId"].as_str().unwrap_or_default()).or_default() += 1;
    }
    let mut failures = Vec::new();
    for (scenario, outcome) in outcomes {
        let count = |counts: &HashMap<&str, usize>| counts.get(scenario.candidate_id.as_str()).copied().unwrap_or(0);
        let (actions, emails) = (count(&actions), count(&emails));
        let failure = if actions > 1 || emails > 1 {
            "the action took place twice"
        } else if emails != usize::from(actions == 1 && scenario.operation == "invite") {
            "the number of e-mails differs from the number of invitations"
        } else if *outcome == Outcome::Done && scenario.operation != "status" && actions == 0 {
            "the action was reported as done, but did not take place"
        } else if *outcome == Outcome::NotDone && actions > 0 {
            "the action was reported as not done, but took place"
        } else {
            continue;
        };
        failures.push(format!(
            "scenario {}: {failure}: outcome {outcome:?}, {actions} actions, {emails} e-mails, {scenario:?}",
            scenario.number
        ));
    }
    let count = |outcome: Outcome| outcomes.iter().filter(|(_, other)| *other == outcome).count();
    Ok(Summary {
        scenarios: outcomes.len(),
        done: count(Outcome::Done),
        not_done: count(Outcome::NotDone),
        unknown: count(Outcome::Unknown),
        cancelled: count(Outcome::Cancelled),
        requests: requests.len(),
        failures,
    })
}
