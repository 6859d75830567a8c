//! Serializes the result or error of a call as JSON for the TypeScript half.

use std::error::Error as StdError;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use celper::bindings::batch::BatchRowItem;
use celper::bindings::logs::{Level, LogRecord, LogValue};
use celper::bindings::record;
use celper::bindings::watch::WatchItem;
use celper::webhooks::Reason;
use celper::{CallRecord, CandidateState, Error, Operation, OperationOutput, RateLimit, bindings};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::key::HostKeyError;

/// A message to the call or the batch with this id: one of the fields.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    id: u32,
    /// How the call ended, or that a batch could not go on.
    #[serde(flatten)]
    ended: Option<Ended<'a>>,
    /// The core has logged something.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<LogFields<'a>>,
    /// It needs its key provider's key: the id of the key request.
    #[serde(skip_serializing_if = "Option::is_none")]
    needs_key: Option<u32>,
    /// The batch has started.
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<BatchStarted<'a>>,
    /// How many rows the batch wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted: Option<usize>,
    /// The batch's next items; none at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<ItemFields<'a>>>,
    /// The watch's next item.
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<SeenFields<'a>>,
    /// Nothing of the batch is under way any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    finished: bool,
}

/// How a call ended, and its record.
#[derive(Serialize)]
struct Ended<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<ResultFields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorFields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

impl<'a> Ended<'a> {
    fn of(result: Result<&'a OperationOutput, &'a Error>) -> Self {
        match result.and_then(result_fields) {
            Ok((fields, record)) => Ended { ok: Some(fields), error: None, record: record.map(record::to_json) },
            Err(error) => Ended::failed(error),
        }
    }

    fn with_state(result: Result<&'a CandidateState, &'a Error>) -> Self {
        result.map_or_else(Ended::failed, |state| Ended {
            ok: Some(state_fields(state)),
            error: None,
            record: state.record.as_deref().map(record::to_json),
        })
    }

    fn failed(error: &'a Error) -> Self {
        Ended { ok: None, error: Some(error_fields(error)), record: error.record().map(record::to_json) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchStarted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemFields<'a> {
    index: u64,
    #[serde(flatten)]
    ended: Ended<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    resumed: bool,
    not_attempted: bool,
    already_done: bool,
}

/// A candidate of a watch.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeenFields<'a> {
    candidate_id: &'a str,
    #[serde(flatten)]
    ended: Ended<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_status: Option<&'a str>,
}

/// A log record. The time is in milliseconds since 1970.
#[derive(Serialize)]
struct LogFields<'a> {
    level: &'static str,
    message: &'a str,
    #[serde(serialize_with = "log_fields")]
    fields: &'a [(&'static str, LogValue)],
    time: f64,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum ResultFields<'a> {
    CandidateState {
        status: &'a str,
        analysis_viewed: bool,
        interview_score: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        rate_limit: Option<RateLimitFields>,
        attempts: u32,
    },
    Invitation {
        invited: bool,
        session_id: &'a str,
        email_delivery: &'a str,
        expires_at: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        rate_limit: Option<RateLimitFields>,
        attempts: u32,
    },
    Decision {
        status: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        rate_limit: Option<RateLimitFields>,
        attempts: u32,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RateLimitFields {
    limit: Option<u64>,
    remaining: Option<u64>,
    reset_at: Option<f64>,
}

/// An error's fields. Fields without a value are left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorFields<'a> {
    kind: &'static str,
    message: String,
    detail: &'a str,
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<f64>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<RateLimitFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome_unknown: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_difference: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_state: Option<ResultFields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
}

/// The whole chain of causes in one error, in the form of Node's own network errors.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cause {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// The key request for which the program's key provider failed. JavaScript has what it threw.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_request: Option<u32>,
}

/// Runs `function` and returns a panic as an error.
pub(crate) fn catch_panic<T>(function: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // Nothing that `function` captures is used after a panic, except locks that ignore poisoning.
    catch_unwind(AssertUnwindSafe(function)).unwrap_or_else(|panic| Err(bindings::panic_error(&*panic)))
}

