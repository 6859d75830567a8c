//! What a call gives, as data.

use std::time::{SystemTime, UNIX_EPOCH};

use celper::bindings::of_panic;
use celper::{OperationOutput, RateLimit};

use crate::failure::Failure;

/// How a call ended.
#[derive(uniffi::Enum)]
pub enum Outcome {
    /// With a result.
    Done {
        /// The result.
        output: Output,
        /// The server's id of the request.
        request_id: Option<String>,
        /// The server's rate limit headers.
        rate_limit: Option<Rate>,
    },
    /// Without one.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// By a [`CancelToken`](crate::CancelToken).
    Cancelled,
}

/// An operation's result.
#[derive(uniffi::Enum)]
pub enum Output {
    /// Of `status`.
    State {
        /// As the server spells it.
        status: String,
        /// Whether the analysis was viewed.
        analysis_viewed: bool,
        /// The score.
        interview_score: Option<f64>,
    },
    /// Of `invite`.
    Invitation {
        /// Whether the candidate was invited.
        invited: bool,
        /// The session.
        session_id: String,
        /// How the e-mail stands.
        email_delivery: String,
        /// When the session closes.
        expires_at: Instant,
    },
    /// Of `select` and `reject`.
    Decision {
        /// As the server spells it.
        status: String,
    },
}

/// The server's rate limit headers.
#[derive(uniffi::Record)]
pub struct Rate {
    /// Requests in the window.
    pub limit: Option<u64>,
    /// Requests left.
    pub remaining: Option<u64>,
    /// When there is room again.
    pub reset_at: Option<Instant>,
}

/// A point in time. `UniFFI`'s own type for it would tie Kotlin to `java.time` inside the generated code and lose Swift's
/// sub-microsecond digits; two integers lose nothing anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Instant {
    /// Whole seconds since 1970, rounded down.
    pub seconds: i64,
    /// From 0 to 999,999,999, always forward in time.
    pub nanoseconds: u32,
}

impl From<SystemTime> for Instant {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Instant {
                seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
                nanoseconds: since.subsec_nanos(),
            },
            Err(before) => {
                let before = before.duration();
                let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                match before.subsec_nanos() {
                    0 => Instant { seconds: -seconds, nanoseconds: 0 },
                    nanoseconds => Instant { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
                }
            }
        }
    }
}

impl From<Result<OperationOutput, celper::Error>> for Outcome {
    fn from(result: Result<OperationOutput, celper::Error>) -> Self {
        match result {
            Ok(OperationOutput::CandidateState(state)) => Outcome::Done {
                output: Output::State {
                    status: state.status.as_str().to_owned(),
                    analysis_viewed: state.analysis_viewed,
                    interview_score: state.interview_score,
                },
                request_id: state.request_id,
                rate_limit: state.rate_limit.map(Rate::from),
            },
            Ok(OperationOutput::Invitation(invitation)) => Outcome::Done {
                output: Output::Invitation {
                    invited: invitation.invited,
                    session_id: invitation.session_id,
                    email_delivery: invitation.email_delivery,
                    expires_at: invitation.expires_at.into(),
                },
                request_id: invitation.request_id,
                rate_limit: invitation.rate_limit.map(Rate::from),
            },
            Ok(OperationOutput::Decision(decision)) => Outcome::Done {
                output: Output::Decision { status: decision.status.as_str().to_owned() },
                request_id: decision.request_id,
                rate_limit: decision.rate_limit.map(Rate::from),
            },
            Ok(_) => {
                Outcome::Failed { failure: of_panic(None, &"an operation that this binding does not know").into() }
            }
            Err(error) => Outcome::Failed { failure: error.into() },
        }
    }
}

impl From<RateLimit> for Rate {
    fn from(limit: RateLimit) -> Self {
        Rate { limit: limit.limit, remaining: limit.remaining, reset_at: limit.reset_at.map(Instant::from) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_before_1970_are_counted_forward() {
        let at = |seconds, nanoseconds| Instant { seconds, nanoseconds };
        let before = |duration| Instant::from(UNIX_EPOCH - duration);
        assert_eq!(Instant::from(UNIX_EPOCH + Duration::new(7, 5)), at(7, 5));
        assert_eq!(before(Duration::new(7, 0)), at(-7, 0));
        assert_eq!(before(Duration::new(0, 1)), at(-1, 999_999_999));
    }
}
