//! How far a batch is, and when it will be done.

use std::time::Duration;

use tokio::time::Instant;

use crate::operation::Category;
use crate::pacing::Pacer;

/// A snapshot of a batch, from [`Batch::progress`](crate::Batch::progress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchProgress {
    /// Requests that have ended: `succeeded + failed + not_attempted`.
    pub done: u64,
    /// Requests with a result, those of earlier runs included.
    pub succeeded: u64,
    /// Requests with an error.
    pub failed: u64,
    /// Requests that were not attempted, because the batch was ended.
    pub not_attempted: u64,
    /// Requests whose result is from an earlier run.
    pub resumed: u64,
    /// Requests that were sent and have not ended.
    pub in_flight: u64,
    /// The number of all requests; `None` as long as it is unknown.
    pub total: Option<u64>,
    /// The time until all are done, as far as the rate limit decides it, if nothing else uses it. `None` as long as it is unknown.
    pub eta: Option<Duration>,
    /// The time until the next request is sent, when the rate limit lets none through now.
    pub rate_limit_wait: Option<Duration>,
}

/// What the driver counts.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) not_attempted: u64,
    pub(super) resumed: u64,
    pub(super) in_flight: usize,
    /// Requests that wait for the rate limit, by category.
    pub(super) waiting_reads: usize,
    pub(super) waiting_actions: usize,
    /// Requests so far that had to be sent.
    sent_reads: u64,
    sent_actions: u64,
    /// Requests ahead that the journal knows as done.
    pub(super) done_ahead: u64,
    pub(super) total: Option<u64>,
    /// Nothing more is sent, so the rate limit does not decide any more.
    pub(super) is_ended: bool,
    /// A moving average of the time from a permit to the response.
    response_time: Duration,
    started: Instant,
}

impl Counters {
    pub(super) fn new(total: Option<u64>) -> Self {
        Counters {
            succeeded: 0,
            failed: 0,
            not_attempted: 0,
            resumed: 0,
            in_flight: 0,
            waiting_reads: 0,
            waiting_actions: 0,
            sent_reads: 0,
            sent_actions: 0,
            done_ahead: 0,
            total,
            is_ended: false,
            response_time: Duration::ZERO,
            started: Instant::now(),
        }
    }

    /// A request was sent and has ended.
    pub(super) fn note_sent(&mut self, category: Category, took: Duration) {
        let first = self.sent_reads + self.sent_actions == 0;
        match category {
            Category::Reads => self.sent_reads += 1,
            Category::Actions => self.sent_actions += 1,
        }
        self.response_time = if first { took } else { (self.response_time * 7 + took) / 8 };
    }

    fn done(&self) -> u64 {
        self.succeeded + self.failed + self.not_attempted
    }

    pub(super) fn snapshot(&self, pacer: Option<&Pacer>) -> BatchProgress {
        let (done, is_running) = (self.done(), !self.is_ended);
        let eta = match self.total {
            Some(total) if done >= total => Some(Duration::ZERO),
            Some(total) if is_running => self.eta(total, pacer),
            _ => None,
        };
        let waits = is_running && self.waiting_reads + self.waiting_actions > 0;
        let next = |reads: usize, actions: usize| {
            let waiting = (reads + actions > 0).then_some(pacer)?;
            waiting.map(|pacer| pacer.estimate(reads, actions, Duration::ZERO))
        };
        let nexts = [next(self.waiting_reads.min(1), 0), next(0, self.waiting_actions.min(1))];
        let rate_limit_wait = nexts.into_iter().flatten().min().filter(|wait| waits && !wait.is_zero());
        BatchProgress {
            done,
            succeeded: self.succeeded,
            failed: self.failed,
            not_attempted: self.not_attempted,
            resumed: self.resumed,
            in_flight: self.in_flight as u64,
            total: self.total,
            eta,
            rate_limit_wait,
        }
    }

    fn eta(&self, total: u64, pacer: Option<&Pacer>) -> Option<Duration> {
        let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let waiting = self.waiting_reads + self.waiting_actions;
        let known = self.done() + (self.in_flight + waiting) as u64 + self.done_ahead;
        // Assumes that the unread requests are like those that were read.
        let unread = total.saturating_sub(known);
        let reads_so_far = self.sent_reads + self.waiting_reads as u64;
        let actions_so_far = self.sent_actions + self.waiting_actions as u64;
        let unread_reads = match u128::from(reads_so_far) + u128::from(actions_so_far) {
            0 => 0,
            so_far => u64::try_from(u128::from(unread) * u128::from(reads_so_far) / so_far).unwrap_or(unread),
        };
        let reads = size(unread_reads).saturating_add(self.waiting_reads);
        let actions = size(unread - unread_reads).saturating_add(self.waiting_actions);
        if let Some(pacer) = pacer {
            return Some(pacer.estimate(reads, actions, self.response_time).saturating_add(self.response_time));
        }
        // Without pacing, the estimate is from the speed so far.
        let sent = self.sent_reads + self.sent_actions;
        let remaining = (unread + (waiting + self.in_flight) as u64) as f64;
        (sent > 0)
            .then(|| Duration::try_from_secs_f64(self.started.elapsed().as_secs_f64() * remaining / sent as f64).ok())?
    }
}
