//! Runs one case in one language: prepares the sandbox, lets the runner make the calls, and checks the results.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use celper_sandbox::Sandbox;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::api_surface::ApiSurface;
use crate::case::{Batch, CANDIDATE_ID, Call, CancelWhen, Case, DEFAULT_CLIENT, JOB_POSITION_ID, Row, Step};
use crate::invariants;
use crate::language::Language;
use crate::pattern::Matcher;
use crate::runner::Runner;
use crate::template::fill;
use crate::test_env::TestEnv;

/// A retry after the first failed attempt is sent within this time. On a slow machine a retry can come later and be missed,
/// but a correct client never fails because of it.
const MAX_FIRST_RETRY_DELAY: Duration = Duration::from_millis(700);

/// How long a call waits before it is cancelled while waiting.
const WAIT_BEFORE_CANCEL: Duration = Duration::from_millis(200);

/// Of the e-mail texts, so many characters are searched for in errors: a message could contain a cut text.
const SEARCHED_TEXT_LENGTH: usize = 40;

/// What all cases of a language share.
pub(crate) struct Harness<'a> {
    pub(crate) language: Language,
    pub(crate) surface: &'a ApiSurface,
    pub(crate) runner: &'a Runner,
    /// The sandbox that the runner's environment variables name. One case at a time can use it.
    pub(crate) shared_sandbox: &'a Mutex<Sandbox>,
    /// Held by the one call that can be cancelled: in some languages only one thread can be interrupted.
    pub(crate) cancel_lock: &'a Mutex<()>,
}

impl Harness<'_> {
    /// Runs the case and returns its failures. `number` is unique among the cases.
    pub(crate) async fn run(&self, number: usize, case: &Case) -> Vec<String> {
        let shared = if case.client_from_environment { Some(self.shared_sandbox.lock().await) } else { None };
        let env = match &shared {
            Some(sandbox) => TestEnv::with_shared(sandbox).await,
            None => TestEnv::start(&case.sandbox).await,
        };
        match env {
            Ok(mut env) => {
                for name in self.surface.argument_names().chain(["batch_id", "until"]) {
                    env.variables.insert(format!("name:{name}"), self.language.argument_name(name));
                }
                let run =
                    CaseRun { harness: self, case, number, env, matcher: Matcher::default(), failures: Vec::new() };
                run.run().await
            }
            Err(error) => vec![format!("{error:#}")],
        }
    }
}

struct CaseRun<'a> {
    harness: &'a Harness<'a>,
    case: &'a Case,
    number: usize,
    env: TestEnv,
    matcher: Matcher,
    failures: Vec<String>,
}

