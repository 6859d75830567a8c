//! Waiting for a candidate's status, and watching candidates: polls that leave room for calls.
//!
//! Invariants:
//! - Polls take turns with each other, and use at most half of the reads (`pacing::Polls`).
//! - A candidate is polled at once, then after 15 s, growing to 5 minutes while nothing changes.
//! - A poll is one request. The next poll is its retry.

mod driver;
#[cfg(test)]
mod tests;
mod wait;

use std::time::Duration;

#[cfg_attr(not(feature = "bindings"), allow(unused_imports, reason = "bindings only"))]
pub(crate) use self::driver::{Items, Stopper, WatchInput};
pub use self::driver::{Watch, WatchItem};
pub use self::wait::StatusWait;
use crate::batch::PacedClient;
use crate::call::{Reservation, log_wait};
use crate::error::{Error, ErrorKind};
use crate::model::{CandidateState, CandidateStatus};
use crate::operation::Operation;
use crate::pacing::PollSlot;
use crate::request::{OperationInput, OperationOutput};

/// The interval after the first poll, and after a change.
const FIRST_INTERVAL: Duration = Duration::from_secs(15);
/// The longest interval, before jitter.
const LONGEST_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// When a candidate is polled again.
struct Pace(Duration);

impl Pace {
    fn new() -> Self {
        Pace(FIRST_INTERVAL)
    }

    /// The interval after a poll: half as long again as the last one, give or take a tenth, by a random number from 0 to 1.
    fn next(&mut self, changed: bool, random: f64) -> Duration {
        let interval = if changed { FIRST_INTERVAL } else { self.0 };
        self.0 = (interval + interval / 2).min(LONGEST_INTERVAL);
        interval.mul_f64(0.9 + 0.2 * random.clamp(0.0, 1.0))
    }

    /// The interval after a poll that failed: not less than the server asks for.
    fn after_failure(&mut self, error: &Error, random: f64) -> Duration {
        let interval = self.next(false, random).max(error.retry_after().unwrap_or_default());
        log_wait(interval, true, Operation::Status.name(), error.kind().name(), "waiting before the next attempt");
        interval
    }
}

/// What is compared to see whether a candidate has changed.
#[derive(PartialEq)]
struct Seen {
    status: CandidateStatus,
    analysis_viewed: bool,
    interview_score: Option<f64>,
}

impl Seen {
    fn of(state: &CandidateState) -> Self {
        Seen {
            status: state.status.clone(),
            analysis_viewed: state.analysis_viewed,
            interview_score: state.interview_score,
        }
    }
}

/// Reads the status once. The slot's window starts when it has ended.
async fn poll(
    client: &dyn PacedClient,
    mut slot: PollSlot,
    input: &OperationInput,
    reservation: Reservation,
) -> Result<CandidateState, Error> {
    slot.set_sent(true);
    match client.call(input, reservation).await {
        Ok(OperationOutput::CandidateState(state)) => Ok(state),
        Ok(_) => Err(Error::new(ErrorKind::Internal, "a status call gave another result")),
        Err(error) => {
            slot.set_sent(error.attempts() > 0);
            Err(error)
        }
    }
}
