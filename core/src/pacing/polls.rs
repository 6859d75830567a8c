//! The part of the reads that waits for a status and watches of candidates may use, so that they leave room for calls.
//!
//! Invariants:
//! - At most half of the reads, but at least one, are polls: a poll's slot is taken from its start until one window after its
//!   response, as in the pacer's own windows.
//! - The poll that has been due for the longest is the next. So the candidates of all waits and watches take turns.
//! - A slot is returned at once when nothing was sent: none is ever lost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::RateLimits;
use super::pacer::Pacer;
use super::store::SlotNumber;
use super::window::Window;

/// The slots of the polls of one budget.
#[derive(Debug)]
pub(crate) struct PollBudget(Mutex<State>);

#[derive(Debug)]
struct State {
    window: Window,
    /// Polls that are due, the one that has been due for the longest first.
    queue: VecDeque<Arc<Waiter>>,
    next_number: SlotNumber,
}

#[derive(Debug)]
struct Waiter {
    due: Instant,
    number: SlotNumber,
    /// Wakes the waiter to check again.
    changed: Notify,
}

impl Default for PollBudget {
    fn default() -> Self {
        let state =
            State { window: Window::new(1, RateLimits::default().window), queue: VecDeque::new(), next_number: 1 };
        PollBudget(Mutex::new(state))
    }
}

impl PollBudget {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The polls of a client.
#[derive(Clone, Debug)]
pub(crate) enum Polls {
    /// Those of all clients of the pacer, with its current limits.
    Paced(Arc<Pacer>),
    /// Those of one client without pacing, with the documented limits.
    Unpaced(Arc<PollBudget>),
}

impl Polls {
    /// Waits, as long as it takes, until a poll that has been due since then may begin.
    pub(crate) async fn acquire(&self, due: Instant) -> PollSlot {
        let place = Place { polls: self, waiter: self.budget().lock().enqueue(due) };
        loop {
            // Before the budget is locked, as the pacer has a lock of its own.
            let limits = self.limits();
            let room_at = {
                let mut state = self.budget().lock();
                let now = Instant::now();
                state.window.resize(limits.reads.min(limits.total) / 2, limits.window);
                state.window.advance(now);
                let is_first = state.queue.front().is_some_and(|first| Arc::ptr_eq(first, &place.waiter));
                if is_first && state.window.has_room() {
                    let number = place.waiter.number;
                    state.window.take(number);
                    return PollSlot { polls: self.clone(), number, is_sent: false };
                }
                is_first.then(|| state.window.earliest(0, now))
            };
            let has_room = async {
                match room_at {
                    Some(room_at) => sleep_until(room_at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = place.waiter.changed.notified() => {}
                () = has_room => {}
            }
        }
    }

    fn budget(&self) -> &PollBudget {
        match self {
            Polls::Paced(pacer) => pacer.polls(),
            Polls::Unpaced(budget) => budget,
        }
    }

    fn limits(&self) -> RateLimits {
        match self {
            Polls::Paced(pacer) => pacer.own_limits(),
            Polls::Unpaced(_) => RateLimits::default(),
        }
    }
}

impl State {
    fn enqueue(&mut self, due: Instant) -> Arc<Waiter> {
        let number = self.next_number;
        self.next_number += 1;
        let waiter = Arc::new(Waiter { due, number, changed: Notify::new() });
        let position = self.queue.partition_point(|other| other.due <= due);
        self.queue.insert(position, Arc::clone(&waiter));
        waiter
    }

    fn wake_first(&self) {
        if let Some(first) = self.queue.front() {
            first.changed.notify_one();
        }
    }
}

/// A poll's place in the queue. Dropping it leaves the queue.
struct Place<'a> {
    polls: &'a Polls,
    waiter: Arc<Waiter>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.polls.budget().lock();
        state.queue.retain(|other| !Arc::ptr_eq(other, &self.waiter));
        state.wake_first();
    }
}

/// A poll's slot. Dropped before anything was sent, it is free at once; otherwise one window later.
#[derive(Debug)]
pub(crate) struct PollSlot {
    polls: Polls,
    number: SlotNumber,
    is_sent: bool,
}

impl PollSlot {
    /// Whether the request was, or may be, sent.
    pub(crate) fn set_sent(&mut self, is_sent: bool) {
        self.is_sent = is_sent;
    }
}

impl Drop for PollSlot {
    fn drop(&mut self) {
        let mut state = self.polls.budget().lock();
        if self.is_sent {
            state.window.mark_responded(self.number, Instant::now());
        } else {
            state.window.return_unused(self.number);
        }
        state.wake_first();
    }
}
