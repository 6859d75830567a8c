//! Grants the slots of the windows, in order, to the calls that wait for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::polls::PollBudget;
use super::session::{Change, Session};
use super::store::{SlotNumber, SlotUpdate, Store};
use super::window::Window;
use super::{HOLD_MARGIN, RateLimits, WhenStoreDown, random_u64};
use crate::operation::Category;
use crate::response::ResponseMeta;

/// A call's position in the order. A call keeps it over its attempts, so that a retry does not queue behind later calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// Why a call gets no slot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AcquireError {
    /// No slot comes free before the call's deadline.
    #[error("the rate limit's next slot is free in {:.1} s, which is not", .retry_after.as_secs_f64())]
    DeadlineExceeded {
        /// The earliest time at which a slot can come free.
        retry_after: Duration,
    },
    /// The store cannot be reached, and [`WhenStoreDown::Fail`] is set.
    #[error("the rate-limit store {location} cannot be reached")]
    StoreDown { location: String },
}

/// Paces the requests of one budget.
#[derive(Debug)]
pub(crate) struct Pacer {
    state: Mutex<State>,
    store: Option<Store>,
    polls: PollBudget,
}

#[derive(Debug)]
pub(super) struct State {
    /// The strictest limits of all clients.
    pub(super) limits: RateLimits,
    /// Each client's limits, by a number.
    clients: Vec<(u64, RateLimits)>,
    next_number: u64,
    pub(super) next_slot: SlotNumber,
    pub(super) reads: Lane,
    pub(super) actions: Lane,
    pub(super) total: Window,
    /// With a store.
    pub(super) session: Option<Session>,
    /// Losses and returns of the store that were not logged yet. The next call logs them: a program may see only the records
    /// of its calls, and the store replies on another thread.
    changes: Vec<Change>,
}

/// A category: its window, and the calls that wait for it in the order of their tickets.
#[derive(Debug)]
pub(super) struct Lane {
    window: Window,
    held_until: Option<Instant>,
    queue: VecDeque<Arc<Waiter>>,
    /// The latest time at which each attempt in flight ends.
    leases: Vec<(SlotNumber, Instant)>,
}

#[derive(Debug)]
struct Waiter {
    ticket: Ticket,
    /// How long the attempt can take.
    lease: Duration,
    /// Set under the state's lock when the waiter gets a slot and leaves the queue; 0 before.
    granted: AtomicU64,
    /// Wakes the waiter to check again.
    changed: Notify,
}

impl Pacer {
    #[cfg(test)]
    pub(crate) fn new(limits: RateLimits) -> Self {
        Pacer::with_store(limits, None, WhenStoreDown::Share)
    }

