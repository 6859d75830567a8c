//! What one process reports to a rate-limit store and asks of it, and how it applies the replies.
//!
//! The process's own windows apply in addition to the store's log. While the store cannot be reached, they apply alone, with the
//! limits divided by the number of processes that were last known to share the budget.

use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use super::pacer::State;
use super::store::{ByCategory, HoldReport, MAX_ASK, Reply, Room, SlotNumber, SlotUpdate, Step, Store, StoreError};
use super::{HOLD_MARGIN, RateLimits, WhenStoreDown};
use crate::operation::Category;

/// A step that takes longer has failed.
pub(super) const STEP_TIMEOUT: Duration = Duration::from_millis(500);

/// How long to wait before a locked store is tried again.
const BUSY_WAIT: Duration = Duration::from_millis(2);

/// How long to wait before an unavailable store is tried again: doubled from the first to the last, and at most a window.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// The most returned slots that are kept for the next step. Further ones come free when their leases end.
const MAX_RETURNED: usize = 1_000;

/// One process's part in a shared budget.
#[derive(Debug)]
pub(super) struct Session {
    process: u64,
    store: Store,
    epoch: Option<u64>,
    /// How many processes shared the budget at the last reply.
    processes: u32,
    /// Responses since the last step.
    responded: Vec<(Category, SlotNumber, Instant)>,
    /// Slots in flight whose lease has to be renewed.
    renewed: Vec<(Category, SlotNumber)>,
    returned: Vec<(Category, SlotNumber)>,
    /// Whether the store may have lost this process's slots.
    upload: bool,
    holds: ByCategory<Option<(Instant, bool)>>,
    /// Whether the store has this process in its queue.
    queued: ByCategory<bool>,
    /// When the next waiting calls can have a slot, by the store's last reply.
    next: ByCategory<Vec<Instant>>,
    in_progress: Option<StepInProgress>,
    steps: u64,
    failure: Option<Failure>,
    room: LeastRoom,
    restriction: Option<Restriction>,
    when_down: WhenStoreDown,
}

/// The limits for a window in which the other processes' slots are not known: the store cannot be reached or was just reached
/// again, or its log was lost. After one window, the slots that the others had beyond their shares are free, or in the log.
#[derive(Debug)]
struct Restriction {
    until: Instant,
    reads: u32,
    actions: u32,
    total: u32,
}

#[derive(Debug)]
struct StepInProgress {
    number: u64,
    started: Instant,
    ask: ByCategory<Range<SlotNumber>>,
}

impl StepInProgress {
    /// Whether its end was noticed so late that this process must have been paused: stopped, or suspended with its machine. That
    /// says nothing about the store.
    fn is_overdue(&self, now: Instant) -> bool {
        now >= self.started + 2 * STEP_TIMEOUT
    }
}

pub(super) fn no_reply() -> StoreError {
    StoreError::Unavailable(format!("no reply within {} ms", STEP_TIMEOUT.as_millis()))
}

/// The fewest free slots of the last window: what a process may count on when it does not see the log any more. The latest
/// number is not enough, because other processes take free slots between two replies.
#[derive(Debug, Default)]
struct LeastRoom {
    since: Option<Instant>,
    last: Option<Instant>,
    current: Room,
    previous: Room,
}

impl LeastRoom {
    fn record(&mut self, room: Room, window: Duration, now: Instant) {
        self.last = Some(now);
        match self.since {
            None => (self.since, self.current, self.previous) = (Some(now), room, room),
            Some(since) if now > since + window => {
                (self.since, self.previous, self.current) = (Some(now), self.current, room)
            }
            Some(_) => self.current = self.current.min(room),
        }
    }

    fn least(&self, limits: RateLimits, now: Instant) -> Room {
        match self.last {
            Some(last) if now < last + limits.window => self.current.min(self.previous),
            // The slots that were taken then are free by now.
            _ => Room { reads: limits.reads, actions: limits.actions, total: limits.total },
        }
    }
}

/// A failure of the store that is not over.
#[derive(Debug)]
struct Failure {
    since: Instant,
    retry_at: Instant,
    retry_wait: Duration,
    /// Another process has locked the store, but not for so long that it counts as unavailable; or this process was paused.
    busy: bool,
}

/// A change to be logged.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// The store cannot be reached from now on.
    Lost {
        message: String,
        processes: u32,
    },
    Restored,
}

