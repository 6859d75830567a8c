//! One sliding window: its slots, and when each comes free.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The log of one window. It has no clock: every method takes the time.
#[derive(Debug)]
pub(super) struct Window {
    capacity: usize,
    length: Duration,
    /// Requests whose response has not arrived.
    in_flight: usize,
    /// When the responses to the others arrived, earliest first.
    responded_at: VecDeque<Instant>,
}

impl Window {
    pub(super) fn new(capacity: u32, length: Duration) -> Self {
        let mut window = Window { capacity: 0, length, in_flight: 0, responded_at: VecDeque::new() };
        window.resize(capacity, length);
        window
    }

    pub(super) fn resize(&mut self, capacity: u32, length: Duration) {
        self.capacity = usize::try_from(capacity).unwrap_or(usize::MAX).max(1);
        // Two machines' clocks can drift by 500 parts per million while NTP corrects one of them.
        self.length = length + length / 2_000;
    }

    /// Removes the slots that have come free by `now`.
    pub(super) fn advance(&mut self, now: Instant) {
        while self.responded_at.front().is_some_and(|at| *at + self.length <= now) {
            self.responded_at.pop_front();
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.used() < self.capacity
    }

    pub(super) fn is_idle(&self) -> bool {
        self.used() == 0
    }

    /// How many slots will certainly be free by `then`, whenever the responses to requests in flight arrive.
    pub(super) fn free_by(&self, then: Instant) -> usize {
        let freed = self.responded_at.partition_point(|at| *at + self.length <= then);
        (self.capacity + freed).saturating_sub(self.used())
    }

    fn used(&self) -> usize {
        self.in_flight + self.responded_at.len()
    }

    pub(super) fn take(&mut self) {
        self.in_flight += 1;
    }

    /// Returns a slot that was taken but not used.
    pub(super) fn return_unused(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The response to one request in flight has arrived: its slot is free one window from now.
    pub(super) fn mark_responded(&mut self, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.responded_at.push_back(now);
    }

    /// The earliest time at which the request behind `ahead` others can have a slot, if every response came at once.
    pub(super) fn earliest(&self, ahead: usize, now: Instant) -> Instant {
        let rounds = u32::try_from(ahead / self.capacity).unwrap_or(u32::MAX);
        let free = self.capacity.saturating_sub(self.used());
        // After a window shrank there can be more slots in use than it has: the oldest of those are not reused.
        let surplus = self.used().saturating_sub(self.capacity);
        let first = match (ahead % self.capacity).checked_sub(free) {
            None => now,
            // Slots of requests in flight come free after those with a response: at the earliest a window from now.
            Some(nth) => self.responded_at.get(nth + surplus).copied().unwrap_or(now) + self.length,
        };
        first.checked_add(self.length.saturating_mul(rounds)).unwrap_or(first + super::LONGEST_WINDOW)
    }

    /// When the request behind `ahead` others has its slot, if each response takes `response_time`: a slot is used again one
    /// window after the response.
    pub(super) fn last_of(&self, ahead: usize, response_time: Duration, now: Instant) -> Instant {
        let uses = (ahead + self.used()) / self.capacity;
        let responses = response_time.saturating_mul(u32::try_from(uses).unwrap_or(u32::MAX));
        let first = self.earliest(ahead, now);
        first.checked_add(responses).unwrap_or(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const W: Duration = Duration::from_secs(2_000);
    const GUARDED: Duration = Duration::from_secs(2_001);

    #[test]
    fn a_slot_comes_free_one_window_after_its_response() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = Window::new(2, W);
        window.take();
        window.take();
        assert!(!window.has_room());
        window.mark_responded(at(10));
        window.advance(at(2_010));
        assert!(!window.has_room());
        window.advance(at(2_011));
        assert!(window.has_room());
        window.return_unused();
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
        window.mark_responded(now);
        let later = now + Duration::from_secs(100);
        assert_eq!(window.earliest(0, later), later);
        assert_eq!(window.earliest(1, later), now + GUARDED);
        assert_eq!(window.earliest(2, later), later + GUARDED);
        assert_eq!(window.earliest(4, later), now + GUARDED * 2);
    }

    #[test]
    fn a_slot_is_certain_only_after_its_response() {
        let now = Instant::now();
        let mut window = Window::new(3, W);
        window.take();
        window.take();
        window.mark_responded(now);
        assert_eq!((window.free_by(now), window.free_by(now + W), window.free_by(now + GUARDED)), (1, 1, 2));
        assert!(!window.is_idle() && Window::new(3, W).is_idle());
    }

    #[test]
    fn a_longer_window_keeps_its_slots_longer() {
        let now = Instant::now();
        let mut window = Window::new(1, W);
        window.take();
        window.mark_responded(now);
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
            window.mark_responded(now + Duration::from_secs(seconds));
        }
        window.resize(1, W);
        assert_eq!(window.earliest(0, now), now + Duration::from_secs(2) + GUARDED);
    }
}
