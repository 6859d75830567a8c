//! The core's errors as data.

use std::error::Error as _;

use celper::{CandidateState, Error, ErrorKind};

use crate::key::KeyProviderError;
use crate::output::RateLimitHeaders;
use crate::record::to_bytes;

/// An error of the core, as data for the language layers.
#[derive(Clone, uniffi::Record)]
pub struct Failure {
    /// The error kind's stable name; see [`error_kinds`].
    pub kind: String,
    /// The server's message, or the SDK's if there is none.
    pub message: String,
    /// The whole error as one line.
    pub text: String,
    /// The operation's name, or `client` if creating a client failed.
    pub operation: String,
    /// The HTTP status, if there was a response.
    pub status: Option<u16>,
    /// The server's error code, documented or not.
    pub code: Option<String>,
    /// The server's request id.
    pub request_id: Option<String>,
    /// Seconds to wait before the next call.
    pub retry_after: Option<f64>,
    /// The number of HTTP requests sent.
    pub attempts: u32,
    /// The response's rate limit headers.
    pub rate_limit: Option<RateLimitHeaders>,
    /// The idempotency key that the action was sent with.
    pub idempotency_key: Option<String>,
    /// Whether the action may have taken place although the call failed.
    pub outcome_unknown: bool,
    /// The number under which the host keeps the key provider's error, if that caused the failure. The host takes it from there.
    pub cause: Option<u64>,
    /// What the call did: the bytes of a [`RecordData`](crate::RecordData).
    pub record: Option<Vec<u8>>,
    /// The state that a wait for a status has read last.
    pub last_state: Option<Box<LastState>>,
}

/// The candidate's state of a wait that failed.
#[derive(Clone, uniffi::Record)]
pub struct LastState {
    /// The status, as the server sent it.
    pub status: String,
    /// Whether the interview's analysis was viewed.
    pub analysis_viewed: bool,
    /// The interview's score.
    pub interview_score: Option<f64>,
    /// The server's request id.
    pub request_id: Option<String>,
    /// The response's rate limit headers.
    pub rate_limit: Option<RateLimitHeaders>,
    /// The number of HTTP requests sent.
    pub attempts: u32,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let provider_error = error.source().and_then(|cause| cause.downcast_ref::<KeyProviderError>());
        Failure {
            kind: error.kind().name().to_owned(),
            message: error.message().to_owned(),
            text: error.to_string(),
            operation: error.operation().to_owned(),
            status: error.status(),
            code: error.code().map(ToOwned::to_owned),
            request_id: error.request_id().map(ToOwned::to_owned),
            retry_after: error.retry_after().map(|wait| wait.as_secs_f64()),
            attempts: error.attempts(),
            rate_limit: error.rate_limit().map(RateLimitHeaders::from),
            idempotency_key: error.idempotency_key().map(ToOwned::to_owned),
            outcome_unknown: error.outcome_unknown(),
            cause: provider_error.and_then(KeyProviderError::take),
            record: error.record().map(to_bytes),
            last_state: error.last_state().map(|state| Box::new(state.into())),
        }
    }
}

impl From<&CandidateState> for LastState {
    fn from(state: &CandidateState) -> Self {
        LastState {
            status: state.status.as_str().to_owned(),
            analysis_viewed: state.analysis_viewed,
            interview_score: state.interview_score,
            request_id: state.request_id.clone(),
            rate_limit: state.rate_limit.as_ref().map(RateLimitHeaders::from),
            attempts: state.attempts,
        }
    }
}

/// One row of the core's table of error kinds. The language layers' tests compare their classes with it.
#[derive(uniffi::Record)]
pub struct ErrorKindRow {
    /// The kind's stable name.
    pub name: String,
    /// Its class in languages with exception classes.
    pub class_name: String,
    /// The parent class.
    pub parent: String,
    /// Whether an attempt that fails with this kind is retried.
    pub retried: bool,
}

/// Returns all error kinds.
#[uniffi::export]
pub fn error_kinds() -> Vec<ErrorKindRow> {
    let rows = ErrorKind::TABLE.iter().map(|row| ErrorKindRow {
        name: row.name.to_owned(),
        class_name: row.class.to_owned(),
        parent: row.parent.to_owned(),
        retried: row.retried,
    });
    rows.collect()
}
