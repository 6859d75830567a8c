//! Whether and when a failed attempt is retried: pure functions of the failure and a random number.

use std::time::{Duration, SystemTime};

/// The wait before the first retry; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The shortest wait, even if the server asks for less: `Retry-After: 0` must not become a tight loop.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// The longest backoff.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// What the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedAttempt {
    /// A retry would fail in the same way.
    pub(crate) permanent: bool,
    /// Attempts made so far, this one included.
    pub(crate) attempts: u32,
    /// The server's `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// The time until the call's deadline.
    pub(crate) time_left: Duration,
}

/// How long to wait before the next attempt; `None` when the call fails now: the failure is final, the retries are used
/// up, or the wait would end after the deadline.
///
/// `random` is from 0 to 1 and spreads the retries of callers that failed together.
pub(crate) fn wait_before_retry(failed: FailedAttempt, max_retries: u32, random: f64) -> Option<Duration> {
    if failed.permanent || failed.attempts > max_retries {
        return None;
    }
    let wait = match failed.retry_after {
        Some(asked) => {
            let asked = asked.max(SHORTEST_WAIT);
            asked.checked_add(jitter(asked, random))?
        }
        None => backoff(failed.attempts, random),
    };
    (wait < failed.time_left).then_some(wait)
}

/// `min(0.5 s · 2ⁿ, 8 s)`, times 0.5 to 1.
fn backoff(attempts: u32, random: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let full = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    full.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
}

/// A little more than the server asked for, never less: up to a tenth of it, at least 50 ms and at most 1 s.
fn jitter(asked: Duration, random: f64) -> Duration {
    let most = (asked / 10).clamp(Duration::from_millis(50), Duration::from_secs(1));
    most.mul_f64(random.clamp(0.0, 1.0))
}

/// Whether an action may have taken place although the response with this status gave no result: a success that cannot be
/// parsed, a failed server, or a 408, which a load balancer also sends while the server acts. A server that sends a redirect or
/// another 4xx did not act.
pub(crate) fn may_have_acted(status: u16) -> bool {
    status == 408 || !(300..=499).contains(&status)
}

/// The longest `Retry-After` that is used as it is, short enough to be added to any clock's time.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 60 * 60);

/// Parses `Retry-After`: seconds, also fractions, or an HTTP date that is compared with the response's own `Date`, so that a
/// wrong clock on either side does not matter. The first of repeated values counts; anything else counts as absent.
pub(crate) fn parse_retry_after(value: &str, date: SystemTime) -> Option<Duration> {
    if let Ok(until) = httpdate::parse_http_date(value.trim()) {
        return Some(until.duration_since(date).unwrap_or_default().min(LONGEST_ASKED));
    }
    let first = value.split(',').next()?.trim();
    let number = first.strip_prefix('+').unwrap_or(first);
    // `f64` would also read `inf`, `nan` and `1e3`.
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let seconds = number.parse::<f64>().ok()?.min(LONGEST_ASKED.as_secs_f64());
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failed(kind: ErrorKind) -> FailedAttempt {
        FailedAttempt { permanent: !kind.is_retried(), attempts: 1, retry_after: None, time_left: 120 * SECOND }
    }

    #[test]
    fn only_transport_failures_429_and_5xx_are_retried() {
        for row in ErrorKind::TABLE {
            let retried = wait_before_retry(failed(row.kind), 2, 0.5).is_some();
            let expected = ["rate_limited", "server", "connection", "timeout"].contains(&row.name);
            assert_eq!(retried, expected, "{}", row.name);
        }
    }

    #[test]
    fn backoff_doubles_up_to_eight_seconds_with_jitter_over_the_upper_half() {
        let wait = |attempts, random| {
            wait_before_retry(FailedAttempt { attempts, ..failed(ErrorKind::Server) }, 99, random)
                .unwrap()
                .as_secs_f64()
        };
        let most: Vec<f64> = (1..=7).map(|attempts| wait(attempts, 1.0)).collect();
        assert_eq!(most, [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]);
        let least: Vec<f64> = (1..=6).map(|attempts| wait(attempts, 0.0)).collect();
        assert_eq!(least, [0.25, 0.5, 1.0, 2.0, 4.0, 4.0]);
        assert_eq!(wait(90, 1.0), 8.0);
    }

    #[test]
    fn max_retries_bounds_the_attempts() {
        let at = |attempts, max| wait_before_retry(FailedAttempt { attempts, ..failed(ErrorKind::Timeout) }, max, 0.0);
        assert!(at(1, 0).is_none());
        assert!(at(2, 2).is_some() && at(3, 2).is_none());
        assert!(at(u32::MAX, u32::MAX).is_some());
    }

    #[test]
    fn a_wait_longer_than_the_time_left_is_not_started() {
        let asked = |seconds| FailedAttempt { retry_after: Some(seconds), ..failed(ErrorKind::RateLimited) };
        assert_eq!(wait_before_retry(asked(30 * SECOND), 2, 0.0), Some(30 * SECOND));
        assert_eq!(wait_before_retry(asked(120 * SECOND), 2, 0.0), None);
        assert_eq!(wait_before_retry(asked(Duration::MAX), 2, 1.0), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date = httpdate::parse_http_date("Tue, 24 Nov 2026 10:00:00 GMT").unwrap();
        let parse = |value| parse_retry_after(value, date);
        assert_eq!(parse("7"), Some(7 * SECOND));
        assert_eq!(parse(" 0 "), Some(Duration::ZERO));
        assert_eq!(parse("99999999999999999999999"), Some(LONGEST_ASKED));
        assert_eq!(parse("Thu, 01 Jan 2099 00:00:00 GMT"), Some(LONGEST_ASKED));
        assert_eq!(parse("Tue, 24 Nov 2026 10:01:30 GMT"), Some(90 * SECOND));
        assert_eq!(parse("Tue, 24 Nov 2026 09:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(parse("1.5"), Some(SECOND * 3 / 2));
        assert_eq!((parse("+2"), parse("2, 2"), parse("3,7")), (Some(2 * SECOND), Some(2 * SECOND), Some(3 * SECOND)));
        for nonsense in ["", "-1", "1.5.1", "1e3", "inf", ".", "+", "0x10", "soon", "NaN", "Tue, 99 Nov 2026"] {
            assert_eq!(parse(nonsense), None, "{nonsense:?}");
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_asked_nor_longer_than_the_time_left(
            asked in prop::option::of(0u64..200_000), attempts in 0u32..50, left in 0u64..200_000, random in 0.0..=1.0f64,
        ) {
            let failed = FailedAttempt {
                permanent: false,
                attempts,
                retry_after: asked.map(Duration::from_millis),
                time_left: Duration::from_millis(left),
            };
            if let Some(wait) = wait_before_retry(failed, 60, random) {
                prop_assert!(wait < failed.time_left);
                match failed.retry_after {
                    Some(asked) => {
                        let asked = asked.max(SHORTEST_WAIT);
                        prop_assert!(wait >= asked && wait <= asked + SECOND);
                    }
                    None => prop_assert!(wait >= FIRST_WAIT / 2 && wait <= LONGEST_WAIT),
                }
            }
        }
    }
}
