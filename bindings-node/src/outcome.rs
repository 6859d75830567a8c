//! What became of a call, as JSON for the TypeScript half.

use std::error::Error as StdError;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use celper::{Error, ErrorKind, Operation, OperationOutput, RateLimit};
use serde::Serialize;

#[derive(Serialize)]
struct Outcome<T> {
    id: u32,
    #[serde(flatten)]
    result: T,
}

#[derive(Serialize)]
struct Good<'a> {
    ok: Output<'a>,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Output<'a> {
    CandidateState {
        status: &'a str,
        analysis_viewed: bool,
        interview_score: Option<f64>,
        request_id: Option<&'a str>,
        rate_limit: Option<Limit>,
    },
    Invitation {
        invited: bool,
        session_id: &'a str,
        email_delivery: &'a str,
        expires_at: f64,
        request_id: Option<&'a str>,
        rate_limit: Option<Limit>,
    },
    Decision {
        status: &'a str,
        request_id: Option<&'a str>,
        rate_limit: Option<Limit>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Limit {
    limit: Option<u64>,
    remaining: Option<u64>,
    reset_at: Option<f64>,
}

#[derive(Serialize)]
struct Bad<'a> {
    error: Failure<'a>,
}

/// An error's fields; those that it does not have are left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    kind: &'static str,
    message: String,
    detail: String,
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
    idempotency_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome_unknown: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
}

/// The whole chain of causes in one, as the errors of Node's own network calls are.
#[derive(Serialize)]
struct Cause {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

/// A call's result.
pub(crate) fn success(id: u32, output: &OperationOutput) -> String {
    let ok = match output {
        OperationOutput::CandidateState(state) => Output::CandidateState {
            status: state.status.as_str(),
            analysis_viewed: state.analysis_viewed,
            interview_score: state.interview_score,
            request_id: state.request_id.as_deref(),
            rate_limit: limit(state.rate_limit.as_ref()),
        },
        OperationOutput::Invitation(invitation) => Output::Invitation {
            invited: invitation.invited,
            session_id: &invitation.session_id,
            email_delivery: &invitation.email_delivery,
            expires_at: unix_milliseconds(invitation.expires_at),
            request_id: invitation.request_id.as_deref(),
            rate_limit: limit(invitation.rate_limit.as_ref()),
        },
        OperationOutput::Decision(decision) => Output::Decision {
            status: decision.status.as_str(),
            request_id: decision.request_id.as_deref(),
            rate_limit: limit(decision.rate_limit.as_ref()),
        },
        _ => return failure(id, &Error::invalid_argument("the native module is older than its core")),
    };
    json(&Outcome { id, result: Good { ok } })
}

/// Why a call has no result, or why there is no client.
pub(crate) fn failure(id: u32, error: &Error) -> String {
    let action = Operation::ALL.iter().any(|operation| operation.is_action() && operation.name() == error.operation());
    json(&Outcome {
        id,
        result: Bad {
            error: Failure {
                kind: error.kind().name(),
                message: in_javascript(error.kind(), error.to_string()),
                detail: in_javascript(error.kind(), error.message().to_owned()),
                operation: error.operation(),
                status: error.status(),
                code: error.code(),
                request_id: error.request_id(),
                retry_after: error.retry_after().map(|wait| wait.as_secs_f64()),
                attempts: error.attempts(),
                idempotency_key: error.idempotency_key(),
                outcome_unknown: action.then_some(error.outcome_unknown()),
                cause: cause(error),
            },
        },
    })
}

fn json(outcome: &impl Serialize) -> String {
    // Nothing in an outcome can fail to be written: it has no maps with odd keys and no types of foreign code.
    serde_json::to_string(outcome).unwrap_or_default()
}

fn limit(limit: Option<&RateLimit>) -> Option<Limit> {
    limit.map(|limit| Limit {
        limit: limit.limit,
        remaining: limit.remaining,
        reset_at: limit.reset_at.map(unix_milliseconds),
    })
}

/// What `Date` is made of. The core gives no time beyond the years that it holds.
fn unix_milliseconds(time: SystemTime) -> f64 {
    let milliseconds = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64() * 1_000.0,
        Err(before) => before.duration().as_secs_f64() * -1_000.0,
    };
    milliseconds.round()
}

/// A sentence of an error's, with arguments and options called what JavaScript calls them.
fn in_javascript(kind: ErrorKind, text: String) -> String {
    const NAMES: [(&str, &str); 12] = [
        ("candidate_id", "candidateId"),
        ("job_position_id", "jobPositionId"),
        ("email_subject", "emailSubject"),
        ("email_body", "emailBody"),
        ("idempotency_key", "idempotencyKey"),
        ("api_key", "apiKey"),
        ("base_url", "baseUrl"),
        ("attempt_timeout", "attemptTimeout"),
        ("max_retries", "maxRetries"),
        ("rate_limits", "rateLimits"),
        ("ca_certificates", "caCertificates"),
        ("app_info", "appInfo"),
    ];
    match kind {
        // These sentences are the core's own; others may hold the server's, which stay as they came.
        ErrorKind::InvalidArgument | ErrorKind::Timeout | ErrorKind::UnexpectedResponse => {
            NAMES.iter().fold(text, |text, (core, ours)| text.replace(core, ours))
        }
        _ => text,
    }
}

fn cause(error: &Error) -> Option<Cause> {
    let mut next = Some(error.source()?);
    let mut cause = Cause { message: String::new(), code: None };
    while let Some(link) = next {
        let text = link.to_string();
        // Some links repeat the one below them.
        if !cause.message.ends_with(&text) {
            let separator = if cause.message.is_empty() { "" } else { ": " };
            cause.message.push_str(separator);
            cause.message.push_str(&text);
        }
        cause.code = link.downcast_ref::<io::Error>().and_then(|error| system_code(error.kind())).or(cause.code);
        next = link.source();
    }
    Some(cause)
}

/// The code by which Node's own errors go.
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