/// The JSON of a key request.
pub(crate) fn key_request_json(id: u32, request: u32) -> String {
    json(&Message { id, needs_key: Some(request), ..Message::default() })
}

/// The JSON of a call's result.
pub(crate) fn result_json(id: u32, output: &OperationOutput) -> String {
    json(&Message { id, ended: Some(Ended::of(Ok(output))), ..Message::default() })
}

/// The JSON of an error, of a call, of a batch or of creating a client.
pub(crate) fn error_json(id: u32, error: &Error) -> String {
    json(&Message { id, ended: Some(Ended::failed(error)), ..Message::default() })
}

pub(crate) fn batch_started_json(id: u32, batch_id: Option<&str>) -> String {
    json(&Message { id, started: Some(BatchStarted { batch_id }), ..Message::default() })
}

pub(crate) fn batch_wanted_json(id: u32, rows: usize) -> String {
    json(&Message { id, wanted: Some(rows), ..Message::default() })
}

pub(crate) fn batch_items_json(id: u32, items: &[BatchRowItem]) -> String {
    json(&Message { id, items: Some(items.iter().map(item_fields).collect()), ..Message::default() })
}

pub(crate) fn finished_json(id: u32) -> String {
    json(&Message { id, finished: true, ..Message::default() })
}

fn item_fields(item: &BatchRowItem) -> ItemFields<'_> {
    ItemFields {
        index: item.index,
        ended: Ended::of(item.result.as_ref()),
        idempotency_key: item.idempotency_key.as_deref(),
        resumed: item.resumed,
        not_attempted: item.not_attempted,
        already_done: item.already_done,
    }
}

/// The JSON of a watch's next item.
pub(crate) fn watch_item_json(id: u32, item: &WatchItem) -> String {
    let seen = SeenFields {
        candidate_id: &item.candidate_id,
        ended: Ended::with_state(item.result.as_ref()),
        previous_status: item.previous_status.as_ref().map(|status| status.as_str()),
    };
    json(&Message { id, seen: Some(seen), ..Message::default() })
}

/// The JSON of what the core has logged in this call or batch.
pub(crate) fn log_json(id: u32, log: &LogRecord) -> String {
    let level = match log.level {
        Level::ERROR | Level::WARN => "warn",
        Level::INFO => "info",
        _ => "debug",
    };
    let time = unix_milliseconds(log.created);
    let fields = LogFields { level, message: &log.message, fields: &log.fields, time };
    json(&Message { id, log: Some(fields), ..Message::default() })
}

