//! One batch of a JavaScript environment: rows go in by synchronous functions, and everything that takes time ends as a message of
//! its [`Bridge`](crate::bridge::Bridge).

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Poll;

use celper::bindings::batch::{BatchHandle, BatchOptions, BatchRow, BatchRowItem};
use celper::{Client, Error, Operation, OperationInput, bindings};
use napi_derive::napi;

use crate::bridge::Shared;
use crate::client::{milliseconds, to_milliseconds};
use crate::outcome::{self, catch_panic};
use crate::scope::Scope;

/// The most items of one message: a few share a wake-up, and few are held in JavaScript.
const ITEMS: usize = 16;

/// A batch. When JavaScript drops it, it starts nothing more.
#[napi]
pub struct NativeBatch {
    id: u32,
    shared: Arc<Shared>,
    /// Empty until it has started.
    handle: Arc<OnceLock<BatchHandle>>,
}

/// How far a batch is. Times are in milliseconds.
#[napi(object, object_from_js = false)]
pub struct NativeProgress {
    pub done: f64,
    pub succeeded: f64,
    pub failed: f64,
    pub not_attempted: f64,
    pub resumed: f64,
    pub in_flight: f64,
    pub total: Option<f64>,
    pub eta: Option<f64>,
    pub rate_limit_wait: Option<f64>,
}

impl NativeBatch {
    /// Starts a batch, which then says so in a message.
    pub(crate) fn start(scope: Scope, client: Client, options: BatchOptions) -> Self {
        let (id, shared) = (scope.id, Arc::clone(&scope.shared));
        let handle = Arc::new(OnceLock::new());
        let started = {
            let handle = Arc::downgrade(&handle);
            async move { start_handle(scope, client, options, &handle).await }
        };
        let batch = NativeBatch { id, shared, handle };
        batch.spawn(started);
        batch
    }

    /// Runs something that ends with a message.
    fn spawn(&self, work: impl Future<Output = Result<String, Error>> + Send + 'static) {
        let (id, shared) = (self.id, Arc::clone(&self.shared));
        let spawned = catch_panic(|| {
            let shared = Arc::clone(&shared);
            bindings::runtime()?.spawn(async move {
                let message = work.await.unwrap_or_else(|error| outcome::error_json(id, &error));
                shared.push(&message);
            });
            Ok(())
        });
        if let Err(error) = spawned {
            shared.push(&outcome::error_json(id, &error));
        }
    }

    /// Runs something on the batch; nothing before it has started.
    fn spawn_on<F>(&self, work: impl FnOnce(u32, BatchHandle) -> F)
    where
        F: Future<Output = Result<String, Error>> + Send + 'static,
    {
        if let Some(handle) = self.handle.get() {
            self.spawn(work(self.id, handle.clone()));
        }
    }

    fn add(&self, row: BatchRow) -> bool {
        self.handle.get().is_some_and(|handle| handle.push(row).unwrap_or(false))
    }
}

async fn start_handle(
    scope: Scope,
    client: Client,
    options: BatchOptions,
    place: &Weak<OnceLock<BatchHandle>>,
) -> Result<String, Error> {
    let id = scope.id;
    let handle = BatchHandle::start_within(client, options, scope.polls()).await?;
    let message = outcome::batch_started_json(id, handle.batch_id()?);
    // Otherwise JavaScript has dropped the batch.
    if let Some(place) = place.upgrade() {
        let _ = place.set(handle);
    }
    Ok(message)
}

/// Waits for an item, and takes those that are there as well.
async fn next_items(id: u32, handle: BatchHandle) -> Result<String, Error> {
    let mut items: Vec<BatchRowItem> = handle.next().await?.into_iter().collect();
    while !items.is_empty() && items.len() < ITEMS {
        // A failure is given by the next call.
        let Some(Ok(Some(item))) = ready_now(handle.next()).await else { break };
        items.push(item);
    }
    catch_panic(|| Ok(outcome::batch_items_json(id, &items)))
}