    pub(crate) fn with_store(limits: RateLimits, store: Option<Store>, when_store_down: WhenStoreDown) -> Self {
        let lane = |capacity| Lane {
            window: Window::new(capacity, limits.window),
            held_until: None,
            queue: VecDeque::new(),
            leases: Vec::new(),
        };
        let state = State {
            limits,
            clients: Vec::new(),
            next_number: 0,
            next_slot: 1,
            reads: lane(limits.reads),
            actions: lane(limits.actions),
            total: Window::new(limits.total, limits.window),
            session: store.as_ref().map(|store| Session::new(random_u64(), store.clone(), when_store_down)),
            changes: Vec::new(),
        };
        Pacer { state: Mutex::new(state), store, polls: PollBudget::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock, so its state is consistent even when it is poisoned.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slots of the polls.
    pub(crate) fn polls(&self) -> &PollBudget {
        &self.polls
    }

    /// The limits of this process: the strictest of its clients, and only its share while the store cannot be reached.
    pub(crate) fn own_limits(&self) -> RateLimits {
        let state = self.lock();
        state.session.as_ref().map_or(state.limits, |session| session.own_limits(state.limits, Instant::now()).0)
    }

    /// Applies a client's limits as well, until the client is gone.
    pub(crate) fn join(self: &Arc<Self>, limits: RateLimits) -> Member {
        let mut state = self.lock();
        state.next_number += 1;
        let number = state.next_number;
        state.clients.push((number, limits));
        state.apply_strictest_limits();
        Member { pacer: Arc::clone(self), number }
    }

    pub(crate) fn ticket(&self) -> Ticket {
        let mut state = self.lock();
        state.next_number += 1;
        Ticket(state.next_number)
    }

    /// Waits for a slot for an attempt that takes at most `lease`. Fails as soon as it is certain that none comes free before
    /// `deadline`. `on_wait` is called when a wait starts, with its minimum length.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        category: Category,
        ticket: Ticket,
        lease: Duration,
        deadline: Instant,
        on_wait: impl FnOnce(Duration),
    ) -> Result<Permit, AcquireError> {
        let guard = QueueGuard { pacer: self, category, waiter: self.lock().enqueue(category, ticket, lease) };
        let mut on_wait = Some(on_wait);
        loop {
            self.step_store();
            self.report_changes();
            let (now, check_again, known) = {
                let mut state = self.lock();
                let now = Instant::now();
                state.grant_all(now);
                let slot = guard.waiter.granted.load(Ordering::Relaxed);
                if slot != 0 {
                    drop(state);
                    return Ok(guard.into_permit(slot));
                }
                if let Some(session) = &state.session
                    && session.fails_calls()
                {
                    return Err(AcquireError::StoreDown { location: session.location() });
                }
                let earliest = state.earliest(category, ticket, now);
                if earliest >= deadline {
                    return Err(AcquireError::DeadlineExceeded { retry_after: earliest - now });
                }
                let check_again = state.check_at(category, now).map_or(earliest, |at| at.max(earliest));
                (now, check_again.min(deadline), earliest > now)
            };
            if known && let Some(on_wait) = on_wait.take() {
                on_wait(check_again - now);
            }
            tokio::select! {
                () = guard.waiter.changed.notified() => {}
                () = sleep_until(check_again) => {}
            }
        }
    }

    /// The earliest time at which a call could have a slot if it asked for one now.
    pub(crate) fn earliest(self: &Arc<Self>, category: Category, ticket: Ticket) -> Instant {
        let mut state = self.lock();
        let now = Instant::now();
        state.grant_all(now);
        state.earliest(category, ticket, now)
    }

    /// How long it takes until the last of this many further requests has its slot, if no other call asks for one and each
    /// response takes `response_time`.
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

    /// Holds a category when a response says that the service has no room in it: for as long as the response asks, but at
    /// most for a window and a second. No sliding window stays full for longer, and one response (of a firewall, say) must
    /// not stop every call for a day.
    pub(crate) fn apply_response(self: &Arc<Self>, category: Category, status: u16, meta: &ResponseMeta) {
        let rejected = status == 429;
        let used_up = meta.rate_limit.as_ref().is_some_and(|limit| limit.remaining == Some(0));
        if !rejected && !used_up {
            return;
        }
        let mut state = self.lock();
        let now = Instant::now();
        state.advance(now);
        let wait = if rejected { meta.retry_after.or(meta.reset_in) } else { meta.reset_in };
        let longest = state.limits.window + HOLD_MARGIN;
        let Some(until) = wait.and_then(|wait| now.checked_add(wait.min(longest))) else { return };
        if let Some(session) = &mut state.session {
            session.hold(category, until, !rejected);
        }
        // `Remaining: 0` adds nothing when the log is full as well, and the log is exact while the server's reset time is
        // rounded to a second. With a store, its log decides.
        let has_room = state.total.has_room() && state.lane(category).window.has_room();
        let shared = state.session.as_ref().is_some_and(|session| !session.is_lost());
        if (rejected || (has_room && !shared)) && state.lane(category).hold_until(until) {
            // Some waiters may now be certain to miss their deadlines.
            state.lane(category).queue.iter().for_each(|waiter| waiter.changed.notify_one());
        }
        drop(state);
        self.step_store();
    }

    /// Whether there is no state to keep: no request in any window, no waiter, no hold.
    pub(crate) fn is_idle(&self) -> bool {
        let mut state = self.lock();
        state.advance(Instant::now());
        let lanes = [&state.reads, &state.actions];
        state.total.is_idle() && lanes.iter().all(|lane| lane.held_until.is_none() && lane.queue.is_empty())
    }

    /// Makes the store's next step if one is due.
    fn step_store(self: &Arc<Self>) {
        let Some(store) = &self.store else { return };
        let now = Instant::now();
        let step = {
            let mut state = self.lock();
            let (step, change) = state.next_step(now, random_u64);
            state.changes.extend(change);
            step
        };
        if let Some((number, step)) = step {
            let pacer = Arc::clone(self);
            store.step(step, Box::new(move |result| pacer.complete_step(number, result)));
        }
    }

    fn complete_step(self: Arc<Self>, number: u64, result: Result<super::store::Reply, super::store::StoreError>) {
        let retry_at = {
            let mut state = self.lock();
            let change = state.complete_step(number, result, Instant::now());
            state.changes.extend(change);
            state.session.as_ref().and_then(Session::retry_at)
        };
        match retry_at {
            // Even if no call waits by then, the slots that were used have to be reported to the store.
            Some(retry_at) => {
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    let pacer = Arc::downgrade(&self);
                    runtime.spawn(async move {
                        sleep_until(retry_at).await;
                        if let Some(pacer) = pacer.upgrade() {
                            pacer.step_store();
                        }
                    });
                }
            }
            None => self.step_store(),
        }
    }

