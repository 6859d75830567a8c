//! Batches for the language bindings: a facade feeds rows and takes items, and decides nothing.
//!
//! A batch has one feeder and one consumer, which may be the same thread. Rows get their indexes, from 0, in the order in
//! which they are pushed; a facade that wants to give an item's request back keeps the requests by index until their item
//! comes. These are at most about 330: 72 rows ahead, and 256 under way or not taken.
//!
//! In a language whose sources are pulled by the consumer's own thread (a synchronous iterator):
//!
//! ```text
//! loop {
//!     match batch.next_event().await? {
//!         BatchEvent::WantsRow => match rows.next() {
//!             Ok(Some(row)) => batch.push(convert(row))?,           // Err(error): it cannot be converted
//!             Ok(None) => batch.end_rows()?,
//!             Err(raised) => { kept = raised; batch.fail_rows("the iterable raised an error")? }
//!         },
//!         BatchEvent::Item(item) => return item,
//!         BatchEvent::End => break,                                 // raise what was kept, if anything
//!     }
//! }
//! ```
//!
//! In a language with asynchronous sources, a task of its own feeds, and [`BatchHandle::next`] gives the items:
//!
//! ```text
//! while batch.wants_rows().await? > 0 { match rows.next().await { ... as above ... } }
//! ```
//!
//! Every function gives an error in a forked child, where the batch does not exist. The asynchronous ones can be polled on any
//! thread, with or without a runtime; dropping their futures loses nothing.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::mem;
use std::path::PathBuf;
use std::pin::Pin;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::runtime;
use super::watch::Reads;
use crate::argument::NameStyle;
use crate::batch::{BatchBuilder, BatchProgress, BoxFuture, Input, Outcome, PacedClient, Shared};
use crate::call::Reservation;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::operation::Category;
use crate::pacing::{Pacer, Polls};
use crate::panics::{catch_panic, panic_error};
use crate::request::{OperationInput, OperationOutput};

/// How many rows are held besides those that the batch has read.
const FEED: usize = 8;

/// The options of a batch.
#[derive(Clone, Debug, Default)]
pub struct BatchOptions {
    /// See [`BatchBuilder::batch_id`].
    pub batch_id: Option<String>,
    /// See [`BatchBuilder::journal`].
    pub journal: Option<PathBuf>,
    /// How many rows there are, where the source knows it (`len()`, `size`); for the progress.
    pub total: Option<u64>,
}

/// A row of a batch: a request, or why it could not be converted; that gives an item with this error.
pub type BatchRow = Result<OperationInput, Error>;

/// How one row ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchRowItem {
    /// The row's index.
    pub index: u64,
    /// The row's result or error. An [`OperationOutput::AlreadyDone`] is shown as a candidate's state, with `already_done`.
    pub result: Result<OperationOutput, Error>,
    /// The key under which an action was sent.
    pub idempotency_key: Option<String>,
    /// The result is an earlier run's.
    pub resumed: bool,
    /// Nothing was sent, because the batch was ended.
    pub not_attempted: bool,
    /// The result is the candidate's state, which shows that the action took place.
    pub already_done: bool,
}

/// What a batch wants its owner to do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum BatchEvent {
    /// Pull one row and push it, or end the rows.
    WantsRow,
    /// Take this item.
    Item(Box<BatchRowItem>),
    /// There are no more items.
    End,
}

/// A batch that a facade feeds. Clones are the same batch; dropping the last one starts nothing more, and lets what is under way
/// finish.
#[derive(Clone)]
pub struct BatchHandle(Arc<Owner>);

struct Owner {
    pid: u32,
    /// Only taken when it is dropped.
    live: Option<Live>,
}

struct Live {
    shared: Arc<Shared>,
    feed: Arc<Feed>,
    batch_id: Option<String>,
    /// Whether the last event was an item.
    gave_item: AtomicBool,
}

