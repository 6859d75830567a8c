//! API responses: the success and the error envelope.

use bytes::Bytes;
use hyper::StatusCode;
use serde::Serialize;
use serde_json::Value;

/// Why a request is refused: the status, and the error envelope's code and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
    }
}

/// A complete response, as it is stored under an idempotency key and as a fault changes it.
#[derive(Clone, Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    pub(crate) request_id: String,
    pub(crate) body: Bytes,
}

impl ApiResponse {
    pub(crate) fn success(request_id: &str, data: &Value) -> Self {
        let envelope = Success { success: true, request_id, data };
        Self { status: StatusCode::OK, request_id: request_id.to_owned(), body: to_bytes(&envelope) }
    }

    pub(crate) fn error(request_id: &str, error: &ApiError) -> Self {
        Self::failure(request_id, error.status, error.code, &error.message)
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
    // Serialising fails only for maps without string keys and for types that return an error. Neither is used here.
    serde_json::to_vec(value).unwrap_or_default().into()
}
