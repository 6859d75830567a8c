//! One sliding window: how many slots it has, and when each comes free.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The log of one window. It knows nothing of waiting calls or of clocks: every method is told the time.
#[derive(Debug)]
pub(super) struct Window {
    capacity: usize,
    length: Duration,
    /// Requests whose answer has not arrived.
    in_flight: usize,
    /// When the answers to the others arrived, earliest first.
    answered_at: VecDeque<Instant>,
}

impl Window {
    pub(super) fn new(capacity: u32, length: Duration) -> Self {
        let mut window = Window { capacity: 0, length, in_flight: 0, answered_at: VecDeque::new() };
        window.resize(capacity, length);
        window
    }

    pub(super) fn resize(&mut self, capacity: u32, length: Duration) {
        self.capacity = usize::try_from(capacity).unwrap_or(usize::MAX).max(1);
        // Two machines' clocks may run apart by 500 parts in a million while one of them is being corrected.
        self.length = length + length / 2_000;
    }

    /// Forgets what has come free by `now`.
    pub(super) fn advance(&mut self, now: Instant) {
        while self.answered_at.front().is_some_and(|at| *at + self.length <= now) {
            self.answered_at.pop_front();
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.used() < self.capacity
    }

    pub(super) fn is_idle(&self) -> bool {
        self.used() == 0
    }

    /// How many slots are certain to have come free by `then`, whenever the answers to requests in flight arrive.
    pub(super) fn free_by(&self, then: Instant) -> usize {
        let freed = self.answered_at.partition_point(|at| *at + self.length <= then);
        (self.capacity + freed).saturating_sub(self.used())
    }

    fn used(&self) -> usize {
        self.in_flight + self.answered_at.len()
    }

    pub(super) fn take(&mut self) {
        self.in_flight += 1;
    }

    /// Gives back a slot that was taken but not used.
    pub(super) fn put_back(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The answer to one request in flight has come: its slot is free one window from now.
    pub(super) fn answered(&mut self, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.answered_at.push_back(now);
    }

    /// The earliest time at which the request behind `ahead` others can have a slot, if every answer came at once.
    pub(super) fn earliest(&self, ahead: usize, now: Instant) -> Instant {
        let rounds = u32::try_from(ahead / self.capacity).unwrap_or(u32::MAX);
        let free = self.capacity.saturating_sub(self.used());
        // After a window shrank there can be more slots in use than it has: the oldest of those come free unused.
        let surplus = self.used().saturating_sub(self.capacity);
        let first = match (ahead % self.capacity).checked_sub(free) {
            None => now,
            // The slots of requests in flight come after the answered ones: not before a window from now.
            Some(nth) => self.answered_at.get(nth + surplus).copied().unwrap_or(now) + self.length,
        };
        first.checked_add(self.length.saturating_mul(rounds)).unwrap_or(first + super::LONGEST_WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const W: Duration = Duration::from_secs(2_000);
    const GUARDED: Duration = Duration::from_secs(2_001);

    #[test]
    fn a_slot_comes_free_one_window_after_its_answer() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = Window::new(2, W);
        window.take();
        window.take();
        assert!(!window.has_room());
        window.answered(at(10));
        window.advance(at(2_010));
        assert!(!window.has_room());
        window.advance(at(2_011));
        assert!(window.has_room());
        window.put_back();
        assert_eq!(window.used(), 0);
    }

    #[test]
    fn the_earliest_slot_counts_those_ahead() {
        let now = Instant::now();
        let mut window = Window::new(3, W);
        assert_eq!(window.earliest(2, now), now);
        assert_eq!(window.earliest(3, now), now + GUARDED);
        window.take();
        window.take();
        window.answered(now);
        let later = now + Duration::from_secs(100);
        assert_eq!(window.earliest(0, later), later);
        assert_eq!(window.earliest(1, later), now + GUARDED);
        assert_eq!(window.earliest(2, later), later + GUARDED);
        assert_eq!(window.earliest(4, later), now + GUARDED * 2);
    }

    #[test]
    fn a_slot_is_certain_only_once_it_was_answered() {
        let now = Instant::now();
        let mut window = Window::new(3, W);
        window.take();
        window.take();
        window.answered(now);
        assert_eq!((window.free_by(now), window.free_by(now + W), window.free_by(now + GUARDED)), (1, 1, 2));
        assert!(!window.is_idle() && Window::new(3, W).is_idle());
    }

    #[test]
    fn a_window_that_grew_longer_keeps_its_slots_longer() {
        let now = Instant::now();
        let mut window = Window::new(1, W);
        window.take();
        window.answered(now);
        window.resize(1, W * 2);
        window.advance(now + GUARDED);
        assert!(!window.has_room());
        window.advance(now + GUARDED * 2);
        assert!(window.has_room());
    }

    #[test]
    fn a_window_that_shrank_waits_for_its_surplus_first() {
        let now = Instant::now();
        let mut window = Window::new(3, W);
        for seconds in 0..3 {
            window.take();
            window.answered(now + Duration::from_secs(seconds));
        }
        window.resize(1, W);
        assert_eq!(window.earliest(0, now), now + Duration::from_secs(2) + GUARDED);
    }
}
