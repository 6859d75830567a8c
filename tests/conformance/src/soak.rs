//! Minutes of calls while everything goes wrong at random: in the end what the callers were told must agree with what the
//! sandbox did.
//!
//! A story is a candidate of its own, the faults that its requests will meet, and one call, perhaps cancelled, perhaps made
//! again with the same idempotency key. It follows from the seed and its number alone.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use celper_sandbox::{Options, Sandbox};
use fastrand::Rng;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::case::POSITION;
use crate::language::Language;
use crate::runner::{Runner, Start};
use crate::world::{control, plain_client};

/// Callers under way at a time.
const CALLERS: usize = 32;
/// Attempts end after this, so that slow answers become timeouts.
const ATTEMPT_TIMEOUT: f64 = 0.4;

/// What came of all stories of a language.
pub(crate) struct Account {
    pub(crate) stories: usize,
    pub(crate) done: usize,
    pub(crate) refused: usize,
    pub(crate) unknown: usize,
    pub(crate) cancelled: usize,
    pub(crate) requests: usize,
    pub(crate) problems: Vec<String>,
}

struct Story {
    number: u64,
    candidate: String,
    operation: &'static str,
    faults: Vec<Value>,
    max_retries: u64,
    cancel_after: Option<Duration>,
    again: bool,
}

/// What a caller was told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Done,
    NotDone,
    Unknown,
    Cancelled,
}

pub(crate) async fn soak(
    repository: &Path,
    language: Language,
    seed: u64,
    length: Duration,
) -> Result<Option<Account>> {
    let options = Options { limits_enabled: false, log_capacity: 1_000_000, ..Options::default() };
    let sandbox = Sandbox::start(options).await?;
    let (url, key) = (sandbox.base_url(), sandbox.api_key().to_owned());
    let runner = match Runner::start(language.command(repository), &url, &key).await? {
        Start::Ready(runner) => runner,
        Start::Skipped(reason) => {
            println!("{reason}");
            return Ok(None);
        }
    };
    let opened = runner
        .ask(json!({"do": "open", "client": "soak", "options": {
            "api_key": key, "base_url": url, "rate_limits": null, "attempt_timeout": ATTEMPT_TIMEOUT, "timeout": 30,
        }}))
        .await?;
    if !opened["opened"].is_object() {
        bail!("no client: {opened}");
    }
    let http = plain_client(None)?;
    let (next, end) = (AtomicU64::new(0), Instant::now() + length);
    let callers = (0..CALLERS).map(|caller| {
        let (next, runner, http, url) = (&next, &runner, &http, &url);
        async move {
            let mut told = Vec::new();
            while Instant::now() < end {
                // At most one call at a time may be one that will be cancelled.
                let story = Story::of(seed, next.fetch_add(1, Ordering::Relaxed), caller == 0);
                let outcome = play(runner, http, url, &story).await?;
                told.push((story, outcome));
            }
            Ok::<_, anyhow::Error>(told)
        }
    });
    let mut told = Vec::new();
    for caller in join_all(callers).await {
        told.extend(caller?);
    }
    runner.finish().await?;
    settle(&http, &url).await?;
    account(&http, &url, told).await.map(Some)
}

impl Story {
    fn of(seed: u64, number: u64, cancellable: bool) -> Self {
        let mut random = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number));
        let operation = one_of(&mut random, ["invite", "invite", "select", "reject", "status"]);
        let faults = (0..random.usize(..4)).map(|_| fault(&mut random)).collect();
        Story {
            number,
            candidate: format!("soak_{number}"),
            operation,
            faults,
            max_retries: random.u64(..4),
            cancel_after: (cancellable && random.bool()).then(|| Duration::from_millis(random.u64(..600))),
            again: random.u8(..4) == 0,
        }
    }

    fn describe(&self) -> String {
        let Story { number, operation, faults, max_retries, cancel_after, again, .. } = self;
        let faults = Value::from(faults.clone());
        format!(
            "story {number}: {operation}, {max_retries} retries, cancelled after {cancel_after:?}, again: {again}, {faults}"
        )
    }
}

/// Something that a server or a network does. None of it is a lie: nobody refuses what it did.
fn fault(random: &mut Rng) -> Value {
    let act = one_of(random, ["before", "none"]);
    match random.u8(..12) {
        0 => json!({"kind": "status", "status": 429, "headers": {"Retry-After": "0"}}),
        1 | 2 => json!({"kind": "status", "status": one_of(random, [500, 502, 503, 504]), "act": act}),
        3 => json!({"kind": "delay", "seconds": random.f64(), "act": one_of(random, ["before", "after"])}),
        4 | 5 => json!({"kind": "close", "reset": random.bool(), "act": act}),
        6 => json!({"kind": "cut", "afterBytes": random.u64(..60)}),
        7 => json!({"kind": "drip", "bytesPerSecond": random.u64(50..5_000)}),
        8 => json!({"kind": "not_json", "status": one_of(random, [200, 502])}),
        9 => json!({"kind": "endless"}),
        10 => json!({"kind": "answer", "data": {"status": 7}}),
        _ => json!({"kind": "close_idle"}),
    }
}

