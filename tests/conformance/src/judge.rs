//! One case in one language: the stage is set, the calls are made, and everything is held against the case.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use celper_sandbox::Sandbox;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::always;
use crate::case::{CANDIDATE, Call, Cancel, Case, Http, POSITION, Step};
use crate::face::Kind;
use crate::language::Language;
use crate::pattern::Scope;
use crate::runner::Runner;
use crate::template::{fill, fill_text};
use crate::world::World;

/// The longest time after which a retry of the first failed attempt begins, and some more: what must not come has not come
/// when it is over. On a slow machine this can only overlook something, never find what is not there.
const NO_RETRY_AFTER: Duration = Duration::from_millis(700);

/// How long a call is left to wait before it is cancelled in its wait.
const A_WHILE: Duration = Duration::from_millis(200);

/// A language, and what its runner's environment names.
pub(crate) struct Court<'a> {
    pub(crate) language: Language,
    pub(crate) kinds: &'a [Kind],
    pub(crate) runner: &'a Runner,
    /// The sandbox of `CELPER_BASE_URL`, for one case at a time.
    pub(crate) environment: &'a Mutex<Sandbox>,
    /// Held by the one call that may be cancelled: in some languages only one thread can be interrupted.
    pub(crate) cancelling: &'a Mutex<()>,
}

/// What is wrong with the case in this language; nothing, if it passes.
pub(crate) async fn problems(court: &Court<'_>, number: usize, case: &Case) -> Vec<String> {
    let environment = if case.environment { Some(court.environment.lock().await) } else { None };
    let world = match &environment {
        Some(sandbox) => World::of_environment(sandbox).await,
        None => World::new(&case.sandbox).await,
    };
    let trial = match world {
        Ok(world) => Trial { court, case, number, world, scope: Scope::default(), problems: Vec::new() },
        Err(problem) => return vec![format!("{problem:#}")],
    };
    trial.run().await
}

struct Trial<'a> {
    court: &'a Court<'a>,
    case: &'a Case,
    number: usize,
    world: World,
    scope: Scope,
    problems: Vec<String>,
}

