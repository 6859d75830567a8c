//! One call from its first attempt to its result or error: permit, key, attempt, retry, all within the call's timeout.

#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::Url;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{Span, field};

use crate::argument::{Argument, NameStyle};
use crate::base_url::host_and_port;
use crate::connect;
use crate::error::{Cause, Error, ErrorKind};
use crate::key::{ApiKey, KeyProvider};
use crate::operation::{Category, Operation};
use crate::pacing::{AcquireError, Member, Permit, Ticket};
use crate::record::{ConnectionUse, Recorder, WaitReason};
use crate::response::{FromResponse, ResponseMeta, is_truncated, parse_error_body, parse_success};
use crate::retry::{FailedAttempt, may_have_acted, wait_before_retry};
use crate::transport::{BodyError, PreparedRequest, ResponseHead, SendError, SendState, Stage, Transport};

/// The largest response body that is read.
pub(crate) const MAX_BODY_LENGTH: usize = 1024 * 1024;

/// What a call without a `timeout` has from its first permit on; the rate limit is waited for as long as it takes.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// No attempt starts with less time left than this, or than half the call's timeout: its response could hardly be received.
pub(crate) const MIN_ATTEMPT_TIME: Duration = Duration::from_secs(1);

/// How long the body of an error response is waited for: the status already says what happened.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Replaces a timeout beyond the clock's range. A call's timeout of this length or longer means none.
pub(crate) const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// Fails outside of a tokio runtime, in which there is no network.
pub(crate) fn check_runtime() -> Result<(), Error> {
    let message = "calls need a tokio runtime; await them inside one";
    Handle::try_current().map(drop).map_err(|_| Error::invalid_argument(message))
}

/// The limits of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    /// `None`: see [`DEFAULT_TIMEOUT`].
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempt_timeout: Duration,
    pub(crate) max_retries: u32,
}

/// What all calls of a client share.
pub(crate) struct Engine<T> {
    pub(crate) transport: T,
    pub(crate) key_provider: Arc<dyn KeyProvider>,
    /// `None` when pacing is off.
    pub(crate) pacer: Option<Member>,
    /// From 0 to 1; spreads retries.
    pub(crate) random: fn() -> f64,
    pub(crate) names: NameStyle,
}

/// A call's place in the order and the permit of its first attempt, taken before the call starts: the wait for the rate limit
/// then counts against no timeout.
#[derive(Default)]
pub(crate) struct Reservation {
    ticket: Option<Ticket>,
    permit: Option<Permit>,
    /// When the wait began and ended, for the call's record.
    waited: Option<(Instant, Instant)>,
}

impl<T: Transport> Engine<T> {
    /// Waits until the rate limit allows a request of this category: until `deadline`, or as long as it takes. `purpose` is what
    /// the log names as waiting.
    pub(crate) async fn reserve(
        &self,
        category: Category,
        attempt_timeout: Duration,
        purpose: &'static str,
        deadline: Option<Instant>,
    ) -> Reservation {
        let Some(pacer) = &self.pacer else { return Reservation::default() };
        let (ticket, began) = (pacer.ticket(), Instant::now());
        let on_wait = |wait| log_rate_limit_wait(wait, purpose);
        let deadline = deadline.unwrap_or_else(|| after(began, FOREVER));
        let permit = pacer.acquire(category, ticket, Permit::lease(attempt_timeout), deadline, on_wait).await;
        // Without a permit, the call asks for one itself and fails with the reason why there is none.
        Reservation { ticket: Some(ticket), permit: permit.ok(), waited: Some((began, Instant::now())) }
    }

    pub(crate) async fn call<R: FromResponse>(
        &self,
        request: &PreparedRequest,
        limits: Limits,
        reservation: Option<Reservation>,
    ) -> Result<R, Error> {
        let mut call = Call::new(self, request, limits, reservation);
        let result = match call.attempt_until_done().await {
            Ok(response) => call.parse(response),
            Err(error) => Err(error),
        };
        call.finish(result)
    }
}

/// One call in progress.
struct Call<'a, T> {
    engine: &'a Engine<T>,
    request: &'a PreparedRequest,
    limits: Limits,
    deadline: Instant,
    ticket: Option<Ticket>,
    /// The first attempt's permit, if the caller has taken it.
    reserved: Option<Permit>,
    attempts: u32,
    /// Whether an attempt so far may have performed the action. Later attempts never reset it: the service does not promise
    /// to keep its first response under the idempotency key when that response was a 5xx, so even a later "invalid status"
    /// can be the effect of our own action.
    outcome_unknown: bool,
    recorder: Recorder,
    /// Not entered: that would add to the memory of every call in flight.
    span: Span,
}

