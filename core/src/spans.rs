//! The spans of calls, waits and requests: their names, their attributes, and how they are written with `tracing`.
//!
//! The bindings write the same spans from a call's record (`bindings::telemetry`). Each attribute is decided once here.

use std::borrow::Cow;

use reqwest::Url;
use tracing::{Span, field};

use crate::error::{Error, ErrorKind};
use crate::operation::Operation;

/// The name of a wait for a status. The spans of its reads are its children.
pub(crate) const WAIT: &str = "celper.wait_for_status";

/// The name of a call's span.
pub(crate) fn call_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Status => "celper.status",
        Operation::Invite => "celper.invite",
        Operation::Select => "celper.select",
        Operation::Reject => "celper.reject",
    }
}

/// The `error.type` of a failed request: its HTTP status where that is the failure, else the error's kind.
pub(crate) fn error_type(status: Option<u16>, kind: ErrorKind) -> Cow<'static, str> {
    match status {
        Some(status) if status >= 400 => Cow::Owned(status.to_string()),
        _ => Cow::Borrowed(kind.name()),
    }
}

/// The `server.address`: an IPv6 address is without its brackets.
pub(crate) fn server_address(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_matches(['[', ']'])
}

/// The URL without the ids of candidate and job position, which do not belong into every tracing backend.
fn without_ids(url: &Url) -> String {
    let mut url = url.clone();
    let (path, query) = (url.path().to_owned(), url.query().map(|_| "jobPositionId=REDACTED"));
    if let [operation, _, base] = path.rsplitn(3, '/').collect::<Vec<_>>()[..] {
        url.set_path(&[base, "REDACTED", operation].join("/"));
    }
    url.set_query(query);
    url.into()
}

/// The span of a call, with the fields that tracing-opentelemetry reads.
pub(crate) fn call(operation: Operation) -> Span {
    tracing::info_span!(
        target: "celper", "call", otel.name = call_name(operation), otel.kind = "internal", error.r#type = field::Empty
    )
}

/// The span of a call that is refused before it begins.
pub(crate) fn refused_call(operation: Operation, error: &Error) {
    fail(&call(operation), error);
}

/// The span of a wait for a status.
pub(crate) fn wait() -> Span {
    tracing::info_span!(
        target: "celper", "wait", otel.name = WAIT, otel.kind = "internal", error.r#type = field::Empty
    )
}

/// Puts the error into the span of a call or a wait.
pub(crate) fn fail(span: &Span, error: &Error) {
    span.record("error.type", error.kind().name());
}

/// The span of a request: an HTTP client's by OpenTelemetry's conventions. `attempts` is the number of those before it.
pub(crate) fn attempt(call: &Span, operation: Operation, url: &Url, redact: bool, attempts: u32) -> Span {
    tracing::info_span!(
        target: "celper", parent: call, "attempt", otel.name = operation.http_method(), otel.kind = "client",
        http.request.method = operation.http_method(), server.address = server_address(url),
        server.port = url.port_or_known_default(),
        url.full = if redact { without_ids(url) } else { url.as_str().to_owned() },
        http.request.resend_count = (attempts > 0).then_some(attempts),
        http.response.status_code = field::Empty, error.r#type = field::Empty
    )
}

/// Puts the error into the span of a request.
pub(crate) fn fail_attempt(span: &Span, status: Option<u16>, error: &Error) {
    if !span.is_disabled() {
        span.record("http.response.status_code", status);
        span.record("error.type", &*error_type(status, error.kind()));
    }
}
