//! The three sliding rate windows of a company: reads, actions, and both together.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::{UnixTime, seconds_rounded_up};

/// A window remembers so many requests. Higher limits are never reached.
const MAX_REMEMBERED: usize = 250_000;

/// Which of the two narrower windows a request belongs to; every request also belongs to the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    Reads,
    Actions,
}

/// How many requests fit into each window, and how long the windows are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    pub(crate) reads: usize,
    pub(crate) actions: usize,
    pub(crate) total: usize,
    pub(crate) window: Duration,
    /// If false, nothing is counted or refused, and responses have no `X-RateLimit-*` headers.
    pub(crate) enabled: bool,
}

/// The values of the `X-RateLimit-*` headers: the tightest window of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateReport {
    pub(crate) limit: usize,
    pub(crate) remaining: usize,
    /// The Unix second at which the next slot is free, rounded up.
    pub(crate) reset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Admitted(Option<RateReport>),
    Refused { report: RateReport, retry_after: u64 },
}

#[derive(Debug, Default)]
struct Window {
    /// Arrival times of the admitted requests of the last window, oldest first.
    admitted: VecDeque<UnixTime>,
    /// The same, with refused requests included.
    arrived: VecDeque<UnixTime>,
    peak: usize,
    refused: u64,
}

/// A window's state at one moment.
#[derive(Clone, Copy)]
struct Reading {
    limit: usize,
    remaining: usize,
    next_free: UnixTime,
}

impl Window {
    fn forget_before(&mut self, now: UnixTime, span: Duration) {
        for times in [&mut self.admitted, &mut self.arrived] {
            while times.front().is_some_and(|oldest| *oldest + span <= now) {
                times.pop_front();
            }
        }
    }

    fn note_arrival(&mut self, now: UnixTime) {
        remember(&mut self.arrived, now);
        self.peak = self.peak.max(self.arrived.len());
    }

    fn read(&self, limit: usize, now: UnixTime, span: Duration) -> Reading {
        let used = self.admitted.len();
        // A full window has a free slot again when enough of its oldest requests have left: more than one, if the limit was
        // lowered below the number of requests in the window.
        let next_free = match self.admitted.get(used.saturating_sub(limit)) {
            Some(leaving) => *leaving + span,
            None if limit == 0 => now + span,
            None => now,
        };
        Reading { limit, remaining: limit.saturating_sub(used), next_free }
    }
}

fn remember(times: &mut VecDeque<UnixTime>, now: UnixTime) {
    if times.len() == MAX_REMEMBERED {
        times.pop_front();
    }
    times.push_back(now);
}

impl Reading {
    fn report(self) -> RateReport {
        RateReport { limit: self.limit, remaining: self.remaining, reset: seconds_rounded_up(self.next_free) }
    }
}

#[derive(Debug)]
pub(crate) struct Windows {
    pub(crate) limits: Limits,
    reads: Window,
    actions: Window,
    total: Window,
    refused: u64,
}

