//! Many requests as one: the public API of batches.

mod driver;
mod journal;
mod keys;
mod plan;
mod progress;
mod record;
mod requests;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use futures_core::Stream;
use tokio::runtime::Handle;

pub(crate) use self::driver::{BoxFuture, Input, Outcome, PacedClient, Shared, Source};
use self::driver::{Clock, Parts};
use self::journal::{Journal, Opening};
pub use self::progress::BatchProgress;
pub use self::requests::{CandidateRequest, InviteRequest, RejectRequest, SelectRequest, StatusRequest};
use crate::argument::Argument;
use crate::client::Client;
use crate::error::Error;
use crate::request::OperationOutput;

/// Many requests that are carried out as one, from [`Client::batch`].
///
/// ```no_run
/// # async fn example(client: celper::Client) -> Result<(), celper::Error> {
/// use celper::{JobPositionId, StatusRequest};
///
/// let ids = ["cand_1", "cand_2", "cand_3"];
/// let requests = ids.map(|id| StatusRequest::new(id, JobPositionId("pos_abc123")));
/// let mut batch = client.batch(requests).start().await?;
/// while let Some(item) = batch.next().await {
///     println!("{}: {:?}", item.candidate_id(), item.result);
/// }
/// # Ok(()) }
/// ```
///
/// It is a [`Stream`] of items, and each request that was read gives one item, in the order in which they end.
///
/// - **Speed**: each request is sent as soon as the rate limit has room for it, and waiting for that counts against no
///   `timeout`. At most one request of each category waits for the rate limit, so other calls of the client do not queue
///   behind the batch. Without pacing, 16 requests are under way.
/// - **Memory** does not grow with the number of requests, except by about 50 bytes for each: at most 64 requests are read
///   ahead, and the batch starts no more while 256 are under way or have items that were not taken.
/// - **Errors** are items. An error that every further request would get too (401, 403, a key provider that fails, a closed
///   client, a journal that cannot be written) ends the batch: the other requests come as items that are
///   [`not_attempted`](BatchItem::not_attempted).
/// - **Twice in a batch**: of two requests with the same operation, ids and e-mail the second gives an item with an
///   `invalid_argument` error that names the first.
/// - **Twice in two runs**: with a [`batch_id`](BatchBuilder::batch_id) or a [`journal`](BatchBuilder::journal) a batch that
///   is run again performs no action twice.
/// - **Its runtime** is the one on which it was started. If that ends before the batch, taking items panics.
/// - **Leaving early**: after [`stop`](Batch::stop), [`leave`](Batch::leave), or dropping it, nothing more is started, and what
///   is under way finishes on the runtime. [`cancel`](Batch::cancel) drops that as well.
#[must_use = "a batch that is dropped starts nothing more"]
pub struct Batch {
    shared: Arc<Shared>,
    batch_id: Option<String>,
}

/// The options of a batch, from [`Client::batch`]. [`start`](BatchBuilder::start) starts it.
#[must_use = "a batch does nothing until it is started"]
pub struct BatchBuilder {
    client: Arc<dyn PacedClient>,
    source: Source,
    batch_id: Option<String>,
    journal: Option<PathBuf>,
    total: Option<u64>,
    clock: Clock,
}

/// How one request of a batch ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchItem {
    /// The position of the request in the input, from 0.
    pub index: u64,
    /// The request.
    pub request: CandidateRequest,
    /// Its result or error.
    pub result: Result<OperationOutput, Error>,
    /// The idempotency key under which an action was sent; `None` for reads, and for what was not sent.
    pub idempotency_key: Option<String>,
    /// Whether the result is from an earlier run, so that this one did not act: it was in the journal, or the candidate's status
    /// shows it ([`OperationOutput::AlreadyDone`]).
    pub resumed: bool,
    /// Whether nothing was sent because the batch was ended. The error is of the kind that ended it.
    pub not_attempted: bool,
}

impl BatchItem {
    /// The request's candidate.
    pub fn candidate_id(&self) -> &str {
        self.request.candidate_id()
    }
}

/// The requests of an iterator.
struct Iter<I>(I);

/// The iterator is never pinned.
impl<I> Unpin for Iter<I> {}

impl<I: Iterator<Item: Into<CandidateRequest>>> Stream for Iter<I> {
    type Item = Input;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Input>> {
        Poll::Ready(self.0.next().map(|request| Input::Row(request.into().into())))
    }
}

/// The requests of a stream.
struct Requests<S>(Pin<Box<S>>);

impl<S: Stream<Item: Into<CandidateRequest>>> Stream for Requests<S> {
    type Item = Input;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Input>> {
        self.0.as_mut().poll_next(cx).map(|next| next.map(|request| Input::Row(request.into().into())))
    }
}

pub(crate) fn from_iter<I>(client: &Client, requests: I) -> BatchBuilder
where
    I: Iterator<Item: Into<CandidateRequest>> + Send + 'static,
{
    let total = exact(requests.size_hint());
    BatchBuilder::new(Arc::new(client.clone()), Box::pin(Iter(requests)), total)
}

pub(crate) fn from_stream<S>(client: &Client, requests: S) -> BatchBuilder
where
    S: Stream<Item: Into<CandidateRequest>> + Send + 'static,
{
    let total = exact(requests.size_hint());
    BatchBuilder::new(Arc::new(client.clone()), Box::pin(Requests(Box::pin(requests))), total)
}

fn exact((least, most): (usize, Option<usize>)) -> Option<u64> {
    most.filter(|most| *most == least).map(|most| most as u64)
}

impl BatchBuilder {
    pub(crate) fn new(client: Arc<dyn PacedClient>, source: Source, total: Option<u64>) -> Self {
        BatchBuilder { client, source, batch_id: None, journal: None, total, clock: Arc::new(SystemTime::now) }
    }

