//! Batches against a simulated service on a paused clock: what is sent when, what the items are, and what a second run does.

mod face;
mod journals;
mod resume;
pub(crate) mod service;
