//! The record of a call. It crosses as the bytes of a [`RecordData`], which the host reads only when somebody looks at it.

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
    /// All of it as lines.
    pub text: String,
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
        text: record.to_string(),
    };
    let mut bytes = Vec::new();
    <RecordData as Lower<UniFfiTag>>::write(data, &mut bytes);
    bytes
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