/// The rows between the feeder and the batch.
#[derive(Default)]
struct Feed(Mutex<FeedState>);

#[derive(Default)]
struct FeedState {
    rows: VecDeque<Input>,
    /// There are no further rows.
    is_ended: bool,
    /// The batch takes no further rows.
    is_closed: bool,
    batch: Option<Waker>,
    feeders: Vec<Waker>,
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, FeedState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update<T>(&self, change: impl FnOnce(&mut FeedState) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let batch = state.batch.take();
        drop(state);
        batch.into_iter().for_each(Waker::wake);
        result
    }

    /// How many rows are wanted; 0 when none will be any more.
    fn poll_wanted(&self, cx: &mut Context<'_>) -> Poll<usize> {
        let mut state = self.lock();
        if state.is_closed || state.is_ended {
            return Poll::Ready(0);
        }
        let room = FEED.saturating_sub(state.rows.len());
        if room > 0 {
            return Poll::Ready(room);
        }
        if !state.feeders.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.feeders.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// The batch's side of the feed.
struct FeedStream(Arc<Feed>);

impl Stream for FeedStream {
    type Item = Input;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Input>> {
        let mut state = self.0.lock();
        let polled = match state.rows.pop_front() {
            Some(row) => Poll::Ready(Some(row)),
            None if state.is_ended => Poll::Ready(None),
            None => {
                state.batch = Some(cx.waker().clone());
                Poll::Pending
            }
        };
        let feeders = mem::take(&mut state.feeders);
        drop(state);
        feeders.into_iter().for_each(Waker::wake);
        polled
    }
}

impl Drop for FeedStream {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        state.rows.clear();
        let feeders = mem::take(&mut state.feeders);
        drop(state);
        feeders.into_iter().for_each(Waker::wake);
    }
}

impl BatchHandle {
    /// Opens the journal and starts the batch on the [`runtime`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`] for an option that is not valid, a journal that cannot be used, or a closed client.
    pub async fn start(client: Client, options: BatchOptions) -> Result<Self, Error> {
        Self::start_with(Arc::new(client), options).await
    }

    /// As [`start`](BatchHandle::start). `scope` runs every poll of the batch's calls, and sets for it what the calls look for on
    /// their thread: where log records go, or who has the key of a key provider.
    ///
    /// # Errors
    ///
    /// Those of [`start`](BatchHandle::start).
    pub async fn start_within(
        client: Client,
        options: BatchOptions,
        scope: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Self::start_with(Arc::new(ScopedClient { client, scope: Arc::new(scope), reads: None }), options).await
    }

