//! Grants the slots of the windows, in order, to the calls that wait for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::RateLimits;
use super::window::Window;
use crate::operation::Category;
use crate::response::ResponseMeta;

/// A call's position in the order. A call keeps it over its attempts, so that a retry does not queue behind later calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// No slot comes free before the call's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rate limit's next slot is free in {:.1} s, which is not", .retry_after.as_secs_f64())]
pub(crate) struct DeadlineExceeded {
    /// The earliest time at which a slot can come free.
    pub(crate) retry_after: Duration,
}

/// Paces the requests of one base URL and key.
#[derive(Debug)]
pub(crate) struct Pacer {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: RateLimits,
    next_ticket: u64,
    reads: Lane,
    actions: Lane,
    total: Window,
}

/// A category: its window, and the calls that wait for it in the order of their tickets.
#[derive(Debug)]
struct Lane {
    window: Window,
    held_until: Option<Instant>,
    queue: VecDeque<Arc<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    ticket: Ticket,
    /// Set under the state's lock when the waiter gets a slot and leaves the queue.
    granted: AtomicBool,
    /// Wakes the waiter to check again.
    changed: Notify,
}

impl Pacer {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let lane =
            |capacity| Lane { window: Window::new(capacity, limits.window), held_until: None, queue: VecDeque::new() };
        let state = State {
            limits,
            next_ticket: 0,
            reads: lane(limits.reads),
            actions: lane(limits.actions),
            total: Window::new(limits.total, limits.window),
        };
        Pacer { state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock, so its state is consistent even when it is poisoned.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies `limits` as well from now on.
    pub(crate) fn tighten(&self, limits: RateLimits) {
        let mut state = self.lock();
        let limits = state.limits.stricter(limits);
        if limits != state.limits {
            state.limits = limits;
            state.reads.window.resize(limits.reads, limits.window);
            state.actions.window.resize(limits.actions, limits.window);
            state.total.resize(limits.total, limits.window);
        }
    }

    pub(crate) fn ticket(&self) -> Ticket {
        let mut state = self.lock();
        state.next_ticket += 1;
        Ticket(state.next_ticket)
    }

    /// Waits for a slot. Fails as soon as it is certain that none comes free before `deadline`. `on_wait` is called when a
    /// wait starts, with its minimum length.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        category: Category,
        ticket: Ticket,
        deadline: Instant,
        on_wait: impl FnOnce(Duration),
    ) -> Result<Permit, DeadlineExceeded> {
        let guard = QueueGuard { pacer: self, category, waiter: self.lock().enqueue(category, ticket) };
        let mut on_wait = Some(on_wait);
        loop {
            let (now, check_again) = {
                let mut state = self.lock();
                let now = Instant::now();
                state.grant_all(now);
                if guard.waiter.granted.load(Ordering::Relaxed) {
                    drop(state);
                    return Ok(guard.into_permit());
                }
                let earliest = state.earliest(category, ticket, now);
                if earliest >= deadline {
                    return Err(DeadlineExceeded { retry_after: earliest - now });
                }
                (now, earliest)
            };
            if let Some(on_wait) = on_wait.take() {
                on_wait(check_again - now);
            }
            tokio::select! {
                () = guard.waiter.changed.notified() => {}
                () = sleep_until(check_again) => {}
            }
        }
    }

    /// The earliest time at which a call could have a slot if it asked for one now.
    pub(crate) fn earliest(&self, category: Category, ticket: Ticket) -> Instant {
        let mut state = self.lock();
        let now = Instant::now();
        state.grant_all(now);
        state.earliest(category, ticket, now)
    }

    /// How long it takes until the last of so many further requests has its slot, if nobody else asks for one and each response
    /// takes `response_time`.
    pub(crate) fn estimate(&self, reads: usize, actions: usize, response_time: Duration) -> Duration {
        let mut state = self.lock();
        let now = Instant::now();
        state.advance(now);
        let State { reads: read_lane, actions: action_lane, total, .. } = &*state;
        let window = |window: &Window, requests: usize| match requests.checked_sub(1) {
            None => now,
            Some(ahead) => window.last_of(ahead, response_time, now),
        };
        let lane = |lane: &Lane, requests: usize| {
            let held = lane.held_until.filter(|_| requests > 0).unwrap_or(now);
            window(&lane.window, requests).max(held)
        };
        let last =
            lane(read_lane, reads).max(lane(action_lane, actions)).max(window(total, reads.saturating_add(actions)));
        last - now
    }

    /// Holds a category when a response says that the service has no room in it: for as long as the response asks, but for
    /// at most a window and a second: no sliding window stays full for longer, and one response (of a firewall, say) must not
    /// stop every call for a day.
    pub(crate) fn apply_response(&self, category: Category, status: u16, meta: &ResponseMeta) {
        let rejected = status == 429;
        let used_up = meta.rate_limit.as_ref().is_some_and(|limit| limit.remaining == Some(0));
        if !rejected && !used_up {
            return;
        }
        let mut state = self.lock();
        let now = Instant::now();
        state.advance(now);
        let State { limits, reads, actions, total, .. } = &mut *state;
        let lane = if category == Category::Reads { reads } else { actions };
        // `Remaining: 0` adds nothing when our own log is full as well, and the log is exact while the server's reset time is
        // rounded to a second.
        if !rejected && (!lane.window.has_room() || !total.has_room()) {
            return;
        }
        let wait = if rejected { meta.retry_after.or(meta.reset_in) } else { meta.reset_in };
        let until = wait.and_then(|wait| now.checked_add(wait.min(limits.window + Duration::from_secs(1))));
        if until > lane.held_until {
            lane.held_until = until;
            // Some waiters may now be certain to miss their deadlines.
            lane.queue.iter().for_each(|waiter| waiter.changed.notify_one());
        }
    }

