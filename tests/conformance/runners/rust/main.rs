//! The Rust runner: carries out the calls that it is told, through the crate's public API.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]
// What a JSON value lacks is null; nothing panics.
#![allow(clippy::indexing_slicing)]

mod logs;
mod shown;

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use celper::{Client, Error, JobPositionId, Operation, OperationInput, OperationOutput, RateLimits};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::AbortHandle;

type Shared<T> = Arc<Mutex<HashMap<T, Client>>>;

#[tokio::main]
async fn main() -> Result<()> {
    logs::keep_all();
    let clients: Shared<String> = Arc::default();
    let mut calls: HashMap<u64, AbortHandle> = HashMap::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    write(&json!({"ready": "rust"}));
    while let Some(line) = lines.next_line().await? {
        let request: Value = serde_json::from_str(&line)?;
        let id = request["id"].as_u64().context("a request without id")?;
        let client = request["client"].as_str().unwrap_or_default().to_owned();
        match request["do"].as_str() {
            Some("open") => {
                let mut answer = match open(&request) {
                    Ok(made) => {
                        let strings = shown::client(&made);
                        lock(&clients).insert(client, made);
                        json!({"opened": {"strings": strings}})
                    }
                    Err(error) => json!({"error": shown::error(&error)}),
                };
                answer["id"] = id.into();
                write(&answer);
            }
            Some("call") => {
                let client = lock(&clients).get(&client).cloned().context("no such client")?;
                let task = tokio::spawn(async move { call(client, &request).await });
                calls.insert(id, task.abort_handle());
                tokio::spawn(async move {
                    let mut answer = match task.await {
                        Ok(Ok(answer)) => answer,
                        Ok(Err(problem)) => json!({"crash": format!("{problem:#}")}),
                        Err(ended) if ended.is_cancelled() => json!({"cancelled": "dropped"}),
                        Err(ended) => json!({"crash": ended.to_string()}),
                    };
                    answer["id"] = id.into();
                    write(&answer);
                });
            }
            Some("cancel") => {
                // Aborting a task drops its future, which is how a call is cancelled here.
                let call = request["call"].as_u64().unwrap_or_default();
                calls.remove(&call).context("no such call")?.abort();
            }
            Some("close") => {
                if let Some(client) = lock(&clients).get(&client) {
                    client.close();
                }
                write(&json!({"id": id, "closed": true}));
            }
            other => bail!("nothing to do for {other:?}"),
        }
    }
    Ok(())
}

fn open(request: &Value) -> Result<Client, Error> {
    if request["environment"] == true {
        return Client::from_env();
    }
    let options = &request["options"];
    let mut builder = Client::builder();
    let text = |name: &str| options[name].as_str();
    if let Some(key) = text("api_key") {
        builder = builder.api_key(key);
    }
    if let Some(url) = text("base_url") {
        builder = builder.base_url(url);
    }
    if let Some(time) = seconds(&options["timeout"]) {
        builder = builder.timeout(time);
    }
    if let Some(time) = seconds(&options["attempt_timeout"]) {
        builder = builder.attempt_timeout(time);
    }
    if let Some(retries) = count(&options["max_retries"]) {
        builder = builder.max_retries(retries);
    }
    if let Some(limits) = options.get("rate_limits") {
        builder = builder.rate_limits(rate_limits(limits));
    }
    if let Some(proxy) = text("proxy") {
        builder = builder.proxy(proxy);
    }
    if let Some(pem) = text("ca_certificates") {
        builder = builder.ca_certificates(pem);
    }
    if let Some(app) = text("app_info") {
        builder = builder.app_info(app);
    }
    builder.build()
}

fn rate_limits(given: &Value) -> Option<RateLimits> {
    let documented = RateLimits::default();
    given.is_object().then(|| RateLimits {
        reads: count(&given["reads"]).unwrap_or(documented.reads),
        actions: count(&given["actions"]).unwrap_or(documented.actions),
        total: count(&given["total"]).unwrap_or(documented.total),
        window: seconds(&given["window"]).unwrap_or(documented.window),
    })
}

/// Through the method that a user calls; only what is not passed has no method of its own.
async fn call(client: Client, request: &Value) -> Result<Value> {
    let arguments = &request["arguments"];
    let text = |name: &str| arguments[name].as_str().map(str::to_owned);
    let candidate = text("candidate_id").context("candidate_id")?;
    let position = text("job_position_id").context("job_position_id")?;
    let operation = Operation::ALL.into_iter().find(|operation| request["operation"] == operation.name());
    let mut input = OperationInput::new(operation.context("operation")?, candidate, position);
    input.email_subject = text("email_subject");
    input.email_body = text("email_body");
    input.idempotency_key = text("idempotency_key");
    input.timeout = seconds(&arguments["timeout"]);
    input.max_retries = count(&arguments["max_retries"]);
    let result = if input.timeout.is_none() && input.max_retries.is_none() && input.idempotency_key.is_none() {
        by_method(&client, &input).await
    } else {
        client.send(&input).await
    };
    Ok(match result {
        Ok(output) => json!({"result": shown::output(output)?}),
        Err(error) => json!({"error": shown::error(&error)}),
    })
}

async fn by_method(client: &Client, input: &OperationInput) -> Result<OperationOutput, Error> {
    let (candidate, position) = (input.candidate_id.as_str(), JobPositionId(input.job_position_id.as_str()));
    match input.operation {
        Operation::Invite => {
            let mut call = client.invite_candidate(candidate, position);
            if let Some(subject) = &input.email_subject {
                call = call.email_subject(subject.as_str());
            }
            if let Some(body) = &input.email_body {
                call = call.email_body(body.as_str());
            }
            call.await.map(OperationOutput::Invitation)
        }
        Operation::Select => client.select_candidate(candidate, position).await.map(OperationOutput::Decision),
        Operation::Reject => client.reject_candidate(candidate, position).await.map(OperationOutput::Decision),
        Operation::Status => {
            client.get_candidate_status(candidate, position).await.map(OperationOutput::CandidateState)
        }
        // The enum may grow; what is not here yet must not be taken for another.
        _ => client.send(input).await,
    }
}

fn seconds(value: &Value) -> Option<Duration> {
    value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

fn count<T: TryFrom<u64>>(value: &Value) -> Option<T> {
    value.as_u64().and_then(|number| T::try_from(number).ok())
}

/// One line, whole, whoever else writes.
fn write(answer: &Value) {
    let mut output = std::io::stdout().lock();
    // When nobody reads any more, the input ends too.
    let _ = writeln!(output, "{answer}").and_then(|()| output.flush());
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
