//! The sandbox over real sockets, with plain HTTP, so that a test controls every byte.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

mod access;
mod actions;
mod bounds;
mod control;
mod control_access;
mod faults;
mod idempotency;
mod limits;
mod program;
mod request_log;
mod timeouts;
mod tls_and_proxy;
mod validation;
mod webhooks;
