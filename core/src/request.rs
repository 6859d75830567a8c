//! A call's arguments as data, and the HTTP request built from them.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use serde::Serialize;

use crate::argument::{Argument, NameStyle};
use crate::base_url::BaseUrl;
use crate::client::Client;
use crate::error::Error;
use crate::model::{CandidateState, Decision, Invitation};
use crate::operation::Operation;
use crate::response::{FromAction, FromResponse};
use crate::transport::PreparedRequest;
use crate::validate::{check_body, check_idempotency_key, check_subject, check_traceparent, encode_id, not_zero};

/// A job position's id. The named type keeps the two ids of a call, both strings, from being swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobPositionId<S>(pub S);

/// One call as data, for code that decides at run time what to call, as the language bindings do. [`Client::send`] takes it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct OperationInput {
    /// The operation.
    pub operation: Operation,
    /// The candidate's id.
    pub candidate_id: String,
    /// The id of the candidate's job position.
    pub job_position_id: String,
    /// Subject of the invitation's e-mail, at most 200 characters; the service's default when `None`. Invitations only.
    pub email_subject: Option<String>,
    /// Body of the invitation's e-mail, at most 5,000 characters, with `{interviewLink}` where the link belongs; the
    /// service's default when `None`. Invitations only.
    pub email_body: Option<String>,
    /// The action's idempotency key, at most 255 printable ASCII characters; a UUID v4 when `None`. Actions only.
    pub idempotency_key: Option<String>,
    /// Overrides the client's `timeout`.
    pub timeout: Option<Duration>,
    /// Overrides the client's `max_retries`.
    pub max_retries: Option<u32>,
    /// A W3C `traceparent` header for the requests; none when `None`: it tells the service about the caller's traces.
    pub traceparent: Option<String>,
}

/// The result of [`Client::send`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OperationOutput {
    /// From [`Operation::Status`].
    CandidateState(CandidateState),
    /// From [`Operation::Invite`].
    Invitation(Invitation),
    /// From [`Operation::Select`] and [`Operation::Reject`].
    Decision(Decision),
    /// From a [batch](crate::Batch) only: whether an action took place was unknown, and the candidate's status, which was read
    /// instead of acting again, shows that it did.
    AlreadyDone(CandidateState),
}

impl OperationInput {
    /// A call with the required arguments only.
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
            traceparent: None,
        }
    }

    /// Validates the arguments and builds the request for all attempts.
    pub(crate) fn prepare(&self, base_url: &BaseUrl, names: NameStyle) -> Result<PreparedRequest, Error> {
        self.build(base_url, names).map_err(|error| self.rejected(error))
    }

    /// Whether the arguments are valid, without a client.
    #[cfg(feature = "bindings")]
    pub(crate) fn check(&self, names: NameStyle) -> Result<(), Error> {
        self.validate(names).map(drop).map_err(|error| self.rejected(error))
    }

    /// The error of a call that is rejected before anything is sent.
    pub(crate) fn rejected(&self, error: Error) -> Error {
        error.with(|parts| {
            parts.operation = self.operation.name();
            parts.idempotency_key.clone_from(&self.idempotency_key);
        })
    }

    /// Validates the arguments, and gives both ids percent-encoded.
    fn validate(&self, names: NameStyle) -> Result<[Cow<'_, str>; 2], Error> {
        let candidate = encode_id(Argument::CandidateId.name(names), &self.candidate_id)?;
        let job_position = encode_id(Argument::JobPositionId.name(names), &self.job_position_id)?;
        let [subject, body, key] = [Argument::EmailSubject, Argument::EmailBody, Argument::IdempotencyKey]
            .map(|argument| argument.name(names));
        self.email_subject.as_deref().map_or(Ok(()), |text| check_subject(subject, text))?;
        self.email_body.as_deref().map_or(Ok(()), |text| check_body(body, text))?;
        self.idempotency_key.as_deref().map_or(Ok(()), |text| check_idempotency_key(key, text))?;
        self.traceparent
            .as_deref()
            .map_or(Ok(()), |text| check_traceparent(Argument::Traceparent.name(names), text))?;
        self.timeout.map_or(Ok(()), |timeout| not_zero(Argument::Timeout.name(names), timeout))?;
        if self.operation != Operation::Invite && (self.email_subject.is_some() || self.email_body.is_some()) {
            return Err(Error::invalid_argument(format!("only invitations take {subject} and {body}")));
        }
        if !self.operation.is_action() && self.idempotency_key.is_some() {
            return Err(Error::invalid_argument(format!("{key} is for actions only; a status call changes nothing")));
        }
        Ok([candidate, job_position])
    }

    fn build(&self, base_url: &BaseUrl, names: NameStyle) -> Result<PreparedRequest, Error> {
        let [candidate, job_position] = self.validate(names)?;
        let operation = self.operation;
        let (query, action) = if operation.is_action() {
            (["", ""], Some((self.idempotency_header(Argument::IdempotencyKey.name(names))?, self.body()?)))
        } else {
            (["?jobPositionId=", &*job_position], None)
        };
        let path = [&["/v1/candidates/", &*candidate, "/", operation.name()][..], &query[..]].concat().concat();
        let traceparent = self.traceparent.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
        Ok(PreparedRequest { operation, url: base_url.join(&path)?, action, traceparent })
    }

    fn idempotency_header(&self, name: &str) -> Result<HeaderValue, Error> {
        let value = match &self.idempotency_key {
            Some(key) => HeaderValue::from_str(key),
            None => HeaderValue::try_from(new_idempotency_key()?),
        };
        value.map_err(|_| Error::invalid_argument(format!("{name} is not a valid header value")))
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
        bytes
            .map(Bytes::from)
            .map_err(|error| Error::invalid_argument(format!("the request body cannot be serialized: {error}")))
    }
}