/// A complete 2xx response.
struct SuccessResponse {
    status: u16,
    meta: ResponseMeta,
    body: Bytes,
    key: ApiKey,
}

impl<'a, T: Transport> Call<'a, T> {
    fn new(
        engine: &'a Engine<T>,
        request: &'a PreparedRequest,
        limits: Limits,
        reservation: Option<Reservation>,
    ) -> Self {
        let Reservation { ticket, permit, waited } = reservation.unwrap_or_default();
        let started = Instant::now();
        let mut recorder = Recorder::new(request.operation, waited.map_or(started, |(began, _)| began));
        if let Some((began, ended)) = waited {
            recorder.add_wait(WaitReason::RateLimit, began, ended);
        }
        Call {
            engine,
            request,
            limits,
            deadline: after(started, limits.timeout.unwrap_or(FOREVER)),
            ticket: ticket.or_else(|| engine.pacer.as_ref().map(|pacer| pacer.ticket())),
            reserved: permit,
            attempts: 0,
            outcome_unknown: false,
            recorder,
            span: call_span(request.operation),
        }
    }

    async fn attempt_until_done(&mut self) -> Result<SuccessResponse, Error> {
        let mut last_failure = None;
        loop {
            let ready = match self.acquire_permit().await {
                Ok(permit) => {
                    if self.limits.timeout.is_none() && self.attempts == 0 {
                        self.deadline = after(Instant::now(), DEFAULT_TIMEOUT);
                    }
                    // Not within the attempt: its timeout is for the server.
                    match self.get_key().await {
                        Ok(key) => self.acquire_connection().await.map(|connection| (permit, key, connection)),
                        Err(error) => Err(error),
                    }
                }
                Err(error) => Err(self.pacing_error(&error)),
            };
            let (permit, key, connection) = match ready {
                // The key or the connection took so long that other processes may have got the slot.
                Ok((Some(permit), ..)) if permit.is_expired() => continue,
                Ok(ready) => ready,
                // A retry that could not be made must not hide why it was needed.
                Err(error) => return Err(last_failure.unwrap_or(error)),
            };
            let error = match self.attempt(permit, key, connection).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let failed = FailedAttempt {
                permanent: error.is_permanent(),
                attempts: self.attempts,
                retry_after: error.retry_after(),
                time_left: self.last_start().saturating_duration_since(Instant::now()),
            };
            match wait_before_retry(failed, self.limits.max_retries, (self.engine.random)()) {
                Some(wait) if self.permit_possible_in_time() => {
                    log_wait(
                        wait,
                        true,
                        self.operation().name(),
                        error.kind().name(),
                        "waiting before the next attempt",
                    );
                    last_failure = Some(error);
                    let began = Instant::now();
                    sleep(wait).await;
                    self.recorder.add_wait(WaitReason::Retry, began, Instant::now());
                }
                _ => return Err(error),
            }
        }
    }

    fn timeout(&self) -> Duration {
        self.limits.timeout.unwrap_or(DEFAULT_TIMEOUT)
    }

    /// The latest time at which an attempt may start.
    fn last_start(&self) -> Instant {
        let min_time = MIN_ATTEMPT_TIME.min(self.timeout() / 2);
        self.deadline.checked_sub(min_time).unwrap_or(self.deadline)
    }

    /// Whether the rate limit may allow another attempt before the deadline.
    fn permit_possible_in_time(&self) -> bool {
        let (Some(pacer), Some(ticket)) = (&self.engine.pacer, self.ticket) else {
            return true;
        };
        pacer.earliest(self.operation().category(), ticket) < self.last_start()
    }

    /// Waits until the service's rate windows have room for a request.
    async fn acquire_permit(&mut self) -> Result<Option<Permit>, AcquireError> {
        if let Some(permit) = self.reserved.take() {
            return Ok(Some(permit));
        }
        let (Some(pacer), Some(ticket)) = (&self.engine.pacer, self.ticket) else {
            return Ok(None);
        };
        let operation = self.operation().name();
        let on_wait = |wait| log_rate_limit_wait(wait, operation);
        let lease = Permit::lease(self.limits.attempt_timeout);
        let began = Instant::now();
        let permit = pacer.acquire(self.operation().category(), ticket, lease, self.last_start(), on_wait).await;
        self.recorder.add_wait(WaitReason::RateLimit, began, Instant::now());
        permit.map(Some)
    }

