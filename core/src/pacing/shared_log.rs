//! The log of a store: which slots are taken until when, and which processes wait for the next ones.
//!
//! This is the algorithm of every store. It has no clock and does no I/O: the machine's file holds this structure, and
//! `redis.lua` does the same in Lua; a property test compares the two.

use std::time::Duration;

use super::HOLD_MARGIN;
use super::store::{ByCategory, HoldReport, Reply, Room, SlotNumber, Step, millis};
use crate::operation::Category;

/// How long a process may be late for its turn before others may take its slot.
const GRACE: u64 = 250;

/// Times are milliseconds of the store's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SharedLog {
    epoch: u64,
    /// The time of the last step.
    written_at: u64,
    /// The slots that are taken, in the order in which they come free. The total is the sum of both.
    slots: ByCategory<Vec<Slot>>,
    /// The processes that wait, in the order of their turns.
    waiting: Vec<Waiting>,
    held_until: ByCategory<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    free_at: u64,
    process: u64,
    number: SlotNumber,
}

/// A process that waits for a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    process: u64,
    actions: bool,
    wants: u32,
    /// Until then its turn is kept.
    due_by: u64,
}

const CATEGORIES: [Category; 2] = [Category::Reads, Category::Actions];

fn other(category: Category) -> Category {
    match category {
        Category::Reads => Category::Actions,
        Category::Actions => Category::Reads,
    }
}

impl Waiting {
    fn category(&self) -> Category {
        if self.actions { Category::Actions } else { Category::Reads }
    }
}

impl SharedLog {
    pub(super) fn new(epoch: u64) -> Self {
        SharedLog { epoch, ..SharedLog::default() }
    }

    /// Appends the log to a file's content, as words of eight bytes.
    #[cfg(feature = "machine")]
    pub(super) fn append_to(&self, bytes: &mut Vec<u8>) {
        let length = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let mut words = |words: &[u64]| words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        words(&[self.epoch, self.written_at, self.held_until.reads, self.held_until.actions]);
        words(&[length(self.slots.reads.len()), length(self.slots.actions.len()), length(self.waiting.len())]);
        for slot in self.slots.reads.iter().chain(&self.slots.actions) {
            words(&[slot.free_at, slot.process, slot.number]);
        }
        for waiting in &self.waiting {
            words(&[waiting.process, waiting.actions.into(), waiting.wants.into(), waiting.due_by]);
        }
    }

    /// Replaces the log by a file's content. `None` if that is no log; then the log has to be begun again.
    #[cfg(feature = "machine")]
    pub(super) fn read_from(&mut self, bytes: &[u8]) -> Option<()> {
        let (words, []) = bytes.as_chunks::<8>() else { return None };
        let (header, rest) = words.split_first_chunk::<7>()?;
        let [epoch, written_at, reads_held_until, actions_held_until, reads, actions, waiting] =
            header.map(u64::from_le_bytes);
        let length = |count: u64| usize::try_from(count).ok();
        let (reads, rest) = rest.split_at_checked(length(reads)?.checked_mul(3)?)?;
        let (actions, rest) = rest.split_at_checked(length(actions)?.checked_mul(3)?)?;
        let (rest, []) = rest.as_chunks::<4>() else { return None };
        if rest.len() != length(waiting)? {
            return None;
        }
        for (slots, words) in [(&mut self.slots.reads, reads), (&mut self.slots.actions, actions)] {
            slots.clear();
            slots.extend(words.as_chunks::<3>().0.iter().map(|words| {
                let [free_at, process, number] = words.map(u64::from_le_bytes);
                Slot { free_at, process, number }
            }));
        }
        self.waiting.clear();
        for words in rest {
            let [process, actions, wants, due_by] = words.map(u64::from_le_bytes);
            self.waiting.push(Waiting { process, actions: actions != 0, wants: u32::try_from(wants).ok()?, due_by });
        }
        (self.epoch, self.written_at) = (epoch, written_at);
        self.held_until = ByCategory { reads: reads_held_until, actions: actions_held_until };
        Some(())
    }