fn one_of<T: Copy, const N: usize>(random: &mut Rng, all: [T; N]) -> T {
    all[random.usize(..N)]
}

async fn play(runner: &Runner, http: &reqwest::Client, url: &str, story: &Story) -> Result<Told> {
    let ready = if matches!(story.operation, "select" | "reject") { "interviewed" } else { "new" };
    let candidate = json!({
        "candidateId": story.candidate, "jobPositionId": POSITION, "status": ready, "analysisViewed": true
    });
    control(http, url, "POST", "candidates", &candidate).await?;
    for fault in &story.faults {
        let mut fault = fault.clone();
        fault["candidateId"] = story.candidate.as_str().into();
        control(http, url, "POST", "faults", &fault).await?;
    }
    let mut arguments = json!({
        "candidate_id": story.candidate, "job_position_id": POSITION, "max_retries": story.max_retries
    });
    let request = json!({
        "do": "call", "client": "soak", "operation": story.operation, "arguments": arguments,
        "cancellable": story.cancel_after.is_some(),
    });
    let pending = runner.begin(request.clone()).await?;
    if let Some(after) = story.cancel_after {
        sleep(after).await;
        runner.cancel(&pending).await?;
    }
    let answer = pending.answer().await?;
    let told = told(&answer)?;
    let key = &answer["error"]["idempotency_key"];
    if !(told == Told::Unknown && story.again && key.is_string()) {
        return Ok(told);
    }
    // What the error advises: the same call again with the same key.
    arguments["idempotency_key"] = key.clone();
    let mut again = request;
    again["arguments"] = arguments;
    again["cancellable"] = false.into();
    Ok(match self::told(&runner.ask(again).await?)? {
        // That the second call was refused says nothing of the first: the service may have forgotten a 5xx.
        Told::NotDone => Told::Unknown,
        told => told,
    })
}

fn told(answer: &Value) -> Result<Told> {
    if answer["result"].is_object() {
        Ok(Told::Done)
    } else if answer["error"].is_object() {
        Ok(if answer["error"]["outcome_unknown"] == true { Told::Unknown } else { Told::NotDone })
    } else if !answer["cancelled"].is_null() {
        Ok(Told::Cancelled)
    } else {
        bail!("a call came to something else: {answer}")
    }
}

/// Waits until the sandbox has nothing left to do.
async fn settle(http: &reqwest::Client, url: &str) -> Result<()> {
    loop {
        let requests = control(http, url, "GET", "requests", &Value::Null).await?;
        let over = |request: &Value| !request["answered"].is_null() || request["clientClosed"] == true;
        let closed = |request: &Value| request["fault"] == "close";
        let open =
            requests.as_array().into_iter().flatten().filter(|request| !over(request) && !closed(request)).count();
        if open == 0 {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The sandbox's ledger beside what the callers were told.
async fn account(http: &reqwest::Client, url: &str, told: Vec<(Story, Told)>) -> Result<Account> {
    let requests = control(http, url, "GET", "requests", &Value::Null).await?;
    let requests = requests.as_array().cloned().unwrap_or_default();
    let outbox = control(http, url, "GET", "outbox", &Value::Null).await?;
    let outbox = outbox.as_array().cloned().unwrap_or_default();
    let mut by_candidate: std::collections::HashMap<&str, (usize, usize)> = std::collections::HashMap::new();
    for request in requests.iter().filter(|request| request["acted"] == true) {
        by_candidate.entry(request["candidateId"].as_str().unwrap_or_default()).or_default().0 += 1;
    }
    for mail in &outbox {
        by_candidate.entry(mail["candidateId"].as_str().unwrap_or_default()).or_default().1 += 1;
    }
    let mut problems = Vec::new();
    let count = |what: Told| told.iter().filter(|(_, told)| *told == what).count();
    for (story, told) in &told {
        let (acted, mails) = by_candidate.get(story.candidate.as_str()).copied().unwrap_or_default();
        let is_action = story.operation != "status";
        let problem = if acted > 1 || mails > 1 {
            "took effect twice"
        } else if mails != usize::from(acted == 1 && story.operation == "invite") {
            "an e-mail without an invitation, or an invitation without one"
        } else if *told == Told::Done && is_action && acted == 0 {
            "was reported done and was not"
        } else if *told == Told::NotDone && acted > 0 {
            "took effect and was reported as surely not done"
        } else {
            continue;
        };
        problems.push(format!("{problem}: {} (told {told:?}, acted {acted}, e-mails {mails})", story.describe()));
    }
    Ok(Account {
        stories: told.len(),
        done: count(Told::Done),
        refused: count(Told::NotDone),
        unknown: count(Told::Unknown),
        cancelled: count(Told::Cancelled),
        requests: requests.len(),
        problems,
    })
}
