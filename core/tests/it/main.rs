//! The client against a real server on real sockets. Behaviour that depends on time alone is tested on a paused clock inside
//! the crate.
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod batches;
mod cancellation;
mod connections;
mod dead_sockets;
mod failure_messages;
mod faults;
mod hostile_input;
mod http_settings;
mod logs;
mod operations;
mod pacing;
mod proxy;
mod random_faults;
mod raw_server;
mod spans;
mod test_env;
mod tls;
