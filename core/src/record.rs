//! What a call did and when: its attempts and its waits.

use std::fmt;
use std::time::{Duration, SystemTime};

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::operation::Operation;

/// The attempts and waits of one call: `record` of its result, [`Error::record`] of its error.
///
/// ```no_run
/// # async fn example(client: celper::Client) -> Result<(), celper::Error> {
/// # use celper::JobPositionId;
/// let state = client.get_candidate_status("cand_xyz789", JobPositionId("pos_abc123")).await?;
/// if let Some(record) = &state.record {
///     println!("{record}"); // every attempt and wait on a line of its own
/// }
/// # Ok(()) }
/// ```
///
/// It holds no API key, no ids of candidates or job positions, and nothing of an e-mail.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CallRecord {
    /// What was called.
    pub operation: Operation,
    /// When the call started, on this machine's clock.
    pub started_at: SystemTime,
    /// From the start to the result or error, waits included.
    pub duration: Duration,
    /// Nearly always one.
    pub(crate) attempts: SmallVec<[AttemptRecord; 1]>,
    pub(crate) waits: Vec<WaitRecord>,
}

/// One HTTP request of a call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// From the call's start to the attempt's.
    pub offset: Duration,
    /// From the attempt's start to the end of its response, or to its failure.
    pub duration: Duration,
    /// The HTTP status, where there was a response.
    pub status: Option<u16>,
    /// The server's id of the request.
    pub request_id: Option<String>,
    /// Why the attempt failed; `None` when it did not.
    pub error_kind: Option<ErrorKind>,
    /// Which connection it used; `None` where that is not known.
    pub connection: Option<ConnectionUse>,
}

/// Which connection an attempt used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionUse {
    /// One that was made for it, or could not be made.
    New,
    /// An idle one of an earlier attempt.
    Pooled,
}

/// A wait of a call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WaitRecord {
    /// From the call's start to the wait's.
    pub offset: Duration,
    /// How long it waited.
    pub duration: Duration,
    /// What for.
    pub reason: WaitReason,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitReason {
    /// A slot in the rate windows.
    RateLimit,
    /// The time before a retry.
    Retry,
    /// The key provider.
    KeyProvider,
    /// One of the connections that a client uses at a time.
    Connection,
}

/// Shorter waits are not recorded.
const MIN_WAIT: Duration = Duration::from_millis(1);

impl ConnectionUse {
    /// `new` or `pooled`, the same in every language.
    pub const fn name(self) -> &'static str {
        match self {
            ConnectionUse::New => "new",
            ConnectionUse::Pooled => "pooled",
        }
    }
}

impl WaitReason {
    /// Every reason.
    pub const ALL: [WaitReason; 4] =
        [WaitReason::RateLimit, WaitReason::Retry, WaitReason::KeyProvider, WaitReason::Connection];

    /// `rate_limit`, `retry`, `key_provider` or `connection`, the same in every language.
    pub const fn name(self) -> &'static str {
        match self {
            WaitReason::RateLimit => "rate_limit",
            WaitReason::Retry => "retry",
            WaitReason::KeyProvider => "key_provider",
            WaitReason::Connection => "connection",
        }
    }
}

impl CallRecord {
    /// The HTTP requests, in order.
    pub fn attempts(&self) -> &[AttemptRecord] {
        &self.attempts
    }

    /// The waits of at least a millisecond, in order.
    pub fn waits(&self) -> &[WaitRecord] {
        &self.waits
    }

    /// With the request id of the last response, if its headers had none.
    pub(crate) fn or_request_id(mut self, id: Option<&str>) -> Self {
        if let Some(attempt) = self.attempts.last_mut().filter(|attempt| attempt.request_id.is_none()) {
            attempt.request_id = id.map(str::to_owned);
        }
        self
    }
}

/// A heading, then a line for each attempt and wait.
impl fmt::Display for CallRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = if self.attempts.len() == 1 { "request" } else { "requests" };
        let (operation, seconds) = (self.operation.name(), self.duration.as_secs_f64());
        write!(f, "{operation}: {} {requests} in {seconds:.3} s", self.attempts.len())?;
        let mut waits = self.waits.iter().peekable();
        for (index, attempt) in self.attempts.iter().enumerate() {
            while let Some(wait) = waits.next_if(|wait| wait.offset <= attempt.offset) {
                write!(f, "{wait}")?;
            }
            write!(f, "\n{:9.3} s  attempt {}: {attempt}", attempt.offset.as_secs_f64(), index + 1)?;
        }
        waits.try_for_each(|wait| write!(f, "{wait}"))
    }
}

impl fmt::Display for WaitRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            WaitReason::RateLimit => "the rate limit",
            WaitReason::Retry => "the next attempt",
            WaitReason::KeyProvider => "the key provider",
            WaitReason::Connection => "a free connection",
        };
        write!(f, "\n{:9.3} s  waited {:.3} s for {reason}", self.offset.as_secs_f64(), self.duration.as_secs_f64())
    }
}

