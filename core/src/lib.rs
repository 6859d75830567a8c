//! Client for the Celper AI Candidate Actions API: read a candidate's status; invite, select, reject.
//!
//! ```no_run
//! use celper::{Client, JobPositionId};
//!
//! # async fn example() -> Result<(), celper::Error> {
//! let client = Client::from_env()?; // CELPER_API_KEY, CELPER_BASE_URL
//! let state = client.get_candidate_status("cand_xyz789", JobPositionId("pos_abc123")).await?;
//! if state.analysis_viewed {
//!     client.select_candidate("cand_xyz789", JobPositionId("pos_abc123")).await?;
//! }
//! # Ok(()) }
//! ```
//!
//! - **Retries**: connection failures, timeouts, 429 and 5xx are retried, twice by default, within the call's
//!   [`timeout`](ClientBuilder::timeout); nothing else is.
//! - **Idempotency**: every action has an idempotency key that is generated once per call and is the same in all of its
//!   attempts, so nobody is invited twice.
//! - **Rate limits**: calls are paced to the service's documented [windows](RateLimits), in order. All processes of this user on the
//!   machine share them, or [through Redis](ClientBuilder::rate_limit_store) those of several machines.
//! - **Many candidates**: a [`Batch`] carries out any number of requests at the permitted rate, with progress. After a crash it
//!   continues where it stopped.
//! - **Waiting**: [`wait_for_status`](Client::wait_for_status) waits for minutes until a candidate has a status, and a [`Watch`]
//!   gives each change; they leave half of the reads to other calls.
//! - **Webhooks**: [`webhooks::unwrap`] verifies a webhook's signature and reads its event.
//! - **Errors**: one [`Error`] with a stable [`kind`](Error::kind); for actions it says whether the
//!   [outcome is unknown](Error::outcome_unknown).
//! - **Secrets**: the API key is in no `Debug`, log or error, is sent to no other host, and is wiped from memory.
//!
//! Dropping a call's future drops its request on the wire. Logs are [`tracing`] events with the target `celper`.
#![forbid(unsafe_code)]

mod argument;
mod base_url;
mod batch;
#[cfg(feature = "bindings")]
pub mod bindings;
mod call;
mod client;
mod config;
mod connect;
mod digest;
mod dns;
mod error;
mod key;
mod model;
mod operation;
mod pacing;
mod panics;
mod process;
mod proxy;
mod record;
mod request;
mod response;
mod retry;
mod spans;
mod tls;
mod transport;
mod validate;
mod watch;
pub mod webhooks;

/// The HTTP client that [`ClientBuilder::configure_http`] configures.
pub use reqwest;

pub use batch::{
    Batch, BatchBuilder, BatchItem, BatchProgress, CandidateRequest, InviteRequest, RejectRequest, SelectRequest,
    StatusRequest,
};
pub use client::Client;
pub use config::ClientBuilder;
pub use error::{Error, ErrorKind, ErrorKindRow};
pub use key::{ApiKey, KeyFuture, KeyProvider};
pub use model::{CandidateState, CandidateStatus, Decision, Invitation, RateLimit};
pub use operation::Operation;
pub use pacing::RateLimits;
pub use record::{AttemptRecord, CallRecord, ConnectionUse, WaitReason, WaitRecord};
pub use request::{JobPositionId, OperationInput, OperationOutput, Request};
pub use watch::{StatusWait, Watch, WatchItem};