impl Session {
    pub(super) fn new(process: u64, store: Store, when_down: WhenStoreDown) -> Self {
        Session {
            process,
            store,
            epoch: None,
            processes: 1,
            responded: Vec::new(),
            renewed: Vec::new(),
            returned: Vec::new(),
            upload: false,
            holds: ByCategory::default(),
            queued: ByCategory::default(),
            next: ByCategory::default(),
            in_progress: None,
            steps: 0,
            failure: None,
            room: LeastRoom::default(),
            restriction: None,
            when_down,
        }
    }

    pub(super) fn location(&self) -> String {
        self.store.location()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| !failure.busy)
    }

    /// Whether calls get their slots from the process's own windows alone.
    pub(super) fn grants_alone(&self) -> bool {
        self.is_lost() && self.when_down == WhenStoreDown::Share
    }

    /// Whether calls fail: the store cannot be reached, and is not being tried.
    pub(super) fn fails_calls(&self) -> bool {
        self.is_lost() && self.when_down == WhenStoreDown::Fail && self.in_progress.is_none()
    }

    /// The limits of the process's own windows, and until when it must not use a category at all.
    pub(super) fn own_limits(&self, limits: RateLimits, now: Instant) -> (RateLimits, ByCategory<Option<Instant>>) {
        let mut own = if self.is_lost() { self.share(limits) } else { limits };
        let mut holds = ByCategory::default();
        if let Some(restriction) = self.restriction.as_ref().filter(|restriction| now < restriction.until) {
            own.reads = own.reads.min(restriction.reads.max(1));
            own.actions = own.actions.min(restriction.actions.max(1));
            own.total = own.total.min(restriction.total.max(1));
            let hold = |limit: u32| (limit.min(restriction.total) == 0).then_some(restriction.until);
            holds = ByCategory { reads: hold(restriction.reads), actions: hold(restriction.actions) };
        }
        (own, holds)
    }

    fn share(&self, limits: RateLimits) -> RateLimits {
        let share = |limit: u32| (limit / self.processes.max(1)).max(1);
        RateLimits { reads: share(limits.reads), actions: share(limits.actions), total: share(limits.total), ..limits }
    }

    fn restrict_to_share(&mut self, limits: RateLimits, now: Instant) {
        if self.processes > 1 {
            let RateLimits { reads, actions, total, window } = self.share(limits);
            self.restriction = Some(Restriction { until: now + window + HOLD_MARGIN, reads, actions, total });
        }
    }

    /// Limits the process for one window to what it uses already and its part of what was free.
    fn restrict(&mut self, limits: RateLimits, used: ByCategory<usize>, now: Instant) {
        let processes = self.processes.max(1);
        if processes == 1 {
            return;
        }
        let restricted = self.restriction.as_ref().is_some_and(|restriction| now < restriction.until);
        // While it was restricted, the log was not complete.
        let room = if restricted { Room::default() } else { self.room.least(limits, now) };
        let share = self.share(limits);
        let part = |share: u32, used: usize, room: u32| {
            share.min(u32::try_from(used).unwrap_or(u32::MAX).saturating_add(room / processes))
        };
        self.restriction = Some(Restriction {
            until: now + limits.window + HOLD_MARGIN,
            reads: part(share.reads, used.reads, room.reads),
            actions: part(share.actions, used.actions, room.actions),
            total: part(share.total, used.reads + used.actions, room.total),
        });
    }

    pub(super) fn mark_responded(&mut self, category: Category, slot: SlotNumber, now: Instant) {
        self.responded.push((category, slot, now));
    }

    pub(super) fn mark_returned(&mut self, category: Category, slot: SlotNumber) {
        if self.returned.len() < MAX_RETURNED {
            self.returned.push((category, slot));
        }
    }

    pub(super) fn renew(&mut self, category: Category, slot: SlotNumber) {
        self.renewed.push((category, slot));
    }

    pub(super) fn hold(&mut self, category: Category, until: Instant, only_if_room: bool) {
        *self.holds.get_mut(category) = Some((until, only_if_room));
    }

    /// When a failed step is to be repeated.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.failure.as_ref().map(|failure| failure.retry_at)
    }

    fn has_reports(&self) -> bool {
        self.upload
            || !self.responded.is_empty()
            || !self.renewed.is_empty()
            || !self.returned.is_empty()
            || self.holds.reads.is_some()
            || self.holds.actions.is_some()
    }

    /// When the call behind `ahead` others of this process can have a slot, by the store's last reply.
    pub(super) fn earliest(&self, category: Category, ahead: usize, now: Instant) -> Instant {
        if self.is_lost() {
            return now;
        }
        let next = self.next.get(category);
        next.get(ahead).or(next.last()).copied().unwrap_or(now).max(now)
    }

    /// When the store has to be asked again for the first waiting call.
    pub(super) fn check_at(&self, category: Category, now: Instant) -> Instant {
        match (&self.failure, &self.in_progress) {
            (_, Some(step)) => (step.started + STEP_TIMEOUT).max(now),
            (Some(failure), None) if failure.busy => failure.retry_at.max(now),
            (Some(_), None) => now,
            (None, None) => self.earliest(category, 0, now),
        }
    }

    fn fail(
        &mut self,
        error: &StoreError,
        limits: RateLimits,
        used: ByCategory<usize>,
        now: Instant,
    ) -> Option<Change> {
        let paused = self.failure.is_none() && self.in_progress.as_ref().is_some_and(|step| step.is_overdue(now));
        // The store may have granted what the step asked for.
        if let Some(step) = self.in_progress.take() {
            step.ask.reads.for_each(|slot| self.mark_returned(Category::Reads, slot));
            step.ask.actions.for_each(|slot| self.mark_returned(Category::Actions, slot));
        }
        self.upload = true;
        self.next = ByCategory::default();
        let was_lost = self.is_lost();
        let since = self.failure.as_ref().map_or(now, |failure| failure.since);
        let busy = paused || matches!(error, StoreError::Busy) && !was_lost && now < since + STEP_TIMEOUT;
        let retry_wait = match &self.failure {
            Some(failure) if was_lost => (failure.retry_wait * 2).min(LAST_RETRY).min(limits.window),
            _ => FIRST_RETRY.min(limits.window),
        };
        let retry_at = now + if busy { BUSY_WAIT } else { retry_wait };
        self.failure = Some(Failure { since, retry_at, retry_wait, busy });
        let lost = !busy && !was_lost;
        if lost {
            self.restrict(limits, used, now);
        }
        lost.then(|| Change::Lost { message: error.to_string(), processes: self.processes })
    }
}

