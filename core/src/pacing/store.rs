//! What a pacer and a rate-limit store exchange. A store keeps the log of the windows that several processes share.

use std::time::Duration;

use crate::operation::Category;

/// A log of the windows, shared by the processes that use one budget.
#[cfg(any(feature = "machine", feature = "redis", test))]
pub(crate) trait RateLimitStore: std::fmt::Debug + Send + Sync {
    /// Makes one step and calls `done`, before it returns or later, on any thread. A step whose result was lost may be
    /// repeated: the caller chooses the slots' numbers, so no slot is taken twice.
    fn step(&self, step: Step, done: StepDone);

    /// Where the log is, for messages: without credentials.
    fn location(&self) -> String;
}

#[cfg(any(feature = "machine", feature = "redis", test))]
pub(crate) type Store = std::sync::Arc<dyn RateLimitStore>;

/// For apps, which are one process: without a store, the compiler removes the code that handles one.
#[cfg(not(any(feature = "machine", feature = "redis", test)))]
#[derive(Clone, Debug)]
pub(crate) enum Store {}

#[cfg(not(any(feature = "machine", feature = "redis", test)))]
impl Store {
    pub(crate) fn step(&self, _: Step, _: StepDone) {
        match *self {}
    }

    pub(crate) fn location(&self) -> String {
        match *self {}
    }
}

pub(crate) type StepDone = Box<dyn FnOnce(Result<Reply, StoreError>) + Send>;

/// The number that a process gives to a slot.
pub(crate) type SlotNumber = u64;

/// A value for each category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByCategory<T> {
    pub(crate) reads: T,
    pub(crate) actions: T,
}

impl<T> ByCategory<T> {
    pub(crate) fn get(&self, category: Category) -> &T {
        match category {
            Category::Reads => &self.reads,
            Category::Actions => &self.actions,
        }
    }

    pub(crate) fn get_mut(&mut self, category: Category) -> &mut T {
        match category {
            Category::Reads => &mut self.reads,
            Category::Actions => &mut self.actions,
        }
    }
}

/// Reports slots and asks for slots, in one atomic step. All times are durations: only the store's clock counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    /// A random number for each process and pacer.
    pub(crate) process: u64,
    /// How many slots there are: of each category, and in all.
    pub(crate) capacity: ByCategory<u32>,
    pub(crate) total: u32,
    pub(crate) window: Duration,
    /// The log that the process saw last. From another log the store grants nothing until the process has put its slots in.
    pub(crate) known_epoch: Option<u64>,
    /// A random name for the log, used if there is no log yet.
    pub(crate) new_epoch: u64,
    /// Slots that were returned, or that come free after some time. These replace what the log says of the same slots.
    pub(crate) updates: Vec<SlotUpdate>,
    /// The slots that the process can use now, at most [`MAX_ASK`] of a category.
    pub(crate) ask: ByCategory<Vec<SlotNumber>>,
    /// When a granted slot comes free if the process does not report it again.
    pub(crate) lease: Duration,
    /// The categories in which the service has no room, as its responses say.
    pub(crate) holds: ByCategory<Option<HoldReport>>,
}

/// The most slots of a category that one step asks for.
pub(crate) const MAX_ASK: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotUpdate {
    pub(crate) category: Category,
    pub(crate) slot: SlotNumber,
    /// `None`: it was not used and is free at once.
    pub(crate) free_in: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldReport {
    pub(crate) wait: Duration,
    /// Whether the hold applies only when the log has room: then a program that does not use the log has used the budget.
    /// A full log is more exact than the service's reset time.
    pub(crate) only_if_room: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reply {
    pub(crate) epoch: u64,
    /// The granted slots, of those that were asked for.
    pub(crate) granted: ByCategory<Vec<SlotNumber>>,
    /// When to ask for each of the slots that were not granted, if every other process takes its turns.
    pub(crate) next: ByCategory<Vec<Duration>>,
    pub(crate) room: Room,
    /// How many processes used the budget in the last window or wait for it, this one included.
    pub(crate) processes: u32,
    pub(crate) holds: ByCategory<Duration>,
}

/// How many slots are free after a step and not wanted by another process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) reads: u32,
    pub(crate) actions: u32,
    pub(crate) total: u32,
}

impl Room {
    pub(crate) fn min(self, other: Room) -> Room {
        Room {
            reads: self.reads.min(other.reads),
            actions: self.actions.min(other.actions),
            total: self.total.min(other.total),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Another process is in the middle of a step.
    #[error("the rate-limit store is locked by another process")]
    #[cfg_attr(not(feature = "machine"), allow(dead_code, reason = "only a file is locked"))]
    Busy,
    #[error("{0}")]
    Unavailable(String),
}

/// In whole milliseconds, rounded up: a slot is never free early.
#[cfg(any(feature = "machine", feature = "redis", test))]
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
