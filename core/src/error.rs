//! The error type, and the table of its kinds from which every language's errors are made.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::model::{CandidateState, RateLimit};
use crate::record::CallRecord;
use crate::webhooks::Reason;

/// What went wrong, as a stable value to match on.
///
/// ```
/// use celper::ErrorKind;
/// assert_eq!(ErrorKind::AnalysisNotViewed.name(), "analysis_not_viewed");
/// assert!(ErrorKind::Server.is_retried() && !ErrorKind::Conflict.is_retried());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Refused by the client before anything was sent.
    InvalidArgument,
    /// HTTP 400, or another 4xx that has no kind of its own.
    InvalidRequest,
    /// HTTP 401: the key is missing, unknown, revoked or expired; or the key provider failed.
    Authentication,
    /// HTTP 403.
    PermissionDenied,
    /// HTTP 404.
    NotFound,
    /// HTTP 409 with a code that has no kind of its own.
    Conflict,
    /// HTTP 409: the candidate's status does not allow the action.
    InvalidStatus,
    /// HTTP 409: the interview's analysis has to be viewed first.
    AnalysisNotViewed,
    /// HTTP 409: the idempotency key was used before with another request.
    IdempotencyConflict,
    /// HTTP 429, or the client's own pacing cannot fit the call into its timeout.
    RateLimited,
    /// HTTP 5xx.
    Server,
    /// No usable response: DNS, refused, reset, TLS, HTTP 408.
    Connection,
    /// The attempt's or the whole call's timeout expired.
    Timeout,
    /// A response that the API does not document: not JSON, the wrong shape, a redirect, too large.
    UnexpectedResponse,
    /// A panic: a fault of the SDK.
    Internal,
    /// A webhook that cannot be trusted or read; see [`Error::webhook_reason`].
    Webhook,
}

/// One row of the table of error kinds, [`ErrorKind::TABLE`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ErrorKindRow {
    /// The kind.
    pub kind: ErrorKind,
    /// Its stable name, the same in every language.
    pub name: &'static str,
    /// The name of its class in languages that have exception classes.
    pub class: &'static str,
    /// The name of its parent class.
    pub parent: &'static str,
    /// Whether a failed attempt of this kind is tried again, as far as `max_retries` and the timeout allow.
    pub retried: bool,
    /// What to do about it, for the end of a message; empty where there is nothing to add.
    pub advice: &'static str,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $class:literal < $parent:literal, $retried:ident, $advice:literal;)*) => {
        impl ErrorKind {
            /// Every kind, with its name, its class and whether it is retried: the source of the same table in every
            /// language.
            pub const TABLE: &'static [ErrorKindRow] = &[$(ErrorKind::$kind.row()),*];

            /// The row of this kind.
            pub const fn row(self) -> ErrorKindRow {
                match self { $(ErrorKind::$kind => ErrorKindRow {
                    kind: self, name: $name, class: $class, parent: $parent,
                    retried: kinds!(@ $retried), advice: $advice,
                }),* }
            }
        }
    };
    (@ retried) => { true };
    (@ final) => { false };
}

kinds! {
    InvalidArgument "invalid_argument" "InvalidArgumentError" < "CelperError", final, "";
    InvalidRequest "invalid_request" "InvalidRequestError" < "ApiError", final, "";
    Authentication "authentication" "AuthenticationError" < "ApiError", final,
        "Check that the API key is complete, active and not expired.";
    PermissionDenied "permission_denied" "PermissionDeniedError" < "ApiError", final, "";
    NotFound "not_found" "NotFoundError" < "ApiError", final,
        "Check the candidate id and the job position id, and that they were not swapped.";
    Conflict "conflict" "ConflictError" < "ApiError", final, "";
    InvalidStatus "invalid_status" "InvalidStatusError" < "ConflictError", final,
        "Read the candidate's status to see why.";
    AnalysisNotViewed "analysis_not_viewed" "AnalysisNotViewedError" < "ConflictError", final,
        "Somebody has to view the interview's analysis in Celper before the decision.";
    IdempotencyConflict "idempotency_conflict" "IdempotencyConflictError" < "ConflictError", final,
        "Use a new idempotency key for a different request.";
    RateLimited "rate_limited" "RateLimitError" < "ApiError", retried, "";
    Server "server" "ServerError" < "ApiError", retried, "";
    Connection "connection" "ConnectionFailedError" < "TransportError", retried, "";
    Timeout "timeout" "RequestTimeoutError" < "TransportError", retried, "";
    UnexpectedResponse "unexpected_response" "UnexpectedResponseError" < "CelperError", final,
        "Check that the base URL points at the Celper API and not at a proxy's or login page.";
    Internal "internal" "InternalError" < "CelperError", final, "";
    Webhook "webhook" "WebhookError" < "CelperError", final, "";
}

impl ErrorKind {
    /// The stable lower-case name, the same in every language.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether a failed attempt of this kind is tried again, as far as `max_retries` and the timeout allow.
    pub const fn is_retried(self) -> bool {
        self.row().retried
    }

