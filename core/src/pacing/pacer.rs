//! Hands out the slots of the windows, in order, to calls that wait for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::RateLimits;
use super::window::Window;
use crate::answer::HeaderFacts;
use crate::operation::Category;

/// A call's place in the order. A call keeps it over its attempts, so that a retry does not queue behind calls that came
/// later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// There is no slot before the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The earliest that there could be one.
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
    /// Set, under the state's lock, when the waiter leaves the queue with a slot.
    granted: AtomicBool,
    /// Something changed: look again.
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
        // No code that can panic runs under the lock; were it poisoned all the same, its numbers would still be good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps to `limits` as well from now on.
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

    /// Waits for a slot. Fails as soon as it is certain that none comes before `deadline`. `waits` is told of a wait as it
    /// begins, and how long it takes at least.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        category: Category,
        ticket: Ticket,
        deadline: Instant,
        waits: impl FnOnce(Duration),
    ) -> Result<Permit, Refused> {
        let place = Place { pacer: self, category, waiter: self.lock().enqueue(category, ticket) };
        let mut waits = Some(waits);
        loop {
            let (now, look_again) = {
                let mut state = self.lock();
                let now = Instant::now();
                state.grant_all(now);
                if place.waiter.granted.load(Ordering::Relaxed) {
                    drop(state);
                    return Ok(place.into_permit());
                }
                let earliest = state.earliest(category, ticket, now);
                if earliest >= deadline {
                    return Err(Refused { retry_after: earliest - now });
                }
                (now, earliest)
            };
            if let Some(waits) = waits.take() {
                waits(look_again - now);
            }
            tokio::select! {
                () = place.waiter.changed.notified() => {}
                () = sleep_until(look_again) => {}
            }
        }
    }

    /// The earliest time at which a call could have a slot that asked for one now.
    pub(crate) fn earliest(&self, category: Category, ticket: Ticket) -> Instant {
        let mut state = self.lock();
        let now = Instant::now();
        state.grant_all(now);
        state.earliest(category, ticket, now)
    }

    /// Holds a category when an answer says that the service has no room in it: for as long as the answer names, and no
    /// longer than a window where it names a time of day, which no sliding window can outlast.
    pub(crate) fn heed(&self, category: Category, status: u16, facts: &HeaderFacts) {
        let refused = status == 429;
        let used_up = facts.rate_limit.as_ref().is_some_and(|limit| limit.remaining == Some(0));
        if !refused && !used_up {
            return;
        }
        let mut state = self.lock();
        let now = Instant::now();
        state.advance(now);
        let State { limits, reads, actions, total, .. } = &mut *state;
        let lane = if category == Category::Reads { reads } else { actions };
        // That the last slot was used is no news where our own log is full as well; and the log is exact, while the
        // server's time is rounded to a second.
        if !refused && (!lane.window.has_room() || !total.has_room()) {
            return;
        }
        let reset_in = facts.reset_in.map(|wait| wait.min(limits.window + Duration::from_secs(1)));
        let wait = if refused { facts.retry_after.or(reset_in) } else { reset_in };
        let until = wait.and_then(|wait| now.checked_add(wait));
        if until > lane.held_until {
            lane.held_until = until;
            // Some of those waiting may now be sure to miss their deadlines.
            lane.queue.iter().for_each(|waiter| waiter.changed.notify_one());
        }
    }

    /// Whether there is nothing to remember: no request in any window, nobody waiting, no hold.
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

    /// Gives every slot that is free now to whoever is first for it.
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

    /// The earliest time at which the call can be granted, if nobody leaves and every answer comes at once.
    fn earliest(&mut self, category: Category, ticket: Ticket, now: Instant) -> Instant {
        let State { reads, actions, total, .. } = self;
        let (lane, other) = if category == Category::Reads { (reads, actions) } else { (actions, reads) };
        let ahead = lane.position(ticket);
        let held = |lane: &Lane| lane.held_until.unwrap_or(now);
        let lane_free = lane.window.earliest(ahead, now).max(held(lane)).max(total.earliest(ahead, now));
        // Earlier calls of the other category go first as far as that one is certain to have room for them by then.
        let certain = if held(other) <= lane_free { other.window.free_by(lane_free) } else { 0 };
        let passing = other.position(ticket).min(certain);
        lane_free.max(total.earliest(ahead + passing, now))
    }

    fn give_back(&mut self, category: Category) {
        self.lane(category).window.put_back();
        self.total.put_back();
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

    /// Takes a waiter out of the queue. Whoever comes to its head that way is told to look again: the alarms of the others
    /// may be set later than they need be, but the first one's never is, and it is the one that gets the next slot.
    fn remove(&mut self, position: usize) -> Option<Arc<Waiter>> {
        let waiter = self.queue.remove(position);
        if position == 0
            && let Some(first) = self.queue.front()
        {
            first.changed.notify_one();
        }
        waiter
    }

    /// How many are ahead of a ticket.
    fn position(&self, ticket: Ticket) -> usize {
        self.queue.partition_point(|waiter| waiter.ticket < ticket)
    }
}

/// A place in the queue, left when dropped.
struct Place<'a> {
    pacer: &'a Arc<Pacer>,
    category: Category,
    waiter: Arc<Waiter>,
}

impl Place<'_> {
    /// Turns a granted place into the slot it stands for.
    fn into_permit(self) -> Permit {
        // From here on the permit answers for the slot; dropping the place must not give it back.
        self.waiter.granted.store(false, Ordering::Relaxed);
        Permit { pacer: Arc::clone(self.pacer), category: self.category, sent: false }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.pacer.lock();
        if self.waiter.granted.load(Ordering::Relaxed) {
            state.give_back(self.category);
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

/// A slot. Dropped when nothing was sent it is free at once; otherwise it comes free one window later.
#[derive(Debug)]
pub(crate) struct Permit {
    pacer: Arc<Pacer>,
    category: Category,
    sent: bool,
}

impl Permit {
    /// The request is going out now.
    pub(crate) fn sent(&mut self) {
        self.sent = true;
    }

    /// It did not, after all: there was no connection.
    pub(crate) fn not_sent(&mut self) {
        self.sent = false;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.pacer.lock();
        let now = Instant::now();
        if self.sent {
            state.lane(self.category).window.answered(now);
            state.total.answered(now);
        } else {
            state.give_back(self.category);
            state.grant_all(now);
        }
    }
}
