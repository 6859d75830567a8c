//! One call from its first attempt to its result or error: slot, key, attempt, retry, all within the call's time.

#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::iter;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout_at};

use crate::answer::{FromAnswer, HeaderFacts, read_error, read_success};
use crate::connect::ByProxy;
use crate::error::{Cause, Error, ErrorKind};
use crate::key::{ApiKey, KeyProvider};
use crate::operation::Operation;
use crate::pacing::{Pacer, Permit, Refused, Ticket};
use crate::retry::{FailedAttempt, may_have_acted, wait_before_retry};
use crate::transport::{BodyFailure, Departure, Head, Prepared, Transport};

/// The largest answer that is read.
pub(crate) const MAX_ANSWER: usize = 1024 * 1024;

/// What a timeout beyond the clock's range is taken as.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// How a call may spend its time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    pub(crate) timeout: Duration,
    pub(crate) attempt_timeout: Duration,
    pub(crate) max_retries: u32,
}

/// What all calls of a client share.
pub(crate) struct Engine<T> {
    pub(crate) transport: T,
    pub(crate) key_provider: Arc<dyn KeyProvider>,
    /// `None` when pacing is off.
    pub(crate) pacer: Option<Arc<Pacer>>,
    /// From 0 to 1; spreads retries.
    pub(crate) random: fn() -> f64,
}

impl<T: Transport> Engine<T> {
    /// Carries a call out.
    pub(crate) async fn call<R: FromAnswer>(&self, request: &Prepared, limits: Limits) -> Result<R, Error> {
        let mut call = Call {
            engine: self,
            request,
            limits,
            deadline: after(Instant::now(), limits.timeout),
            ticket: self.pacer.as_deref().map(Pacer::ticket),
            attempts: 0,
            outcome_unknown: false,
        };
        let result = match call.until_answered().await {
            Ok(success) => call.read(success),
            Err(error) => Err(error),
        };
        result.map_err(|error| call.finished(error))
    }
}

/// One call under way.
struct Call<'a, T> {
    engine: &'a Engine<T>,
    request: &'a Prepared,
    limits: Limits,
    deadline: Instant,
    ticket: Option<Ticket>,
    attempts: u32,
    /// Whether an attempt so far may have done the action. It stays so whatever later attempts say: the service does not
    /// promise to keep its first answer under the idempotency key when that answer was a 5xx, so even a later "invalid
    /// status" can be the trace of our own action.
    outcome_unknown: bool,
}

/// A whole 2xx answer.
struct Success {
    status: u16,
    facts: HeaderFacts,
    body: Bytes,
    key: ApiKey,
}

