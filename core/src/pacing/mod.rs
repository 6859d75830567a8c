//! Keeps the requests of this process inside the service's rate windows.
//!
//! What holds, whatever the latency and whoever is dropped when:
//! - No sliding window at the server ever sees more requests than it allows: a request's slot comes free one window after
//!   its *answer* arrived, so the server counted it at least one window ago. (A request that was given up counts from then;
//!   that the network delivers it to the server even later cannot be known here.)
//! - Calls of a category go in the order in which they came. A call passes an earlier one only when that one waits for its
//!   own category and not for the total.
//! - A slot is taken on grant, returned at once when nothing was sent, and freed by time otherwise: none is ever lost.
//! - A call that is certain to get no slot before its deadline is told so at once, while it still could do something else.

mod pacer;
mod registry;
mod window;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::error::Error;

pub(crate) use pacer::{Pacer, Permit, Refused, Ticket};
pub(crate) use registry::shared;

/// How many requests the service allows in each sliding window; by default its documented limits.
///
/// ```
/// use std::time::Duration;
/// use celper::RateLimits;
/// // Two processes share one company's limits: each takes half.
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

/// Below the clock's and the network's own granularity there is nothing to pace.
const SHORTEST_WINDOW: Duration = Duration::from_millis(10);
/// A window far longer than any service's would only hide a unit mixed up.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

impl RateLimits {
    /// Whether these are limits that can be kept to. A client checks them as well.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when one of them is 0, or the window is shorter than
    /// 10 ms or longer than 24 hours.
    pub fn check(&self) -> Result<(), Error> {
        if self.reads == 0 || self.actions == 0 || self.total == 0 {
            return Err(Error::invalid_argument("rate_limits must allow at least one request in each window"));
        }
        if self.window < SHORTEST_WINDOW || self.window > LONGEST_WINDOW {
            return Err(Error::invalid_argument("rate_limits.window must be at least 10 ms and at most 24 hours"));
        }
        Ok(())
    }

    /// The limits that keep to both.
    fn stricter(self, other: RateLimits) -> RateLimits {
        RateLimits {
            reads: self.reads.min(other.reads),
            actions: self.actions.min(other.actions),
            total: self.total.min(other.total),
            window: self.window.max(other.window),
        }
    }
}
