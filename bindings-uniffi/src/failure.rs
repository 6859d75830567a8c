//! The core's error as data.

use std::error::Error as _;
use std::sync::Arc;

use celper::{Error, ErrorKind};

use crate::key::{HostError, ProviderFailed};

/// Why there is no result.
#[derive(Clone, uniffi::Record)]
pub struct Failure {
    /// The stable name of what went wrong; see [`error_kinds`].
    pub kind: String,
    /// The server's own description, or ours.
    pub message: String,
    /// The whole of it as one readable line.
    pub text: String,
    /// The operation's name, or `client`.
    pub operation: String,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The server's own code.
    pub code: Option<String>,
    /// The server's id of the request.
    pub request_id: Option<String>,
    /// Seconds to wait before it makes sense to call again.
    pub retry_after: Option<f64>,
    /// How many requests were made.
    pub attempts: u32,
    /// The key that the action's requests carried.
    pub idempotency_key: Option<String>,
    /// Whether the action may have taken place.
    pub outcome_unknown: bool,
    /// What the key provider threw, when that is the reason.
    pub cause: Option<Arc<dyn HostError>>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let provider = error.source().and_then(|cause| cause.downcast_ref::<ProviderFailed>());
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
            idempotency_key: error.idempotency_key().map(ToOwned::to_owned),
            outcome_unknown: error.outcome_unknown(),
            cause: provider.map(|failed| Arc::clone(&failed.0)),
        }
    }
}

/// One row of the core's table of error kinds, from which each language's classes are checked.
#[derive(uniffi::Record)]
pub struct ErrorKindRow {
    /// The stable name.
    pub name: String,
    /// The class of it in languages that have exception classes.
    pub class_name: String,
    /// The class above that.
    pub parent: String,
    /// Whether a failed attempt of this kind is tried again.
    pub retried: bool,
}

/// Every kind of error that there is.
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
