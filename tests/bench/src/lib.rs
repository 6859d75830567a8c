//! What the benchmarks share: a server that costs next to nothing, and the calls by hand that the SDK is compared with.
#![forbid(unsafe_code)]

pub mod by_hand;
pub mod server;