impl<T: Transport> Call<'_, T> {
    async fn until_answered(&mut self) -> Result<Success, Error> {
        let mut last_failure = None;
        loop {
            let ready = match self.slot().await {
                Ok(permit) => self.ask_for_key().await.map(|key| (permit, key)),
                Err(refused) => Err(no_slot(refused)),
            };
            let (permit, key) = match ready {
                Ok(ready) => ready,
                // That a retry could not be made must not hide why there was to be one.
                Err(error) => return Err(last_failure.unwrap_or(error)),
            };
            let error = match self.attempt(permit, key).await {
                Ok(success) => return Ok(success),
                Err(error) => error,
            };
            let failed = FailedAttempt {
                kind: error.kind(),
                attempts: self.attempts,
                retry_after: error.retry_after(),
                time_left: self.deadline.saturating_duration_since(Instant::now()),
            };
            match wait_before_retry(failed, self.limits.max_retries, (self.engine.random)()) {
                Some(wait) if self.slot_may_come_in_time() => {
                    self.log_wait(wait, error.kind().name(), "waiting before the next attempt");
                    last_failure = Some(error);
                    sleep(wait).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// Whether it makes sense to wait for another attempt, as far as the rate limit goes.
    fn slot_may_come_in_time(&self) -> bool {
        let (Some(pacer), Some(ticket)) = (&self.engine.pacer, self.ticket) else {
            return true;
        };
        pacer.earliest(self.operation().category(), ticket) < self.deadline
    }

    /// Waits for a slot in the service's rate windows.
    async fn slot(&self) -> Result<Option<Permit>, Refused> {
        let (Some(pacer), Some(ticket)) = (&self.engine.pacer, self.ticket) else {
            return Ok(None);
        };
        let log_wait = |wait| self.log_wait(wait, "pacing", "waiting for the rate limit");
        pacer.acquire(self.operation().category(), ticket, self.deadline, log_wait).await.map(Some)
    }

    /// Makes one HTTP request and reads its answer.
    async fn attempt(&mut self, mut permit: Option<Permit>, key: ApiKey) -> Result<Success, Error> {
        self.attempts = self.attempts.saturating_add(1);
        permit.iter_mut().for_each(Permit::sent);
        let started = Instant::now();
        let ends = after(started, self.limits.attempt_timeout).min(self.deadline);
        let departure = Departure::default();
        let sending = timeout_at(ends, self.engine.transport.send(self.request, &key, &departure)).await;
        let head = match sending {
            Ok(Ok(head)) => head,
            failed => {
                let is_action = self.operation().is_action();
                let gone_out = departure.give_up();
                self.outcome_unknown |= is_action && gone_out;
                let unconnected = matches!(&failed, Ok(Err(none)) if !none.connected);
                if unconnected || (is_action && !gone_out) {
                    permit.iter_mut().for_each(Permit::not_sent);
                }
                let error = match failed {
                    Ok(Err(none)) => no_answer("no answer from the server", none.cause),
                    _ => self.out_of_time(ends),
                };
                self.log_attempt(started, &error);
                return Err(error);
            }
        };
        // The slot's time runs from here, the arrival of the answer.
        drop(permit);
        let result = self.read_answer(head, ends, key).await;
        match &result {
            Ok(success) => tracing::debug!(
                target: "celper", operation = self.operation().name(), attempt = self.attempts, status = success.status,
                request_id = success.facts.request_id.as_deref().unwrap_or(""), duration_ms = millis(started.elapsed()),
                "answered"
            ),
            Err(error) => self.log_attempt(started, error),
        }
        result
    }

    /// Reads an answer whose head has arrived.
    async fn read_answer(&mut self, head: Head<T::Body>, ends: Instant, key: ApiKey) -> Result<Success, Error> {
        let Head { status, headers, body } = head;
        let facts = HeaderFacts::read(&headers, SystemTime::now(), &key);
        if let Some(pacer) = &self.engine.pacer {
            pacer.heed(self.operation().category(), status, &facts);
        }
        let body = timeout_at(ends, self.engine.transport.read(body, MAX_ANSWER)).await;
        if (200..=299).contains(&status) {
            let error = match body {
                Ok(Ok(body)) => return Ok(Success { status, facts, body, key }),
                Ok(Err(BodyFailure::TooLarge)) => {
                    Error::new(ErrorKind::UnexpectedResponse, "the answer is larger than 1 MiB")
                }
                Ok(Err(BodyFailure::Broken(cause))) => no_answer("the answer was cut short", cause),
                Err(_) => self.out_of_time(ends),
            };
            self.note_lost_answer(status);
            return Err(error.with(|parts| {
                parts.status = Some(status);
                parts.request_id = facts.request_id;
            }));
        }
        // From here on the status alone says what happened; a body that cannot be read only leaves the reason out.
        self.note_lost_answer(status);
        let said = body.ok().and_then(Result::ok).map(|body| read_error(&body, &key)).unwrap_or_default();
        let kind = ErrorKind::of_answer(status, said.code.as_deref());
        let message = said.message.unwrap_or_else(|| self.default_message(status));
        Err(Error::new(kind, message).with(|parts| {
            parts.status = Some(status);
            parts.code = said.code;
            parts.request_id = said.request_id.or(facts.request_id);
            parts.retry_after = facts.retry_after;
        }))
    }

    async fn ask_for_key(&self) -> Result<ApiKey, Error> {
        match timeout_at(self.deadline, self.engine.key_provider.api_key()).await {
            Ok(Ok(key)) => Ok(key),
            Ok(Err(cause)) => {
                let message = format!("the key provider gave no key: {cause}");
                Err(Error::new(ErrorKind::Authentication, message).with(|parts| parts.cause = Some(cause)))
            }
            Err(_) => {
                let limit = self.limits.timeout.as_secs_f64();
                Err(Error::new(ErrorKind::Timeout, format!("the key provider gave no key within {limit} s (timeout)")))
            }
        }
    }

    fn note_lost_answer(&mut self, status: u16) {
        self.outcome_unknown |= may_have_acted(status) && self.operation().is_action();
    }

    fn out_of_time(&self, ended: Instant) -> Error {
        let (limit, name) = if ended >= self.deadline {
            (self.limits.timeout, "timeout")
        } else {
            (self.limits.attempt_timeout, "attempt_timeout")
        };
        Error::new(ErrorKind::Timeout, format!("no complete answer within {} s ({name})", limit.as_secs_f64()))
    }

    fn read<R: FromAnswer>(&mut self, success: Success) -> Result<R, Error> {
        read_success(&success.body, &success.facts, &success.key).map_err(|error| {
            self.note_lost_answer(success.status);
            error.with(|parts| parts.status = Some(success.status))
        })
    }

    /// Adds to an error what the call knows.
    fn finished(&self, error: Error) -> Error {
        error.with(|parts| {
            parts.operation = Some(self.operation());
            parts.attempts = self.attempts;
            parts.idempotency_key = self.request.idempotency_key();
            parts.outcome_unknown = self.outcome_unknown;
        })
    }

    /// What an answer says that says nothing.
    fn default_message(&self, status: u16) -> String {
        match status {
            300..=399 => format!("the server answered with a redirect ({status}), which is never followed"),
            403 => format!(
                "the server refused access; {} needs the scope {}",
                self.operation().name(),
                self.operation().scope()
            ),
            _ => format!("the server answered {status} and gave no reason"),
        }
    }

    fn log_wait(&self, wait: Duration, reason: &str, what: &str) {
        tracing::debug!(
            target: "celper", operation = self.operation().name(), wait_ms = millis(wait), reason, "{what}"
        );
    }

    fn log_attempt(&self, started: Instant, error: &Error) {
        tracing::debug!(
            target: "celper", operation = self.operation().name(), attempt = self.attempts,
            status = error.status().unwrap_or(0), kind = error.kind().name(), request_id = error.request_id().unwrap_or(""),
            duration_ms = millis(started.elapsed()), "failed"
        );
    }

    fn operation(&self) -> Operation {
        self.request.operation
    }
}

fn no_slot(refused: Refused) -> Error {
    let seconds = refused.retry_after.as_secs_f64();
    let message =
        format!("the rate limit has no room within the call's timeout; the next slot is free in {seconds:.1} s");
    Error::new(ErrorKind::RateLimited, message).with(|parts| parts.retry_after = Some(refused.retry_after))
}

/// Names what went wrong at the bottom of an error's chain of causes, where the operating system or TLS says it.
fn no_answer(what: &str, cause: Cause) -> Error {
    let chain = || iter::successors(Some(&*cause as &(dyn StdError + 'static)), |&error| error.source());
    let by_proxy = chain().find(|error| error.is::<ByProxy>()).map(|proxy| format!("{proxy}: ")).unwrap_or_default();
    let root = chain().last().map(ToString::to_string).unwrap_or_default();
    Error::new(ErrorKind::Connection, format!("{what}: {by_proxy}{root}")).with(|parts| parts.cause = Some(cause))
}

fn after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait.min(FOREVER)).unwrap_or(now)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
