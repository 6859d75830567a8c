//! A call's record as JSON: what crosses the border, and what JavaScript reads as it is. Times are in milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::ErrorKind;
use crate::operation::Operation;
use crate::record::{AttemptRecord, CallRecord, ConnectionUse, WaitReason, WaitRecord};
use crate::request::OperationInput;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a> {
    operation: &'a str,
    /// Since 1970.
    started_at: f64,
    duration: f64,
    #[serde(borrow)]
    attempts: Vec<Attempt<'a>>,
    #[serde(borrow)]
    waits: Vec<Wait<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attempt<'a> {
    offset: f64,
    duration: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    error_kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    connection: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct Wait<'a> {
    offset: f64,
    duration: f64,
    reason: &'a str,
}

/// The record as a JSON object.
pub fn to_json(record: &CallRecord) -> String {
    let attempts = record.attempts.iter().map(|attempt| Attempt {
        offset: millis(attempt.offset),
        duration: millis(attempt.duration),
        status: attempt.status,
        request_id: attempt.request_id.clone(),
        error_kind: attempt.error_kind.map(ErrorKind::name),
        connection: attempt.connection.map(ConnectionUse::name),
    });
    let waits = record.waits.iter().map(|wait| Wait {
        offset: millis(wait.offset),
        duration: millis(wait.duration),
        reason: wait.reason.name(),
    });
    let call = Call {
        operation: record.operation.name(),
        started_at: millis(record.started_at.duration_since(UNIX_EPOCH).unwrap_or_default()),
        duration: millis(record.duration),
        attempts: attempts.collect(),
        waits: waits.collect(),
    };
    // Strings and finite numbers only: it cannot fail.
    serde_json::to_string(&call).unwrap_or_default()
}

/// Reads what [`to_json`] wrote; `None` for anything else.
pub fn from_json(json: &str) -> Option<CallRecord> {
    let given: Call<'_> = serde_json::from_str(json).ok()?;
    let attempts = given.attempts.into_iter().map(|given| {
        let (offset, duration) = (duration(given.offset)?, duration(given.duration)?);
        Some(attempt(offset, duration, given.status, given.request_id, given.error_kind, given.connection))
    });
    let waits = given.waits.iter().map(|given| wait(duration(given.offset)?, duration(given.duration)?, given.reason));
    let started_at = UNIX_EPOCH.checked_add(duration(given.started_at)?)?;
    call(given.operation, started_at, duration(given.duration)?, attempts, waits)
}

/// A record whose parts crossed as data; `None` if one of them is missing, or the operation unknown.
pub fn call(
    operation: &str,
    started_at: SystemTime,
    duration: Duration,
    attempts: impl IntoIterator<Item = Option<AttemptRecord>>,
    waits: impl IntoIterator<Item = Option<WaitRecord>>,
) -> Option<CallRecord> {
    Some(CallRecord {
        operation: Operation::from_name(operation)?,
        started_at,
        duration,
        attempts: attempts.into_iter().collect::<Option<_>>()?,
        waits: waits.into_iter().collect::<Option<_>>()?,
    })
}

/// An attempt of such a record.
pub fn attempt(
    offset: Duration,
    duration: Duration,
    status: Option<u16>,
    request_id: Option<String>,
    error_kind: Option<&str>,
    connection: Option<&str>,
) -> AttemptRecord {
    let connection =
        [ConnectionUse::New, ConnectionUse::Pooled].into_iter().find(|known| connection == Some(known.name()));
    AttemptRecord {
        offset,
        duration,
        status,
        request_id,
        error_kind: error_kind.and_then(ErrorKind::from_name),
        connection,
    }
}

/// A wait of such a record; `None` for an unknown reason.
pub fn wait(offset: Duration, duration: Duration, reason: &str) -> Option<WaitRecord> {
    let reason = WaitReason::ALL.into_iter().find(|known| known.name() == reason)?;
    Some(WaitRecord { offset, duration, reason })
}

/// The URL of a request for a span. Without `ids`, those of candidate and job position, it says `REDACTED` in their places.
pub fn span_url(client: &Client, operation: Operation, ids: Option<(&str, &str)>) -> String {
    let (candidate_id, job_position_id) = ids.unwrap_or(("REDACTED", "REDACTED"));
    let input = OperationInput::new(operation, candidate_id, job_position_id);
    client.url_of(&input).map_or_else(|| client.base_url().to_owned(), Into::into)
}

/// A millisecond's thousandths are enough, and make shorter JSON.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn duration(millis: f64) -> Option<Duration> {
    // Whole microseconds, as a record has them.
    let micros = (millis * 1e3).round();
    (0.0..u64::MAX as f64).contains(&micros).then(|| Duration::from_micros(micros as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_a_record() {
        let micros = Duration::from_micros;
        let record = CallRecord {
            operation: Operation::Select,
            started_at: UNIX_EPOCH + micros(1_764_250_000_123_456),
            duration: micros(1_500_250),
            attempts: smallvec::smallvec![AttemptRecord {
                offset: micros(1_000),
                duration: micros(250),
                status: Some(503),
                request_id: Some("a \"quoted\" id".to_owned()),
                error_kind: Some(ErrorKind::Server),
                connection: Some(ConnectionUse::Pooled),
            }],
            waits: WaitReason::ALL
                .map(|reason| WaitRecord { offset: Duration::ZERO, duration: micros(1_000), reason })
                .to_vec(),
        };
        let json = to_json(&record);
        let read = from_json(&json).unwrap();
        let difference = read.started_at.duration_since(record.started_at).unwrap_or_else(|before| before.duration());
        assert!(difference < micros(1), "{difference:?}");
        assert_eq!(CallRecord { started_at: record.started_at, ..read }, record);
        assert!(json.contains(r#""errorKind":"server","connection":"pooled""#), "{json}");
        assert!(from_json("{}").is_none() && from_json("").is_none());
    }
}
