//! The client and its methods.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::argument::NameStyle;
use crate::batch::{BatchBuilder, BoxFuture, CandidateRequest, PacedClient, from_iter, from_stream};
use crate::call::{Engine, FOREVER, Limits, Reservation, check_runtime};
use crate::config::{ClientBuilder, ClientConfig, random};
use crate::error::Error;
use crate::model::{CandidateState, CandidateStatus, Decision, Invitation};
use crate::operation::{Category, Operation};
use crate::pacing::{Pacer, PollBudget, Polls, RateLimits};
use crate::process::PerProcess;
use crate::request::{JobPositionId, OperationInput, OperationOutput, Request};
use crate::response::FromResponse;
use crate::transport::HttpTransport;
use crate::watch::{StatusWait, Watch, WatchInput};

/// A client of the Celper AI Candidate Actions API.
///
/// ```no_run
/// # async fn example() -> Result<(), celper::Error> {
/// use celper::{Client, JobPositionId};
///
/// let client = Client::from_env()?; // CELPER_API_KEY, CELPER_BASE_URL
/// let state = client.get_candidate_status("cand_xyz789", JobPositionId("pos_abc123")).await?;
/// println!("{} {:?}", state.status, state.interview_score);
/// # Ok(()) }
/// ```
///
/// Clones are cheap and share connections. Calls can be made from any number of tasks and on any tokio runtime with time
/// and I/O drivers enabled; each runtime has its own connections.
///
/// Calls wait for the rate limit in order. A call that was started and is then neither polled nor dropped (a future kept
/// across iterations of a `select!` loop) keeps its place in the queue and its slot.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: ClientConfig,
    engine: PerProcess<Engine<HttpTransport>>,
    /// The slots for polls of a client without pacing.
    polls: PerProcess<PollBudget>,
    /// Notifies batches, waits and watches when they end, because the client is closed.
    closed: Notify,
    /// Set before the client is closed, when calls in progress put that off.
    batches_ended: AtomicBool,
}

impl Client {
    /// A client with this API key and the default options.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when the key is not a valid header value.
    pub fn new(api_key: impl Into<String>) -> Result<Self, Error> {
        Client::builder().api_key(api_key).build()
    }

    /// A client with `CELPER_API_KEY` and, where set, `CELPER_BASE_URL` from the environment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when there is no key or one of the two is not valid.
    pub fn from_env() -> Result<Self, Error> {
        Client::builder().build()
    }