impl fmt::Display for AttemptRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status, self.error_kind) {
            (Some(status), Some(kind)) => write!(f, "HTTP {status}, {kind}")?,
            (Some(status), None) => write!(f, "HTTP {status}")?,
            (None, kind) => write!(f, "{}", kind.map_or("no response", ErrorKind::name))?,
        }
        write!(f, " after {:.3} s", self.duration.as_secs_f64())?;
        let connection = self.connection.map(|connection| format!("{} connection", connection.name()));
        let request_id = self.request_id.as_ref().map(|id| format!("request id {id}"));
        let details: Vec<_> = connection.into_iter().chain(request_id).collect();
        if details.is_empty() { Ok(()) } else { write!(f, " ({})", details.join(", ")) }
    }
}

/// A record's times are whole microseconds, so that it is the same after it was JSON.
fn whole_micros(duration: Duration) -> Duration {
    Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

/// Makes the record of a call in progress.
pub(crate) struct Recorder {
    started: Instant,
    /// Of an attempt that is yet to be added.
    request_id: Option<String>,
    record: CallRecord,
}

impl Recorder {
    /// `started` may lie before now: the caller may have waited for the call.
    pub(crate) fn new(operation: Operation, started: Instant) -> Self {
        let now = SystemTime::now();
        let since = whole_micros(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
        let started_at = SystemTime::UNIX_EPOCH + since.saturating_sub(whole_micros(started.elapsed()));
        let record = CallRecord {
            operation,
            started_at,
            duration: Duration::ZERO,
            attempts: SmallVec::new(),
            waits: Vec::new(),
        };
        Recorder { started, request_id: None, record }
    }

    pub(crate) fn add_wait(&mut self, reason: WaitReason, began: Instant, ended: Instant) {
        let duration = whole_micros(ended - began);
        if duration >= MIN_WAIT {
            self.record.waits.push(WaitRecord { offset: self.offset(began), duration, reason });
        }
    }

    /// Records an attempt that ends now, with its HTTP status or its error.
    pub(crate) fn add_attempt(
        &mut self,
        began: Instant,
        connection: Option<ConnectionUse>,
        result: Result<u16, &Error>,
    ) {
        let in_header = self.request_id.take();
        let attempt = AttemptRecord {
            offset: self.offset(began),
            duration: whole_micros(began.elapsed()),
            status: result.map_or_else(Error::status, Some),
            request_id: in_header.or_else(|| result.err()?.request_id().map(str::to_owned)),
            error_kind: result.err().map(Error::kind),
            connection,
        };
        self.record.attempts.push(attempt);
    }

    fn offset(&self, time: Instant) -> Duration {
        whole_micros(time - self.started)
    }

    /// The request id of the current attempt's response.
    pub(crate) fn set_request_id(&mut self, id: Option<String>) {
        self.request_id = id;
    }

    /// The response of the last attempt cannot be used.
    pub(crate) fn fail_last_attempt(&mut self, error: &Error) {
        if let Some(attempt) = self.record.attempts.last_mut() {
            attempt.error_kind = Some(error.kind());
        }
    }

    pub(crate) fn finish(mut self) -> CallRecord {
        self.record.duration = whole_micros(self.started.elapsed());
        if let (Some(id), Some(attempt)) = (self.request_id, self.record.attempts.last_mut()) {
            attempt.request_id = Some(id);
        }
        self.record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_displays_as_lines_in_order_of_time() {
        let millis = Duration::from_millis;
        let attempt = |offset, status, error_kind, connection| AttemptRecord {
            offset: millis(offset),
            duration: millis(131),
            status,
            request_id: status.map(|_| "r1".to_owned()),
            error_kind,
            connection,
        };
        let wait = |offset, reason| WaitRecord { offset: millis(offset), duration: millis(2_100), reason };
        let record = CallRecord {
            operation: Operation::Invite,
            started_at: SystemTime::UNIX_EPOCH,
            duration: millis(12_345),
            attempts: smallvec::smallvec![
                attempt(2_100, None, Some(ErrorKind::Timeout), Some(ConnectionUse::Pooled)),
                attempt(4_300, Some(200), None, None),
            ],
            waits: vec![wait(0, WaitReason::RateLimit), wait(2_231, WaitReason::Retry)],
        };
        let lines = [
            "invite: 2 requests in 12.345 s",
            "    0.000 s  waited 2.100 s for the rate limit",
            "    2.100 s  attempt 1: timeout after 0.131 s (pooled connection)",
            "    2.231 s  waited 2.100 s for the next attempt",
            "    4.300 s  attempt 2: HTTP 200 after 0.131 s (request id r1)",
        ];
        assert_eq!(record.to_string(), lines.join("\n"));
    }
}