/// The future's output if it is ready at once.
async fn ready_now<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

#[napi]
impl NativeBatch {
    /// Sends a message when rows are wanted: how many. 0: none any more.
    #[napi(catch_unwind)]
    pub fn request_wanted(&self) {
        self.spawn_on(|id, handle| async move { Ok(outcome::batch_wanted_json(id, handle.wants_rows().await?)) });
    }

    /// Sends a message with the next items, at least one. None: there are no more.
    #[napi(catch_unwind)]
    pub fn request_items(&self) {
        self.spawn_on(next_items);
    }

    /// Sends a message when nothing is under way any more. After `stop` or `cancel`.
    #[napi(catch_unwind)]
    pub fn request_finished(&self) {
        self.spawn_on(|id, handle| async move {
            handle.finished().await?;
            Ok(outcome::finished_json(id))
        });
    }

    /// Adds a request. False: the batch takes no more.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments, reason = "as those of `Bridge::start`")]
    pub fn push(
        &self,
        #[napi(ts_arg_type = "'status' | 'invite' | 'select' | 'reject'")] operation: String,
        candidate_id: String,
        job_position_id: String,
        email_subject: Option<String>,
        email_body: Option<String>,
        idempotency_key: Option<String>,
        timeout: Option<f64>,
        max_retries: Option<u32>,
        traceparent: Option<String>,
    ) -> bool {
        let operation = Operation::from_name(&operation);
        self.add(operation.ok_or_else(|| Error::invalid_argument("unknown operation")).map(|operation| {
            let mut input = OperationInput::new(operation, candidate_id, job_position_id);
            input.email_subject = email_subject;
            input.email_body = email_body;
            input.idempotency_key = idempotency_key;
            input.timeout = timeout.map(milliseconds);
            input.max_retries = max_retries;
            input.traceparent = traceparent;
            input
        }))
    }

    /// Adds a row that is no valid request. False: the batch takes no more.
    #[napi(catch_unwind)]
    pub fn push_invalid(&self, message: String) -> bool {
        self.add(Err(Error::invalid_argument(message)))
    }

    /// There are no more rows.
    #[napi(catch_unwind)]
    pub fn end_rows(&self) {
        self.handle.get().map(BatchHandle::end_rows);
    }

    /// The source of the rows failed.
    #[napi(catch_unwind)]
    pub fn fail_rows(&self, message: String) {
        self.handle.get().map(|handle| handle.fail_rows(&message));
    }

    /// Starts nothing more.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        self.handle.get().map(BatchHandle::stop);
    }

    /// Starts nothing more, and drops what is under way.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.handle.get().map(BatchHandle::cancel);
    }

    /// How far the batch is; `null` before it has started.
    #[napi(getter, catch_unwind)]
    pub fn progress(&self) -> Option<NativeProgress> {
        let progress = self.handle.get()?.progress().ok()?;
        // Counts are far below 2^53.
        let count = |count: u64| count as f64;
        Some(NativeProgress {
            done: count(progress.done),
            succeeded: count(progress.succeeded),
            failed: count(progress.failed),
            not_attempted: count(progress.not_attempted),
            resumed: count(progress.resumed),
            in_flight: count(progress.in_flight),
            total: progress.total.map(count),
            eta: progress.eta.map(to_milliseconds),
            rate_limit_wait: progress.rate_limit_wait.map(to_milliseconds),
        })
    }
}

impl Drop for NativeBatch {
    fn drop(&mut self) {
        // Also while a message is waited for, which holds the batch.
        self.stop();
    }
}

/// The options, from JavaScript's.
pub(crate) fn options(batch_id: Option<String>, journal: Option<String>, total: Option<f64>) -> BatchOptions {
    // The facade lets no other numbers through.
    let total = total.map(|total| total as u64);
    BatchOptions { batch_id, journal: journal.map(PathBuf::from), total }
}