impl Trial<'_> {
    async fn run(mut self) -> Vec<String> {
        if let Err(problem) = self.play().await {
            self.problems.push(format!("{problem:#}"));
        }
        self.problems
    }

    async fn play(&mut self) -> Result<()> {
        self.world.set(self.case).await?;
        let mut names = vec!["client"];
        names.extend(self.case.clients.keys().map(String::as_str));
        for name in &names {
            if !self.open(name).await? {
                return self.look_back().await;
            }
        }
        for (index, step) in self.case.steps.iter().enumerate() {
            let before = self.problems.len();
            match step {
                Step::Call(call) => {
                    for _ in 0..call.times {
                        self.one(call).await?;
                    }
                }
                Step::Together { together } => self.together(together).await?,
                Step::Control { control } => {
                    let answer = self.world.carry_out(control).await?;
                    if let Some(pattern) = &control.answer {
                        self.compare("control", pattern, &answer);
                    }
                }
                Step::Close { .. } => drop(self.close("client").await?),
                Step::Http(_) => bail!("plain HTTP is not for a client"),
            }
            for problem in self.problems.iter_mut().skip(before) {
                problem.insert_str(0, &format!("step {}: ", index + 1));
            }
        }
        self.look_back().await?;
        for name in names {
            self.close(name).await?;
        }
        Ok(())
    }

    fn name_of(&self, client: &str) -> String {
        format!("{} {client}", self.number)
    }

    async fn close(&self, client: &str) -> Result<Value> {
        self.court.runner.ask(json!({"do": "close", "client": self.name_of(client)})).await
    }

    /// Makes a client; false where the case is that this cannot be done.
    async fn open(&mut self, name: &str) -> Result<bool> {
        let request = if self.case.environment {
            json!({"do": "open", "client": self.name_of(name), "environment": true})
        } else {
            json!({"do": "open", "client": self.name_of(name), "options": self.options(name)})
        };
        let answer = self.court.runner.ask(request).await?;
        let said = if answer["opened"].is_object() { &answer["opened"] } else { &answer["error"] };
        let secrets = self.secrets();
        always::secret_problems(said, &secrets, &mut self.problems);
        match &self.case.opens {
            None if answer["opened"].is_object() => Ok(true),
            Some(expected) if answer["error"].is_object() => {
                let (error, mut expected) = (answer["error"].clone(), expected.clone());
                expected["operation"] = "client".into();
                self.error(&expected, &error);
                Ok(false)
            }
            _ => bail!(
                "a client was to be {}, but: {answer}",
                if self.case.opens.is_some() { "refused" } else { "made" }
            ),
        }
    }

    fn options(&self, name: &str) -> Value {
        let mut options = json!({
            "api_key": self.world.api_key, "base_url": self.world.base_url, "rate_limits": null
        });
        if let Some(certificate) = &self.world.ca_certificate {
            options["ca_certificates"] = certificate.as_str().into();
        }
        for (option, value) in &self.case.client {
            options[option.as_str()] = fill(value, &self.world.names);
        }
        for (option, value) in self.case.clients.get(name).into_iter().flatten() {
            options[option.as_str()] = fill(value, &self.world.names);
        }
        // What is to be as if it had never been mentioned.
        if let Value::Object(fields) = &mut options {
            fields.retain(|_, value| value != "default");
        }
        options
    }

    /// What may be shown nowhere.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = self.keys();
        if let Some((_, password)) = self.case.sandbox.proxy.as_deref().and_then(|proxy| proxy.split_once(':')) {
            secrets.push(password.to_owned());
        }
        secrets
    }

    fn keys(&self) -> Vec<String> {
        let own = self.case.clients.values().chain([&self.case.client]).filter_map(|options| options.get("api_key"));
        let own = own.filter_map(|key| fill(key, &self.world.names).as_str().map(str::to_owned));
        let all = own.filter(|key| key != "default").chain([self.world.api_key.clone()]);
        // A key that was refused for what is around it must not be shown either.
        all.map(|key| key.trim().to_owned()).collect()
    }

    fn request(&self, call: &Call) -> Value {
        let mut arguments = json!({"candidate_id": CANDIDATE, "job_position_id": POSITION});
        for (name, value) in &call.arguments {
            arguments[name.as_str()] = fill(value, &self.world.names);
        }
        json!({
            "do": "call", "client": self.name_of(&call.client), "operation": call.call, "arguments": arguments,
            "cancellable": call.cancel.is_some(),
        })
    }

    /// One call by itself, and the requests that came of it.
    async fn one(&mut self, call: &Call) -> Result<()> {
        let before = self.world.requests().await?.len();
        let request = self.request(call);
        let court = self.court;
        let turn = if call.cancel.is_some() { Some(court.cancelling.lock().await) } else { None };
        let pending = court.runner.begin(request.clone()).await?;
        if let Some(when) = call.cancel {
            match when {
                Cancel::Received => {
                    self.world.until("the request arrives", |requests| requests.len() > before).await?;
                }
                Cancel::Waiting => {
                    let answered = |requests: &[Value]| requests.iter().all(|request| !request["answered"].is_null());
                    tokio::time::sleep(A_WHILE).await;
                    self.world.until("nothing is under way", answered).await?;
                }
            }
            self.court.runner.cancel(&pending).await?;
        }
        let answer = pending.answer().await?;
        drop(turn);
        if call.cancel == Some(Cancel::Received) {
            let closed =
                |requests: &[Value]| requests.iter().skip(before).all(|request| request["clientClosed"] == true);
            self.world.until("the sandbox sees the client leave", closed).await?;
        }
        if call.cancel.is_some() {
            tokio::time::sleep(NO_RETRY_AFTER).await;
        }
        self.outcome(call, &request, &answer)?;
        let requests = self.world.requests().await?;
        let error = call.error.as_ref().map(|_| &answer["error"]);
        let own = requests.get(before..).unwrap_or_default();
        always::call_problems(call.call != "status", own, error, &mut self.problems);
        Ok(())
    }

    async fn together(&mut self, calls: &[Call]) -> Result<()> {
        let mut under_way = Vec::new();
        for call in calls {
            for _ in 0..call.times {
                let request = self.request(call);
                let pending = self.court.runner.begin(request.clone()).await?;
                under_way.push(async move { Ok::<_, anyhow::Error>((call, request, pending.answer().await?)) });
            }
        }
        for (call, request, answer) in try_join_all(under_way).await? {
            self.outcome(call, &request, &answer)?;
        }
        Ok(())
    }

    /// Holds what came of a call against what the case expects.
    fn outcome(&mut self, call: &Call, request: &Value, answer: &Value) -> Result<()> {
        match (&call.result, &call.error) {
            (Some(expected), _) if answer["result"].is_object() => {
                let mut expected = expected.clone();
                for (name, pattern) in [
                    ("type", json!(result_type(&call.call))),
                    ("request_id", json!({"$uuid": 0})),
                    ("rate_limit", json!({"$absent": true})),
                ] {
                    if expected.get(name).is_none() && (name != "rate_limit" || self.case.sandbox.limits.is_none()) {
                        expected[name] = pattern;
                    }
                }
                self.compare("result", &expected, &answer["result"]);
            }
            (_, Some(expected)) if answer["error"].is_object() => {
                let mut expected = expected.clone();
                expected["operation"] = call.call.as_str().into();
                let given = &request["arguments"]["idempotency_key"];
                if given.is_string() && expected.get("idempotency_key").is_none() {
                    expected["idempotency_key"] = given.clone();
                }
                let error = answer["error"].clone();
                let mut secrets = self.secrets();
                let texts = ["email_subject", "email_body"].map(|name| request["arguments"][name].as_str());
                secrets.extend(texts.into_iter().flatten().map(|text| text.chars().take(40).collect()));
                always::secret_problems(&error, &secrets, &mut self.problems);
                self.error(&expected, &error);
            }
            (None, None) if answer["cancelled"] == self.court.language.cancellation() => {}
            _ => {
                let mut shown = answer.clone();
                if let Value::Object(fields) = &mut shown["error"] {
                    fields.remove("strings");
                }
                bail!("{} came to something else: {}", call.call, shown);
            }
        }
        Ok(())
    }

    /// An error, with what is taken to be none where the case does not name it.
    fn error(&mut self, expected: &Value, error: &Value) {
        let mut expected = expected.clone();
        let answered = expected.get("status").is_some();
        for (name, pattern) in [
            ("status", json!({"$absent": true})),
            ("code", json!({"$absent": true})),
            ("retry_after", json!({"$absent": true})),
            ("outcome_unknown", json!(false)),
            ("request_id", if answered { json!({"$uuid": 0}) } else { json!({"$absent": true}) }),
        ] {
            if expected.get(name).is_none() {
                expected[name] = pattern;
            }
        }
        always::class_problems(self.court.language, self.court.kinds, error, &mut self.problems);
        self.compare("error", &expected, error);
    }

    /// What must be true at the end.
    async fn look_back(&mut self) -> Result<()> {
        let requests = self.world.requests().await?;
        let keys = self.keys();
        for request in &requests {
            always::key_problems(request, &keys, &mut self.problems);
        }
        let requests = Value::from(requests);
        let get = |path: &'static str| async { self.world.control("GET", path, &Value::Null).await };
        let looked: Vec<(&str, &Option<Value>, Value)> = vec![
            ("wire", &self.case.wire, requests),
            ("outbox", &self.case.outbox, get("outbox").await?),
            ("after", &self.case.after, get("candidates").await?),
            ("windows", &self.case.windows, get("windows").await?),
            (
                "proxied",
                &self.case.proxied,
                if self.case.proxied.is_some() { get("proxy").await? } else { Value::Null },
            ),
            ("elsewhere", &self.case.elsewhere, self.world.requests_elsewhere().await?),
        ];
        for (name, pattern, actual) in looked {
            match pattern {
                // A number speaks of how many there are.
                Some(Value::Number(count)) => {
                    let there = actual.as_array().map(Vec::len);
                    if there.map(|there| there as u64) != count.as_u64() {
                        self.problems.push(format!("{name}: expected {count}, but there are {there:?}: {actual}"));
                    }
                }
                Some(pattern) => self.compare(name, pattern, &actual),
                None => {}
            }
        }
        Ok(())
    }

    fn compare(&mut self, what: &str, pattern: &Value, actual: &Value) {
        let pattern = fill(pattern, &self.world.names);
        let found = self.scope.mismatches(&pattern, actual);
        self.problems.extend(found.into_iter().map(|problem| format!("{what}{problem}")));
    }
}

