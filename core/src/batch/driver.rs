//! Runs a batch: reads its requests, starts each when the rate limit has room for it, and gives an item for each that ended.
//!
//! Invariants:
//! - Every request that is read gives one item, unless the batch is stopped before the request was started.
//! - For each category at most one request waits for a permit. When it gets one it is started, and the next one waits: so every
//!   slot is used at any latency, a retry or a call beside the batch never queues behind more than one request of it, and what
//!   was not started is certainly not sent.
//! - Memory is bounded: there are limits for requests that wait, requests under way, and items that were not taken. Only the set
//!   of request ids grows, by about 50 bytes for each request.

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use futures_core::Stream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::journal::{Journal, Writer};
use super::keys::{RequestId, derive_key};
use super::plan::{Next, Row, Step, ends_batch, not_attempted};
use super::progress::{BatchProgress, Counters};
use super::record::{Line, SentAction};
use crate::argument::NameStyle;
use crate::call::Reservation;
use crate::error::{Error, ErrorKind};
use crate::operation::{Category, Operation};
use crate::pacing::{Pacer, Polls};
use crate::panics::{catch_panic, interrupted, panic_error, panic_message};
use crate::request::{OperationInput, OperationOutput, new_idempotency_key};

/// How many requests are read ahead, so that a mixed batch can fill the windows of both categories.
const READ_AHEAD: usize = 64;

/// The most requests that are under way or have items that were not taken, even if the rate limit allows more. It is twice the
/// connections that a client uses, because some requests wait before a retry.
const MAX_UNDER_WAY: usize = 256;

/// How many requests are under way when pacing is off.
const MAX_UNPACED: usize = 16;

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a batch, a wait for a status, or a watch needs of a client.
pub(crate) trait PacedClient: Send + Sync + 'static {
    fn base_url(&self) -> &str;

    fn names(&self) -> NameStyle;

    /// Whether calls are possible at all.
    fn check_open(&self) -> Result<(), Error>;

    /// Whether the arguments are valid.
    fn check(&self, input: &OperationInput) -> Result<(), Error>;

    fn pacer(&self) -> Option<Arc<Pacer>>;

    /// The slots for polls.
    fn polls(&self) -> Result<Polls, Error>;

    /// From 0 to 1.
    fn random(&self) -> f64;

    /// Waits until the rate limit allows a request: until `deadline`, or as long as it takes. `purpose` is what the log names as
    /// waiting.
    fn reserve(
        &self,
        category: Category,
        purpose: &'static str,
        deadline: Option<Instant>,
    ) -> BoxFuture<'static, Result<Reservation, Error>>;

    fn call<'a>(
        &'a self,
        input: &'a OperationInput,
        reservation: Reservation,
    ) -> BoxFuture<'a, Result<OperationOutput, Error>>;

    /// Waits until no further call is possible, and says why.
    fn closed(&self) -> BoxFuture<'static, Error>;
}

/// What the source of a batch gives.
pub(crate) enum Input {
    Row(OperationInput),
    /// A request that a binding could not convert.
    #[cfg_attr(not(feature = "bindings"), allow(dead_code, reason = "bindings only"))]
    Invalid(Error),
    /// The source failed; there are no further requests.
    #[cfg_attr(not(feature = "bindings"), allow(dead_code, reason = "bindings only"))]
    Failed(Error),
}

pub(crate) type Source = Pin<Box<dyn Stream<Item = Input> + Send>>;

/// How one request ended.
pub(crate) struct Outcome {
    pub(crate) index: u64,
    /// `None` when a binding could not convert the request.
    pub(crate) input: Option<OperationInput>,
    pub(crate) result: Result<OperationOutput, Error>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) resumed: bool,
    pub(crate) not_attempted: bool,
}

/// What the driver shares with the batch's owner.
pub(crate) struct Shared {
    state: Mutex<State>,
    client: Arc<dyn PacedClient>,
}

