//! What a call asks for, as data, and the HTTP request that is made of it.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderValue;
use serde::Serialize;

use crate::answer::{FromAction, FromAnswer};
use crate::base_url::BaseUrl;
use crate::client::Client;
use crate::error::Error;
use crate::input::{check_body, check_idempotency_key, check_subject, encoded_id};
use crate::model::{CandidateState, Decision, Invitation};
use crate::operation::Operation;
use crate::transport::Prepared;

/// A job position's id. Naming the type at the call keeps the two ids, both texts, from being swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobPositionId<S>(pub S);

/// One call as data, for code that decides at run time what to call; language bindings do. [`Client::send`] takes it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct OperationInput {
    /// What to do.
    pub operation: Operation,
    /// The candidate's id.
    pub candidate_id: String,
    /// The id of the job position that the candidate stands for.
    pub job_position_id: String,
    /// Subject of the invitation's e-mail, at most 200 characters; the service's own when `None`. Invitations only.
    pub email_subject: Option<String>,
    /// Body of the invitation's e-mail, at most 5,000 characters, with `{interviewLink}` where the link belongs; the
    /// service's own when `None`. Invitations only.
    pub email_body: Option<String>,
    /// The action's idempotency key, at most 255 printable ASCII characters; a UUID v4 when `None`. Actions only.
    pub idempotency_key: Option<String>,
    /// In place of the client's `timeout`.
    pub timeout: Option<Duration>,
    /// In place of the client's `max_retries`.
    pub max_retries: Option<u32>,
}

/// What [`Client::send`] gives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OperationOutput {
    /// Of [`Operation::Status`].
    CandidateState(CandidateState),
    /// Of [`Operation::Invite`].
    Invitation(Invitation),
    /// Of [`Operation::Select`] and [`Operation::Reject`].
    Decision(Decision),
}

impl OperationInput {
    /// A call with nothing but what every call needs.
    pub fn new(operation: Operation, candidate_id: impl Into<String>, job_position_id: impl Into<String>) -> Self {
        OperationInput {
            operation,
            candidate_id: candidate_id.into(),
            job_position_id: job_position_id.into(),
            email_subject: None,
            email_body: None,
            idempotency_key: None,
            timeout: None,
            max_retries: None,
        }
    }

    /// Checks the input and makes the request of it, for all attempts.
    pub(crate) fn prepare(&self, base_url: &BaseUrl) -> Result<Prepared, Error> {
        self.checked(base_url).map_err(|error| self.refused(error))
    }

    /// The error of a call that is not made.
    pub(crate) fn refused(&self, error: Error) -> Error {
        error.with(|parts| {
            parts.operation = Some(self.operation);
            parts.idempotency_key.clone_from(&self.idempotency_key);
        })
    }

    fn checked(&self, base_url: &BaseUrl) -> Result<Prepared, Error> {
        let candidate = encoded_id("candidate_id", &self.candidate_id)?;
        let job_position = encoded_id("job_position_id", &self.job_position_id)?;
        self.email_subject.as_deref().map_or(Ok(()), check_subject)?;
        self.email_body.as_deref().map_or(Ok(()), check_body)?;
        self.idempotency_key.as_deref().map_or(Ok(()), check_idempotency_key)?;
        if self.timeout == Some(Duration::ZERO) {
            return Err(Error::invalid_argument("timeout must be longer than 0"));
        }
        if self.operation != Operation::Invite && (self.email_subject.is_some() || self.email_body.is_some()) {
            return Err(Error::invalid_argument("email_subject and email_body belong to an invitation"));
        }
        let mut path = format!("/v1/candidates/{candidate}/{}", self.operation.name());
        let action = if self.operation.is_action() {
            Some((self.idempotency_header()?, self.body()?))
        } else if self.idempotency_key.is_some() {
            return Err(Error::invalid_argument("a read takes no idempotency_key; it changes nothing"));
        } else {
            path.push_str("?jobPositionId=");
            path.push_str(&job_position);
            None
        };
        Ok(Prepared { operation: self.operation, uri: base_url.join(&path)?, action })
    }