    /// Names the batch. The idempotency keys of its actions are derived from this name, the operation, both ids and the e-mail,
    /// so that the same batch, run again within 24 hours, performs no action twice: the service repeats its first response.
    ///
    /// A request's own key is used instead. Default: the journal's batch id; without a journal none, and the keys are random.
    pub fn batch_id(mut self, id: impl Into<String>) -> Self {
        self.batch_id = Some(id.into());
        self
    }

    /// Records in this file what was sent and what has ended, so that a run after a crash continues where the first one stopped:
    ///
    /// - Requests with a result are items that are [`resumed`](BatchItem::resumed), without a request.
    /// - Those that failed are tried again: under a new key, so that the service does not repeat its refusal.
    /// - Those that were under way, and those with an unknown outcome, are sent again under their key. After 23
    ///   hours (the service forgets a key after 24) the candidate's status is read first, and the action is performed only if
    ///   the status shows that it has not taken place.
    ///
    /// The file is created when it does not exist. It has one JSON object per line, with ids, keys and outcomes, and no e-mail.
    /// It belongs to one batch at one base URL, and is locked as long as the batch runs.
    pub fn journal(mut self, path: impl Into<PathBuf>) -> Self {
        self.journal = Some(path.into());
        self
    }

    /// How many requests there are, for [`progress`](Batch::progress). Default: as many as the iterator says.
    pub fn total(mut self, total: u64) -> Self {
        self.total = Some(total);
        self
    }

    #[cfg(test)]
    pub(crate) fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens the journal and starts the batch on the current runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when an option is not valid, the client is closed,
    /// there is no tokio runtime, or the journal cannot be used: it belongs to another batch or another base URL, is in use,
    /// is damaged, or cannot be opened.
    pub async fn start(self) -> Result<Batch, Error> {
        let (shared, batch_id) = self.begin().await?;
        Ok(Batch { shared, batch_id })
    }

    pub(crate) async fn begin(self) -> Result<(Arc<Shared>, Option<String>), Error> {
        self.open().await.map_err(|error| error.with(|parts| parts.operation = "batch"))
    }

    async fn open(self) -> Result<(Arc<Shared>, Option<String>), Error> {
        let names = self.client.names();
        if let Some(id) = &self.batch_id
            && (id.is_empty() || id.len() > MAX_BATCH_ID || id.chars().any(char::is_control))
        {
            let name = Argument::BatchId.name(names);
            return Err(Error::invalid_argument(format!(
                "{name} must be 1 to {MAX_BATCH_ID} bytes of text without control characters"
            )));
        }
        if Handle::try_current().is_err() {
            return Err(Error::invalid_argument("a batch needs a tokio runtime; start it inside one"));
        }
        self.client.check_open()?;
        let mut batch_id = self.batch_id;
        let journal = match self.journal {
            Some(path) => {
                let base_url = self.client.base_url().to_owned();
                let journal = Journal::open(Opening { path, batch_id, base_url, names }).await?;
                batch_id = Some(journal.batch_id.clone());
                Some(journal)
            }
            None => None,
        };
        let shared = Arc::new(Shared::new(self.client, self.total));
        let parts = Parts {
            shared: Arc::clone(&shared),
            source: self.source,
            batch_id: batch_id.clone(),
            journal,
            clock: self.clock,
        };
        // Boxed, so that the runtime's part is compiled once.
        let run: BoxFuture<'static, ()> = Box::pin(driver::run(parts));
        tokio::spawn(run);
        Ok((shared, batch_id))
    }
}

/// The longest batch id, in bytes.
const MAX_BATCH_ID: usize = 255;

impl Batch {
    /// The next item, when a request has ended; `None` when all have.
    pub async fn next(&mut self) -> Option<BatchItem> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// How far the batch is, and when it will be done.
    pub fn progress(&self) -> BatchProgress {
        self.shared.progress()
    }

    /// The batch's name: [`batch_id`](BatchBuilder::batch_id), or the one in the journal.
    pub fn batch_id(&self) -> Option<&str> {
        self.batch_id.as_deref()
    }

    /// Starts nothing more. What is under way finishes, and gives the last items.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Starts nothing more, waits until what is under way has finished, and gives the items that were not taken yet.
    pub async fn leave(mut self) -> Vec<BatchItem> {
        self.stop();
        let mut items = Vec::new();
        while let Some(item) = self.next().await {
            items.push(item);
        }
        items
    }

    /// Starts nothing more, and drops what is under way: the outcome of those requests is unknown. With a journal, the next run
    /// finds it out.
    pub async fn cancel(self) {
        self.shared.cancel();
        while poll_fn(|cx| self.shared.poll_next(cx)).await.is_some() {}
    }
}

impl Stream for Batch {
    type Item = BatchItem;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<BatchItem>> {
        match self.shared.poll_next(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                // A failure must not look like the end of the batch.
                if let Some(failure) = self.shared.take_failure() {
                    resume_unwind(Box::new(failure.message().to_owned()));
                }
                Poll::Ready(None)
            }
            Poll::Ready(Some(outcome)) => {
                let Outcome { index, input, result, idempotency_key, resumed, not_attempted } = outcome;
                // Only a binding's source gives requests that could not be converted.
                let Some(input) = input else { return self.poll_next(cx) };
                let request = input.into();
                Poll::Ready(Some(BatchItem { index, request, result, idempotency_key, resumed, not_attempted }))
            }
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let progress = self.progress();
        f.debug_struct("Batch").field("batch_id", &self.batch_id).field("progress", &progress).finish_non_exhaustive()
    }
}

impl fmt::Debug for BatchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchBuilder")
            .field("batch_id", &self.batch_id)
            .field("journal", &self.journal)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}