/// Does not show the e-mail's text.
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
pub(crate) fn new_idempotency_key() -> Result<String, Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| {
        Error::invalid_argument(format!(
            "the system has no randomness for an idempotency key ({error}); pass one of your own"
        ))
    })?;
    Ok(uuid::Builder::from_random_bytes(random).into_uuid().to_string())
}

/// A call that is sent when it is awaited.
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
/// Dropping the future (in a `select!`, for example) drops the request on the wire, and no retry follows.
#[derive(Debug)]
#[must_use = "a request does nothing until it is awaited"]
pub struct Request<R> {
    client: Client,
    input: OperationInput,
    result: PhantomData<fn() -> R>,
}

impl<R: FromResponse> Request<R> {
    pub(crate) fn new(client: Client, input: OperationInput) -> Self {
        Request { client, input, result: PhantomData }
    }

    /// The timeout of the whole call, all waits and retries included; overrides the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.input.timeout = Some(timeout);
        self
    }

    /// How many more attempts may follow a failed one; overrides the client's. 0 means exactly one request.
    pub fn max_retries(mut self, max_retries: u32) -> Self {
        self.input.max_retries = Some(max_retries);
        self
    }

    /// A [W3C `traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header) header for the call's requests, such as
    /// `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`. None is sent otherwise: it tells the service about your traces.
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.input.traceparent = Some(traceparent.into());
        self
    }
}

impl<R: FromAction> Request<R> {
    /// The key under which the service performs the action only once within 24 hours; by default a UUID v4 made for the
    /// call. At most 255 printable ASCII characters.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.input.idempotency_key = Some(key.into());
        self
    }
}

impl Request<Invitation> {
    /// The e-mail's subject, at most 200 characters; overrides the service's default.
    pub fn email_subject(mut self, subject: impl Into<String>) -> Self {
        self.input.email_subject = Some(subject.into());
        self
    }

    /// The e-mail's body, at most 5,000 characters; overrides the service's default. `{interviewLink}` in it becomes the
    /// interview's URL.
    pub fn email_body(mut self, body: impl Into<String>) -> Self {
        self.input.email_body = Some(body.into());
        self
    }
}

impl<R: FromResponse> IntoFuture for Request<R> {
    type Output = Result<R, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.client.execute(&self.input, None).await })
    }
}
