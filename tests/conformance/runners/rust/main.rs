//! The Rust runner: makes the calls that the harness requests, through the crate's public API.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]
// Indexing a JSON value gives null for what is missing; it does not panic.
#![allow(clippy::indexing_slicing)]

mod batches;
mod logs;
mod responses;

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use celper::{Client, Error, JobPositionId, Operation, OperationInput, OperationOutput, RateLimits};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};

type Clients = Arc<Mutex<HashMap<String, Client>>>;

#[tokio::main]
async fn main() -> Result<()> {
    logs::capture();
    let clients = Clients::default();
    let mut calls: HashMap<u64, Cancel> = HashMap::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    write(&json!({"ready": "rust"}));
    while let Some(line) = lines.next_line().await? {
        let command: Value = serde_json::from_str(&line)?;
        let id = command["id"].as_u64().context("a command without id")?;
        let name = command["client"].as_str().unwrap_or_default().to_owned();
        match command["command"].as_str() {
            Some("open") => match open(&command) {
                Ok(client) => {
                    respond(id, responses::opened(&client));
                    lock(&clients).insert(name, client);
                }
                Err(error) => respond(id, responses::error(&error)),
            },
            Some("call") => {
                let client = lock(&clients).get(&name).cloned().context("unknown client")?;
                let task = tokio::spawn(async move { call(&client, &command).await });
                calls.insert(id, Cancel::Call(task.abort_handle()));
                respond_later(id, task);
            }
            Some("batch") => {
                let client = lock(&clients).get(&name).cloned().context("unknown client")?;
                let (sender, cancelled) = oneshot::channel();
                calls.insert(id, Cancel::Batch(sender));
                respond_later(id, tokio::spawn(async move { batches::run(&client, &command, cancelled).await }));
            }
            Some("cancel") => {
                let call_id = command["call_id"].as_u64().unwrap_or_default();
                match calls.remove(&call_id).context("unknown call")? {
                    // Aborting the task drops the call's future, which is how a Rust call is cancelled.
                    Cancel::Call(task) => task.abort(),
                    // If the batch has ended, its response says so.
                    Cancel::Batch(sender) => drop(sender.send(())),
                }
            }
            Some("close") => {
                lock(&clients).get(&name).context("unknown client")?.close();
                respond(id, json!({"closed": true}));
            }
            other => bail!("unknown command {other:?}"),
        }
    }
    Ok(())
}

/// How a call or a batch is cancelled.
enum Cancel {
    Call(AbortHandle),
    Batch(oneshot::Sender<()>),
}

fn respond_later(id: u64, task: JoinHandle<Result<Value>>) {
    tokio::spawn(async move {
        let response = match task.await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => json!({"crash": format!("{error:#}")}),
            Err(error) if error.is_cancelled() => json!({"cancelled": "dropped"}),
            Err(error) => json!({"crash": error.to_string()}),
        };
        respond(id, response);
    });
}

fn open(command: &Value) -> Result<Client, Error> {
    if !command["options"].is_object() {
        return Client::from_env();
    }
    let options = &command["options"];
    let mut builder = Client::builder();
    let text = |name: &str| options[name].as_str();
    if let Some(key) = text("api_key") {
        builder = builder.api_key(key);
    }
    if let Some(url) = text("base_url") {
        builder = builder.base_url(url);
    }
    if let Some(hosts) = options["allow_http_hosts"].as_array() {
        builder = builder.allow_http_hosts(hosts.iter().filter_map(Value::as_str));
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
    if let Some(store) = text("rate_limit_store") {
        builder = builder.rate_limit_store(store);
    }
    if let Some(name) = text("rate_limit_name") {
        builder = builder.rate_limit_name(name);
    }
    if let Some(what) = text("rate_limit_store_down") {
        builder = builder.rate_limit_store_down(what);
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

fn rate_limits(limits: &Value) -> Option<RateLimits> {
    let default = RateLimits::default();
    limits.is_object().then(|| RateLimits {
        reads: count(&limits["reads"]).unwrap_or(default.reads),
        actions: count(&limits["actions"]).unwrap_or(default.actions),
        total: count(&limits["total"]).unwrap_or(default.total),
        window: seconds(&limits["window"]).unwrap_or(default.window),
    })
}

async fn call(client: &Client, command: &Value) -> Result<Value> {
    let arguments = &command["arguments"];
    let text = |name: &str| arguments[name].as_str().map(str::to_owned);
    let candidate = text("candidate_id").context("candidate_id")?;
    let position = text("job_position_id").context("job_position_id")?;
    let method = command["method"].as_str().context("method")?;
    if method == "wait_for_status" {
        let until = arguments["until"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut wait = client.wait_for_status(candidate, JobPositionId(position), until);
        if let Some(timeout) = seconds(&arguments["timeout"]) {
            wait = wait.timeout(timeout);
        }
        return match wait.await {
            Ok(state) => responses::result(OperationOutput::CandidateState(state)),
            Err(error) => Ok(responses::error(&error)),
        };
    }
    let operation = Operation::ALL.into_iter().find(|operation| operation.method_name() == method);
    let mut input = OperationInput::new(operation.context("unknown method")?, candidate, position);
    input.email_subject = text("email_subject");
    input.email_body = text("email_body");
    input.idempotency_key = text("idempotency_key");
    input.timeout = seconds(&arguments["timeout"]);
    input.max_retries = count(&arguments["max_retries"]);
    let result = if input.timeout.is_none() && input.max_retries.is_none() && input.idempotency_key.is_none() {
        call_method(client, &input).await
    } else {
        client.send(&input).await
    };
    match result {
        Ok(output) => responses::result(output),
        Err(error) => Ok(responses::error(&error)),
    }
}

/// Makes the call with the operation's own method, as users do.
async fn call_method(client: &Client, input: &OperationInput) -> Result<OperationOutput, Error> {
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
        // `Operation` is non-exhaustive.
        _ => client.send(input).await,
    }
}

fn seconds(value: &Value) -> Option<Duration> {
    value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

fn count<T: TryFrom<u64>>(value: &Value) -> Option<T> {
    value.as_u64().and_then(|number| T::try_from(number).ok())
}

fn respond(id: u64, mut response: Value) {
    response["id"] = id.into();
    write(&response);
}

/// Writes one line at once, so that lines of several tasks do not mix.
fn write(response: &Value) {
    let mut output = std::io::stdout().lock();
    // If the harness is gone, the input ends too.
    let _ = writeln!(output, "{response}").and_then(|()| output.flush());
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