impl State {
    /// The next step, when one is due.
    pub(super) fn next_step(
        &mut self,
        now: Instant,
        random: impl FnOnce() -> u64,
    ) -> (Option<(u64, Step)>, Option<Change>) {
        let Some(session) = &mut self.session else { return (None, None) };
        let mut change = None;
        match &session.in_progress {
            Some(step) if now < step.started + STEP_TIMEOUT => return (None, None),
            Some(_) => {
                let used = ByCategory { reads: self.reads.used(), actions: self.actions.used() };
                change = session.fail(&no_reply(), self.limits, used, now);
            }
            None => {}
        }
        if session.failure.as_ref().is_some_and(|failure| now < failure.retry_at) {
            return (None, change);
        }
        self.advance(now);
        let wants = ByCategory { reads: self.wanted(Category::Reads), actions: self.wanted(Category::Actions) };
        let numbers = |first: SlotNumber, wants: usize| first..first.saturating_add(u64::try_from(wants).unwrap_or(0));
        let reads = numbers(self.next_slot, wants.reads);
        let ask = ByCategory { actions: numbers(reads.end, wants.actions), reads };
        let Some(session) = &mut self.session else { return (None, change) };
        let due = |category| {
            let wants = *wants.get(category) > 0;
            let asked = session.next.get(category).first().is_some_and(|next| *next > now);
            (wants && !asked) || (!wants && *session.queued.get(category))
        };
        if !session.has_reports() && !due(Category::Reads) && !due(Category::Actions) {
            return (None, change);
        }
        self.next_slot = ask.actions.end;
        let lease = self.reads.lease().max(self.actions.lease()) + self.total.length();
        let updates = self.take_updates(now);
        let State { limits, session, total, .. } = self;
        let Some(session) = session else { return (None, change) };
        session.steps += 1;
        let hold = |hold: &mut Option<(Instant, bool)>| {
            hold.take()
                .map(|(until, only_if_room)| HoldReport { wait: until.saturating_duration_since(now), only_if_room })
        };
        let step = Step {
            process: session.process,
            capacity: ByCategory { reads: limits.reads, actions: limits.actions },
            total: limits.total,
            window: total.length(),
            known_epoch: session.epoch,
            new_epoch: random(),
            updates,
            ask: ByCategory { reads: ask.reads.clone().collect(), actions: ask.actions.clone().collect() },
            lease,
            holds: ByCategory { reads: hold(&mut session.holds.reads), actions: hold(&mut session.holds.actions) },
        };
        session.in_progress = Some(StepInProgress { number: session.steps, started: now, ask });
        (Some((session.steps, step)), change)
    }