    /// Logs losses and returns of the store, in the context of a call.
    fn report_changes(&self) {
        let changes = std::mem::take(&mut self.lock().changes);
        for change in changes {
            let location = self.store.as_ref().map(|store| store.location()).unwrap_or_default();
            match change {
                Change::Lost { message, processes } => tracing::warn!(
                    target: "celper", store = location, error = message, processes,
                    "the rate-limit store cannot be reached; this process uses its share of the limits until it can"
                ),
                Change::Restored => {
                    tracing::info!(target: "celper", store = location, "the rate-limit store can be reached again");
                }
            }
        }
    }
}

/// A client's use of a pacer; dropping it withdraws the client's limits.
#[derive(Debug)]
pub(crate) struct Member {
    pacer: Arc<Pacer>,
    number: u64,
}

impl std::ops::Deref for Member {
    type Target = Arc<Pacer>;

    fn deref(&self) -> &Arc<Pacer> {
        &self.pacer
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.pacer.lock();
        state.clients.retain(|(number, _)| *number != self.number);
        state.apply_strictest_limits();
    }
}

impl State {
    pub(super) fn lane(&mut self, category: Category) -> &mut Lane {
        match category {
            Category::Reads => &mut self.reads,
            Category::Actions => &mut self.actions,
        }
    }

    pub(super) fn advance(&mut self, now: Instant) {
        if let Some(session) = &self.session {
            let (limits, holds) = session.own_limits(self.limits, now);
            self.resize(limits);
            for category in [Category::Reads, Category::Actions] {
                if let Some(until) = holds.get(category) {
                    self.lane(category).hold_until(*until);
                }
            }
        }
        self.reads.advance(now);
        self.actions.advance(now);
        self.total.advance(now);
    }

    fn resize(&mut self, limits: RateLimits) {
        self.reads.window.resize(limits.reads, limits.window);
        self.actions.window.resize(limits.actions, limits.window);
        self.total.resize(limits.total, limits.window);
    }

    /// Applies the strictest limits of the open clients. After the last one is gone, its limits stay for the slots that it used.
    fn apply_strictest_limits(&mut self) {
        let all = self.clients.iter().map(|(_, limits)| *limits);
        if let Some(limits) = all.reduce(RateLimits::stricter) {
            self.limits = limits;
            self.resize(limits);
            self.advance(Instant::now());
            self.reads.wake_first();
            self.actions.wake_first();
        }
    }

    /// Grants every slot that is free now to the first waiter for it. With a store, the store grants.
    fn grant_all(&mut self, now: Instant) {
        self.advance(now);
        if self.session.as_ref().is_some_and(|session| !session.grants_alone()) {
            return;
        }
        while self.total.has_room() {
            let (reads, actions) = (self.reads.first_ready(), self.actions.first_ready());
            let category = match (reads, actions) {
                (Some(read), Some(action)) if read < action => Category::Reads,
                (Some(_), None) => Category::Reads,
                (_, Some(_)) => Category::Actions,
                (None, None) => return,
            };
            let slot = self.next_slot;
            self.next_slot += 1;
            self.grant(category, slot, now);
        }
    }

    /// Grants a slot to the first waiter, if there is one.
    pub(super) fn grant(&mut self, category: Category, slot: SlotNumber, now: Instant) -> bool {
        let lane = self.lane(category);
        let Some(waiter) = lane.remove(0) else { return false };
        lane.window.take(slot);
        lane.leases.push((slot, now + waiter.lease));
        self.total.take(slot);
        waiter.granted.store(slot, Ordering::Relaxed);
        waiter.changed.notify_one();
        true
    }

    fn enqueue(&mut self, category: Category, ticket: Ticket, lease: Duration) -> Arc<Waiter> {
        let waiter = Arc::new(Waiter { ticket, lease, granted: AtomicU64::new(0), changed: Notify::new() });
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
        let own = lane_free.max(total.earliest(ahead + passing, now));
        self.session.as_ref().map_or(own, |session| session.earliest(category, ahead, now).max(own))
    }

    /// When the store has to be asked again, if there is one.
    fn check_at(&self, category: Category, now: Instant) -> Option<Instant> {
        self.session.as_ref().map(|session| session.check_at(category, now))
    }

    fn return_slot(&mut self, category: Category, slot: SlotNumber) {
        self.lane(category).window.return_unused(slot);
        self.lane(category).leases.retain(|(other, _)| *other != slot);
        self.total.return_unused(slot);
        if let Some(session) = &mut self.session {
            session.mark_returned(category, slot);
        }
    }