    async fn start_with(client: Arc<dyn PacedClient>, options: BatchOptions) -> Result<Self, Error> {
        let feed = Arc::new(Feed::default());
        let source = Box::pin(FeedStream(Arc::clone(&feed)));
        let mut builder = BatchBuilder::new(client, source, options.total);
        if let Some(batch_id) = options.batch_id {
            builder = builder.batch_id(batch_id);
        }
        if let Some(journal) = options.journal {
            builder = builder.journal(journal);
        }
        let (sender, started) = oneshot::channel();
        // The handle is made in the task: when nobody waits for it any more, it is dropped, and that stops the batch. Boxed, so
        // that the runtime's part is compiled once.
        let starting: BoxFuture<'static, ()> = Box::pin(async move {
            let handle = catch_panic(builder.begin()).await.unwrap_or_else(|panic| Err(panic_error(&*panic)));
            let _ = sender.send(handle.map(|(shared, batch_id)| {
                let live = Live { shared, feed, batch_id, gave_item: AtomicBool::new(true) };
                BatchHandle(Arc::new(Owner { pid: process::id(), live: Some(live) }))
            }));
        });
        runtime()?.spawn(starting);
        started.await.unwrap_or_else(|_| Err(panic_error(&"the batch was not started")))
    }

    /// The batch's name: the caller's, or the journal's.
    ///
    /// # Errors
    ///
    /// In a forked child, as everywhere.
    pub fn batch_id(&self) -> Result<Option<&str>, Error> {
        Ok(self.live()?.batch_id.as_deref())
    }

    /// Waits until the batch wants rows, and says how many; 0: none any more, because the rows were ended or the batch was
    /// stopped.
    ///
    /// # Errors
    ///
    /// In a forked child.
    pub async fn wants_rows(&self) -> Result<usize, Error> {
        let live = self.live()?;
        Ok(poll_fn(|cx| live.feed.poll_wanted(cx)).await)
    }

    /// Adds a row. False: the batch takes no more. Pushing more than it wants costs memory only.
    ///
    /// # Errors
    ///
    /// In a forked child.
    pub fn push(&self, row: BatchRow) -> Result<bool, Error> {
        let row = row.map_or_else(Input::Invalid, Input::Row);
        Ok(self.live()?.feed.update(|state| {
            let wanted = !state.is_closed && !state.is_ended;
            if wanted {
                state.rows.push_back(row);
            }
            wanted
        }))
    }

    /// There are no further rows.
    ///
    /// # Errors
    ///
    /// In a forked child.
    pub fn end_rows(&self) -> Result<(), Error> {
        self.live()?.feed.update(|state| state.is_ended = true);
        Ok(())
    }

    /// The host's source failed; `message` says so, without a full stop. Nothing more is started: what is under way gives its
    /// items, and the rows that were pushed and not started come as items that were not attempted.
    ///
    /// # Errors
    ///
    /// In a forked child.
    pub fn fail_rows(&self, message: &str) -> Result<(), Error> {
        let failure = Input::Failed(Error::invalid_argument(message));
        self.live()?.feed.update(|state| {
            if !state.is_ended && !state.is_closed {
                state.rows.push_back(failure);
                state.is_ended = true;
            }
        });
        Ok(())
    }

    /// The next item; `None` when there are no more.
    ///
    /// # Errors
    ///
    /// In a forked child, and [`ErrorKind::Internal`] when the batch ended with a panic. An error of a row is an item.
    pub async fn next(&self) -> Result<Option<BatchRowItem>, Error> {
        let live = self.live()?;
        guard(poll_fn(|cx| live.poll_item(cx))).await
    }

    /// What to do next, for a consumer that feeds as well. Rows and items take turns, so that neither a slow source nor a slow
    /// consumer stops the other.
    ///
    /// # Errors
    ///
    /// Those of [`next`](BatchHandle::next).
    pub async fn next_event(&self) -> Result<BatchEvent, Error> {
        let live = self.live()?;
        guard(poll_fn(|cx| {
            let wants_row = |cx: &mut Context<'_>| matches!(live.feed.poll_wanted(cx), Poll::Ready(1..));
            if live.gave_item.load(Ordering::Relaxed) && wants_row(cx) {
                live.gave_item.store(false, Ordering::Relaxed);
                return Poll::Ready(Ok(BatchEvent::WantsRow));
            }
            if let Poll::Ready(item) = live.poll_item(cx) {
                live.gave_item.store(true, Ordering::Relaxed);
                return Poll::Ready(
                    item.map(|item| item.map_or(BatchEvent::End, |item| BatchEvent::Item(Box::new(item)))),
                );
            }
            if wants_row(cx) { Poll::Ready(Ok(BatchEvent::WantsRow)) } else { Poll::Pending }
        }))
        .await
    }

    /// Gives an item back that could not be handed over, because of an interrupt for example. It is the next one again.
    ///
    /// # Errors
    ///
    /// In a forked child.
    pub fn put_back(&self, item: BatchRowItem) -> Result<(), Error> {
        let BatchRowItem { index, result, idempotency_key, resumed, not_attempted, already_done: _ } = item;
        self.live()?.shared.put_back(Outcome { index, input: None, result, idempotency_key, resumed, not_attempted });
        Ok(())
    }

    /// How far the batch is.
    ///
    /// # Errors
    ///
    /// In a forked child.
    pub fn progress(&self) -> Result<BatchProgress, Error> {
        Ok(self.live()?.shared.progress())
    }

    /// Starts nothing more. What is under way finishes, and gives the last items.
    ///
    /// # Errors
    ///
    /// In a forked child.
    pub fn stop(&self) -> Result<(), Error> {
        self.live()?.shared.stop();
        Ok(())
    }

    /// Starts nothing more, and drops what is under way. [`next`](BatchHandle::next) then gives what had ended before.
    ///
    /// # Errors
    ///
    /// In a forked child.
    pub fn cancel(&self) -> Result<(), Error> {
        self.live()?.shared.cancel();
        Ok(())
    }

    /// Waits until nothing is under way any more, the journal is closed and the last item can be taken. Call
    /// [`stop`](BatchHandle::stop) or [`cancel`](BatchHandle::cancel) before, or all rows must have been read.
    ///
    /// # Errors
    ///
    /// In a forked child.
    pub async fn finished(&self) -> Result<(), Error> {
        let live = self.live()?;
        poll_fn(|cx| live.shared.poll_finished(cx)).await;
        Ok(())
    }

    fn live(&self) -> Result<&Live, Error> {
        // Before any lock: another thread may have held it when the process was forked.
        self.0.live.as_ref().filter(|_| self.0.pid == process::id()).ok_or_else(forked_batch)
    }
}

