//! The record of a call. It crosses as the bytes of a [`RecordData`], which the host reads only when somebody looks at it.

use std::time::{Duration, SystemTime};

use celper::bindings::record::{attempt, call, wait};
use celper::{AttemptRecord, CallRecord, WaitRecord};
use uniffi::Lower;

use crate::UniFfiTag;
use crate::output::Timestamp;

/// What a call did; times are in seconds.
#[derive(uniffi::Record)]
pub struct RecordData {
    /// The operation's name.
    pub operation: String,
    /// When the call started.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: f64,
    /// The HTTP requests.
    pub attempts: Vec<AttemptData>,
    /// The waits.
    pub waits: Vec<WaitData>,
}

/// One HTTP request.
#[derive(uniffi::Record)]
pub struct AttemptData {
    /// From the call's start to the attempt's.
    pub offset: f64,
    /// How long it took.
    pub duration: f64,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The server's request id.
    pub request_id: Option<String>,
    /// The kind of the error.
    pub error_kind: Option<String>,
    /// `new` or `pooled`.
    pub connection: Option<String>,
}

/// One wait.
#[derive(uniffi::Record)]
pub struct WaitData {
    /// From the call's start to the wait's.
    pub offset: f64,
    /// How long it waited.
    pub duration: f64,
    /// What for.
    pub reason: String,
}

/// A record as the bytes of a [`RecordData`].
pub(crate) fn to_bytes(record: &CallRecord) -> Vec<u8> {
    let data = RecordData {
        operation: record.operation.name().to_owned(),
        started_at: record.started_at.into(),
        duration: record.duration.as_secs_f64(),
        attempts: record.attempts().iter().map(AttemptData::from).collect(),
        waits: record.waits().iter().map(WaitData::from).collect(),
    };
    let mut bytes = Vec::with_capacity(256);
    <RecordData as Lower<UniFfiTag>>::write(data, &mut bytes);
    bytes
}

/// A record as lines. Not part of the data, because formatting takes longer than everything else that crosses, and few print it.
#[uniffi::export]
pub fn record_text(record: RecordData) -> String {
    let attempts = record.attempts.into_iter().map(|given| {
        let (offset, duration) = (seconds(given.offset)?, seconds(given.duration)?);
        let (error_kind, connection) = (given.error_kind.as_deref(), given.connection.as_deref());
        Some(attempt(offset, duration, given.status, given.request_id, error_kind, connection))
    });
    let waits = record.waits.iter().map(|given| wait(seconds(given.offset)?, seconds(given.duration)?, &given.reason));
    let duration = seconds(record.duration).unwrap_or_default();
    // The text has no date.
    let read = call(&record.operation, SystemTime::UNIX_EPOCH, duration, attempts, waits);
    read.map(|record| record.to_string()).unwrap_or_default()
}

fn seconds(given: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(given).ok()
}

impl From<&AttemptRecord> for AttemptData {
    fn from(attempt: &AttemptRecord) -> Self {
        AttemptData {
            offset: attempt.offset.as_secs_f64(),
            duration: attempt.duration.as_secs_f64(),
            status: attempt.status,
            request_id: attempt.request_id.clone(),
            error_kind: attempt.error_kind.map(|kind| kind.name().to_owned()),
            connection: attempt.connection.map(|connection| connection.name().to_owned()),
        }
    }
}

impl From<&WaitRecord> for WaitData {
    fn from(wait: &WaitRecord) -> Self {
        WaitData {
            offset: wait.offset.as_secs_f64(),
            duration: wait.duration.as_secs_f64(),
            reason: wait.reason.name().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use celper::bindings::record::from_json;
    use uniffi::Lift;

    use super::*;

    #[test]
    fn a_record_that_crossed_has_the_text_of_the_record() {
        let attempt = r#"{"offset": 1000.25, "duration": 131.0005, "status": 503, "requestId": "r1", "errorKind": "server", "connection": "new"}"#;
        let wait = r#"{"offset": 0, "duration": 1000.25, "reason": "rate_limit"}"#;
        let record = from_json(&format!(
            r#"{{"operation": "invite", "startedAt": 1, "duration": 1131.5, "attempts": [{attempt}], "waits": [{wait}]}}"#
        ))
        .unwrap();
        let crossed = <RecordData as Lift<UniFfiTag>>::try_read(&mut to_bytes(&record).as_slice()).unwrap();
        assert_eq!(record_text(crossed), record.to_string());
    }
}