struct State {
    outbox: VecDeque<Outcome>,
    consumers: Vec<Waker>,
    driver: Option<Waker>,
    stop: Stop,
    is_finished: bool,
    failure: Option<Error>,
    counters: Counters,
}

/// Whether the batch's owner wants it to stop, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    No,
    /// Nothing more is started.
    Graceful,
    /// What is under way is dropped as well.
    Immediate,
}

impl State {
    /// Wakes the consumer when there is something new.
    fn wait(&mut self, cx: &Context<'_>) {
        if !self.consumers.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.consumers.push(cx.waker().clone());
        }
    }
}

impl Shared {
    pub(crate) fn new(client: Arc<dyn PacedClient>, total: Option<u64>) -> Self {
        let state = State {
            outbox: VecDeque::new(),
            consumers: Vec::new(),
            driver: None,
            stop: Stop::No,
            is_finished: false,
            failure: None,
            counters: Counters::new(total),
        };
        Shared { state: Mutex::new(state), client }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next item; `None` when there are no more.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Outcome>> {
        let mut state = self.lock();
        if let Some(outcome) = state.outbox.pop_front() {
            let driver = state.driver.take();
            drop(state);
            driver.into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(outcome));
        }
        if state.is_finished {
            return Poll::Ready(None);
        }
        state.wait(cx);
        Poll::Pending
    }

    /// Makes an item that could not be handed over the next one again.
    #[cfg(feature = "bindings")]
    pub(crate) fn put_back(&self, outcome: Outcome) {
        let mut state = self.lock();
        state.outbox.push_front(outcome);
        let consumers = std::mem::take(&mut state.consumers);
        drop(state);
        consumers.into_iter().for_each(Waker::wake);
    }

    /// Ready when the driver has ended. Items may be left.
    #[cfg(feature = "bindings")]
    pub(crate) fn poll_finished(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_finished {
            return Poll::Ready(());
        }
        state.wait(cx);
        Poll::Pending
    }

    /// Starts no further request. Requests under way continue.
    pub(crate) fn stop(&self) {
        self.request_stop(Stop::Graceful);
    }

    /// Starts no further request, and drops those that are under way.
    pub(crate) fn cancel(&self) {
        self.request_stop(Stop::Immediate);
    }

    fn request_stop(&self, stop: Stop) {
        let mut state = self.lock();
        state.stop = state.stop.max(stop);
        let driver = state.driver.take();
        drop(state);
        driver.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn progress(&self) -> BatchProgress {
        // Outside of the lock, as the pacer has one of its own.
        let pacer = self.client.pacer();
        self.lock().counters.snapshot(pacer.as_deref())
    }

    /// Why the driver ended early, if it did.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.lock().failure.take()
    }

    fn finish(&self, failure: Option<Error>) {
        let mut state = self.lock();
        state.is_finished = true;
        state.failure = failure;
        let consumers = std::mem::take(&mut state.consumers);
        drop(state);
        consumers.into_iter().for_each(Waker::wake);
    }
}

/// What a request's task needs.
struct RowContext {
    client: Arc<dyn PacedClient>,
    journal: Option<Arc<Writer>>,
    batch_id: Option<String>,
    clock: Clock,
}

/// The wall clock. Pausing tokio's clock does not stop it.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

pub(super) struct Driver {
    shared: Arc<Shared>,
    context: Arc<RowContext>,
    journal: Option<Journal>,
    /// `None` at its end.
    source: Option<Source>,
    next_index: u64,
    /// The requests so far, and the index at which each came first. Indexes beyond 32 bits are stored as the largest.
    seen: HashMap<RequestId, u32>,
    reads: Waiting,
    actions: Waiting,
    calls: JoinSet<FinishedStep>,
    closed: BoxFuture<'static, Error>,
    /// Why no further request is started.
    end: Option<EndReason>,
    stop: Stop,
}