    fn idempotency_header(&self) -> Result<HeaderValue, Error> {
        let value = match &self.idempotency_key {
            Some(key) => HeaderValue::from_str(key),
            None => HeaderValue::from_str(&new_idempotency_key()?),
        };
        value.map_err(|_| Error::invalid_argument("idempotency_key cannot travel in a header"))
    }

    fn body(&self) -> Result<Bytes, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            job_position_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            email_subject: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            email_body: Option<&'a str>,
        }
        let body = Body {
            job_position_id: &self.job_position_id,
            email_subject: self.email_subject.as_deref(),
            email_body: self.email_body.as_deref(),
        };
        let bytes = serde_json::to_vec(&body);
        bytes.map(Bytes::from).map_err(|error| Error::invalid_argument(format!("no JSON can be made of this: {error}")))
    }
}

/// Shows which call it is, and nothing of an e-mail.
impl std::fmt::Debug for OperationInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperationInput")
            .field("operation", &self.operation)
            .field("candidate_id", &self.candidate_id)
            .field("job_position_id", &self.job_position_id)
            .field("idempotency_key", &self.idempotency_key)
            .finish_non_exhaustive()
    }
}

/// A UUID v4 from the operating system's randomness. Nothing is buffered in the process, so a forked child never repeats
/// its parent's keys.
fn new_idempotency_key() -> Result<String, Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| {
        Error::invalid_argument(format!(
            "the system has no randomness for an idempotency key ({error}); pass one of your own"
        ))
    })?;
    Ok(uuid::Builder::from_random_bytes(random).into_uuid().to_string())
}

/// A call that goes out when it is awaited.
///
/// ```no_run
/// # async fn example(client: celper::Client) -> Result<(), celper::Error> {
/// use std::time::Duration;
/// use celper::JobPositionId;
/// let invitation = client
///     .invite_candidate("cand_xyz789", JobPositionId("pos_abc123"))
///     .email_subject("Your interview")
///     .timeout(Duration::from_secs(20))
///     .await?;
/// # Ok(()) }
/// ```
///
/// Dropping the future (a `select!` that went another way, say) drops the request on the wire, and no retry follows.
#[derive(Debug)]
#[must_use = "a request does nothing until it is awaited"]
pub struct Request<R> {
    client: Client,
    input: OperationInput,
    result: PhantomData<fn() -> R>,
}

impl<R: FromAnswer> Request<R> {
    pub(crate) fn new(client: Client, input: OperationInput) -> Self {
        Request { client, input, result: PhantomData }
    }

    /// The time for the whole call, waits and retries included, in place of the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.input.timeout = Some(timeout);
        self
    }

    /// How many more attempts may follow a failed one, in place of the client's number; 0 means exactly one request.
    pub fn max_retries(mut self, max_retries: u32) -> Self {
        self.input.max_retries = Some(max_retries);
        self
    }
}

impl<R: FromAction> Request<R> {
    /// The key under which the service does the action only once within 24 hours, in place of a UUID v4 made for the call.
    /// At most 255 printable ASCII characters.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.input.idempotency_key = Some(key.into());
        self
    }
}

impl Request<Invitation> {
    /// The e-mail's subject, at most 200 characters, in place of the service's own.
    pub fn email_subject(mut self, subject: impl Into<String>) -> Self {
        self.input.email_subject = Some(subject.into());
        self
    }

    /// The e-mail's body, at most 5,000 characters, in place of the service's own. `{interviewLink}` in it becomes the
    /// interview's URL.
    pub fn email_body(mut self, body: impl Into<String>) -> Self {
        self.input.email_body = Some(body.into());
        self
    }
}

impl<R: FromAnswer> IntoFuture for Request<R> {
    type Output = Result<R, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.client.execute(&self.input).await })
    }
}
