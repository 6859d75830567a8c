//! Keeps requests within the service's rate windows: the requests of this process or, with a store, those of all processes
//! that share the store.
//!
//! Invariants, for any latency and any order of drops:
//! - No sliding window at the server ever sees more requests than it allows: a request's slot comes free one window after
//!   its *response* arrived, so the server counted it at least one window ago. (An abandoned request counts from when it was
//!   abandoned; that the network delivers it to the server even later cannot be known here.)
//! - Calls of a category get permits in the order in which they were made. A call overtakes an earlier one only when that
//!   one waits for its own category and not for the total.
//! - A slot is taken on grant, returned at once when nothing was sent, and freed by time otherwise: none is ever lost.
//! - A call that cannot get a permit before its deadline fails at once.
//! - With a store, the slot of a process that ends in the middle of a request comes free after a time. A process that cannot
//!   reach the store uses only its share of the limits.

#[cfg(feature = "machine")]
mod machine;
mod options;
mod pacer;
mod polls;
#[cfg(feature = "redis")]
mod redis_store;
mod registry;
mod session;
#[cfg(any(feature = "machine", test))]
mod shared_log;
mod store;
mod window;

#[cfg(test)]
#[cfg(all(feature = "redis", unix))]
mod redis_tests;
#[cfg(test)]
mod shared_tests;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::argument::{Argument, NameStyle};
use crate::error::Error;

pub(crate) use options::{Budget, StoreOptions, WhenStoreDown};
pub(crate) use pacer::{AcquireError, Member, Pacer, Permit, Ticket};
pub(crate) use polls::{PollBudget, PollSlot, Polls};
pub(crate) use registry::{shared, unshared};

/// How much longer than a window a hold may be: the service rounds its times to seconds.
const HOLD_MARGIN: Duration = Duration::from_secs(1);

/// A random number of 52 bits, which a number in Redis' Lua can hold. From the operating system, so that a forked child does
/// not get the same numbers as its parent.
fn random_u64() -> u64 {
    getrandom::u64().map_or(1, |value| (value >> 12).max(1))
}

/// How many requests the service allows in each sliding window; by default its documented limits.
///
/// ```
/// use std::time::Duration;
/// use celper::RateLimits;
/// // Leaves half of the company's limits to programs that do not share the store.
/// let half = RateLimits { reads: 20, actions: 15, total: 30, ..RateLimits::default() };
/// assert_eq!(half.window, Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Reads (status) in one window: 40.
    pub reads: u32,
    /// Actions (invite, select, reject) in one window: 30.
    pub actions: u32,
    /// Requests of all kinds in one window: 60.
    pub total: u32,
    /// The windows' length: 60 s.
    pub window: Duration,
}

impl Default for RateLimits {
    fn default() -> Self {
        RateLimits { reads: 40, actions: 30, total: 60, window: Duration::from_secs(60) }
    }
}

/// Windows shorter than the granularity of clocks and networks cannot be paced.
const SHORTEST_WINDOW: Duration = Duration::from_millis(10);
/// A longer window is a wrong unit.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

impl RateLimits {
    /// Whether the limits are valid. [`ClientBuilder::build`](crate::ClientBuilder::build) checks them as well.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when one of them is 0, or the window is shorter than
    /// 10 ms or longer than 24 hours.
    pub fn check(&self) -> Result<(), Error> {
        self.validate(NameStyle::default())
    }

    pub(crate) fn validate(&self, names: NameStyle) -> Result<(), Error> {
        if self.reads == 0 || self.actions == 0 || self.total == 0 {
            let name = Argument::RateLimits.name(names);
            return Err(Error::invalid_argument(format!("{name} must allow at least one request in each window")));
        }
        if self.window < SHORTEST_WINDOW || self.window > LONGEST_WINDOW {
            let name = Argument::RateLimitsWindow.name(names);
            return Err(Error::invalid_argument(format!("{name} must be at least 10 ms and at most 24 hours")));
        }
        Ok(())
    }

    /// The limits that satisfy both.
    fn stricter(self, other: RateLimits) -> RateLimits {
        RateLimits {
            reads: self.reads.min(other.reads),
            actions: self.actions.min(other.actions),
            total: self.total.min(other.total),
            window: self.window.max(other.window),
        }
    }
}
