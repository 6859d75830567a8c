//! The benchmarks' server, and the Rust clients that they compare.
#![forbid(unsafe_code)]

pub mod clients;
pub mod hyper_client;
pub mod protocol;
pub mod reqwest_client;
pub mod server;
pub mod typed;
