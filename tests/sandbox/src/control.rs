//! The control endpoints under `/_sandbox/`, with which tests set up the sandbox and read what happened.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::bounded::BudgetExceeded;
use crate::clock::iso_8601;
use crate::company::{ApiKey, CompanyState, InvalidKey, KeyState, Scope, validate_key};
use crate::control_access::{self, AccessError};
use crate::faults::{Fault, FaultError, present};
use crate::lifecycle::{Candidate, InterviewScore};
use crate::response::to_bytes;
use crate::state::Shared;
use crate::webhooks::{Change, DeliveryFault, Webhook, WebhookError};

pub(crate) const PREFIX: &str = "/_sandbox/";

/// Why a control request is refused, and what to do instead.
#[derive(Debug, thiserror::Error)]
enum ControlError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("the body is larger than 8 MiB")]
    BodyTooLarge,
    #[error("invalid body: {0}")]
    Body(#[from] serde_json::Error),
    #[error(transparent)]
    Fault(#[from] FaultError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    Key(#[from] InvalidKey),
    #[error(transparent)]
    Budget(#[from] BudgetExceeded),
    #[error("candidateId and jobPositionId must not be empty")]
    EmptyId,
    #[error("there is no {candidate_id:?} for {job_position_id:?}; POST it first")]
    NoCandidate { candidate_id: String, job_position_id: String },
    #[error("advanceSeconds must not be negative: the clock only goes ahead")]
    ClockBack,
    #[error("the clock cannot be advanced by more than 100 years; reset it")]
    ClockTooFar,
    #[error("window must be more than 0 and at most 86400 seconds")]
    Window,
    #[error("{method} {PREFIX}{name} takes no {parameter:?} in its query")]
    Query { method: Method, name: String, parameter: String },
    #[error("{PREFIX}{name} does not take {method}")]
    Method { name: String, method: String },
    #[error(
        "there is no {PREFIX}{0}; there are health, reset, candidates, clock, requests, outbox, keys, company, limits, windows, \
         faults, webhook, webhook-faults, deliveries and proxy"
    )]
    NoEndpoint(String),
}

impl ControlError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Access(_) => StatusCode::FORBIDDEN,
            Self::BodyTooLarge | Self::Budget(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoCandidate { .. } | Self::NoEndpoint(_) => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body(_)
            | Self::Fault(_)
            | Self::Key(_)
            | Self::Webhook(_)
            | Self::EmptyId
            | Self::ClockBack
            | Self::ClockTooFar
            | Self::Window
            | Self::Query { .. } => StatusCode::BAD_REQUEST,
        }
    }
}

type ControlResult = Result<(StatusCode, Bytes), ControlError>;

/// Handles a request whose head `check` has accepted.
pub(crate) fn handle(shared: &Shared, parts: &Parts, body: &Bytes, too_long: bool) -> (StatusCode, Bytes) {
    let name = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let result = if too_long {
        Err(ControlError::BodyTooLarge)
    } else {
        dispatch(shared, &parts.method, name, parts.uri.query(), body)
    };
    result.unwrap_or_else(refuse)
}

/// Refuses what a web page could have sent, before its body is read.
pub(crate) fn check(shared: &Shared, parts: &Parts, local: IpAddr) -> Result<(), (StatusCode, Bytes)> {
    let addresses = [local, shared.options.host];
    control_access::check(parts, &addresses, &shared.options.server_names).map_err(|error| refuse(error.into()))
}

