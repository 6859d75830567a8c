//! Waits until a candidate has a status.

use std::fmt::{self, Write as _};
use std::future::{IntoFuture, pending};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::Instrument;

use super::{FIRST_INTERVAL, Pace, Seen, poll};
use crate::argument::Argument;
use crate::batch::{BoxFuture, PacedClient};
use crate::call::{FOREVER, MIN_ATTEMPT_TIME, after, check_runtime, log_wait};
use crate::error::{Error, ErrorKind};
use crate::model::{CandidateState, CandidateStatus};
use crate::operation::{Category, Operation};
use crate::pacing::Polls;
use crate::request::OperationInput;
use crate::spans;

/// How long a wait lasts without a `timeout`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// How long before the deadline the last poll is due, so that the error's state is a recent one.
const LAST_POLL: Duration = Duration::from_secs(5);

/// A wait for a candidate's status, from [`Client::wait_for_status`](crate::Client::wait_for_status). It starts when it is awaited.
///
/// - **How often**: the status is read at once, after 15 s, and then at intervals that grow to 5 minutes; after 15 s again when the
///   status has changed. Shortly before the timeout it is read once more.
/// - **How much**: all waits and [watches](crate::Watch) of this process and rate limit together use at most half of the reads, 20
///   in a minute by default, and take turns. Their other half is left to calls.
/// - **Failures**: what a call retries (no connection, timeouts, 429, 5xx) does not end the wait; the next read is the retry.
///   Anything else ends it, as does closing the client.
/// - **Errors**: an error has the candidate's [last state](Error::last_state), when it was read.
/// - **Leaving**: dropping the future ends the wait.
#[must_use = "a wait does nothing until it is awaited"]
pub struct StatusWait {
    client: Arc<dyn PacedClient>,
    /// With the timeout of the whole wait.
    input: OperationInput,
    until: Vec<CandidateStatus>,
}

impl StatusWait {
    pub(crate) fn new(client: Arc<dyn PacedClient>, input: OperationInput, until: Vec<CandidateStatus>) -> Self {
        StatusWait { client, input, until }
    }

    /// How long to wait. Default: 10 minutes; [`Duration::MAX`] is as long as it takes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.input.timeout = Some(timeout);
        self
    }

    fn check(&self) -> Result<Polls, Error> {
        self.client.check(&self.input)?;
        let name = Argument::Until.name(self.client.names());
        if self.until.is_empty() {
            return Err(Error::invalid_argument(format!("{name} is empty; pass the statuses to wait for")));
        }
        if self.until.iter().any(|status| status.as_str().is_empty() || status.as_str().chars().any(char::is_control)) {
            return Err(Error::invalid_argument(format!(
                "{name} contains an empty status or a control character; pass statuses such as \"interviewed\""
            )));
        }
        check_runtime()?;
        self.client.polls()
    }

    pub(crate) async fn run(self) -> Result<CandidateState, Error> {
        let span = spans::wait();
        // The spans of the reads are its children.
        let result = self.wait().instrument(span.clone()).await;
        result.inspect_err(|error| spans::fail(&span, error))
    }

    async fn wait(self) -> Result<CandidateState, Error> {
        let polls = self.check().map_err(|error| self.input.rejected(error))?;
        let timeout = self.input.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let deadline = after(Instant::now(), timeout);
        let mut wait = Wait {
            client: &*self.client,
            input: &self.input,
            until: &self.until,
            polls,
            timeout,
            deadline,
            attempts: 0,
            last_state: None,
            failure: None,
        };
        let closed = self.client.closed();
        let ended = tokio::select! {
            biased;
            error = closed => Some(Err(error)),
            polled = timeout_at(deadline, wait.poll_until_done()) => polled.ok(),
        };
        let result = ended.unwrap_or_else(|| Err(wait.timeout_error()));
        result.map_err(|error| {
            error.with(|parts| {
                parts.operation = Operation::Status.name();
                parts.attempts = wait.attempts;
                parts.last_state = wait.last_state.map(Box::new);
            })
        })
    }
}

/// A wait in progress.
struct Wait<'a> {
    client: &'a dyn PacedClient,
    input: &'a OperationInput,
    until: &'a [CandidateStatus],
    polls: Polls,
    timeout: Duration,
    deadline: Instant,
    attempts: u32,
    last_state: Option<CandidateState>,
    /// Why the last poll failed, if it did.
    failure: Option<Error>,
}