    /// A client with other than the default options.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    pub(crate) fn from_config(config: ClientConfig) -> Result<Self, Error> {
        let shared = Shared {
            config,
            engine: PerProcess::empty(),
            polls: PerProcess::empty(),
            closed: Notify::new(),
            batches_ended: AtomicBool::new(false),
        };
        shared.engine.get_or_init(|| shared.config.engine())?;
        Ok(Client { shared: Arc::new(shared) })
    }

    fn engine(&self) -> Result<Arc<Engine<HttpTransport>>, Error> {
        let engine = self.shared.engine.get_or_init(|| self.shared.config.engine())?;
        if self.shared.config.is_closed() {
            // It was closed while the engine was built.
            self.shared.engine.clear();
            return self.shared.config.engine().map(Arc::new);
        }
        Ok(engine)
    }

    /// Reads a candidate's status.
    ///
    /// ```no_run
    /// # async fn example(client: celper::Client) -> Result<(), celper::Error> {
    /// # use celper::JobPositionId;
    /// let state = client.get_candidate_status("cand_xyz789", JobPositionId("pos_abc123")).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// Needs the scope `read:candidates`; counts as a read. Fails with `not_found` for an unknown candidate or position.
    pub fn get_candidate_status(
        &self,
        candidate_id: impl Into<String>,
        job_position_id: JobPositionId<impl Into<String>>,
    ) -> Request<CandidateState> {
        self.request(Operation::Status, candidate_id, job_position_id)
    }

    /// Invites a `new` candidate: opens a 7-day interview session, and queues the e-mail.
    ///
    /// ```no_run
    /// # async fn example(client: celper::Client) -> Result<(), celper::Error> {
    /// # use celper::JobPositionId;
    /// let invitation = client
    ///     .invite_candidate("cand_xyz789", JobPositionId("pos_abc123"))
    ///     .email_body("Welcome! Your interview: {interviewLink}")
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// Needs the scope `action:invite`; counts as an action. Fails with `invalid_status` unless the candidate is `new`, and
    /// with `not_found` for an unknown candidate or position.
    pub fn invite_candidate(
        &self,
        candidate_id: impl Into<String>,
        job_position_id: JobPositionId<impl Into<String>>,
    ) -> Request<Invitation> {
        self.request(Operation::Invite, candidate_id, job_position_id)
    }

    /// Selects an interviewed candidate whose analysis was viewed.
    ///
    /// Needs the scope `action:decide`; counts as an action. Fails with `analysis_not_viewed` or `invalid_status`.
    pub fn select_candidate(
        &self,
        candidate_id: impl Into<String>,
        job_position_id: JobPositionId<impl Into<String>>,
    ) -> Request<Decision> {
        self.request(Operation::Select, candidate_id, job_position_id)
    }

    /// Rejects an interviewed candidate whose analysis was viewed.
    ///
    /// Needs the scope `action:decide`; counts as an action. Fails with `analysis_not_viewed` or `invalid_status`.
    pub fn reject_candidate(
        &self,
        candidate_id: impl Into<String>,
        job_position_id: JobPositionId<impl Into<String>>,
    ) -> Request<Decision> {
        self.request(Operation::Reject, candidate_id, job_position_id)
    }

    fn request<R: FromResponse>(
        &self,
        operation: Operation,
        candidate_id: impl Into<String>,
        JobPositionId(job_position_id): JobPositionId<impl Into<String>>,
    ) -> Request<R> {
        Request::new(self.clone(), OperationInput::new(operation, candidate_id, job_position_id))
    }

    /// Carries out any number of requests, as fast as the rate limit allows, and gives an item for each as it ends.
    ///
    /// ```no_run
    /// # async fn example(client: celper::Client) -> Result<(), celper::Error> {
    /// use celper::{InviteRequest, JobPositionId};
    ///
    /// let ids = (1..=500).map(|number| format!("cand_{number}"));
    /// let requests = ids.map(|id| InviteRequest::new(id, JobPositionId("pos_abc123")));
    /// let mut batch = client.batch(requests).batch_id("spring-2026").journal("spring.jsonl").start().await?;
    /// while let Some(item) = batch.next().await {
    ///     match &item.result {
    ///         Ok(_) => println!("{} invited, {:?} to go", item.candidate_id(), batch.progress().eta),
    ///         Err(error) => println!("{} {error}", item.candidate_id()),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// The requests are read lazily, by a task of the runtime: an iterator that blocks belongs into a
    /// [stream](Client::batch_stream). See [`Batch`](crate::Batch) for what a batch does.
    pub fn batch<R: Into<CandidateRequest>>(
        &self,
        requests: impl IntoIterator<Item = R, IntoIter: Send + 'static>,
    ) -> BatchBuilder {
        from_iter(self, requests.into_iter())
    }

    /// [`batch`](Client::batch) with requests that come as a [`Stream`], from a database or a channel, for example.
    pub fn batch_stream<R: Into<CandidateRequest>>(
        &self,
        requests: impl Stream<Item = R> + Send + 'static,
    ) -> BatchBuilder {
        from_stream(self, requests)
    }

    /// Waits until a candidate has one of these statuses, and gives the candidate's state.
    ///
    /// ```no_run
    /// # async fn example(client: celper::Client) -> Result<(), celper::Error> {
    /// use std::time::Duration;
    /// use celper::{CandidateStatus, JobPositionId};
    ///
    /// let state = client
    ///     .wait_for_status("cand_xyz789", JobPositionId("pos_abc123"), [CandidateStatus::Interviewed])
    ///     .timeout(Duration::from_secs(20 * 60))
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// For minutes; for days receive [webhooks](crate::webhooks). Waits for 10 minutes by default, and then fails with `timeout` and
    /// the candidate's [last state](Error::last_state). See [`StatusWait`] for how it reads the status, and how often.
    pub fn wait_for_status(
        &self,
        candidate_id: impl Into<String>,
        JobPositionId(job_position_id): JobPositionId<impl Into<String>>,
        until: impl IntoIterator<Item: Into<CandidateStatus>>,
    ) -> StatusWait {
        let input = OperationInput::new(Operation::Status, candidate_id, job_position_id);
        StatusWait::new(Arc::new(self.clone()), input, until.into_iter().map(Into::into).collect())
    }

    /// Watches candidates of a job position: gives the state of each, and then each change.
    ///
    /// ```no_run
    /// # async fn example(client: celper::Client) -> Result<(), celper::Error> {
    /// use celper::JobPositionId;
    ///
    /// let mut watch = client.watch_candidates(["cand_1", "cand_2"], JobPositionId("pos_abc123"))?;
    /// while let Some(item) = watch.next().await? {
    ///     match item.result {
    ///         Ok(state) => println!("{} is {}", item.candidate_id, state.status),
    ///         Err(error) => println!("{} is no longer watched: {error}", item.candidate_id),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// For minutes; for days receive [webhooks](crate::webhooks). It runs on the current runtime until the [`Watch`] is dropped. An
    /// id that comes twice is watched once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when an id is not valid, the client is closed, or there is
    /// no tokio runtime.
    pub fn watch_candidates<S: Into<String>>(
        &self,
        candidate_ids: impl IntoIterator<Item = S>,
        JobPositionId(job_position_id): JobPositionId<impl Into<String>>,
    ) -> Result<Watch, Error> {
        let candidate_ids = candidate_ids.into_iter().map(Into::into).collect();
        Watch::start(Arc::new(self.clone()), WatchInput { candidate_ids, job_position_id: job_position_id.into() })
    }

    /// Makes a call that is given as data.
    ///
    /// # Errors
    ///
    /// Those of the operation's own method.
    pub async fn send(&self, input: &OperationInput) -> Result<OperationOutput, Error> {
        self.send_reserved(input, None).await
    }

    /// [`send`](Client::send) with the first attempt's permit, which the caller may have taken before.
    pub(crate) async fn send_reserved(
        &self,
        input: &OperationInput,
        reservation: Option<Reservation>,
    ) -> Result<OperationOutput, Error> {
        match input.operation {
            Operation::Status => self.execute(input, reservation).await.map(OperationOutput::CandidateState),
            Operation::Invite => self.execute(input, reservation).await.map(OperationOutput::Invitation),
            Operation::Select | Operation::Reject => {
                self.execute(input, reservation).await.map(OperationOutput::Decision)
            }
        }
    }

    pub(crate) async fn execute<R: FromResponse>(
        &self,
        input: &OperationInput,
        reservation: Option<Reservation>,
    ) -> Result<R, Error> {
        let config = &self.shared.config;
        let request = input.prepare(&config.base_url, config.names)?;
        let engine = check_runtime().and_then(|()| self.engine()).map_err(|error| input.rejected(error))?;
        let limits = Limits {
            timeout: input.timeout.or(config.limits.timeout).filter(|timeout| *timeout < FOREVER),
            max_retries: input.max_retries.unwrap_or(config.limits.max_retries),
            ..config.limits
        };
        engine.call(&request, limits, reservation).await
    }

    /// Closes the client and its clones: calls in progress finish, then all connections are closed; further calls fail with
    /// `invalid_argument`. Dropping the last clone does the same.
    pub fn close(&self) {
        self.shared.config.close();
        self.shared.engine.clear();
        self.shared.closed.notify_waiters();
    }

    /// Ends the batches, waits and watches of a client that is about to be closed, as closing it does.
    #[cfg(feature = "bindings")]
    pub(crate) fn end_batches(&self) {
        self.shared.batches_ended.store(true, Ordering::Release);
        self.shared.closed.notify_waiters();
    }

    /// The URL of a request; `None` for invalid ids.
    #[cfg(feature = "bindings")]
    pub(crate) fn url_of(&self, input: &OperationInput) -> Option<String> {
        Some(input.prepare(&self.shared.config.base_url, self.shared.config.names).ok()?.url.into())
    }

    /// The base URL of the API, without a trailing slash.
    pub fn base_url(&self) -> &str {
        self.shared.config.base_url.as_str()
    }

    /// The timeout of a whole call; `None` where there is none.
    pub fn timeout(&self) -> Option<Duration> {
        self.shared.config.limits.timeout.filter(|timeout| *timeout < FOREVER)
    }

    /// The timeout of one HTTP attempt.
    pub fn attempt_timeout(&self) -> Duration {
        self.shared.config.limits.attempt_timeout
    }

    /// How many more attempts may follow a failed one.
    pub fn max_retries(&self) -> u32 {
        self.shared.config.limits.max_retries
    }

    /// The rate windows that calls are paced to; `None` when pacing is off.
    pub fn rate_limits(&self) -> Option<RateLimits> {
        self.shared.config.rate_limits
    }

    /// Where the log of the rate windows is kept, as in [`ClientBuilder::rate_limit_store`]; a URL without user and password.
    pub fn rate_limit_store(&self) -> String {
        self.shared.config.store.to_string()
    }

    /// The name under which clients share the rate limits, if there is one.
    pub fn rate_limit_name(&self) -> Option<&str> {
        self.shared.config.rate_limit_name.as_deref()
    }
}

