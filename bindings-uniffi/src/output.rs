//! A call's outcome, as data.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{SystemTime, UNIX_EPOCH};

use celper::bindings::{interrupted, panic_error};
use celper::{CandidateState, Error, Operation, OperationInput, OperationOutput, RateLimit};

use crate::failure::Failure;
use crate::record::to_bytes;

/// How a call ended.
#[derive(uniffi::Enum)]
pub enum Outcome {
    /// The call returned a result.
    Succeeded {
        /// The result.
        output: Output,
        /// The server's request id.
        request_id: Option<String>,
        /// The response's rate limit headers.
        rate_limit: Option<RateLimitHeaders>,
        /// The number of HTTP requests sent.
        attempts: u32,
        /// What the call did: the bytes of a [`RecordData`](crate::RecordData).
        record: Option<Vec<u8>>,
    },
    /// The call failed.
    Failed {
        /// The error.
        failure: Failure,
    },
    /// The call was cancelled through its [`CancelToken`](crate::CancelToken).
    Cancelled,
}

/// An operation's result.
#[derive(uniffi::Enum)]
pub enum Output {
    /// The result of `status`.
    State {
        /// The status, as the server sent it.
        status: String,
        /// Whether the interview's analysis was viewed.
        analysis_viewed: bool,
        /// The interview's score.
        interview_score: Option<f64>,
    },
    /// The result of `invite`.
    Invitation {
        /// Whether the candidate was invited.
        invited: bool,
        /// The interview session's id.
        session_id: String,
        /// The e-mail's delivery status.
        email_delivery: String,
        /// When the session expires.
        expires_at: Timestamp,
    },
    /// The result of `select` and `reject`.
    Decision {
        /// The status, as the server sent it.
        status: String,
    },
}

/// A response's rate limit headers.
#[derive(Clone, Copy, uniffi::Record)]
pub struct RateLimitHeaders {
    /// Requests allowed in the window.
    pub limit: Option<u64>,
    /// Requests left in the window.
    pub remaining: Option<u64>,
    /// When the window resets.
    pub reset_at: Option<Timestamp>,
}

/// A point in time, as two integers. `UniFFI`'s own type would tie the generated Kotlin code to `java.time`, and lose digits
/// below a microsecond in Swift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Timestamp {
    /// Whole seconds since 1970-01-01 UTC, rounded down.
    pub seconds: i64,
    /// Nanoseconds after that second, from 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp {
                seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
                nanoseconds: since.subsec_nanos(),
            },
            Err(before) => {
                let before = before.duration();
                let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                match before.subsec_nanos() {
                    0 => Timestamp { seconds: -seconds, nanoseconds: 0 },
                    nanoseconds => Timestamp { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
                }
            }
        }
    }
}

/// What the error of a call that ended in the middle says about the call.
pub(crate) struct Interruption {
    operation: Operation,
    idempotency_key: Option<String>,
}

impl Interruption {
    pub(crate) fn new(input: &OperationInput) -> Self {
        Interruption { operation: input.operation, idempotency_key: input.idempotency_key.clone() }
    }

    /// The outcome of a call that ended without one, which is a bug: an action may have taken place.
    pub(crate) fn outcome(self, error: Error) -> Outcome {
        Outcome::Failed { failure: interrupted(error, self.operation, self.idempotency_key).into() }
    }

    /// The outcome of a finished call; if it cannot be converted, an action may have taken place all the same.
    pub(crate) fn convert(self, result: Result<OperationOutput, Error>) -> Outcome {
        self.guard(|| match result {
            Ok(output) => convert(output),
            Err(error) => Some(Outcome::Failed { failure: error.into() }),
        })
    }

    fn guard(self, convert: impl FnOnce() -> Option<Outcome>) -> Outcome {
        match catch_unwind(AssertUnwindSafe(convert)) {
            Ok(Some(outcome)) => outcome,
            Ok(None) => self.outcome(panic_error(&"unknown result type")),
            Err(panic) => self.outcome(panic_error(&*panic)),
        }
    }
}

/// The outcome of a batch's row. The core has caught the panics of its call.
pub(crate) fn item_outcome(result: Result<OperationOutput, Error>) -> Outcome {
    match result.map(convert) {
        Ok(Some(outcome)) => outcome,
        Ok(None) => Outcome::Failed { failure: panic_error(&"unknown result type").into() },
        Err(error) => Outcome::Failed { failure: error.into() },
    }
}

/// The outcome of a watch's read.
pub(crate) fn state_outcome(result: Result<CandidateState, Error>) -> Outcome {
    item_outcome(result.map(OperationOutput::CandidateState))
}

/// None for a result type that this crate does not know.
fn convert(output: OperationOutput) -> Option<Outcome> {
    let (output, request_id, rate_limit, attempts, record) = match output {
        OperationOutput::CandidateState(state) | OperationOutput::AlreadyDone(state) => (
            Output::State {
                status: state.status.as_str().to_owned(),
                analysis_viewed: state.analysis_viewed,
                interview_score: state.interview_score,
            },
            state.request_id,
            state.rate_limit,
            state.attempts,
            state.record,
        ),
        OperationOutput::Invitation(invitation) => (
            Output::Invitation {
                invited: invitation.invited,
                session_id: invitation.session_id,
                email_delivery: invitation.email_delivery,
                expires_at: invitation.expires_at.into(),
            },
            invitation.request_id,
            invitation.rate_limit,
            invitation.attempts,
            invitation.record,
        ),
        OperationOutput::Decision(decision) => (
            Output::Decision { status: decision.status.as_str().to_owned() },
            decision.request_id,
            decision.rate_limit,
            decision.attempts,
            decision.record,
        ),
        _ => return None,
    };
    Some(Outcome::Succeeded {
        output,
        request_id,
        rate_limit: rate_limit.as_ref().map(RateLimitHeaders::from),
        attempts,
        record: record.as_deref().map(to_bytes),
    })
}

impl From<&RateLimit> for RateLimitHeaders {
    fn from(limit: &RateLimit) -> Self {
        RateLimitHeaders {
            limit: limit.limit,
            remaining: limit.remaining,
            reset_at: limit.reset_at.map(Timestamp::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_outcome_of_an_action_whose_result_cannot_be_converted_is_unknown() {
        for (operation, unknown) in [(Operation::Select, true), (Operation::Status, false)] {
            let outcome = |convert: fn() -> Option<Outcome>| {
                let interruption = Interruption { operation, idempotency_key: Some("key-1".to_owned()) };
                let Outcome::Failed { failure } = interruption.guard(convert) else { panic!("not a failure") };
                failure
            };
            for failure in [outcome(|| None), outcome(|| panic!("out of range"))] {
                assert_eq!((failure.kind.as_str(), failure.operation.as_str()), ("internal", operation.name()));
                assert_eq!((failure.outcome_unknown, failure.idempotency_key.as_deref()), (unknown, Some("key-1")));
            }
        }
    }

    #[test]
    fn times_before_1970_have_positive_nanoseconds() {
        let timestamp = |seconds, nanoseconds| Timestamp { seconds, nanoseconds };
        let before = |duration| Timestamp::from(UNIX_EPOCH - duration);
        assert_eq!(Timestamp::from(UNIX_EPOCH + Duration::new(7, 5)), timestamp(7, 5));
        assert_eq!(before(Duration::new(7, 0)), timestamp(-7, 0));
        assert_eq!(before(Duration::new(0, 1)), timestamp(-1, 999_999_999));
    }
}
