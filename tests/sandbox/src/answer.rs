//! What the API says: the two envelopes, and a refusal on its way to becoming one.

use bytes::Bytes;
use hyper::StatusCode;
use serde::Serialize;
use serde_json::Value;

/// A request turned down, with the code and the message that the client will read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
    }
}

/// A finished answer: what an idempotency key remembers, and what a fault distorts.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) request_id: String,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn success(request_id: &str, data: &Value) -> Self {
        let envelope = Success { success: true, request_id, data };
        Self { status: StatusCode::OK, request_id: request_id.to_owned(), body: to_bytes(&envelope) }
    }

    pub(crate) fn refusal(request_id: &str, refusal: &Refusal) -> Self {
        Self::failure(request_id, refusal.status, refusal.code, &refusal.message)
    }

    pub(crate) fn failure(request_id: &str, status: StatusCode, code: &str, message: &str) -> Self {
        let envelope = Failure { success: false, error: code, message, request_id };
        Self { status, request_id: request_id.to_owned(), body: to_bytes(&envelope) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Success<'a> {
    success: bool,
    request_id: &'a str,
    data: &'a Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    success: bool,
    error: &'a str,
    message: &'a str,
    request_id: &'a str,
}

pub(crate) fn to_bytes(value: &impl Serialize) -> Bytes {
    // Only maps with keys that are not strings, and values that refuse to be serialised, can fail here: there are none.
    serde_json::to_vec(value).unwrap_or_default().into()
}
