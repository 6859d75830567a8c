//! The control endpoints under `/_sandbox/`, with which tests set up the sandbox and read what happened.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::clock::iso_8601;
use crate::company::{ApiKey, CompanyState, KeyState, Scope};
use crate::faults::{Fault, present};
use crate::lifecycle::{Candidate, InterviewScore};
use crate::state::Shared;

pub(crate) const PREFIX: &str = "/_sandbox/";

/// A control request turned down, and what to do instead.
struct ControlError(StatusCode, String);

type ControlResult = Result<(StatusCode, Value), ControlError>;

pub(crate) fn handle(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: Option<&str>,
    body: &Bytes,
) -> (StatusCode, Value) {
    let name = path.strip_prefix(PREFIX).unwrap_or_default();
    match dispatch(shared, method, name, query, body) {
        Ok(response) => response,
        Err(ControlError(status, advice)) => (status, json!({"error": advice})),
    }
}

fn dispatch(shared: &Shared, method: &Method, name: &str, query: Option<&str>, body: &Bytes) -> ControlResult {
    let filter = read_query(name, method, query)?;
    match (name, method.as_str()) {
        ("health", "GET") => done(json!({"status": "ok"})),
        ("reset", "POST") => {
            shared.reset();
            done(json!({"reset": true}))
        }
        ("candidates", "POST") => put_candidate(shared, parse(body)?),
        ("candidates", "PATCH") => change_candidate(shared, parse(body)?),
        ("candidates", "GET") => {
            let mut state = shared.state();
            done(state.candidates.to_json(shared.clock.now()))
        }
        ("clock", "GET") => done(show_clock(shared)),
        ("clock", "POST") => advance_clock(shared, &parse(body)?),
        ("requests", "GET") => done(shared.log.to_json(filter.as_deref())),
        ("requests", "DELETE") => cleared(shared.log.clear()),
        ("outbox", "GET") => done(json!(shared.state().outbox.mails())),
        ("outbox", "DELETE") => cleared(shared.state().outbox.clear()),
        ("keys", "POST") => put_key(shared, parse(body)?),
        ("company", "POST") => {
            let CompanyDescription { state } = parse(body)?;
            shared.state().company.state = state;
            done(json!({"state": state}))
        }
        ("limits", "POST") => change_limits(shared, &parse(body)?),
        ("windows", "GET") => {
            let mut state = shared.state();
            done(state.windows.to_json(shared.clock.now()))
        }
        ("faults", "POST") => {
            let fault = Fault::from_json(parse(body)?).map_err(mistake)?;
            let shown = fault.to_json();
            shared.state().faults.push(fault);
            Ok((StatusCode::CREATED, shown))
        }
        ("faults", "GET") => done(shared.state().faults.to_json()),
        ("faults", "DELETE") => cleared(shared.state().faults.clear()),
        ("proxy", "GET") => done(shared.proxy_log.to_json()),
        ("proxy", "DELETE") => cleared(shared.proxy_log.clear()),
        (
            "health" | "reset" | "candidates" | "clock" | "requests" | "outbox" | "keys" | "company" | "limits"
            | "windows" | "faults" | "proxy",
            method,
        ) => Err(ControlError(StatusCode::METHOD_NOT_ALLOWED, format!("{PREFIX}{name} does not take {method}"))),
        _ => Err(ControlError(
            StatusCode::NOT_FOUND,
            format!(
                "there is no {PREFIX}{name}; there are health, reset, candidates, clock, requests, outbox, keys, \
                 company, limits, windows, faults and proxy"
            ),
        )),
    }
}

fn done(value: Value) -> ControlResult {
    Ok((StatusCode::OK, value))
}

fn cleared(count: usize) -> ControlResult {
    done(json!({"cleared": count}))
}

