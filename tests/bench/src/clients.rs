//! The trait of all measured clients, and the Celper client.

use std::error::Error;
use std::future::Future;

use celper::{CandidateStatus, Client, ClientBuilder, ErrorKind, JobPositionId, RateLimits};
use serde::Deserialize;

/// The API key that all clients send.
pub const KEY: &str = "celp_0123456789abcdef0123456789abcdef";
/// The candidate that all calls are about.
pub const CANDIDATE: &str = "cand_xyz789";
/// The candidate's job position.
pub const POSITION: &str = "pos_abc123";

/// Why a call failed or had a wrong result.
pub type CallError = String;

/// What a call does, by the runner's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Reads the candidate's status.
    #[default]
    Status,
    /// Invites the candidate with an e-mail body of 1,000 characters.
    Invite,
    /// Reads the status of an unknown candidate, and handles the typed error.
    Missing,
    /// Reads the status of the candidate for which the server withholds its responses.
    Held,
}

/// A measured client. Every result is compared with what the server sent.
pub trait Calls: Clone + Send + Sync + 'static {
    /// Makes one call and checks its result.
    fn call(&self, operation: Operation) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// The body of the invitation's e-mail.
pub fn email_body() -> String {
    "x".repeat(1_000)
}

/// Checks a result.
///
/// # Errors
///
/// If it is not what the server sent.
pub fn ensure(as_sent: bool) -> Result<(), CallError> {
    if as_sent { Ok(()) } else { Err("the result is not what the server sent".to_owned()) }
}

/// Converts an error to a message.
pub fn to_message(error: impl Error) -> CallError {
    error.to_string()
}

fn high_limits() -> RateLimits {
    let (reads, actions, total) = (100_000_000, 100_000_000, 200_000_000);
    RateLimits { reads, actions, total, ..RateLimits::default() }
}

/// The Celper client.
#[derive(Clone)]
pub struct Celper {
    client: Client,
    email_body: String,
}

impl Celper {
    /// Creates a client without pacing, because the other clients have none.
    ///
    /// # Errors
    ///
    /// If the client cannot be created.
    pub fn new(base_url: &str) -> Result<Self, Box<dyn Error>> {
        Celper::with(base_url, |builder| builder.rate_limits(None))
    }

    /// Creates a client with pacing in the process, and limits that are never reached: the log of so many requests a minute
    /// would not fit into the machine's file.
    ///
    /// # Errors
    ///
    /// If the client cannot be created.
    pub fn paced(base_url: &str) -> Result<Self, Box<dyn Error>> {
        Celper::with(base_url, |builder| builder.rate_limits(high_limits()).rate_limit_store("process"))
    }

    /// Creates a client with pacing by the machine's file, and limits that are never reached.
    ///
    /// # Errors
    ///
    /// If the client cannot be created.
    pub fn paced_by_file(base_url: &str) -> Result<Self, Box<dyn Error>> {
        Celper::with(base_url, |builder| builder.rate_limits(high_limits()).rate_limit_store("machine"))
    }

    fn with(base_url: &str, set: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<Self, Box<dyn Error>> {
        let client = set(Client::builder().api_key(KEY).base_url(base_url)).build()?;
        Ok(Celper { client, email_body: email_body() })
    }
}

impl Calls for Celper {
    async fn call(&self, operation: Operation) -> Result<(), CallError> {
        let status = |candidate| self.client.get_candidate_status(candidate, JobPositionId(POSITION));
        match operation {
            Operation::Status | Operation::Held => {
                let candidate = if operation == Operation::Held { crate::server::HELD } else { CANDIDATE };
                let state = status(candidate).await.map_err(to_message)?;
                ensure(state.status == CandidateStatus::Interviewed && state.interview_score == Some(85.0))
            }
            Operation::Invite => {
                let invitation = self.client.invite_candidate(CANDIDATE, JobPositionId(POSITION));
                let invitation = invitation.email_body(self.email_body.as_str()).await.map_err(to_message)?;
                ensure(invitation.invited && invitation.session_id == "sess_abc123")
            }
            Operation::Missing => match status(crate::server::UNKNOWN).await {
                Err(error) => ensure(error.kind() == ErrorKind::NotFound && error.code() == Some("NOT_FOUND")),
                Ok(_) => ensure(false),
            },
        }
    }
}