impl Live {
    fn poll_item(&self, cx: &mut Context<'_>) -> Poll<Result<Option<BatchRowItem>, Error>> {
        self.shared.poll_next(cx).map(|next| match next {
            Some(outcome) => Ok(Some(outcome.into())),
            None => self.shared.take_failure().map_or(Ok(None), Err),
        })
    }
}

impl From<Outcome> for BatchRowItem {
    fn from(outcome: Outcome) -> Self {
        let Outcome { index, input: _, result, idempotency_key, resumed, not_attempted } = outcome;
        let already_done = matches!(result, Ok(OperationOutput::AlreadyDone(_)));
        BatchRowItem { index, result, idempotency_key, resumed, not_attempted, already_done }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        match self.live.take() {
            Some(live) if self.pid == process::id() => live.shared.stop(),
            // The parent's locks and tasks are not this process's.
            parents => mem::forget(parents),
        }
    }
}

/// Runs a poll of a call.
pub(super) type Scope = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// A client whose calls are polled within a scope.
pub(super) struct ScopedClient {
    pub(super) client: Client,
    pub(super) scope: Scope,
    /// Only of waits and watches.
    pub(super) reads: Option<Reads>,
}

/// A future whose polls run within a scope.
pub(super) fn scoped<'a, T: Send + 'a>(scope: &Scope, mut future: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    let scope = Arc::clone(scope);
    Box::pin(poll_fn(move |cx| {
        let mut polled = Poll::Pending;
        scope(&mut || polled = future.as_mut().poll(cx));
        polled
    }))
}

impl PacedClient for ScopedClient {
    fn base_url(&self) -> &str {
        self.client.base_url()
    }

    fn names(&self) -> NameStyle {
        PacedClient::names(&self.client)
    }

    fn check_open(&self) -> Result<(), Error> {
        self.client.check_open()
    }

    fn check(&self, input: &OperationInput) -> Result<(), Error> {
        self.client.check(input)
    }

    fn pacer(&self) -> Option<Arc<Pacer>> {
        self.client.pacer()
    }

    fn polls(&self) -> Result<Polls, Error> {
        self.client.polls()
    }

    fn random(&self) -> f64 {
        self.client.random()
    }

