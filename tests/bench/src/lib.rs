//! What the benchmarks of all languages share, and the Rust clients that they compare.
#![forbid(unsafe_code)]

pub mod by_hyper;
pub mod by_reqwest;
pub mod clients;
pub mod protocol;
pub mod server;
pub mod typed;