fn mistake(advice: String) -> ControlError {
    ControlError(StatusCode::BAD_REQUEST, advice)
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ControlError> {
    serde_json::from_slice(body).map_err(|error| mistake(format!("the body does not fit: {error}")))
}

/// Only `GET requests` takes a query parameter, `candidateId`.
fn read_query(name: &str, method: &Method, query: Option<&str>) -> Result<Option<String>, ControlError> {
    let mut filter = None;
    for (parameter, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name != "requests" || method != Method::GET || parameter != "candidateId" {
            return Err(mistake(format!("{method} {PREFIX}{name} takes no {parameter:?} in its query")));
        }
        filter = Some(value.into_owned());
    }
    Ok(filter)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CandidateDescription {
    candidate_id: String,
    job_position_id: String,
    #[serde(default = "new_status")]
    status: String,
    #[serde(default)]
    analysis_viewed: bool,
    #[serde(default, deserialize_with = "present")]
    interview_score: InterviewScore,
    #[serde(default)]
    extra: Map<String, Value>,
}

fn new_status() -> String {
    "new".to_owned()
}

fn put_candidate(shared: &Shared, described: CandidateDescription) -> ControlResult {
    let CandidateDescription { candidate_id, job_position_id, status, analysis_viewed, interview_score, extra } =
        described;
    if candidate_id.is_empty() || job_position_id.is_empty() {
        return Err(mistake("candidateId and jobPositionId must not be empty".to_owned()));
    }
    let candidate = Candidate { status, analysis_viewed, interview_score, extra, session: None };
    Ok((StatusCode::CREATED, shared.state().candidates.put(&candidate_id, &job_position_id, candidate)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CandidateChange {
    candidate_id: String,
    job_position_id: String,
    status: Option<String>,
    analysis_viewed: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    interview_score: InterviewScore,
}

fn change_candidate(shared: &Shared, change: CandidateChange) -> ControlResult {
    let CandidateChange { candidate_id, job_position_id, status, analysis_viewed, interview_score } = change;
    let changed = shared.state().candidates.change(&candidate_id, &job_position_id, |candidate| {
        if let Some(status) = status {
            candidate.status = status;
        }
        if let Some(viewed) = analysis_viewed {
            candidate.analysis_viewed = viewed;
        }
        if interview_score.is_some() {
            candidate.interview_score = interview_score;
        }
    });
    changed.map(|shown| (StatusCode::OK, shown)).ok_or_else(|| {
        let advice = format!("there is no {candidate_id:?} for {job_position_id:?}; POST it first");
        ControlError(StatusCode::NOT_FOUND, advice)
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockChange {
    advance_seconds: f64,
}

fn show_clock(shared: &Shared) -> Value {
    let now = shared.clock.now();
    json!({"now": iso_8601(now), "unix": now.as_secs_f64()})
}

fn advance_clock(shared: &Shared, change: &ClockChange) -> ControlResult {
    let by = Duration::try_from_secs_f64(change.advance_seconds)
        .map_err(|_| mistake("advanceSeconds must not be negative: the clock only goes ahead".to_owned()))?;
    // Under the state's lock, so that requests count themselves in the order of their times.
    let state = shared.state();
    let advanced = shared.clock.advance(by);
    drop(state);
    advanced.ok_or_else(|| mistake("the clock cannot go more than 100 years ahead; reset it".to_owned()))?;
    done(show_clock(shared))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyDescription {
    key: String,
    scopes: Option<Vec<Scope>>,
    #[serde(default)]
    state: KeyState,
    allowlist: Option<Vec<IpAddr>>,
}

fn put_key(shared: &Shared, described: KeyDescription) -> ControlResult {
    let KeyDescription { key, scopes, state, allowlist } = described;
    if key.is_empty() {
        return Err(mistake("key must not be empty".to_owned()));
    }
    let scopes = scopes.unwrap_or_else(|| ApiKey::default().scopes);
    let shown = json!({"key": key, "scopes": scopes, "state": state, "allowlist": allowlist});
    shared.state().company.keys.insert(key, ApiKey { scopes, state, allowlist });
    Ok((StatusCode::CREATED, shown))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompanyDescription {
    state: CompanyState,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitChange {
    reads: Option<usize>,
    actions: Option<usize>,
    total: Option<usize>,
    window: Option<f64>,
    enabled: Option<bool>,
}

fn change_limits(shared: &Shared, change: &LimitChange) -> ControlResult {
    let window = change.window.map(Duration::try_from_secs_f64).transpose().ok().filter(|window| {
        window.is_none_or(|window| window > Duration::ZERO && window <= Duration::from_secs(24 * 60 * 60))
    });
    let window = window.ok_or_else(|| mistake("window must be more than 0 and at most 86400 seconds".to_owned()))?;
    let mut state = shared.state();
    let limits = &mut state.windows.limits;
    limits.reads = change.reads.unwrap_or(limits.reads);
    limits.actions = change.actions.unwrap_or(limits.actions);
    limits.total = change.total.unwrap_or(limits.total);
    limits.window = window.unwrap_or(limits.window);
    limits.enabled = change.enabled.unwrap_or(limits.enabled);
    done(json!({
        "reads": limits.reads,
        "actions": limits.actions,
        "total": limits.total,
        "window": limits.window.as_secs_f64(),
        "enabled": limits.enabled,
    }))
}