/// The requests of a category that were not started, and the wait of the first one for its permit.
#[derive(Default)]
struct Waiting {
    rows: VecDeque<Row>,
    reservation: Option<BoxFuture<'static, Result<Reservation, Error>>>,
}

enum EndReason {
    /// All further requests are items that were not attempted.
    Failed(Error, Option<u64>),
    /// The owner has left: what was not started gives no item.
    Stopped,
}

/// A request whose step is over.
struct FinishedStep {
    row: Row,
    next: Next,
    category: Category,
    took: Duration,
    key: Option<String>,
    /// The journal could not be written.
    journal_failure: Option<Error>,
    /// Nothing was sent, for that reason.
    not_sent: bool,
}

enum Event {
    /// The owner wants the batch to stop.
    Stop(Stop),
    Closed(Error),
    Finished(Box<FinishedStep>),
    /// A permit for a request of the category.
    Reserved(Category, Result<Reservation, Error>),
    Input(Option<Input>),
}

/// Wakes the consumer when the driver ends, for any reason.
struct FinishGuard {
    shared: Arc<Shared>,
    /// Why the driver ended early, if it did.
    failure: Option<Error>,
}

impl FinishGuard {
    /// The driver has finished, or panicked.
    fn finish(mut self, failure: Option<Error>) {
        self.failure = failure;
    }
}

impl Drop for FinishGuard {
    fn drop(&mut self) {
        self.shared.finish(self.failure.take());
    }
}

/// Everything that a driver starts from.
pub(super) struct Parts {
    pub(super) shared: Arc<Shared>,
    pub(super) source: Source,
    pub(super) batch_id: Option<String>,
    pub(super) journal: Option<Journal>,
    pub(super) clock: Clock,
}

/// Runs a batch to its end.
pub(super) fn run(parts: Parts) -> impl Future<Output = ()> + Send {
    let lost = "the tokio runtime on which the batch was started has ended before the batch";
    // Made before the first poll: a runtime that ends may never poll.
    let guard = FinishGuard { shared: Arc::clone(&parts.shared), failure: Some(Error::new(ErrorKind::Internal, lost)) };
    async move {
        let driver = Driver::new(parts);
        let failure = catch_panic(driver.run()).await.err().map(|panic| panic_error(&*panic));
        guard.finish(failure);
    }
}

impl Driver {
    fn new(Parts { shared, source, batch_id, journal, clock }: Parts) -> Self {
        let client = Arc::clone(&shared.client);
        let context = RowContext {
            journal: journal.as_ref().map(|journal| Arc::clone(journal.writer())),
            batch_id,
            clock,
            client: Arc::clone(&client),
        };
        Driver {
            shared,
            context: Arc::new(context),
            journal,
            source: Some(source),
            next_index: 0,
            seen: HashMap::new(),
            reads: Waiting::default(),
            actions: Waiting::default(),
            calls: JoinSet::new(),
            closed: client.closed(),
            end: None,
            stop: Stop::No,
        }
    }

    async fn run(mut self) {
        self.count();
        while !self.is_finished() {
            match poll_fn(|cx| self.poll_event(cx)).await {
                Event::Stop(stop) => {
                    self.stop = stop;
                    self.end(EndReason::Stopped);
                    if stop == Stop::Immediate {
                        self.calls.shutdown().await;
                    }
                }
                Event::Closed(error) => self.end(EndReason::Failed(error, None)),
                Event::Finished(finished) => self.finish_step(*finished),
                Event::Reserved(category, Ok(reservation)) => self.start(category, reservation),
                Event::Reserved(_, Err(error)) => self.end(EndReason::Failed(error, None)),
                Event::Input(Some(Input::Row(input))) => self.accept(input).await,
                Event::Input(Some(Input::Invalid(error))) => {
                    let index = self.next_index();
                    self.emit(Outcome::failed(index, None, error));
                }
                Event::Input(Some(Input::Failed(error))) => {
                    self.end_source();
                    self.end(EndReason::Failed(error, None));
                }
                Event::Input(None) => self.end_source(),
            }
            self.count();
        }
        if let Some(journal) = self.journal {
            journal.close().await;
        }
    }

