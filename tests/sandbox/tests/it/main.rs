//! The sandbox from the outside: plain HTTP over plain sockets, so that every byte is the test's own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

mod access;
mod actions;
mod control;
mod faults;
mod idempotency;
mod ledger;
mod limits;
mod program;
mod tls_and_proxy;
mod validation;