impl Windows {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, reads: Window::default(), actions: Window::default(), total: Window::default(), refused: 0 }
    }

    /// Counts a request that has just arrived, or refuses it. A refused request takes no slot.
    pub(crate) fn admit(&mut self, category: Category, now: UnixTime) -> Admission {
        if !self.limits.enabled {
            return Admission::Admitted(None);
        }
        let limits = self.limits;
        let (own, own_limit) = match category {
            Category::Reads => (&mut self.reads, limits.reads),
            Category::Actions => (&mut self.actions, limits.actions),
        };
        let mut blocking: Option<Reading> = None;
        for (window, limit) in [(&mut *own, own_limit), (&mut self.total, limits.total)] {
            window.forget_before(now, limits.window);
            window.note_arrival(now);
            let reading = window.read(limit, now, limits.window);
            if reading.remaining == 0 {
                window.refused += 1;
                // With both full, the later slot counts.
                if blocking.is_none_or(|other| reading.next_free > other.next_free) {
                    blocking = Some(reading);
                }
            }
        }
        if let Some(blocking) = blocking {
            self.refused += 1;
            // Never 0: what is due by now has left the window above.
            let wait = blocking.next_free.saturating_sub(now);
            return Admission::Refused { report: blocking.report(), retry_after: seconds_rounded_up(wait) };
        }
        remember(&mut own.admitted, now);
        remember(&mut self.total.admitted, now);
        Admission::Admitted(self.report(Some(category), now))
    }

    /// The tightest window, without counting a request: for responses before the rate check. Without a category (no such
    /// route) only the total applies.
    pub(crate) fn report(&mut self, category: Option<Category>, now: UnixTime) -> Option<RateReport> {
        let limits = self.limits;
        if !limits.enabled {
            return None;
        }
        self.total.forget_before(now, limits.window);
        let total = self.total.read(limits.total, now, limits.window);
        let (own, own_limit) = match category {
            None => return Some(total.report()),
            Some(Category::Reads) => (&mut self.reads, limits.reads),
            Some(Category::Actions) => (&mut self.actions, limits.actions),
        };
        own.forget_before(now, limits.window);
        let own = own.read(own_limit, now, limits.window);
        let total_is_tighter = (total.remaining, own.next_free) < (own.remaining, total.next_free);
        Some(if total_is_tighter { total.report() } else { own.report() })
    }

    pub(crate) fn snapshot(&mut self, now: UnixTime) -> Value {
        let limits = self.limits;
        let show = |window: &mut Window, limit: usize| {
            window.forget_before(now, limits.window);
            json!({"limit": limit, "now": window.admitted.len(), "peak": window.peak, "refused": window.refused})
        };
        json!({
            "enabled": limits.enabled,
            "window": limits.window.as_secs_f64(),
            "refused": self.refused,
            "reads": show(&mut self.reads, limits.reads),
            "actions": show(&mut self.actions, limits.actions),
            "total": show(&mut self.total, limits.total),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixTime = Duration::from_secs(1_000_000);

    fn windows(reads: usize, actions: usize, total: usize) -> Windows {
        Windows::new(Limits { reads, actions, total, window: Duration::from_secs(60), enabled: true })
    }

    fn report(admission: Admission) -> RateReport {
        match admission {
            Admission::Admitted(Some(report)) => report,
            other => panic!("expected an admission with a report, got {other:?}"),
        }
    }

    #[test]
    fn windows_slide() {
        let mut windows = windows(2, 2, 10);
        windows.admit(Category::Reads, START);
        windows.admit(Category::Reads, START + Duration::from_secs(30));
        let at_59 = windows.admit(Category::Reads, START + Duration::from_secs(59));
        assert_eq!(
            at_59,
            Admission::Refused { report: RateReport { limit: 2, remaining: 0, reset: 1_000_060 }, retry_after: 1 }
        );
        let at_60 = report(windows.admit(Category::Reads, START + Duration::from_secs(60)));
        assert_eq!(at_60, RateReport { limit: 2, remaining: 0, reset: 1_000_090 });
    }

    #[test]
    fn a_refused_request_takes_no_slot() {
        let mut windows = windows(1, 1, 10);
        windows.admit(Category::Reads, START);
        for second in 1..60 {
            let refused = windows.admit(Category::Reads, START + Duration::from_secs(second));
            assert!(matches!(refused, Admission::Refused { retry_after, .. } if retry_after == 60 - second));
        }
        report(windows.admit(Category::Reads, START + Duration::from_secs(60)));
    }

    #[test]
    fn reports_the_tightest_window() {
        let mut windows = windows(5, 5, 6);
        assert_eq!(report(windows.admit(Category::Reads, START)).limit, 5);
        for _ in 0..3 {
            windows.admit(Category::Actions, START);
        }
        let total = report(windows.admit(Category::Reads, START));
        assert_eq!((total.limit, total.remaining), (6, 1));
    }

    #[test]
    fn equally_tight_windows_report_the_one_that_frees_later() {
        let mut windows = windows(2, 9, 3);
        windows.admit(Category::Actions, START);
        let read = report(windows.admit(Category::Reads, START + Duration::from_secs(10)));
        assert_eq!(read, RateReport { limit: 2, remaining: 1, reset: 1_000_070 });
    }

    #[test]
    fn waits_for_the_window_that_frees_last() {
        let mut windows = windows(1, 1, 2);
        windows.admit(Category::Actions, START);
        windows.admit(Category::Reads, START + Duration::from_secs(20));
        let refused = windows.admit(Category::Reads, START + Duration::from_secs(30));
        assert!(matches!(refused, Admission::Refused { retry_after: 50, report } if report.limit == 1));
    }

    #[test]
    fn a_lowered_limit_waits_until_enough_requests_have_left() {
        let mut windows = windows(3, 3, 10);
        for second in [0, 10, 20] {
            windows.admit(Category::Reads, START + Duration::from_secs(second));
        }
        windows.limits.reads = 1;
        let refused = windows.admit(Category::Reads, START + Duration::from_secs(20));
        assert!(matches!(refused, Admission::Refused { retry_after: 60, .. }));
    }

    #[test]
    fn a_limit_of_zero_refuses_everything() {
        let mut windows = windows(0, 1, 10);
        assert!(matches!(windows.admit(Category::Reads, START), Admission::Refused { retry_after: 60, .. }));
    }

    #[test]
    fn waits_are_rounded_up_to_one_second() {
        let mut windows = windows(1, 1, 10);
        windows.limits.window = Duration::from_millis(200);
        windows.admit(Category::Reads, START);
        assert!(matches!(windows.admit(Category::Reads, START), Admission::Refused { retry_after: 1, .. }));
    }

    #[test]
    fn the_peak_counts_refused_requests() {
        let mut windows = windows(2, 2, 10);
        for _ in 0..5 {
            windows.admit(Category::Reads, START);
        }
        let json = windows.snapshot(START);
        assert_eq!(json["reads"], json!({"limit": 2, "now": 2, "peak": 5, "refused": 3}));
        assert_eq!(json["total"], json!({"limit": 10, "now": 2, "peak": 5, "refused": 0}));
        assert_eq!(json["refused"], 3);
    }

    #[test]
    fn a_window_remembers_a_bounded_number_of_requests() {
        let limit = 2 * MAX_REMEMBERED;
        let mut windows = windows(limit, 0, limit);
        for _ in 0..MAX_REMEMBERED + 1_000 {
            report(windows.admit(Category::Reads, START));
        }
        for times in [&windows.reads.admitted, &windows.reads.arrived, &windows.total.admitted, &windows.total.arrived]
        {
            assert_eq!(times.len(), MAX_REMEMBERED);
        }
    }
}
