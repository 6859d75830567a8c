//! Keeps the requests of this process within the service's rate windows.
//!
//! Invariants, for any latency and any order of drops:
//! - No sliding window at the server ever sees more requests than it allows: a request's slot comes free one window after
//!   its *response* arrived, so the server counted it at least one window ago. (An abandoned request counts from when it was
//!   abandoned; that the network delivers it to the server even later cannot be known here.)
//! - Calls of a category get permits in the order in which they came. A call overtakes an earlier one only when that one
//!   waits for its own category and not for the total.
//! - A slot is taken on grant, returned at once when nothing was sent, and freed by time otherwise: none is ever lost.
//! - A call that certainly gets no permit before its deadline fails at once.

mod pacer;
mod registry;
mod window;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::argument::{Argument, NameStyle};
use crate::error::Error;

pub(crate) use pacer::{DeadlineExceeded, Pacer, Permit, Ticket};
pub(crate) use registry::shared;

/// How many requests the service allows in each sliding window; by default its documented limits.
///
/// ```
/// use std::time::Duration;
/// use celper::RateLimits;
/// // Two processes share one company's limits: each uses half.
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