    fn is_finished(&self) -> bool {
        self.source.is_none() && self.reads.rows.is_empty() && self.actions.rows.is_empty() && self.calls.is_empty()
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let untaken = {
            let mut state = self.shared.lock();
            if state.stop > self.stop {
                return Poll::Ready(Event::Stop(state.stop));
            }
            // Woken when the owner takes an item or leaves.
            state.driver = Some(cx.waker().clone());
            state.outbox.len()
        };
        while let Poll::Ready(Some(joined)) = self.calls.poll_join_next(cx) {
            // Tasks neither panic nor are aborted while the driver lives.
            if let Ok(finished) = joined {
                return Poll::Ready(Event::Finished(Box::new(finished)));
            }
        }
        if self.end.is_none() {
            if let Poll::Ready(error) = self.closed.as_mut().poll(cx) {
                return Poll::Ready(Event::Closed(error));
            }
            let paced = self.context.client.pacer().is_some();
            let under_way = self.calls.len();
            if under_way + untaken < MAX_UNDER_WAY && (paced || under_way < MAX_UNPACED) {
                for category in [Category::Reads, Category::Actions] {
                    let client = &self.context.client;
                    let waiting = if category == Category::Reads { &mut self.reads } else { &mut self.actions };
                    if waiting.rows.is_empty() {
                        waiting.reservation = None;
                        continue;
                    }
                    let reserve = || client.reserve(category, "batch", None);
                    let reservation = waiting.reservation.get_or_insert_with(reserve);
                    if let Poll::Ready(reserved) = reservation.as_mut().poll(cx) {
                        waiting.reservation = None;
                        return Poll::Ready(Event::Reserved(category, reserved));
                    }
                }
            }
        }
        if self.wants_input(untaken)
            && let Some(source) = &mut self.source
        {
            // The source is the caller's code. It is not polled again after a panic.
            let polled = catch_unwind(AssertUnwindSafe(|| source.as_mut().poll_next(cx)));
            let input = polled.unwrap_or_else(|panic| {
                let message = format!("the source of the batch's requests panicked: {}", panic_message(&*panic));
                Poll::Ready(Some(Input::Failed(Error::invalid_argument(message))))
            });
            return input.map(Event::Input);
        }
        Poll::Pending
    }

    fn wants_input(&self, untaken: usize) -> bool {
        let (reads, actions) = (self.reads.rows.len(), self.actions.rows.len());
        untaken < READ_AHEAD && (reads == 0 || actions == 0) && reads + actions < READ_AHEAD
    }

    fn end_source(&mut self) {
        self.source = None;
        self.shared.lock().counters.total = Some(self.next_index);
    }

    fn next_index(&mut self) -> u64 {
        let index = self.next_index;
        self.next_index += 1;
        index
    }

    /// Takes a request from the source.
    async fn accept(&mut self, input: OperationInput) {
        let index = self.next_index();
        if let Err(error) = self.context.client.check(&input) {
            return self.emit(Outcome::failed(index, Some(input), error));
        }
        let id = RequestId::of(&input);
        if let Some(first) = self.seen.get(&id) {
            let error = Error::invalid_argument(format!(
                "the same request as the one at index {first} of this batch, which is carried out once"
            ));
            let error = input.rejected(error);
            return self.emit(Outcome::failed(index, Some(input), error));
        }
        self.seen.insert(id, u32::try_from(index).unwrap_or(u32::MAX));
        let recorded = match &mut self.journal {
            Some(journal) => journal.take_state(id).await,
            None => Ok(None),
        };
        let (recorded, failure) = match recorded {
            Ok(recorded) => (recorded, None),
            Err(error) => (None, Some(error)),
        };
        match Row::plan(index, id, input, recorded, (self.context.clock)()) {
            Err(done) => {
                let (input, output, idempotency_key) = *done;
                self.emit(Outcome {
                    index,
                    input: Some(input),
                    result: Ok(output),
                    idempotency_key,
                    resumed: true,
                    not_attempted: false,
                });
            }
            Ok(row) => {
                if let Some(error) = failure {
                    self.end(EndReason::Failed(error, None));
                }
                self.enqueue(row, false);
            }
        }
    }