impl CaseRun<'_> {
    async fn run(mut self) -> Vec<String> {
        if let Err(error) = self.try_run().await {
            self.failures.push(format!("{error:#}"));
        }
        self.failures
    }

    async fn try_run(&mut self) -> Result<()> {
        self.env.prepare(self.case).await?;
        let mut clients = vec![DEFAULT_CLIENT];
        clients.extend(self.case.clients.keys().map(String::as_str));
        for client in &clients {
            if !self.open_client(client).await? {
                return self.check_final_state().await;
            }
        }
        for (index, step) in self.case.steps.iter().enumerate() {
            let before = self.failures.len();
            match step {
                Step::Call(call) => {
                    for _ in 0..call.times {
                        self.single_call(call).await?;
                    }
                }
                Step::Batch(batch) => self.batch(batch).await?,
                Step::Concurrent { concurrent } => self.concurrent_calls(concurrent).await?,
                Step::Control { control } => {
                    let response = self.env.control_request(control).await?;
                    if let Some(expected) = &control.response {
                        self.check("control", expected, &response);
                    }
                }
                Step::Close { .. } => self.close_client(DEFAULT_CLIENT).await?,
                Step::Http(_) => bail!("plain HTTP steps have no client"),
            }
            for failure in self.failures.iter_mut().skip(before) {
                failure.insert_str(0, &format!("step {}: ", index + 1));
            }
        }
        self.check_final_state().await?;
        for client in clients {
            self.close_client(client).await?;
        }
        Ok(())
    }

    /// The client's name in the runner, which the other cases must not use.
    fn runner_name(&self, client: &str) -> String {
        format!("{} {client}", self.number)
    }

    async fn close_client(&self, client: &str) -> Result<()> {
        let response = self.harness.runner.request(json!({"command": "close", "client": self.runner_name(client)}));
        if response.await?["closed"] != true {
            bail!("the client could not be closed");
        }
        Ok(())
    }

    /// Creates a client; false if the case expects that this fails.
    async fn open_client(&mut self, client: &str) -> Result<bool> {
        let mut command = json!({"command": "open", "client": self.runner_name(client)});
        if !self.case.client_from_environment || client != DEFAULT_CLIENT {
            command["options"] = self.client_options(client);
        }
        let response = self.harness.runner.request(command).await?;
        match &self.case.client_error {
            None if response["opened"].is_object() => {
                invariants::check_secrets(&response["opened"], &self.secrets(), &mut self.failures);
                Ok(true)
            }
            Some(expected) if response["error"].is_object() => {
                let mut expected = expected.clone();
                expected["operation"] = "client".into();
                self.check_error(&expected, &response["error"], &[]);
                Ok(false)
            }
            None => bail!("the client should be created, got {}", without_strings(response)),
            Some(_) => bail!("the client should be refused, got {}", without_strings(response)),
        }
    }

    fn client_options(&self, client: &str) -> Value {
        let mut options = json!({
            "api_key": self.env.api_key, "base_url": self.env.base_url, "rate_limits": null
        });
        if let Some(certificate) = &self.env.ca_certificate {
            options["ca_certificates"] = certificate.as_str().into();
        }
        for (option, value) in self.case.client.iter().chain(self.case.clients.get(client).into_iter().flatten()) {
            options[option.as_str()] = fill(value, &self.env.variables);
        }
        if let Value::Object(fields) = &mut options {
            fields.retain(|_, value| value != "default");
        }
        options
    }

    /// What no string form of a client, a result or an error may contain.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = self.api_keys();
        if let Some((_, password)) = self.case.sandbox.proxy.as_deref().and_then(|proxy| proxy.split_once(':')) {
            secrets.push(password.to_owned());
        }
        secrets
    }

    fn api_keys(&self) -> Vec<String> {
        let options = self.case.clients.values().chain([&self.case.client]);
        let keys = options.filter_map(|options| options.get("api_key"));
        let keys = keys.filter_map(|key| fill(key, &self.env.variables).as_str().map(str::to_owned));
        let keys = keys.filter(|key| key != "default").chain([self.env.api_key.clone()]);
        // A key that is refused for a line break around it must not be shown without it either.
        keys.map(|key| key.trim().to_owned()).collect()
    }

    fn call_command(&self, call: &Call) -> Result<Value> {
        let method = if call.is_wait() { "wait_for_status" } else { self.harness.surface.method(&call.operation)? };
        Ok(json!({
            "command": "call", "client": self.runner_name(&call.client), "method": method,
            "arguments": self.arguments(&call.arguments),
            "cancellable": call.cancel.is_some(),
        }))
    }

    fn arguments(&self, given: &BTreeMap<String, Value>) -> Value {
        let mut arguments = json!({"candidate_id": CANDIDATE_ID, "job_position_id": JOB_POSITION_ID});
        for (name, value) in given {
            arguments[name.as_str()] = fill(value, &self.env.variables);
        }
        arguments
    }

    /// Makes one call while no other is in progress, and checks its requests too.
    async fn single_call(&mut self, call: &Call) -> Result<()> {
        let before = self.env.requests().await?.len();
        let command = self.call_command(call)?;
        let response = match call.cancel {
            Some(when) => self.cancelled(command.clone(), when, before).await?,
            None => self.harness.runner.request(command.clone()).await?,
        };
        self.check_outcome(call, &command, &response)?;
        let requests = self.env.requests().await?;
        let outcome = if call.error.is_some() { &response["error"] } else { &response["result"] };
        let is_action = call.requested() != "status";
        let attempts = requests.get(before..).unwrap_or_default();
        invariants::check_attempts(is_action, attempts, outcome, &mut self.failures);
        Ok(())
    }

    /// Makes a call or a batch and cancels it. `before` is the number of requests before it.
    async fn cancelled(&self, command: Value, when: CancelWhen, before: usize) -> Result<Value> {
        let guard = self.harness.cancel_lock.lock().await;
        let pending = self.harness.runner.send(command).await?;
        match when {
            CancelWhen::RequestReceived => {
                self.env.wait_until("the request arrives", |requests| requests.len() > before).await?;
            }
            CancelWhen::Waiting => {
                tokio::time::sleep(WAIT_BEFORE_CANCEL).await;
                let all_responded =
                    |requests: &[Value]| requests.iter().all(|request| !request["response_status"].is_null());
                self.env.wait_until("every request has its response", all_responded).await?;
            }
        }
        self.harness.runner.cancel(&pending).await?;
        let response = pending.wait().await?;
        drop(guard);
        if when == CancelWhen::RequestReceived {
            let disconnected =
                |requests: &[Value]| requests.iter().skip(before).all(|request| request["client_disconnected"] == true);
            self.env.wait_until("the client closes the connection", disconnected).await?;
        }
        tokio::time::sleep(MAX_FIRST_RETRY_DELAY).await;
        Ok(response)
    }

    /// Carries out a batch, and compares its items with the case.
    async fn batch(&mut self, batch: &Batch) -> Result<()> {
        let rows: Vec<&Row> = batch.rows.iter().flat_map(|row| std::iter::repeat_n(row, row.times)).collect();
        let journal = batch.journal.as_ref().map(|name| self.env.folder.path().join(name));
        let requests: Vec<Value> = rows
            .iter()
            .map(|row| json!({"operation": row.request, "arguments": self.arguments(&row.arguments)}))
            .collect();
        let command = json!({
            "command": "batch", "client": self.runner_name(&batch.client), "requests": requests,
            "options": {"batch_id": batch.batch_id, "journal": journal},
            "source_error": batch.source_error, "leave_after": batch.leave_after,
            "cancellable": batch.cancel.is_some(),
        });
        let response = match batch.cancel {
            Some(when) => {
                let before = self.env.requests().await?.len();
                self.cancelled(command, when, before).await?
            }
            None => self.harness.runner.request(command).await?,
        };
        match (&batch.items, &batch.error) {
            (Some(expected), _) if response["batch"].is_object() => {
                self.check_items(batch, &rows, expected, &response["batch"])?;
            }
            (_, Some(expected)) if response["error"].is_object() => {
                let mut expected = expected.clone();
                expected["operation"] = "batch".into();
                self.check_error(&expected, &response["error"], &[]);
            }
            _ if batch.cancel.is_some() && response["cancelled"] == self.harness.language.cancellation() => {}
            _ => bail!("batch: unexpected outcome: {}", without_strings(response)),
        }
        if let Some(journal) = journal {
            let text = std::fs::read_to_string(journal).unwrap_or_default();
            let emails = rows.iter().flat_map(|row| email_texts(&self.arguments(&row.arguments)));
            for secret in self.secrets().into_iter().chain(emails.collect::<Vec<_>>()) {
                if text.contains(&secret) {
                    self.failures.push(format!("the journal contains {secret:?}"));
                }
            }
        }
        Ok(())
    }

    fn check_items(&mut self, batch: &Batch, rows: &[&Row], expected: &Value, actual: &Value) -> Result<()> {
        let mut items: Vec<Value> = actual["items"].as_array().cloned().unwrap_or_default();
        items.sort_by_key(|item| item["index"].as_u64());
        let count = batch.leave_after.unwrap_or(rows.len());
        if items.len() != count || expected.as_array().is_some_and(|expected| expected.len() != count) {
            bail!("batch: expected {count} items, got {}", Value::from(items));
        }
        for (position, item) in items.into_iter().enumerate() {
            let index = item["index"].as_u64().and_then(|index| usize::try_from(index).ok());
            let Some((index, row)) = index.and_then(|index| Some((index, *rows.get(index)?))) else {
                bail!("batch: {} is no index", item["index"]);
            };
            if batch.leave_after.is_none() && index != position {
                bail!("batch: item {position} has the index {index}");
            }
            let before = self.failures.len();
            self.check_item(row, expected.get(position).unwrap_or(expected), &item)?;
            for failure in self.failures.iter_mut().skip(before) {
                failure.insert_str(0, &format!("item {index}: "));
            }
        }
        let mut progress = batch.progress.clone().unwrap_or_else(|| json!({}));
        if batch.leave_after.is_none() {
            set_default(&mut progress, "done", count.into());
            set_default(&mut progress, "total", count.into());
        }
        self.check("progress", &progress, &actual["progress"]);
        let source_error =
            batch.source_error.as_ref().map_or_else(|| json!({"$absent": true}), |text| json!({"$regex": text}));
        self.check("source_error", &source_error, &actual["source_error"]);
        if let Some(id) = &batch.batch_id {
            self.check("batch_id", &id.as_str().into(), &actual["batch_id"]);
        }
        Ok(())
    }

    fn check_item(&mut self, row: &Row, expected: &Value, item: &Value) -> Result<()> {
        let arguments = self.arguments(&row.arguments);
        self.check("candidate_id", &arguments["candidate_id"], &item["candidate_id"]);
        let already_done = expected["already_done"] == true;
        let call = Call {
            // A result that was read from the status has its fields.
            operation: if already_done { "status".to_owned() } else { row.request.clone() },
            arguments: row.arguments.clone(),
            times: 1,
            client: String::new(),
            cancel: None,
            result: expected.get("result").cloned(),
            error: expected.get("error").cloned(),
        };
        self.check_outcome(&call, &json!({"arguments": arguments}), item)?;
        let mut expected = expected.clone();
        for name in ["resumed", "not_attempted", "already_done"] {
            set_default(&mut expected, name, json!(false));
        }
        if let Value::Object(fields) = &mut expected {
            fields.retain(|name, _| name != "result" && name != "error");
        }
        self.check("item", &expected, item);
        Ok(())
    }

    async fn concurrent_calls(&mut self, calls: &[Call]) -> Result<()> {
        let mut in_progress = Vec::new();
        for call in calls {
            for _ in 0..call.times {
                let command = self.call_command(call)?;
                let pending = self.harness.runner.send(command.clone()).await?;
                in_progress.push(async move { Ok::<_, anyhow::Error>((call, command, pending.wait().await?)) });
            }
        }
        for (call, command, response) in try_join_all(in_progress).await? {
            self.check_outcome(call, &command, &response)?;
        }
        Ok(())
    }

    /// Compares the runner's response to a call with the case.
    fn check_outcome(&mut self, call: &Call, command: &Value, response: &Value) -> Result<()> {
        match (&call.result, &call.error, call.cancel) {
            (Some(expected), ..) if response["result"].is_object() => {
                let mut expected = expected.clone();
                if self.harness.language.has_result_classes() {
                    expected["type"] = self.harness.surface.result_type(call.requested())?.into();
                }
                set_default(&mut expected, "request_id", json!({"$uuid": 0}));
                if self.case.sandbox.limits.is_none() {
                    set_default(&mut expected, "rate_limit", json!({"$absent": true}));
                }
                invariants::check_secrets(&response["result"], &self.secrets(), &mut self.failures);
                self.check("result", &expected, &response["result"]);
            }
            (_, Some(expected), _) if response["error"].is_object() => {
                let arguments = &command["arguments"];
                let mut expected = expected.clone();
                expected["operation"] = call.requested().into();
                if arguments["idempotency_key"].is_string() {
                    set_default(&mut expected, "idempotency_key", arguments["idempotency_key"].clone());
                }
                self.check_error(&expected, &response["error"], &email_texts(arguments));
            }
            (_, _, Some(_)) if response["cancelled"] == self.harness.language.cancellation() => {}
            _ => bail!("{}: unexpected outcome: {}", call.operation, without_strings(response.clone())),
        }
        Ok(())
    }

    /// Compares an error with the expected one. The default for optional fields is that they are absent.
    fn check_error(&mut self, expected: &Value, error: &Value, email_texts: &[String]) {
        let mut secrets = self.secrets();
        secrets.extend_from_slice(email_texts);
        invariants::check_secrets(error, &secrets, &mut self.failures);
        invariants::check_error_class(self.harness.language, self.harness.surface, error, &mut self.failures);
        let mut expected = expected.clone();
        let has_response = expected.get("status").is_some();
        for name in ["status", "code", "retry_after", "last_state"] {
            set_default(&mut expected, name, json!({"$absent": true}));
        }
        set_default(&mut expected, "outcome_unknown", json!(false));
        let request_id = if has_response { json!({"$uuid": 0}) } else { json!({"$absent": true}) };
        set_default(&mut expected, "request_id", request_id);
        if self.case.sandbox.limits.is_none() || !has_response {
            set_default(&mut expected, "rate_limit", json!({"$absent": true}));
        }
        self.check("error", &expected, error);
    }

    /// Checks what the sandboxes have at the end of the case.
    async fn check_final_state(&mut self) -> Result<()> {
        let requests = self.env.requests().await?;
        let keys = self.api_keys();
        for request in &requests {
            invariants::check_api_key(request, &keys, &mut self.failures);
        }
        let case = self.case;
        if let Some(expected) = &case.requests {
            self.check_list("requests", expected, &requests.into());
        }
        for (name, path, expected) in [
            ("outbox", "outbox", &case.outbox),
            ("candidates_after", "candidates", &case.candidates_after),
            ("rate_windows", "windows", &case.rate_windows),
        ] {
            if let Some(expected) = expected {
                let actual = self.env.control("GET", path, &Value::Null).await?;
                self.check_list(name, expected, &actual);
            }
        }
        if let Some(expected) = &case.proxy_requests {
            let actual = self.env.proxy_requests().await?;
            self.check_list("proxy_requests", expected, &actual.into());
        }
        if let Some(expected) = &case.second_sandbox_requests {
            let actual = self.env.second_sandbox_requests().await?;
            self.check_list("second_sandbox_requests", expected, &actual.into());
        }
        Ok(())
    }

    /// Like `check`, but an expected number is the number of items.
    fn check_list(&mut self, what: &str, expected: &Value, actual: &Value) {
        if !expected.is_number() {
            self.check(what, expected, actual);
            return;
        }
        let count = actual.as_array().map(|items| items.len() as u64);
        if count != expected.as_u64() {
            self.failures.push(format!("{what}: expected {expected} items, got {count:?}: {actual}"));
        }
    }

    fn check(&mut self, what: &str, expected: &Value, actual: &Value) {
        let pattern = fill(expected, &self.env.variables);
        let mismatches = self.matcher.mismatches(&pattern, actual);
        self.failures.extend(mismatches.into_iter().map(|mismatch| format!("{what}{mismatch}")));
    }
}

/// The beginnings of the e-mail's texts, which must not be in an error or a journal.
fn email_texts(arguments: &Value) -> Vec<String> {
    let texts = ["email_subject", "email_body"].map(|name| arguments[name].as_str());
    texts.into_iter().flatten().map(|text| text.chars().take(SEARCHED_TEXT_LENGTH).collect()).collect()
}

fn set_default(expected: &mut Value, name: &str, pattern: Value) {
    if let Value::Object(fields) = expected {
        fields.entry(name).or_insert(pattern);
    }
}

/// A runner's response for a message, without its long string forms.
fn without_strings(mut response: Value) -> Value {
    for content in response.as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
        if let Some(content) = content.as_object_mut() {
            content.remove("strings");
        }
    }
    response
}