/// An object, with the names as JavaScript spells them.
fn log_fields<S: Serializer>(fields: &[(&'static str, LogValue)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(fields.len()))?;
    for (name, value) in fields {
        map.serialize_key(&camel_case(name))?;
        match value {
            LogValue::Text(value) => map.serialize_value(value),
            LogValue::Integer(value) => map.serialize_value(value),
            LogValue::Float(value) => map.serialize_value(value),
            LogValue::Boolean(value) => map.serialize_value(value),
        }?;
    }
    map.end()
}

fn camel_case(snake: &str) -> String {
    let mut name = String::with_capacity(snake.len());
    let mut upper = false;
    for letter in snake.chars() {
        match letter {
            '_' => upper = true,
            _ if upper => {
                name.push(letter.to_ascii_uppercase());
                upper = false;
            }
            _ => name.push(letter),
        }
    }
    name
}

static UNKNOWN_RESULT: LazyLock<Error> = LazyLock::new(|| Error::invalid_argument("unknown result type"));

/// A result, and the record of its call.
fn result_fields(output: &OperationOutput) -> Result<(ResultFields<'_>, Option<&CallRecord>), &Error> {
    Ok(match output {
        OperationOutput::CandidateState(state) | OperationOutput::AlreadyDone(state) => {
            (state_fields(state), state.record.as_deref())
        }
        OperationOutput::Invitation(invitation) => {
            let fields = ResultFields::Invitation {
                invited: invitation.invited,
                session_id: &invitation.session_id,
                email_delivery: &invitation.email_delivery,
                expires_at: unix_milliseconds(invitation.expires_at),
                request_id: invitation.request_id.as_deref(),
                rate_limit: rate_limit_fields(invitation.rate_limit.as_ref()),
                attempts: invitation.attempts,
            };
            (fields, invitation.record.as_deref())
        }
        OperationOutput::Decision(decision) => {
            let fields = ResultFields::Decision {
                status: decision.status.as_str(),
                request_id: decision.request_id.as_deref(),
                rate_limit: rate_limit_fields(decision.rate_limit.as_ref()),
                attempts: decision.attempts,
            };
            (fields, decision.record.as_deref())
        }
        _ => return Err(&UNKNOWN_RESULT),
    })
}

fn state_fields(state: &CandidateState) -> ResultFields<'_> {
    ResultFields::CandidateState {
        status: state.status.as_str(),
        analysis_viewed: state.analysis_viewed,
        interview_score: state.interview_score,
        request_id: state.request_id.as_deref(),
        rate_limit: rate_limit_fields(state.rate_limit.as_ref()),
        attempts: state.attempts,
    }
}

fn error_fields(error: &Error) -> ErrorFields<'_> {
    let action = Operation::ALL.iter().any(|operation| operation.is_action() && operation.name() == error.operation());
    ErrorFields {
        kind: error.kind().name(),
        message: error.to_string(),
        detail: error.message(),
        operation: error.operation(),
        status: error.status(),
        code: error.code(),
        request_id: error.request_id(),
        retry_after: error.retry_after().map(|wait| wait.as_secs_f64()),
        attempts: error.attempts(),
        rate_limit: rate_limit_fields(error.rate_limit()),
        idempotency_key: error.idempotency_key(),
        outcome_unknown: action.then_some(error.outcome_unknown()),
        reason: error.webhook_reason().map(Reason::name),
        clock_difference: error.clock_difference(),
        last_state: error.last_state().map(state_fields),
        cause: cause(error),
    }
}

fn json(message: &Message<'_>) -> String {
    // Serializing cannot fail: there are no maps with non-string keys and no custom `Serialize` implementations.
    serde_json::to_string(message).unwrap_or_default()
}

fn rate_limit_fields(limit: Option<&RateLimit>) -> Option<RateLimitFields> {
    limit.map(|limit| RateLimitFields {
        limit: limit.limit,
        remaining: limit.remaining,
        reset_at: limit.reset_at.map(unix_milliseconds),
    })
}

/// The milliseconds since the Unix epoch that `Date` takes. The core only returns times within the range of `Date`.
pub(crate) fn unix_milliseconds(time: SystemTime) -> f64 {
    let milliseconds = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64() * 1_000.0,
        Err(before) => before.duration().as_secs_f64() * -1_000.0,
    };
    milliseconds.round()
}

fn cause(error: &Error) -> Option<Cause> {
    let mut next = Some(error.source()?);
    let mut cause = Cause { message: String::new(), code: None, key_request: None };
    while let Some(source) = next {
        let text = source.to_string();
        // Some errors repeat the text of their source.
        if !cause.message.ends_with(&text) {
            let separator = if cause.message.is_empty() { "" } else { ": " };
            cause.message.push_str(separator);
            cause.message.push_str(&text);
        }
        cause.key_request = source.downcast_ref::<HostKeyError>().map(|error| error.request).or(cause.key_request);
        let system = source.downcast_ref::<io::Error>().and_then(|error| system_code(error.kind()));
        cause.code = bindings::tls_code(source).or(system).or(cause.code);
        next = source.source();
    }
    Some(cause)
}

/// The `code` of Node's own error for this kind.
fn system_code(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::ConnectionAborted => "ECONNABORTED",
        io::ErrorKind::BrokenPipe => "EPIPE",
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
        io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
        io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        _ => return None,
    })
}
