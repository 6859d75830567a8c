//! The sandbox's clock: real time plus the time that tests have advanced it by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// A point on the sandbox's clock, as the time since the Unix epoch.
pub(crate) type UnixTime = Duration;

/// The most that a clock can be advanced in total; every date up to there can be formatted.
const MAX_ADVANCE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Runs on the monotonic clock, so that setting the machine's time does not change a rate window.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_at: UnixTime,
    ahead_nanos: AtomicU64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_at, ahead_nanos: AtomicU64::new(0) }
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.started_at + self.uptime() + Duration::from_nanos(self.ahead_nanos.load(Ordering::SeqCst))
    }

    /// Real time since the sandbox started.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Advances the clock; `None` beyond the maximum.
    pub(crate) fn advance(&self, by: Duration) -> Option<UnixTime> {
        let by = u64::try_from(by.as_nanos()).ok()?;
        let max = u64::try_from(MAX_ADVANCE.as_nanos()).ok()?;
        self.ahead_nanos
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |ahead| {
                ahead.checked_add(by).filter(|ahead| *ahead <= max)
            })
            .ok()?;
        Some(self.now())
    }

    pub(crate) fn reset(&self) {
        self.ahead_nanos.store(0, Ordering::SeqCst);
    }
}

/// ISO 8601 in UTC with milliseconds and a `Z`, the form the API uses for `expiresAt`.
pub(crate) fn iso_8601(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or_default();
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second(),
        at.subsec_millis()
    )
}

/// The form of the `Date` header.
pub(crate) fn http_date(at: UnixTime) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + at)
}

/// Whole seconds, rounded up, so that a client that waits this long is never early.
pub(crate) fn seconds_rounded_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn always_writes_milliseconds() {
        assert_eq!(iso_8601(Duration::from_millis(1_776_499_200_000)), "2026-04-18T08:00:00.000Z");
        assert_eq!(iso_8601(Duration::from_millis(951_782_400_007)), "2000-02-29T00:00:00.007Z");
    }

    #[test]
    fn rounds_seconds_up() {
        assert_eq!(seconds_rounded_up(Duration::from_secs(3)), 3);
        assert_eq!(seconds_rounded_up(Duration::from_nanos(3_000_000_001)), 4);
    }

    #[test]
    fn advances_and_resets() {
        let clock = Clock::new();
        let before = clock.now();
        assert!(clock.advance(Duration::from_secs(3600)).unwrap() >= before + Duration::from_secs(3600));
        assert!(clock.advance(MAX_ADVANCE).is_none());
        clock.reset();
        assert!(clock.now() < before + Duration::from_secs(3600));
    }
}