    fn reserve(
        &self,
        category: Category,
        purpose: &'static str,
        deadline: Option<Instant>,
    ) -> BoxFuture<'static, Result<Reservation, Error>> {
        scoped(&self.scope, self.client.reserve(category, purpose, deadline))
    }

    fn call<'a>(
        &'a self,
        input: &'a OperationInput,
        reservation: Reservation,
    ) -> BoxFuture<'a, Result<OperationOutput, Error>> {
        let call: BoxFuture<'a, _> = match &self.reads {
            Some(reads) => Box::pin(reads.observe(&self.client, input, reservation)),
            None => self.client.call(input, reservation),
        };
        scoped(&self.scope, call)
    }

    fn closed(&self) -> BoxFuture<'static, Error> {
        self.client.closed()
    }
}

/// An error of the batch itself: of an option, or of a row, that the binding cannot convert, for example.
pub fn rejected_batch(error: Error) -> Error {
    error.with(|parts| parts.operation = "batch")
}

/// Ends the client's batches, waits for a status and watches as closing it does, for a host that closes the client once its calls in progress have ended.
pub fn end_batches(client: &Client) {
    client.end_batches();
}

/// The error of a batch that a facade starts for a second time.
pub fn started_batch() -> Error {
    let message = "the batch was started already, and runs once; for another run create another batch";
    rejected_batch(Error::invalid_argument(message))
}

/// The error, in the child process, of a batch that belongs to the parent.
pub fn forked_batch() -> Error {
    let message =
        "the process was forked during the batch, which continues in the parent process only; start another one";
    rejected_batch(Error::new(ErrorKind::Connection, message))
}