impl Wait<'_> {
    /// Polls until the candidate has the status, or a poll fails for good. Never ends because of the deadline.
    async fn poll_until_done(&mut self) -> Result<CandidateState, Error> {
        let (mut pace, mut due, mut is_logged) = (Pace::new(), Instant::now(), false);
        let min_time = MIN_ATTEMPT_TIME.min(self.timeout / 2);
        let last_start = self.deadline.checked_sub(min_time).unwrap_or(self.deadline);
        loop {
            // A response to a later poll could hardly be received.
            if due > last_start {
                return pending().await;
            }
            sleep_until(due).await;
            let slot = self.polls.acquire(due).await;
            let reservation =
                self.client.reserve(Category::Reads, self.input.operation.name(), Some(last_start)).await?;
            if Instant::now() > last_start {
                drop((slot, reservation));
                return pending().await;
            }
            let left = if self.timeout < FOREVER { self.deadline - Instant::now() } else { Duration::MAX };
            let input = OperationInput { timeout: Some(left), max_retries: Some(0), ..self.input.clone() };
            let random = self.client.random();
            let interval = match poll(self.client, slot, &input, reservation).await {
                Ok(mut state) => {
                    self.attempts = self.attempts.saturating_add(state.attempts);
                    state.attempts = self.attempts;
                    if self.until.iter().any(|status| status.as_str() == state.status.as_str()) {
                        return Ok(state);
                    }
                    let changed = self.last_state.as_ref().is_some_and(|last| Seen::of(last) != Seen::of(&state));
                    self.last_state = Some(state);
                    self.failure = None;
                    pace.next(changed, random)
                }
                Err(error) => {
                    self.attempts = self.attempts.saturating_add(error.attempts());
                    if error.is_permanent() {
                        return Err(error);
                    }
                    let interval = pace.after_failure(&error, random);
                    self.failure = Some(error);
                    interval
                }
            };
            let now = Instant::now();
            due = after(now, interval);
            if let Some(last) = self.deadline.checked_sub(LAST_POLL)
                && due > last
                && last >= now + FIRST_INTERVAL
                && self.failure.as_ref().is_none_or(|error| error.retry_after().is_none())
            {
                due = last;
            }
            if !is_logged && self.failure.is_none() {
                is_logged = true;
                let until_then = due.min(self.deadline).saturating_duration_since(now);
                log_wait(until_then, true, Operation::Status.name(), "status", "waiting for the candidate's status");
            }
        }
    }

    fn timeout_error(&mut self) -> Error {
        let (seconds, name) = (self.timeout.as_secs_f64(), Argument::Timeout.name(self.client.names()));
        let failure = self.failure.take();
        let mut message = String::new();
        // Writing to a string does not fail.
        let _ = match (&self.last_state, &failure) {
            (Some(state), _) => write!(
                message,
                "the candidate's status is still {:?} after {seconds} s ({name}), not {}; call again to go on waiting, or receive webhooks",
                state.status.as_str(),
                Alternatives(self.until),
            ),
            (None, Some(_)) => write!(message, "the candidate's status could not be read within {seconds} s ({name})"),
            (None, None) => write!(
                message,
                "the candidate's status was not read within {seconds} s ({name}): other calls and waits use up the rate limit"
            ),
        };
        if let Some(failure) = &failure {
            let _ = write!(message, "; the last attempt failed: {}", failure.message());
        }
        Error::new(ErrorKind::Timeout, message).with(|parts| parts.cause = failure.map(Into::into))
    }
}

/// `"a", "b" or "c"`.
struct Alternatives<'a>(&'a [CandidateStatus]);

impl fmt::Display for Alternatives<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, status) in self.0.iter().enumerate() {
            let separator = match nth {
                0 => "",
                _ if nth + 1 == self.0.len() => " or ",
                _ => ", ",
            };
            write!(f, "{separator}{:?}", status.as_str())?;
        }
        Ok(())
    }
}

impl IntoFuture for StatusWait {
    type Output = Result<CandidateState, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for StatusWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusWait")
            .field("candidate_id", &self.input.candidate_id)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
