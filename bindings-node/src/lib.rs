//! The native half of the npm package `celper`: hands calls to the core, and hands outcomes back as data. The TypeScript half
//! in `lib/` checks types and owns the classes.
//!
//! Nothing here throws what a caller sees. A thrown native error would carry neither the error's fields nor the caller's
//! stack, so outcomes, good and bad, travel as JSON and become results and errors on the other side.

// What the macros export is reached from JavaScript, which rustc cannot see.
#![allow(unreachable_pub)]
// The macros leave the border out of a test build, which clippy looks at with the others.
#![cfg_attr(test, allow(dead_code))]

#[allow(unsafe_code, reason = "asks Node for what napi has no safe call for")]
mod bridge;
mod client;
mod outcome;
mod tables;