    /// Makes one HTTP request and reads its response.
    async fn attempt(
        &mut self,
        mut permit: Option<Permit>,
        key: ApiKey,
        connection: T::Connection,
    ) -> Result<SuccessResponse, Error> {
        let span = self.attempt_span();
        self.attempts = self.attempts.saturating_add(1);
        permit.iter_mut().for_each(Permit::mark_sent);
        let started = Instant::now();
        let deadline = after(started, self.limits.attempt_timeout).min(self.deadline);
        let state = SendState::default();
        // A block, so that what was sent is not kept in memory while the response is read.
        let head = {
            let (sent, stage) = {
                let mut sending = pin!(self.engine.transport.send(self.request, &key, &state, connection));
                let sent = timeout_at(deadline, sending.as_mut()).await;
                // Read before the request is dropped, which changes it.
                (sent, state.stage())
            };
            match sent {
                Ok(Ok(head)) => head,
                failed => {
                    let is_action = self.operation().is_action();
                    let may_be_sent = state.abandon();
                    self.outcome_unknown |= is_action && may_be_sent;
                    let not_connected = matches!(&failed, Ok(Err(error)) if !error.connected);
                    if not_connected || (is_action && !may_be_sent) {
                        permit.iter_mut().for_each(Permit::mark_not_sent);
                    }
                    let error = match failed {
                        // The connect timeout can be as long as the attempt's; which of the two is noticed first is chance.
                        Ok(Err(SendError { timed_out: Some(stage), connected: false, .. }))
                            if Instant::now() >= deadline =>
                        {
                            self.timeout_error(deadline, stage)
                        }
                        Ok(Err(error)) => self.send_error(error),
                        Err(_) | Ok(Ok(_)) => self.timeout_error(deadline, stage),
                    };
                    self.engine.transport.discard_connections();
                    // Pooled ones are for first attempts only.
                    let is_new = not_connected || self.attempts > 1;
                    let connection = if is_new { Some(ConnectionUse::New) } else { state.connection() };
                    self.note_failed_attempt(started, connection, &error, &span);
                    return Err(error);
                }
            }
        };
        let connection = state.connection();
        // The permit's window starts here, when the response arrives.
        drop(permit);
        let result = self.read_response(head, deadline, key).await;
        match &result {
            Ok(response) => {
                self.recorder.add_attempt(started, connection, Ok(response.status));
                span.record("http.response.status_code", response.status);
                tracing::debug!(
                    target: "celper", operation = self.operation().name(), attempt = self.attempts, status = response.status,
                    request_id = response.meta.request_id.as_deref().unwrap_or(""), duration_ms = millis(started.elapsed()),
                    "response received"
                );
            }
            Err(error) => {
                self.note_failed_attempt(started, connection, error, &span);
            }
        }
        result
    }

    /// Reads a response whose head has arrived.
    async fn read_response(
        &mut self,
        head: ResponseHead<T::Body>,
        deadline: Instant,
        key: ApiKey,
    ) -> Result<SuccessResponse, Error> {
        let ResponseHead { status, headers, body } = head;
        let meta = ResponseMeta::parse(&headers, SystemTime::now(), &key);
        if let Some(pacer) = &self.engine.pacer {
            pacer.apply_response(self.operation().category(), status, &meta);
        }
        let is_success = (200..=299).contains(&status);
        let body_deadline = if is_success { deadline } else { after(Instant::now(), ERROR_BODY_TIMEOUT).min(deadline) };
        let body = timeout_at(body_deadline, self.engine.transport.read(body, MAX_BODY_LENGTH)).await;
        if status == 408 || !matches!(body, Ok(Ok(_))) {
            self.engine.transport.discard_connections();
        }
        if is_success {
            let error = match body {
                Ok(Ok(body)) if meta.close_delimited && !body.is_empty() && is_truncated(&body) => self.cut_short(None),
                Ok(Ok(body)) => return Ok(SuccessResponse { status, meta, body, key }),
                Ok(Err(BodyError::TooLarge)) => {
                    Error::new(ErrorKind::UnexpectedResponse, "the response is larger than 1 MiB")
                }
                Ok(Err(BodyError::Incomplete(cause))) => self.cut_short(Some(cause)),
                Err(_) => self.timeout_error(deadline, Stage::Response),
            };
            self.note_lost_response(status);
            return Err(error.with(|parts| {
                parts.status = Some(status);
                parts.request_id = meta.request_id;
                parts.rate_limit = meta.rate_limit;
            }));
        }
        // The status alone says what happened; the body only adds the reason.
        self.note_lost_response(status);
        let details = body.ok().and_then(Result::ok).map(|body| parse_error_body(&body, &key)).unwrap_or_default();
        let kind = ErrorKind::from_response(status, details.code.as_deref());
        let message = details.message.unwrap_or_else(|| self.default_message(status, meta.content_encoding.as_deref()));
        let (request_id, other) = match details.request_id {
            Some(id) => (Some(id), meta.request_id),
            None => (meta.request_id, None),
        };
        self.recorder.set_request_id(other);
        Err(Error::new(kind, message).with(|parts| {
            parts.status = Some(status);
            parts.code = details.code;
            parts.request_id = request_id;
            parts.rate_limit = meta.rate_limit;
            parts.retry_after = meta.retry_after;
        }))
    }