/// Shows the options, never the key.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.base_url())
            .field("timeout", &self.timeout())
            .field("attempt_timeout", &self.attempt_timeout())
            .field("max_retries", &self.max_retries())
            .field("rate_limits", &self.rate_limits())
            .finish_non_exhaustive()
    }
}

impl PacedClient for Client {
    fn base_url(&self) -> &str {
        Client::base_url(self)
    }

    fn names(&self) -> NameStyle {
        self.shared.config.names
    }

    fn check_open(&self) -> Result<(), Error> {
        self.engine().map(drop)
    }

    fn check(&self, input: &OperationInput) -> Result<(), Error> {
        input.prepare(&self.shared.config.base_url, self.shared.config.names).map(drop)
    }

    fn pacer(&self) -> Option<Arc<Pacer>> {
        self.engine().ok()?.pacer.as_deref().cloned()
    }

    fn polls(&self) -> Result<Polls, Error> {
        if let Some(pacer) = &self.engine()?.pacer {
            return Ok(Polls::Paced(Arc::clone(pacer)));
        }
        let Ok(budget) = self.shared.polls.get_or_init(|| Ok::<_, Infallible>(PollBudget::default()));
        Ok(Polls::Unpaced(budget))
    }

    fn random(&self) -> f64 {
        random()
    }

    fn reserve(
        &self,
        category: Category,
        purpose: &'static str,
        deadline: Option<Instant>,
    ) -> BoxFuture<'static, Result<Reservation, Error>> {
        let engine = self.engine();
        let attempt_timeout = self.shared.config.limits.attempt_timeout;
        Box::pin(async move { Ok(engine?.reserve(category, attempt_timeout, purpose, deadline).await) })
    }

    fn call<'a>(
        &'a self,
        input: &'a OperationInput,
        reservation: Reservation,
    ) -> BoxFuture<'a, Result<OperationOutput, Error>> {
        Box::pin(self.send_reserved(input, Some(reservation)))
    }

    fn closed(&self) -> BoxFuture<'static, Error> {
        let client = self.clone();
        Box::pin(async move {
            let notified = client.shared.closed.notified();
            // `notified` catches a close from here on, the check a close before.
            if !client.shared.config.is_closed() && !client.shared.batches_ended.load(Ordering::Acquire) {
                notified.await;
            }
            ClientConfig::closed()
        })
    }
}
