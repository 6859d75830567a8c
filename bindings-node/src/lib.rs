//! The native half of the npm package `celper`: it passes calls to the core and returns outcomes as JSON. The TypeScript half
//! in `lib/` checks argument types and defines the classes.
//!
//! Functions here do not throw errors that callers see: a thrown native error has neither the error's fields nor the caller's
//! stack. Results and errors are returned as JSON, and TypeScript builds the objects.

// JavaScript uses the items that the macros export; rustc does not see that.
#![allow(unreachable_pub)]
// In test builds, which clippy also checks, the macros generate no exports.
#![cfg_attr(test, allow(dead_code))]

mod batch;
#[allow(
    unsafe_code,
    reason = "napi has no safe functions to reference a threadsafe function, and its hooks leak when they are removed"
)]
mod bridge;
mod client;
mod key;
mod outcome;
mod record;
mod scope;
mod tables;
mod watch;
mod webhooks;
