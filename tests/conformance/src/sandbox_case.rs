//! Runs the cases that test the sandbox itself, with plain HTTP requests.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::case::{Case, HttpRequest, Step};
use crate::pattern::Matcher;
use crate::template::{fill, fill_text};
use crate::test_env::TestEnv;

/// Runs the case and returns its failures.
pub(crate) async fn run(case: &Case) -> Vec<String> {
    let mut failures = Vec::new();
    if let Err(error) = run_steps(case, &mut failures).await {
        failures.push(format!("{error:#}"));
    }
    failures
}

async fn run_steps(case: &Case, failures: &mut Vec<String>) -> Result<()> {
    let env = TestEnv::start(&case.sandbox).await?;
    env.prepare(case).await?;
    let mut matcher = Matcher::default();
    for (index, step) in case.steps.iter().enumerate() {
        let mut check = |expected: &Value, response: &Value| {
            let found = matcher.mismatches(&fill(expected, &env.variables), response);
            failures.extend(found.into_iter().map(|failure| format!("step {}: response{failure}", index + 1)));
        };
        match step {
            Step::Http(step) => {
                for _ in 0..step.times {
                    check(&step.response, &send(&env, &step.http).await?);
                }
            }
            Step::Control { control } => {
                let response = env.control_request(control).await?;
                if let Some(expected) = &control.response {
                    check(expected, &response);
                }
            }
            Step::Call(_) | Step::Batch(_) | Step::Concurrent { .. } | Step::Close { .. } => {
                bail!("step {} needs a client", index + 1)
            }
        }
    }
    Ok(())
}

/// Sends the request, and returns the response's `status`, `headers`, `text` and, if it is JSON, `body`.
async fn send(env: &TestEnv, http: &HttpRequest) -> Result<Value> {
    let target = fill_text(&http.target, &env.variables);
    let mut request = env.http.request(http.method.parse()?, format!("{}{target}", env.base_url));
    let mut headers = BTreeMap::from([("X-API-Key", Value::from(env.api_key.as_str()))]);
    headers.extend(http.headers.iter().map(|(name, value)| (name.as_str(), fill(value, &env.variables))));
    for (name, value) in headers {
        if let Some(value) = value.as_str() {
            request = request.header(name, value);
        }
    }
    if let Some(body) = &http.body {
        request = request.body(fill(body, &env.variables).to_string());
    } else if let Some(text) = &http.text {
        request = request.body(text.clone());
    }
    let response = request.send().await.with_context(|| format!("{} {target}", http.method))?;
    let status = response.status().as_u16();
    let headers: BTreeMap<String, String> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let text = response.text().await?;
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(json!({"status": status, "headers": headers, "body": body, "text": text}))
}