fn refuse(error: ControlError) -> (StatusCode, Bytes) {
    (error.status(), to_bytes(&json!({"error": error.to_string()})))
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
            shared.expire(&mut state, shared.clock.now());
            done(state.candidates.snapshot())
        }
        ("clock", "GET") => done(show_clock(shared)),
        ("clock", "POST") => advance_clock(shared, &parse(body)?),
        ("requests", "GET") => done(shared.log.select(filter.as_deref())),
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
            done(state.windows.snapshot(shared.clock.now()))
        }
        ("faults", "POST") => {
            let fault = Fault::from_json(parse(body)?)?;
            let shown = fault.to_json();
            shared.state().faults.push(fault)?;
            created(shown)
        }
        ("faults", "GET") => done(shared.state().faults.to_json()),
        ("faults", "DELETE") => cleared(shared.state().faults.clear()),
        ("webhook", "POST") => {
            let webhook: Webhook = parse(body)?;
            let shown = json!({"url": webhook.url, "secret": webhook.secret});
            shared.state().webhooks.set(Some(webhook))?;
            created(shown)
        }
        ("webhook", "DELETE") => {
            shared.state().webhooks.set(None)?;
            done(json!({"removed": true}))
        }
        ("deliveries", "GET") => done(json!(shared.state().webhooks.deliveries())),
        ("deliveries", "DELETE") => cleared(shared.state().webhooks.clear_deliveries()),
        ("webhook-faults", "POST") => {
            let fault: DeliveryFault = parse(body)?;
            shared.state().webhooks.push_fault(fault)?;
            created(json!(fault))
        }
        ("webhook-faults", "GET") => done(shared.state().webhooks.faults()),
        ("webhook-faults", "DELETE") => cleared(shared.state().webhooks.clear_faults()),
        ("proxy", "GET") => done(shared.proxy_log.to_json()),
        ("proxy", "DELETE") => cleared(shared.proxy_log.clear()),
        (
            "health" | "reset" | "candidates" | "clock" | "requests" | "outbox" | "keys" | "company" | "limits"
            | "windows" | "faults" | "proxy" | "webhook" | "deliveries" | "webhook-faults",
            method,
        ) => Err(ControlError::Method { name: name.to_owned(), method: method.to_owned() }),
        _ => Err(ControlError::NoEndpoint(name.to_owned())),
    }
}

fn done(value: impl Serialize) -> ControlResult {
    Ok((StatusCode::OK, to_bytes(&value)))
}

fn created(value: Value) -> ControlResult {
    Ok((StatusCode::CREATED, to_bytes(&value)))
}

fn cleared(count: usize) -> ControlResult {
    done(json!({"cleared": count}))
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ControlError> {
    Ok(serde_json::from_slice(body)?)
}

/// Only `GET requests` takes a query parameter, `candidateId`.
fn read_query(name: &str, method: &Method, query: Option<&str>) -> Result<Option<String>, ControlError> {
    let mut filter = None;
    for (parameter, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name != "requests" || method != Method::GET || parameter != "candidateId" {
            return Err(ControlError::Query {
                method: method.clone(),
                name: name.to_owned(),
                parameter: parameter.into_owned(),
            });
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
        return Err(ControlError::EmptyId);
    }
    let candidate = Candidate { status, analysis_viewed, interview_score, extra, session: None };
    created(shared.state().candidates.put(&candidate_id, &job_position_id, candidate)?)
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
    let mut statuses = None;
    let mut state = shared.state();
    let now = shared.clock.now();
    shared.expire(&mut state, now);
    let changed = state.candidates.change(&candidate_id, &job_position_id, |candidate| {
        if let Some(status) = status {
            statuses = Some((candidate.status.clone(), status.clone()));
            candidate.status = status;
        }
        if let Some(viewed) = analysis_viewed {
            candidate.analysis_viewed = viewed;
        }
        if interview_score.is_some() {
            candidate.interview_score = interview_score;
        }
    })?;
    if let Some((before, after)) = &statuses {
        let (candidate_id, job_position_id) = (&candidate_id, &job_position_id);
        shared.notify(&mut state, &Change { candidate_id, job_position_id, before, after }, now);
    }
    match changed {
        Some(shown) => done(shown),
        None => Err(ControlError::NoCandidate { candidate_id, job_position_id }),
    }
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
    let by = Duration::try_from_secs_f64(change.advance_seconds).map_err(|_| ControlError::ClockBack)?;
    // Under the state's lock, so that requests count themselves in the order of their times.
    let mut state = shared.state();
    let now = shared.clock.advance(by).ok_or(ControlError::ClockTooFar)?;
    shared.expire(&mut state, now);
    drop(state);
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
    validate_key(&key)?;
    let scopes = scopes.unwrap_or_else(|| ApiKey::default().scopes);
    let shown = json!({"key": key, "scopes": scopes, "state": state, "allowlist": allowlist});
    shared.state().company.put_key(key, ApiKey { scopes, state, allowlist })?;
    created(shown)
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
    let window = window.ok_or(ControlError::Window)?;
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