    /// Makes a request wait for the rate limit.
    fn enqueue(&mut self, row: Row, first: bool) {
        if self.end.is_some() {
            return self.emit_unstarted(row);
        }
        let waiting = if row.category() == Category::Reads { &mut self.reads } else { &mut self.actions };
        if first {
            waiting.rows.push_front(row);
        } else {
            waiting.rows.push_back(row);
        }
    }

    /// Starts the first request of a category.
    fn start(&mut self, category: Category, reservation: Reservation) {
        let waiting = if category == Category::Reads { &mut self.reads } else { &mut self.actions };
        let Some(mut row) = waiting.rows.pop_front() else { return };
        row.check_age((self.context.clock)());
        if row.category() != category {
            // It has waited for so long that the service has forgotten its key.
            return self.enqueue(row, true);
        }
        let context = Arc::clone(&self.context);
        self.calls.spawn(run_step(context, row, category, reservation));
    }

    /// Decides what follows a step.
    fn finish_step(&mut self, finished: FinishedStep) {
        let FinishedStep { row, next, category, took, key, journal_failure, not_sent } = finished;
        if not_sent {
            if let Some(error) = journal_failure {
                self.end(EndReason::Failed(error, None));
            }
            return self.emit_unstarted(row);
        }
        self.shared.lock().counters.note_sent(category, took);
        match next {
            Next::Step(step) => self.enqueue(Row { step, ..row }, true),
            Next::Settled(result) => {
                let fatal = result.as_ref().err().filter(|error| ends_batch(error)).map(Error::without_source);
                let resumed = row.in_doubt && matches!(result, Ok(OperationOutput::AlreadyDone(_)));
                let index = row.index;
                self.emit(Outcome {
                    index,
                    input: Some(row.input),
                    result,
                    idempotency_key: key,
                    resumed,
                    not_attempted: false,
                });
                if let Some(error) = fatal {
                    self.end(EndReason::Failed(error, Some(index)));
                }
            }
        }
        if let Some(error) = journal_failure {
            self.end(EndReason::Failed(error, None));
        }
    }

    /// Starts nothing more.
    fn end(&mut self, end: EndReason) {
        match (&self.end, &end) {
            (None, _) | (Some(EndReason::Failed(..)), EndReason::Stopped) => {}
            _ => return,
        }
        if matches!(end, EndReason::Stopped) {
            self.source = None;
        }
        self.end = Some(end);
        for waiting in [std::mem::take(&mut self.reads), std::mem::take(&mut self.actions)] {
            waiting.rows.into_iter().for_each(|row| self.emit_unstarted(row));
        }
    }

    /// Gives the item of a request whose next step is not taken.
    fn emit_unstarted(&mut self, row: Row) {
        let key = row.sent.as_ref().map(|sent| sent.key.clone());
        match (row.step, &self.end) {
            // It was under way.
            (Step::Verify(error), _) => {
                let error = error.with(|parts| parts.outcome_unknown = true);
                self.emit(Outcome::failed(row.index, Some(row.input), error));
            }
            (step, Some(EndReason::Failed(cause, failed))) => {
                let row = Row { step, ..row };
                let error = not_attempted(&row, cause, *failed);
                self.emit(Outcome {
                    idempotency_key: key,
                    not_attempted: true,
                    ..Outcome::failed(row.index, Some(row.input), error)
                });
            }
            _ => {}
        }
    }