    /// Makes one step of a process at the time `now`.
    pub(super) fn step(&mut self, now: u64, step: &Step) -> Reply {
        let window = millis(step.window);
        self.follow_clock(now);
        self.expire(now, window);
        let known = step.known_epoch.is_none_or(|epoch| epoch == self.epoch);
        for update in &step.updates {
            self.put(
                update.category,
                step.process,
                update.slot,
                update.free_in.map(|free_in| now.saturating_add(millis(free_in))),
            );
        }
        for category in CATEGORIES {
            if let Some(hold) = step.holds.get(category) {
                self.hold(now, category, *hold, step);
            }
        }
        let mut granted = ByCategory::<Vec<SlotNumber>>::default();
        let mut ask = ByCategory::<Vec<SlotNumber>>::default();
        for category in CATEGORIES {
            for number in step.ask.get(category) {
                // A repeated step gets what the first one got.
                let taken =
                    self.slots.get(category).iter().any(|slot| (slot.process, slot.number) == (step.process, *number));
                let list = if taken { granted.get_mut(category) } else { ask.get_mut(category) };
                list.push(*number);
            }
            self.enqueue(step.process, category, ask.get(category).len(), now);
        }
        if known {
            let turns = self.turns(now, step);
            for category in CATEGORIES {
                let asked = ask.get_mut(category);
                let turns = (*turns.get(category)).min(asked.len());
                for number in asked.drain(..turns) {
                    self.put(category, step.process, number, Some(now.saturating_add(millis(step.lease))));
                    granted.get_mut(category).push(number);
                }
                if turns > 0 {
                    self.requeue(step.process, category, asked.len());
                }
            }
        }
        let next = ByCategory {
            reads: self.forecast(now, step, Category::Reads, ask.reads.len(), known),
            actions: self.forecast(now, step, Category::Actions, ask.actions.len(), known),
        };
        let grace = GRACE.min(window / 8);
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.process == step.process) {
            let wait = next.get(waiting.category()).first().copied().unwrap_or_default();
            waiting.due_by = now.saturating_add(millis(wait)).saturating_add(grace);
        }
        let wanted = |category: Option<Category>| -> usize {
            let others = self.waiting.iter().filter(|waiting| waiting.process != step.process);
            let wanted = others.filter(|waiting| category.is_none_or(|category| waiting.category() == category));
            wanted.map(|waiting| usize::try_from(waiting.wants).unwrap_or(0)).sum()
        };
        Reply {
            epoch: self.epoch,
            granted,
            next,
            room: Room {
                reads: count(self.room(Category::Reads, step).saturating_sub(wanted(Some(Category::Reads)))),
                actions: count(self.room(Category::Actions, step).saturating_sub(wanted(Some(Category::Actions)))),
                total: count(self.total_room(step).saturating_sub(wanted(None))),
            },
            processes: self.processes(step.process),
            holds: ByCategory {
                reads: Duration::from_millis(self.held_until.reads.saturating_sub(now)),
                actions: Duration::from_millis(self.held_until.actions.saturating_sub(now)),
            },
        }
    }

    /// When the clock has gone back, moves all times back as well: it was set, or another server or a restart has replaced it.
    fn follow_clock(&mut self, now: u64) {
        let back = self.written_at.saturating_sub(now);
        if back > 0 {
            let slots = self.slots.reads.iter_mut().chain(&mut self.slots.actions).map(|slot| &mut slot.free_at);
            let waiting = self.waiting.iter_mut().map(|waiting| &mut waiting.due_by);
            let holds = [&mut self.held_until.reads, &mut self.held_until.actions];
            slots.chain(waiting).chain(holds).for_each(|time| *time = time.saturating_sub(back));
        }
        self.written_at = now;
    }

    /// Removes the slots that have come free, and the processes that did not come back for a window.
    fn expire(&mut self, now: u64, window: u64) {
        self.slots.reads.retain(|slot| slot.free_at > now);
        self.slots.actions.retain(|slot| slot.free_at > now);
        self.waiting.retain(|waiting| waiting.due_by.saturating_add(window) > now);
    }

    fn put(&mut self, category: Category, process: u64, number: SlotNumber, free_at: Option<u64>) {
        let slots = self.slots.get_mut(category);
        slots.retain(|slot| (slot.process, slot.number) != (process, number));
        if let Some(free_at) = free_at {
            let position = slots.partition_point(|slot| slot.free_at <= free_at);
            slots.insert(position, Slot { free_at, process, number });
        }
    }

    fn hold(&mut self, now: u64, category: Category, hold: HoldReport, step: &Step) {
        let room = self.room(category, step) > 0 && self.total_room(step) > 0;
        if hold.only_if_room && !room {
            return;
        }
        let until = now.saturating_add(millis(hold.wait.min(step.window + HOLD_MARGIN)));
        let held_until = self.held_until.get_mut(category);
        *held_until = until.max(*held_until);
    }

    fn room(&self, category: Category, step: &Step) -> usize {
        capacity(*step.capacity.get(category)).saturating_sub(self.slots.get(category).len())
    }

    fn total_room(&self, step: &Step) -> usize {
        capacity(step.total).saturating_sub(self.slots.reads.len() + self.slots.actions.len())
    }

    /// Adds a process that wants slots to the end of the queue, unless it is in it; removes one that wants none.
    fn enqueue(&mut self, process: u64, category: Category, wants: usize, now: u64) {
        let wants = count(wants);
        let entry = |waiting: &Waiting| waiting.process == process && waiting.category() == category;
        match self.waiting.iter_mut().find(|waiting| entry(waiting)) {
            _ if wants == 0 => self.waiting.retain(|waiting| !entry(waiting)),
            Some(waiting) => waiting.wants = wants,
            None => {
                let actions = category == Category::Actions;
                self.waiting.push(Waiting { process, actions, wants, due_by: now });
            }
        }
    }

    /// Moves a process that had its turn to the end.
    fn requeue(&mut self, process: u64, category: Category, wants: usize) {
        self.waiting.retain(|waiting| waiting.process != process || waiting.category() != category);
        self.enqueue(process, category, wants, 0);
    }

    fn keeps_turn(waiting: &Waiting, now: u64, step: &Step) -> bool {
        waiting.process == step.process || waiting.due_by >= now
    }

    /// How many free slots the process gets when all waiting processes take turns. The others' slots stay free for them.
    fn turns(&self, now: u64, step: &Step) -> ByCategory<usize> {
        let room_now = |category| if *self.held_until.get(category) > now { 0 } else { self.room(category, step) };
        let mut room = ByCategory { reads: room_now(Category::Reads), actions: room_now(Category::Actions) };
        let mut total = self.total_room(step);
        let mut turns = ByCategory::default();
        let mut waiting: Vec<Waiting> =
            self.waiting.iter().filter(|waiting| Self::keeps_turn(waiting, now, step)).copied().collect();
        loop {
            let before = total;
            for entry in &mut waiting {
                let room = room.get_mut(entry.category());
                if entry.wants > 0 && *room > 0 && total > 0 {
                    entry.wants -= 1;
                    *room -= 1;
                    total -= 1;
                    if entry.process == step.process {
                        *turns.get_mut(entry.category()) += 1;
                    }
                }
            }
            if total == before {
                return turns;
            }
        }
    }

    /// When the process's next `wants` slots come free, if every process that waits takes its turns and every request in flight
    /// gets its response now.
    fn forecast(&self, now: u64, step: &Step, category: Category, wants: usize, known: bool) -> Vec<Duration> {
        if !known || wants == 0 {
            return vec![Duration::ZERO; wants];
        }
        let window = millis(step.window);
        let latest = now.saturating_add(window);
        let times = |slots: &[Slot]| -> Vec<u64> { slots.iter().map(|slot| slot.free_at.min(latest)).collect() };
        let (own, others) = (times(self.slots.get(category)), times(self.slots.get(other(category))));
        let mut total = [own.as_slice(), others.as_slice()].concat();
        total.sort_unstable();
        let (own_capacity, total_capacity) = (capacity(*step.capacity.get(category)), capacity(step.total));
        let others_capacity = capacity(*step.capacity.get(other(category)));
        let nth = |times: &[u64], capacity: usize, ahead: usize| -> u64 {
            let free = capacity.saturating_sub(times.len());
            let surplus = times.len().saturating_sub(capacity);
            let rounds = u64::try_from(ahead / capacity).unwrap_or(u64::MAX);
            let first = match (ahead % capacity).checked_sub(free) {
                None => now,
                Some(nth) => times.get(nth + surplus).copied().unwrap_or(latest),
            };
            first.saturating_add(window.saturating_mul(rounds))
        };
        let live: Vec<&Waiting> = self.waiting.iter().filter(|waiting| Self::keeps_turn(waiting, now, step)).collect();
        let place = live.iter().position(|entry| entry.process == step.process && entry.category() == category);
        let place = place.unwrap_or(live.len());
        // How many slots of a category are taken before the process's turn `turn`.
        let ahead = |of: Category, turn: usize| -> usize {
            let taken = |(at, entry): (usize, &&Waiting)| {
                let turns = if at < place { turn + 1 } else { turn };
                if at == place || entry.category() != of {
                    0
                } else {
                    turns.min(usize::try_from(entry.wants).unwrap_or(0))
                }
            };
            live.iter().enumerate().map(taken).sum()
        };
        (0..wants)
            .map(|turn| {
                let ahead_own = ahead(category, turn) + turn;
                let free = nth(&own, own_capacity, ahead_own).max(*self.held_until.get(category)).max(nth(
                    &total,
                    total_capacity,
                    ahead_own,
                ));
                // The other category's turns use the total only as far as that category has room.
                let freed = others.partition_point(|free_at| *free_at <= free);
                let certain = if *self.held_until.get(other(category)) <= free {
                    (others_capacity + freed).saturating_sub(others.len())
                } else {
                    0
                };
                let passing = ahead(other(category), turn).min(certain);
                let free = free.max(nth(&total, total_capacity, ahead_own + passing));
                // Never 0, because the slot was not granted in this step.
                Duration::from_millis(free.saturating_sub(now).max(1))
            })
            .collect()
    }

    fn processes(&self, own: u64) -> u32 {
        let slots = self.slots.reads.iter().chain(&self.slots.actions).map(|slot| slot.process);
        let mut all: Vec<u64> = slots.chain(self.waiting.iter().map(|waiting| waiting.process)).chain([own]).collect();
        all.sort_unstable();
        all.dedup();
        count(all.len())
    }
}

fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn capacity(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX).max(1)
}
