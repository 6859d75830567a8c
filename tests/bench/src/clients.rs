//! What every client can be asked for, and the Celper client itself.

use std::error::Error;
use std::future::Future;

use celper::{CandidateStatus, Client, ErrorKind, JobPositionId, RateLimits};
use serde::Deserialize;

/// The API key that all clients send.
pub const KEY: &str = "celp_0123456789abcdef0123456789abcdef";
/// The candidate that all calls are about.
pub const CANDIDATE: &str = "cand_xyz789";
/// The candidate's job position.
pub const POSITION: &str = "pos_abc123";

/// Why a call was not what it should be.
pub type Failed = String;

/// What a call does, in the runner's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Reads the candidate's status.
    #[default]
    Status,
    /// Invites the candidate with an e-mail body of 1,000 characters.
    Invite,
    /// Asks for a candidate that is not known, and takes the error for what it is.
    Missing,
    /// Reads the status of the candidate whose answers the server holds back.
    Held,
}

/// A client that is measured. Every result is compared with what the server sent.
pub trait Calls: Clone + Send + Sync + 'static {
    /// One call.
    fn call(&self, operation: Operation) -> impl Future<Output = Result<(), Failed>> + Send;
}

/// The body of the invitation's e-mail.
pub fn email_body() -> String {
    "x".repeat(1_000)
}

/// Whether a call gave what it should.
///
/// # Errors
///
/// When it did not.
pub fn expect(as_sent: bool) -> Result<(), Failed> {
    if as_sent { Ok(()) } else { Err("the result is not what the server sent".to_owned()) }
}

/// Puts an error into words.
pub fn words(error: impl Error) -> Failed {
    error.to_string()
}

/// The client that this is all about.
#[derive(Clone)]
pub struct Celper {
    client: Client,
    email_body: String,
}

impl Celper {
    /// Without pacing, as the peers have none.
    ///
    /// # Errors
    ///
    /// When the client cannot be set up.
    pub fn new(base_url: &str) -> Result<Self, Box<dyn Error>> {
        Celper::with(base_url, None)
    }

    /// With pacing that never has to wait.
    ///
    /// # Errors
    ///
    /// When the client cannot be set up.
    pub fn paced(base_url: &str) -> Result<Self, Box<dyn Error>> {
        let (reads, actions, total) = (100_000_000, 100_000_000, 200_000_000);
        Celper::with(base_url, Some(RateLimits { reads, actions, total, ..RateLimits::default() }))
    }

    fn with(base_url: &str, limits: Option<RateLimits>) -> Result<Self, Box<dyn Error>> {
        let client = Client::builder().api_key(KEY).base_url(base_url).rate_limits(limits).build()?;
        Ok(Celper { client, email_body: email_body() })
    }
}

impl Calls for Celper {
    async fn call(&self, operation: Operation) -> Result<(), Failed> {
        let status = |candidate| self.client.get_candidate_status(candidate, JobPositionId(POSITION));
        match operation {
            Operation::Status | Operation::Held => {
                let candidate = if operation == Operation::Held { crate::server::HELD } else { CANDIDATE };
                let state = status(candidate).await.map_err(words)?;
                expect(state.status == CandidateStatus::Interviewed && state.interview_score == Some(85.0))
            }
            Operation::Invite => {
                let invitation = self.client.invite_candidate(CANDIDATE, JobPositionId(POSITION));
                let invitation = invitation.email_body(self.email_body.as_str()).await.map_err(words)?;
                expect(invitation.invited && invitation.session_id == "sess_abc123")
            }
            Operation::Missing => match status(crate::server::UNKNOWN).await {
                Err(error) => expect(error.kind() == ErrorKind::NotFound && error.code() == Some("NOT_FOUND")),
                Ok(_) => expect(false),
            },
        }
    }
}