    /// Whether there is no state to keep: no request in any window, no waiter, no hold.
    pub(crate) fn is_idle(&self) -> bool {
        let mut state = self.lock();
        state.advance(Instant::now());
        let lanes = [&state.reads, &state.actions];
        state.total.is_idle() && lanes.iter().all(|lane| lane.held_until.is_none() && lane.queue.is_empty())
    }
}

impl State {
    fn lane(&mut self, category: Category) -> &mut Lane {
        match category {
            Category::Reads => &mut self.reads,
            Category::Actions => &mut self.actions,
        }
    }

    fn advance(&mut self, now: Instant) {
        self.reads.advance(now);
        self.actions.advance(now);
        self.total.advance(now);
    }

    /// Grants every slot that is free now to the first waiter for it.
    fn grant_all(&mut self, now: Instant) {
        self.advance(now);
        while self.total.has_room() {
            let (reads, actions) = (self.reads.first_ready(), self.actions.first_ready());
            let lane = match (reads, actions) {
                (Some(read), Some(action)) if read < action => &mut self.reads,
                (Some(_), None) => &mut self.reads,
                (_, Some(_)) => &mut self.actions,
                (None, None) => return,
            };
            if let Some(waiter) = lane.remove(0) {
                lane.window.take();
                self.total.take();
                waiter.granted.store(true, Ordering::Relaxed);
                waiter.changed.notify_one();
            }
        }
    }

    fn enqueue(&mut self, category: Category, ticket: Ticket) -> Arc<Waiter> {
        let waiter = Arc::new(Waiter { ticket, granted: AtomicBool::new(false), changed: Notify::new() });
        let lane = self.lane(category);
        let position = lane.position(ticket);
        lane.queue.insert(position, Arc::clone(&waiter));
        waiter
    }

    /// The earliest time at which the call can get a slot, if no waiter leaves and every response comes at once.
    fn earliest(&mut self, category: Category, ticket: Ticket, now: Instant) -> Instant {
        let State { reads, actions, total, .. } = self;
        let (lane, other) = if category == Category::Reads { (reads, actions) } else { (actions, reads) };
        let ahead = lane.position(ticket);
        let held = |lane: &Lane| lane.held_until.unwrap_or(now);
        let lane_free = lane.window.earliest(ahead, now).max(held(lane)).max(total.earliest(ahead, now));
        // Earlier calls of the other category go first as far as it certainly has room for them by then.
        let certain = if held(other) <= lane_free { other.window.free_by(lane_free) } else { 0 };
        let passing = other.position(ticket).min(certain);
        lane_free.max(total.earliest(ahead + passing, now))
    }

    fn return_slot(&mut self, category: Category) {
        self.lane(category).window.return_unused();
        self.total.return_unused();
    }
}

impl Lane {
    fn advance(&mut self, now: Instant) {
        self.window.advance(now);
        if self.held_until.is_some_and(|held| held <= now) {
            self.held_until = None;
        }
    }

    /// Whether the category itself has room; the total is another matter.
    fn is_open(&self) -> bool {
        self.held_until.is_none() && self.window.has_room()
    }

    fn first_ready(&self) -> Option<Ticket> {
        self.queue.front().filter(|_| self.is_open()).map(|waiter| waiter.ticket)
    }

    /// Removes a waiter from the queue and wakes the new head. Only the head's timer has to be exact, as it gets the next
    /// slot; the others' may be late.
    fn remove(&mut self, position: usize) -> Option<Arc<Waiter>> {
        let waiter = self.queue.remove(position);
        if position == 0
            && let Some(first) = self.queue.front()
        {
            first.changed.notify_one();
        }
        waiter
    }

    /// How many waiters are ahead of a ticket.
    fn position(&self, ticket: Ticket) -> usize {
        self.queue.partition_point(|waiter| waiter.ticket < ticket)
    }
}

/// A waiter's place in the queue; dropping it leaves the queue.
struct QueueGuard<'a> {
    pacer: &'a Arc<Pacer>,
    category: Category,
    waiter: Arc<Waiter>,
}

impl QueueGuard<'_> {
    /// Turns a granted place into a permit.
    fn into_permit(self) -> Permit {
        // The permit owns the slot now: dropping the guard must not return it.
        self.waiter.granted.store(false, Ordering::Relaxed);
        Permit { pacer: Arc::clone(self.pacer), category: self.category, sent: false }
    }
}

impl Drop for QueueGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.pacer.lock();
        if self.waiter.granted.load(Ordering::Relaxed) {
            state.return_slot(self.category);
        } else {
            let ticket = self.waiter.ticket;
            let lane = state.lane(self.category);
            let position = lane.position(ticket);
            if lane.queue.get(position).is_some_and(|waiter| waiter.ticket == ticket) {
                lane.remove(position);
            }
        }
        state.grant_all(Instant::now());
    }
}

/// A slot in the windows. Dropped before anything was sent, it is free at once; otherwise one window later.
#[derive(Debug)]
pub(crate) struct Permit {
    pacer: Arc<Pacer>,
    category: Category,
    sent: bool,
}

impl Permit {
    /// The request is about to be sent.
    pub(crate) fn mark_sent(&mut self) {
        self.sent = true;
    }

    /// The request was not sent after all: there was no connection.
    pub(crate) fn mark_not_sent(&mut self) {
        self.sent = false;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.pacer.lock();
        let now = Instant::now();
        if self.sent {
            state.lane(self.category).window.mark_responded(now);
            state.total.mark_responded(now);
        } else {
            state.return_slot(self.category);
            state.grant_all(now);
        }
    }
}