    fn mark_responded(&mut self, category: Category, slot: SlotNumber, now: Instant) {
        self.lane(category).window.mark_responded(slot, now);
        self.lane(category).leases.retain(|(other, _)| *other != slot);
        self.total.mark_responded(slot, now);
        if let Some(session) = &mut self.session {
            session.mark_responded(category, slot, now);
        }
    }
}

impl Lane {
    fn advance(&mut self, now: Instant) {
        self.window.advance(now);
        if self.held_until.is_some_and(|held| held <= now) {
            self.held_until = None;
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.held_until.is_some()
    }

    /// Holds the category until then, if it is not held for longer.
    pub(super) fn hold_until(&mut self, until: Instant) -> bool {
        let longer = Some(until) > self.held_until;
        if longer {
            self.held_until = Some(until);
        }
        longer
    }

    pub(super) fn room(&self) -> usize {
        self.window.room()
    }

    pub(super) fn used(&self) -> usize {
        self.window.used()
    }

    pub(super) fn queue_length(&self) -> usize {
        self.queue.len()
    }

    /// The longest time that one of the next attempts can take.
    pub(super) fn lease(&self) -> Duration {
        self.queue.iter().map(|waiter| waiter.lease).max().unwrap_or_default()
    }

    pub(super) fn wake_first(&self) {
        if let Some(first) = self.queue.front() {
            first.changed.notify_one();
        }
    }

    /// The slots that are taken, as they are reported to a store.
    pub(super) fn updates(&self, category: Category, now: Instant) -> impl Iterator<Item = SlotUpdate> {
        let lease_end = move |slot| self.leases.iter().find(|(other, _)| *other == slot).map_or(now, |(_, end)| *end);
        self.window.slots().map(move |(slot, free_at)| {
            let free_at = free_at.unwrap_or_else(|| lease_end(slot) + self.window.length());
            SlotUpdate { category, slot, free_in: Some(free_at.saturating_duration_since(now)) }
        })
    }

    /// Whether the category itself has room; the total is not checked.
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
        if position == 0 {
            self.wake_first();
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
    fn into_permit(self, slot: SlotNumber) -> Permit {
        // The permit owns the slot now: dropping the guard must not return it.
        self.waiter.granted.store(0, Ordering::Relaxed);
        Permit {
            pacer: Arc::clone(self.pacer),
            category: self.category,
            slot,
            lease: self.waiter.lease,
            granted_at: Instant::now(),
            sent: false,
        }
    }
}

impl Drop for QueueGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.pacer.lock();
        let slot = self.waiter.granted.load(Ordering::Relaxed);
        if slot != 0 {
            state.return_slot(self.category, slot);
        } else {
            let ticket = self.waiter.ticket;
            let lane = state.lane(self.category);
            let position = lane.position(ticket);
            let waits = lane.queue.get(position).is_some_and(|waiter| waiter.ticket == ticket);
            if !waits {
                return;
            }
            lane.remove(position);
        }
        state.grant_all(Instant::now());
        drop(state);
        self.pacer.step_store();
    }
}

/// A slot in the windows. Dropped before anything was sent, it is free at once; otherwise one window later.
#[derive(Debug)]
pub(crate) struct Permit {
    pacer: Arc<Pacer>,
    category: Category,
    slot: SlotNumber,
    lease: Duration,
    granted_at: Instant,
    sent: bool,
}

/// How long after its permit an attempt may begin without a renewal of its slot's lease.
const LEASE_MARGIN: Duration = Duration::from_secs(1);

impl Permit {
    /// How long a slot is leased for an attempt with this timeout.
    pub(crate) fn lease(attempt_timeout: Duration) -> Duration {
        attempt_timeout + LEASE_MARGIN
    }

    /// Whether another process may have the slot by now, because the attempt did not begin within its lease.
    pub(crate) fn is_expired(&self) -> bool {
        self.pacer.store.is_some() && self.granted_at.elapsed() >= self.lease
    }

    /// The request is about to be sent.
    pub(crate) fn mark_sent(&mut self) {
        self.sent = true;
        if self.pacer.store.is_some() && self.granted_at.elapsed() > LEASE_MARGIN {
            let mut state = self.pacer.lock();
            let lane = state.lane(self.category);
            if let Some((_, end)) = lane.leases.iter_mut().find(|(slot, _)| *slot == self.slot) {
                *end = Instant::now() + self.lease;
            }
            if let Some(session) = &mut state.session {
                session.renew(self.category, self.slot);
            }
            drop(state);
            self.pacer.step_store();
        }
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
            state.mark_responded(self.category, self.slot, now);
        } else {
            state.return_slot(self.category, self.slot);
            state.grant_all(now);
        }
        drop(state);
        self.pacer.step_store();
    }
}