    fn emit(&mut self, outcome: Outcome) {
        let mut state = self.shared.lock();
        let counters = &mut state.counters;
        match &outcome.result {
            Ok(_) => counters.succeeded += 1,
            Err(_) if outcome.not_attempted => counters.not_attempted += 1,
            Err(_) => counters.failed += 1,
        }
        counters.resumed += u64::from(outcome.resumed);
        state.outbox.push_back(outcome);
        let consumers = std::mem::take(&mut state.consumers);
        drop(state);
        consumers.into_iter().for_each(Waker::wake);
    }

    /// Publishes the driver's counts.
    fn count(&self) {
        let mut state = self.shared.lock();
        let counters = &mut state.counters;
        counters.is_ended = self.end.is_some();
        counters.in_flight = self.calls.len();
        counters.waiting_reads = self.reads.rows.len();
        counters.waiting_actions = self.actions.rows.len();
        counters.done_ahead = self.journal.as_ref().map_or(0, Journal::done_ahead);
    }
}

impl Outcome {
    fn failed(index: u64, input: Option<OperationInput>, error: Error) -> Self {
        let idempotency_key = error.idempotency_key().map(str::to_owned);
        Outcome { index, input, result: Err(error), idempotency_key, resumed: false, not_attempted: false }
    }
}

/// Takes a request's step, with a permit for it.
async fn run_step(
    context: Arc<RowContext>,
    mut row: Row,
    category: Category,
    reservation: Reservation,
) -> FinishedStep {
    let started = Instant::now();
    let is_send = matches!(row.step, Step::Send);
    if is_send
        && row.input.operation.is_action()
        && let Err(error) = context.record_start(&mut row).await
    {
        return FinishedStep {
            row,
            next: Next::Step(Step::Send),
            category,
            took: Duration::ZERO,
            key: None,
            journal_failure: Some(error),
            not_sent: true,
        };
    }
    let mut input = row.input.clone();
    if is_send {
        input.idempotency_key = row.sent.as_ref().map(|sent| sent.key.clone());
    } else {
        input = OperationInput {
            timeout: input.timeout,
            max_retries: input.max_retries,
            ..OperationInput::new(Operation::Status, input.candidate_id, input.job_position_id)
        };
    }
    let result = catch_panic(context.client.call(&input, reservation))
        .await
        .unwrap_or_else(|panic| Err(interrupted(panic_error(&*panic), input.operation, input.idempotency_key.clone())));
    let took = started.elapsed();
    let sent = row.sent.clone();
    let next = if is_send {
        row.after_send(result)
    } else {
        let read = result.and_then(|output| match output {
            OperationOutput::CandidateState(state) => Ok(state),
            _ => Err(Error::new(ErrorKind::Internal, "a status call gave another result")),
        });
        row.after_read(read)
    };
    let mut journal_failure = None;
    if let (Next::Settled(result), Some(journal)) = (&next, &context.journal) {
        let ended = Line::ended(row.id, &row.input, sent.as_ref(), result);
        journal_failure = journal.append(&ended, false).await.err();
    }
    let key = sent.map(|sent| sent.key);
    FinishedStep { row, next, category, took, key, journal_failure, not_sent: false }
}

impl RowContext {
    /// Gives an action its key, and records that it is about to be sent.
    async fn record_start(&self, row: &mut Row) -> Result<(), Error> {
        let action = match &row.sent {
            Some(sent) => sent.clone(),
            None => self.new_action(row)?,
        };
        if let Some(journal) = &self.journal {
            journal.append(&Line::started(row.id, &row.input, &action), true).await?;
        }
        row.sent = Some(action);
        Ok(())
    }

    /// The key of an action that is sent for the first time, or for the first time under a new key.
    fn new_action(&self, row: &Row) -> Result<SentAction, Error> {
        let key = match (&row.input.idempotency_key, &self.batch_id) {
            (Some(key), _) => key.clone(),
            (None, Some(batch_id)) => derive_key(batch_id, row.generation, &row.input),
            (None, None) => new_idempotency_key()?,
        };
        Ok(SentAction { key, generation: row.generation, first_sent: (self.clock)() })
    }
}