    /// The kind with this [`name`](ErrorKind::name).
    pub fn from_name(name: &str) -> Option<Self> {
        ErrorKind::TABLE.iter().find(|row| row.name == name).map(|row| row.kind)
    }

    /// The kind of a response that is not a success, by its HTTP status and the server's code.
    ///
    /// Anything that is neither 4xx nor 5xx (a redirect, say) is an [`ErrorKind::UnexpectedResponse`].
    pub fn from_response(status: u16, code: Option<&str>) -> ErrorKind {
        match (status, code) {
            (401, _) => ErrorKind::Authentication,
            (403, _) => ErrorKind::PermissionDenied,
            (404, _) => ErrorKind::NotFound,
            (409, Some("INVALID_STATUS" | "INVALID_STATUS_TRANSITION")) => ErrorKind::InvalidStatus,
            (409, Some("ANALYSIS_NOT_VIEWED")) => ErrorKind::AnalysisNotViewed,
            (409, Some("IDEMPOTENCY_CONFLICT")) => ErrorKind::IdempotencyConflict,
            (409, _) => ErrorKind::Conflict,
            (429, _) => ErrorKind::RateLimited,
            // Sent by load balancers whose client or server was too slow: the request may have been processed.
            (408, _) => ErrorKind::Connection,
            (400..=499, _) => ErrorKind::InvalidRequest,
            (500..=599, _) => ErrorKind::Server,
            _ => ErrorKind::UnexpectedResponse,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a call failed.
///
/// ```
/// # async fn example(client: celper::Client) -> Result<(), celper::Error> {
/// use celper::{ErrorKind, JobPositionId};
/// match client.select_candidate("cand_xyz789", JobPositionId("pos_abc123")).await {
///     Ok(decision) => println!("{}", decision.status),
///     Err(error) if error.kind() == ErrorKind::AnalysisNotViewed => println!("view the analysis first"),
///     Err(error) if error.outcome_unknown() => println!("may have happened, read the status: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(()) }
/// ```
///
/// [`Display`](fmt::Display) is one readable line, with the server's own message where there is one. It never contains the
/// API key.
pub struct Error(Box<Parts>);

pub(crate) type Cause = Box<dyn StdError + Send + Sync>;

/// The `operation` of an error that belongs to a client and not to a call.
const CLIENT: &str = "client";

/// The `operation` of an error of [`webhooks`](crate::webhooks).
const WEBHOOK: &str = "webhook";

#[derive(Debug)]
pub(crate) struct Parts {
    kind: ErrorKind,
    message: String,
    pub(crate) operation: &'static str,
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) attempts: u32,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) outcome_unknown: bool,
    /// A retry would fail in the same way.
    pub(crate) permanent: bool,
    pub(crate) webhook_reason: Option<Reason>,
    /// In seconds.
    pub(crate) clock_difference: Option<i64>,
    pub(crate) record: Option<CallRecord>,
    /// The last state that a wait for a status has read.
    pub(crate) last_state: Option<Box<CandidateState>>,
    pub(crate) cause: Option<Cause>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Parts {
            kind,
            message: message.into(),
            operation: CLIENT,
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            attempts: 0,
            rate_limit: None,
            idempotency_key: None,
            outcome_unknown: false,
            permanent: false,
            webhook_reason: None,
            clock_difference: None,
            record: None,
            last_state: None,
            cause: None,
        }))
    }

    /// An [`ErrorKind::InvalidArgument`] error, for a layer above the core that rejects an argument.
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidArgument, message)
    }

    /// An [`ErrorKind::InvalidArgument`] error of a function of [`webhooks`](crate::webhooks).
    pub(crate) fn invalid_webhook_argument(message: impl Into<String>) -> Self {
        Error::invalid_argument(message).with(|parts| parts.operation = WEBHOOK)
    }

    /// An [`ErrorKind::Webhook`] error; for a layer above the core too, which may be given a body that is no longer bytes.
    pub fn webhook(reason: Reason, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Webhook, message).with(|parts| {
            parts.operation = WEBHOOK;
            parts.webhook_reason = Some(reason);
        })
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The server's message, or the client's where the server sent none.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What failed: the operation `status`, `invite`, `select` or `reject`; `client` when a client could not be built, `webhook`
    /// for a webhook.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The HTTP status, where there was a response.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The server's error code, documented or not.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The server's id of the request, to quote when you contact its support.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long to wait before calling again makes sense: from the server, or from the client's pacing.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How many HTTP requests the call made.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The response's rate limit headers; `None` where it had none, or where there was no response.
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.0.rate_limit.as_ref()
    }

    /// The idempotency key of an action's requests: call again with it, and the action is not performed twice.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.0.idempotency_key.as_deref()
    }

    /// Whether an action may have taken place although the call failed: in one of its attempts the request may have been
    /// sent and there was no complete response, or a 2xx that cannot be parsed, or a 5xx. Read the candidate's status, or
    /// call again with the same [`idempotency_key`](Error::idempotency_key).
    pub fn outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    /// The attempts and waits of the call; `None` where it was refused before it began.
    pub fn record(&self) -> Option<&CallRecord> {
        self.0.record.as_ref()
    }

    /// Why a webhook was refused; of an [`ErrorKind::Webhook`] error only.
    pub fn webhook_reason(&self) -> Option<Reason> {
        self.0.webhook_reason
    }

    /// How many seconds a stale webhook's timestamp is behind this machine's clock; negative when it is ahead.
    pub fn clock_difference(&self) -> Option<i64> {
        self.0.clock_difference
    }

    /// The candidate's last state that [`wait_for_status`](crate::Client::wait_for_status) has read before it failed; `None` for
    /// other calls, and when it has read none.
    pub fn last_state(&self) -> Option<&CandidateState> {
        self.0.last_state.as_deref()
    }

    /// The same error without its cause, to be reported in a second place.
    pub(crate) fn without_source(&self) -> Self {
        Error::new(self.kind(), self.message()).with(|parts| {
            parts.status = self.0.status;
            parts.code.clone_from(&self.0.code);
            parts.request_id.clone_from(&self.0.request_id);
            parts.rate_limit.clone_from(&self.0.rate_limit);
        })
    }

    pub(crate) fn is_permanent(&self) -> bool {
        self.0.permanent || !self.kind().is_retried()
    }

    /// Sets fields other than kind and message.
    pub(crate) fn with(mut self, add: impl FnOnce(&mut Parts)) -> Self {
        add(&mut self.0);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &*self.0;
        write!(f, "{}: {}", self.operation(), parts.message.trim_end_matches('.'))?;
        let mut details = Vec::new();
        match (parts.status, &parts.code) {
            (Some(status), Some(code)) => details.push(format!("HTTP {status} {code}")),
            (Some(status), None) => details.push(format!("HTTP {status}")),
            (None, _) => {}
        }
        details.extend(parts.request_id.as_ref().map(|id| format!("request id {id}")));
        if parts.attempts > 1 {
            details.push(format!("{} attempts", parts.attempts));
        }
        if let Some(wait) = parts.retry_after {
            details.push(format!("retry after {} s", wait.as_secs_f64().ceil()));
        }
        if !details.is_empty() {
            write!(f, " ({})", details.join(", "))?;
        }
        if !details.is_empty() || !parts.message.ends_with(['!', '?']) {
            f.write_str(".")?;
        }
        let advice = parts.kind.row().advice;
        if parts.outcome_unknown {
            f.write_str(
                " The action may have taken place: read the candidate's status, or call again with the same idempotency key.",
            )?;
        } else if !advice.is_empty() {
            write!(f, " {advice}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_ref().map(|cause| &**cause as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Operation;

    #[test]
    fn an_error_displays_as_one_line() {
        let bare = Error::invalid_argument("timeout must be longer than 0");
        assert_eq!(bare.to_string(), "client: timeout must be longer than 0.");
        let full = Error::new(ErrorKind::RateLimited, "Too many requests.").with(|parts| {
            parts.operation = Operation::Select.name();
            parts.status = Some(429);
            parts.code = Some("RATE_LIMITED".to_owned());
            parts.request_id = Some("r1".to_owned());
            parts.attempts = 3;
            parts.retry_after = Some(Duration::from_millis(6_500));
        });
        assert_eq!(
            full.to_string(),
            "select: Too many requests (HTTP 429 RATE_LIMITED, request id r1, 3 attempts, retry after 7 s)."
        );
        assert_eq!(Error::new(ErrorKind::Server, "Why?").to_string(), "client: Why?");
    }

    #[test]
    fn an_error_displays_advice() {
        let conflict = Error::new(ErrorKind::AnalysisNotViewed, "no").with(|parts| {
            parts.attempts = 1;
            parts.status = Some(409);
        });
        assert!(conflict.to_string().starts_with("client: no (HTTP 409). Somebody has to view"), "{conflict}");
        let unknown = conflict.with(|parts| parts.outcome_unknown = true).to_string();
        assert!(unknown.contains("may have taken place") && !unknown.contains("Somebody"), "{unknown}");
    }

    #[test]
    fn every_kind_has_a_unique_name_and_class() {
        for (nth, row) in ErrorKind::TABLE.iter().enumerate() {
            assert_eq!((row.kind.name(), row.kind.to_string().as_str()), (row.name, row.name));
            let others = &ErrorKind::TABLE[nth + 1..];
            assert!(others.iter().all(|other| other.name != row.name && other.class != row.class), "{}", row.name);
            let known = ["CelperError", "ApiError", "TransportError"].contains(&row.parent);
            assert!(known || ErrorKind::TABLE.iter().any(|other| other.class == row.parent), "{}", row.parent);
        }
        assert_eq!(ErrorKind::TABLE.len(), 16);
    }
}