    async fn get_key(&mut self) -> Result<ApiKey, Error> {
        let began = Instant::now();
        let key = timeout_at(self.last_start(), self.engine.key_provider.api_key()).await;
        self.recorder.add_wait(WaitReason::KeyProvider, began, Instant::now());
        match key {
            Ok(Ok(key)) => Ok(key),
            Ok(Err(cause)) => {
                let message = format!("the key provider failed: {cause}");
                Err(Error::new(ErrorKind::Authentication, message).with(|parts| parts.cause = Some(cause)))
            }
            Err(_) => {
                let limit = self.timeout().as_secs_f64();
                let name = Argument::Timeout.name(self.engine.names);
                Err(Error::new(ErrorKind::Timeout, format!("no key from the key provider within {limit} s ({name})")))
            }
        }
    }

    async fn acquire_connection(&self) -> Result<T::Connection, Error> {
        timeout_at(self.last_start(), self.engine.transport.acquire_connection()).await.map_err(|_| {
            let (seconds, name) = (self.timeout().as_secs_f64(), Argument::Timeout.name(self.engine.names));
            let message = format!(
                "no free connection to {} within {seconds} s ({name}): the client makes too many calls at a time",
                self.host()
            );
            Error::new(ErrorKind::Timeout, message)
        })
    }

    fn note_lost_response(&mut self, status: u16) {
        self.outcome_unknown |= may_have_acted(status) && self.operation().is_action();
    }

    fn timeout_error(&self, deadline: Instant, stage: Stage) -> Error {
        let (limit, argument) = if deadline >= self.deadline {
            (self.timeout(), Argument::Timeout)
        } else {
            (self.limits.attempt_timeout, Argument::AttemptTimeout)
        };
        let (seconds, name) = (limit.as_secs_f64(), argument.name(self.engine.names));
        let host = self.host();
        let what = match stage {
            Stage::Response => format!("no complete response from {host}"),
            Stage::Resolving => format!("could not resolve {host}"),
            Stage::Connecting => format!("could not connect to {host} (TCP or TLS handshake)"),
        };
        Error::new(ErrorKind::Timeout, format!("{what} within {seconds} s ({name})"))
    }

    /// The error of an attempt without a response.
    fn send_error(&self, error: SendError) -> Error {
        let proxy = self.engine.transport.proxy_address();
        let failure = connect::describe(&error, &self.host(), proxy, self.engine.names);
        Error::new(ErrorKind::Connection, failure.message).with(|parts| {
            parts.permanent = failure.permanent;
            parts.cause = Some(error.cause);
        })
    }

    fn host(&self) -> String {
        host_and_port(&self.request.url)
    }

    fn pacing_error(&self, error: &AcquireError) -> Error {
        match error {
            AcquireError::DeadlineExceeded { retry_after } => {
                let (timeout, name) = (self.timeout().as_secs_f64(), Argument::Timeout.name(self.engine.names));
                let message = format!(
                    "{error} within the {name} of {timeout} s; pass a longer {name}, or none to wait as long as it takes"
                );
                Error::new(ErrorKind::RateLimited, message).with(|parts| parts.retry_after = Some(*retry_after))
            }
            AcquireError::StoreDown { .. } => {
                let name = Argument::RateLimitStoreDown.name(self.engine.names);
                Error::new(ErrorKind::Connection, format!("{error}; nothing was sent ({name} is \"fail\")"))
            }
        }
    }

    fn cut_short(&self, cause: Option<Cause>) -> Error {
        let message = format!("the response from {} was cut short", self.host());
        Error::new(ErrorKind::Connection, message).with(|parts| parts.cause = cause)
    }