pub(super) async fn guard<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    catch_panic(work).await.unwrap_or_else(|panic| Err(panic_error(&*panic)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Operation;

    async fn batch() -> BatchHandle {
        // Nothing listens there: each row ends with a connection error, without a retry.
        let client = Client::builder().api_key("celp_secret").base_url("http://127.0.0.1:1").rate_limits(None);
        BatchHandle::start(client.max_retries(0).build().unwrap(), BatchOptions::default()).await.unwrap()
    }

    fn row(nth: usize) -> BatchRow {
        Ok(OperationInput::new(Operation::Status, format!("c{nth}"), "p"))
    }

    #[tokio::test]
    async fn one_thread_feeds_and_takes() {
        let batch = batch().await;
        let (mut pushed, mut indexes, mut most) = (0, Vec::new(), 0);
        loop {
            match batch.next_event().await.unwrap() {
                BatchEvent::WantsRow if pushed == 500 => batch.end_rows().unwrap(),
                BatchEvent::WantsRow => {
                    let row = if pushed == 7 { Err(Error::invalid_argument("row 8 of the file")) } else { row(pushed) };
                    assert!(batch.push(row).unwrap());
                    pushed += 1;
                }
                BatchEvent::Item(item) => {
                    let error = item.result.unwrap_err();
                    let kind = if item.index == 7 { ErrorKind::InvalidArgument } else { ErrorKind::Connection };
                    assert_eq!(error.kind(), kind, "{error}");
                    indexes.push(item.index);
                }
                BatchEvent::End => break,
            }
            most = most.max(pushed - indexes.len());
        }
        indexes.sort_unstable();
        assert_eq!(indexes, (0..500).collect::<Vec<_>>());
        assert!(most <= 330, "{most}");
        assert_eq!((batch.wants_rows().await.unwrap(), batch.push(row(0)).unwrap()), (0, false));
    }

    #[tokio::test]
    async fn a_feeder_is_held_back_and_told_of_the_end() {
        let batch = batch().await;
        let feeder = tokio::spawn({
            let batch = batch.clone();
            async move {
                let mut pushed = 0;
                while batch.wants_rows().await.unwrap() > 0 {
                    batch.push(row(pushed)).unwrap();
                    pushed += 1;
                }
                pushed
            }
        });
        // The items are not taken, so the feeder waits. Leaving the batch ends the wait.
        let item = batch.next().await.unwrap().unwrap();
        let index = item.index;
        batch.put_back(item).unwrap();
        assert_eq!(batch.next().await.unwrap().unwrap().index, index);
        batch.stop().unwrap();
        let pushed = feeder.await.unwrap();
        batch.finished().await.unwrap();
        let mut items = 1;
        while batch.next().await.unwrap().is_some() {
            items += 1;
        }
        assert!(items <= pushed && pushed <= 330, "{items} of {pushed}");
    }

    #[tokio::test]
    async fn a_source_that_fails_gives_items_for_what_was_pushed() {
        let batch = batch().await;
        (0..3).for_each(|nth| assert!(batch.push(row(nth)).unwrap()));
        batch.fail_rows("the iterable raised ValueError").unwrap();
        assert!(!batch.push(row(3)).unwrap());
        let mut items = Vec::new();
        while let Some(item) = batch.next().await.unwrap() {
            items.push(item);
        }
        assert_eq!(items.len(), 3);
        let not_attempted = items.iter().filter(|item| item.not_attempted);
        not_attempted.for_each(|item| assert!(item.result.as_ref().unwrap_err().message().contains("ValueError")));
    }

    #[tokio::test]
    async fn a_forked_child_gets_an_error_and_leaves_the_batch_alone() {
        let batch = batch().await;
        let live = Live {
            shared: Arc::clone(&batch.live().unwrap().shared),
            feed: Arc::clone(&batch.live().unwrap().feed),
            batch_id: None,
            gave_item: AtomicBool::new(true),
        };
        let childs = BatchHandle(Arc::new(Owner { pid: 0, live: Some(live) }));
        for error in [childs.push(row(0)).unwrap_err(), childs.next().await.unwrap_err(), childs.stop().unwrap_err()] {
            assert!(error.message().contains("forked"), "{error}");
        }
        drop(childs);
        assert!(batch.push(row(0)).unwrap() && batch.next().await.unwrap().is_some());
    }

    #[tokio::test]
    async fn calls_run_within_the_scope() {
        use crate::{ApiKey, KeyFuture, KeyProvider};

        tokio::task_local!(static KEY: &'static str);
        struct Provider;
        impl KeyProvider for Provider {
            fn api_key(&self) -> KeyFuture<'_> {
                Box::pin(async {
                    tokio::task::yield_now().await;
                    Ok(ApiKey::new(KEY.try_with(|key| *key)?)?)
                })
            }
        }
        let client = Client::builder().key_provider(Provider).base_url("http://127.0.0.1:1").rate_limits(None);
        let client = client.max_retries(0).build().unwrap();
        let scope = |poll: &mut dyn FnMut()| KEY.sync_scope("celp_scoped", poll);
        let batch = BatchHandle::start_within(client, BatchOptions::default(), scope).await.unwrap();
        batch.push(row(0)).unwrap();
        let error = batch.next().await.unwrap().unwrap().result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection, "the provider found its key: {error}");
    }

    #[tokio::test]
    async fn the_batches_of_a_client_that_is_about_to_be_closed_end() {
        let client = Client::builder().api_key("celp_secret").base_url("http://127.0.0.1:1").build().unwrap();
        let batch = BatchHandle::start(client.clone(), BatchOptions::default()).await.unwrap();
        end_batches(&client);
        let later = BatchHandle::start(client, BatchOptions::default()).await.unwrap();
        for batch in [batch, later] {
            assert!(batch.push(row(0)).unwrap());
            let item = batch.next().await.unwrap().unwrap();
            assert!(item.not_attempted && item.result.unwrap_err().message().contains("closed"));
        }
    }

    #[tokio::test]
    async fn a_closed_client_starts_no_batch() {
        let client = Client::new("celp_secret").unwrap();
        client.close();
        let error = BatchHandle::start(client, BatchOptions::default()).await.err().unwrap();
        assert!(error.message().contains("closed"), "{error}");
    }
}