fn result_type(operation: &str) -> &'static str {
    match operation {
        "status" => "CandidateState",
        "invite" => "Invitation",
        _ => "Decision",
    }
}

/// A case of plain HTTP, which looks at the sandbox alone.
pub(crate) async fn http_problems(case: &Case) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(problem) = play_http(case, &mut problems).await {
        problems.push(format!("{problem:#}"));
    }
    problems
}

async fn play_http(case: &Case, problems: &mut Vec<String>) -> Result<()> {
    let world = World::new(&case.sandbox).await?;
    world.set(case).await?;
    let mut scope = Scope::default();
    for (index, step) in case.steps.iter().enumerate() {
        let found = match step {
            Step::Http(step) => {
                let mut found = Vec::new();
                for _ in 0..step.times {
                    let answer = exchange(&world, step).await?;
                    found.extend(scope.mismatches(&fill(&step.answer, &world.names), &answer));
                }
                found
            }
            Step::Control { control } => {
                let answer = world.carry_out(control).await?;
                control.answer.as_ref().map(|pattern| scope.mismatches(pattern, &answer)).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        problems.extend(found.into_iter().map(|problem| format!("step {}: answer{problem}", index + 1)));
    }
    Ok(())
}

/// Sends one request, and shows its answer as `status`, `header`, `body` (JSON where it is) and `text`.
async fn exchange(world: &World, step: &Http) -> Result<Value> {
    let Http { http, .. } = step;
    let target = fill_text(&http.target, &world.names);
    let mut request = world.http.request(http.method.parse()?, format!("{}{target}", world.base_url));
    let mut headers = BTreeMap::from([("X-API-Key".to_owned(), Value::from(world.api_key.as_str()))]);
    headers.extend(http.headers.clone());
    for (name, value) in headers {
        if let Some(value) = fill(&value, &world.names).as_str() {
            request = request.header(name, value);
        }
    }
    if let Some(body) = &http.body {
        request = request.body(fill(body, &world.names).to_string());
    } else if let Some(text) = &http.text {
        request = request.body(text.clone());
    }
    let answer = request.send().await.with_context(|| format!("{} {target}", http.method))?;
    let status = answer.status().as_u16();
    let header: BTreeMap<String, Value> = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let text = answer.text().await?;
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(json!({"status": status, "header": header, "body": body, "text": text}))
}