    /// How many slots of a category the waiting calls can use now, as far as the process itself knows.
    fn wanted(&mut self, category: Category) -> usize {
        if self.session.as_ref().is_some_and(Session::grants_alone) {
            // Meanwhile the waiting calls get their slots without the store.
            return 0;
        }
        let total = self.total.room();
        let lane = self.lane(category);
        if lane.is_held() { 0 } else { lane.queue_length().min(lane.room()).min(total).min(MAX_ASK) }
    }

    fn take_updates(&mut self, now: Instant) -> Vec<SlotUpdate> {
        let length = self.total.length();
        let Some(session) = &mut self.session else { return Vec::new() };
        let returned = session.returned.drain(..).map(|(category, slot)| SlotUpdate { category, slot, free_in: None });
        let mut updates: Vec<SlotUpdate> = returned.collect();
        let renewed = std::mem::take(&mut session.renewed);
        if std::mem::take(&mut session.upload) {
            session.responded.clear();
            for category in [Category::Reads, Category::Actions] {
                updates.extend(self.lane(category).updates(category, now));
            }
            return updates;
        }
        updates.extend(session.responded.drain(..).map(|(category, slot, at)| {
            let free_in = Some((at + length).saturating_duration_since(now));
            SlotUpdate { category, slot, free_in }
        }));
        for (category, slot) in renewed {
            updates.extend(self.lane(category).updates(category, now).filter(|update| update.slot == slot));
        }
        updates
    }

    /// Applies the result of a step.
    pub(super) fn complete_step(
        &mut self,
        number: u64,
        result: Result<Reply, StoreError>,
        now: Instant,
    ) -> Option<Change> {
        let session = self.session.as_mut()?;
        let used = ByCategory { reads: self.reads.used(), actions: self.actions.used() };
        // Another number: that step took too long, and its slots were reported as returned.
        let step = session.in_progress.take_if(|step| step.number == number)?;
        // Other processes may have the slots of an overdue reply by now.
        let result = result.and_then(|reply| if step.is_overdue(now) { Err(no_reply()) } else { Ok(reply) });
        let reply = match result {
            Ok(reply) => reply,
            Err(error) => {
                session.in_progress = Some(step);
                return session.fail(&error, self.limits, used, now);
            }
        };
        let restored = session.is_lost();
        session.failure = None;
        if restored {
            // The other processes reach the store again within a window. Until then the log lacks the slots that they use.
            session.restrict_to_share(self.limits, now);
        }
        if session.epoch != Some(reply.epoch) {
            // The store has another log: the old one was lost, and this process or another one has made a new one.
            if session.epoch.is_some() {
                session.upload = true;
                session.restrict(self.limits, used, now);
            }
            session.epoch = Some(reply.epoch);
        }
        if session.restriction.as_ref().is_none_or(|restriction| restriction.until <= now) {
            session.restriction = None;
            session.processes = reply.processes;
        } else {
            session.processes = session.processes.max(reply.processes);
        }
        let RateLimits { window, .. } = self.limits;
        session.room.record(reply.room, window, now);
        for category in [Category::Reads, Category::Actions] {
            let next: Vec<Instant> = reply.next.get(category).iter().map(|wait| now + *wait).collect();
            *session.queued.get_mut(category) = !next.is_empty();
            *session.next.get_mut(category) = next;
        }
        self.advance(now);
        for category in [Category::Reads, Category::Actions] {
            for slot in reply.granted.get(category) {
                if !self.grant(category, *slot, now)
                    && let Some(session) = &mut self.session
                {
                    session.mark_returned(category, *slot);
                }
            }
            let held = *reply.holds.get(category);
            if !held.is_zero() {
                self.lane(category).hold_until(now + held);
            }
            self.lane(category).wake_first();
        }
        restored.then_some(Change::Restored)
    }
}