    fn parse<R: FromResponse>(&mut self, response: SuccessResponse) -> Result<R, Error> {
        let result = parse_success::<R>(&response.body, &response.meta, &response.key);
        self.recorder.set_request_id(response.meta.request_id);
        match result {
            Ok(result) => Ok(result),
            Err(error) => {
                self.note_lost_response(response.status);
                self.recorder.fail_last_attempt(&error);
                Err(error.with(|parts| {
                    parts.status = Some(response.status);
                    parts.rate_limit = response.meta.rate_limit;
                }))
            }
        }
    }

    /// Adds to a result or an error what the call knows.
    fn finish<R: FromResponse>(self, result: Result<R, Error>) -> Result<R, Error> {
        let Call { attempts, outcome_unknown, request, span, recorder, .. } = self;
        let record = recorder.finish();
        match result {
            Ok(mut result) => {
                result.set_call(attempts, record);
                Ok(result)
            }
            Err(error) => {
                span.record("error.type", error.kind().name());
                Err(error.with(|parts| {
                    parts.operation = request.operation.name();
                    parts.attempts = attempts;
                    parts.idempotency_key = request.idempotency_key();
                    parts.outcome_unknown = outcome_unknown;
                    parts.record = Some(record.or_request_id(parts.request_id.as_deref()));
                }))
            }
        }
    }

    /// The message for a response without one.
    fn default_message(&self, status: u16, content_encoding: Option<&str>) -> String {
        match status {
            408 => "the server or a load balancer closed the request: 408 Request Timeout".to_owned(),
            300..=399 => format!("the server responded with a redirect ({status}); redirects are never followed"),
            403 => format!(
                "the server denied access; {} needs the scope {}",
                self.operation().name(),
                self.operation().scope()
            ),
            _ => match content_encoding {
                Some(encoding) => format!(
                    "the server responded with status {status} and a body in Content-Encoding {encoding}, which was not requested"
                ),
                None => format!("the server responded with status {status} and no message"),
            },
        }
    }

    /// Puts a failed attempt into the call's record, its span and the log.
    fn note_failed_attempt(&mut self, started: Instant, connection: Option<ConnectionUse>, error: &Error, span: &Span) {
        self.recorder.add_attempt(started, connection, Err(error));
        span.record("http.response.status_code", error.status());
        match error.status().filter(|status| *status >= 400) {
            Some(status) => span.record("error.type", status.to_string()),
            None => span.record("error.type", error.kind().name()),
        };
        tracing::debug!(
            target: "celper", operation = self.operation().name(), attempt = self.attempts,
            status = error.status().unwrap_or(0), kind = error.kind().name(), request_id = error.request_id().unwrap_or(""),
            duration_ms = millis(started.elapsed()), "attempt failed"
        );
    }

    fn operation(&self) -> Operation {
        self.request.operation
    }

    /// The span of the next attempt: an HTTP client's by OpenTelemetry's conventions.
    fn attempt_span(&self) -> Span {
        let url = &self.request.url;
        tracing::info_span!(
            target: "celper", parent: &self.span, "attempt", otel.name = self.operation().http_method(), otel.kind = "client",
            http.request.method = self.operation().http_method(), server.address = url.host_str(),
            server.port = url.port_or_known_default(), url.full = without_ids(url),
            http.request.resend_count = (self.attempts > 0).then_some(self.attempts),
            http.response.status_code = field::Empty, error.r#type = field::Empty
        )
    }
}

/// A request's URL for a span: the ids of candidates and job positions do not belong into every tracing backend.
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
fn call_span(operation: Operation) -> Span {
    tracing::info_span!(
        target: "celper", "call", otel.name = format!("celper.{}", operation.name()), otel.kind = "internal",
        error.r#type = field::Empty
    )
}

/// What is waited for longer than this is logged at INFO: otherwise a program would seem to hang.
const LONG_WAIT: Duration = Duration::from_secs(1);

fn log_rate_limit_wait(wait: Duration, operation: &str) {
    log_wait(wait, wait > LONG_WAIT, operation, "rate_limit", "waiting for the rate limit");
}

pub(crate) fn log_wait(wait: Duration, at_info: bool, operation: &str, reason: &str, message: &str) {
    let wait_ms = millis(wait);
    if at_info {
        tracing::info!(target: "celper", operation, wait_ms, reason, "{message}");
    } else {
        tracing::debug!(target: "celper", operation, wait_ms, reason, "{message}");
    }
}

pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait.min(FOREVER)).unwrap_or(now)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
