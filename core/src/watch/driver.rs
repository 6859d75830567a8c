//! Watches candidates: one task for all of them, which starts polls and gives an item for each change.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fmt;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, OwnedPermit, Receiver, Sender};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::Instrument;

use super::{Pace, Seen, poll};
use crate::batch::{BoxFuture, PacedClient};
use crate::call::{Reservation, after};
use crate::error::{Error, ErrorKind};
use crate::model::{CandidateState, CandidateStatus};
use crate::operation::{Category, Operation};
use crate::pacing::{PollSlot, Polls};
use crate::panics::{catch_panic, panic_error};
use crate::request::OperationInput;

/// The most polls that are under way or have items that were not taken.
const OUTBOX: usize = 64;

/// Candidates that are watched, from [`Client::watch_candidates`](crate::Client::watch_candidates).
///
/// ```no_run
/// # async fn example(client: celper::Client) -> Result<(), celper::Error> {
/// use celper::JobPositionId;
///
/// let mut watch = client.watch_candidates(["cand_1", "cand_2"], JobPositionId("pos_abc123"))?;
/// while let Some(item) = watch.next().await? {
///     if let Ok(state) = &item.result {
///         println!("{}: {:?} -> {}", item.candidate_id, item.previous_status, state.status);
///     }
/// }
/// # Ok(()) }
/// ```
///
/// It is a [`Stream`]: of each candidate's state first, and then of each change of its status, `analysis_viewed` or
/// `interview_score`. It ends when no candidate is left.
///
/// - **How often**: each candidate is read at once, after 15 s, and then at intervals that grow to 5 minutes; after 15 s again when
///   it has changed. All [waits](crate::StatusWait) and watches of this process and rate limit together use at most half of the
///   reads, 20 in a minute by default, and their candidates take turns: 200 candidates are read every 10 minutes.
/// - **Failures**: what a call retries (no connection, timeouts, 429, 5xx) is retried with the candidate's next read. An error that
///   concerns one candidate (404) is the last item of that candidate. An error that concerns all of them (401, 403, an untrusted
///   certificate, a closed client) ends the watch and is its last item.
/// - **Memory** is about 150 bytes for each candidate. While 64 items are not taken, nothing is read.
/// - **Its runtime** is the one on which it was started. If that ends before the watch, the last item is an error.
/// - **Leaving**: dropping it ends it.
#[must_use = "a watch that is dropped ends"]
pub struct Watch(Items);

/// A candidate's state, or why the candidate is no longer watched.
#[derive(Debug)]
#[non_exhaustive]
pub struct WatchItem {
    /// The candidate.
    pub candidate_id: String,
    /// Its state now. An error is the candidate's last item.
    pub result: Result<CandidateState, Error>,
    /// Its status before; `None` in its first item.
    pub previous_status: Option<CandidateStatus>,
}

pub(crate) struct WatchInput {
    pub(crate) candidate_ids: Vec<String>,
    pub(crate) job_position_id: String,
}

impl Watch {
    pub(crate) fn start(client: Arc<dyn PacedClient>, input: WatchInput) -> Result<Self, Error> {
        Items::start(client, input).map(Watch)
    }

    /// The next item; `None` when no candidate is left.
    ///
    /// # Errors
    ///
    /// The one that has ended the watch.
    pub async fn next(&mut self) -> Result<Option<WatchItem>, Error> {
        poll_fn(|cx| self.0.poll_next(cx)).await.transpose()
    }
}

impl Stream for Watch {
    type Item = Result<WatchItem, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(cx)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// Sends the items of a watch.
type Run = BoxFuture<'static, Result<(), Error>>;

/// The items of a watch. Dropping it ends the watch.
pub(crate) struct Items {
    outbox: Receiver<Result<WatchItem, Error>>,
    stopper: Stopper,
    /// Whether the driver has come to its end, and was not lost with its runtime.
    is_finished: Arc<AtomicBool>,
}

/// Ends a watch.
#[derive(Clone)]
pub(crate) struct Stopper {
    task: AbortHandle,
    is_stopped: Arc<AtomicBool>,
}

impl Stopper {
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        // Drops all senders, which ends the outbox.
        self.task.abort();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }
}

impl Items {
    pub(crate) fn start(client: Arc<dyn PacedClient>, input: WatchInput) -> Result<Self, Error> {
        Items::start_within(client, input, |run| run)
    }

    /// As [`start`](Items::start), with a future around the whole watch.
    pub(crate) fn start_within(
        client: Arc<dyn PacedClient>,
        input: WatchInput,
        within: impl FnOnce(Run) -> Run,
    ) -> Result<Self, Error> {
        let (sender, outbox) = mpsc::channel(OUTBOX);
        let driver = Driver::new(client, input, sender.clone())
            .map_err(|error| error.with(|parts| parts.operation = Operation::Status.name()))?;
        Ok(Items::spawn(within(Box::pin(driver.run())), sender, outbox))
    }

    /// The state that a wait ends with is the only item.
    #[cfg_attr(not(feature = "bindings"), allow(dead_code, reason = "bindings only"))]
    pub(crate) fn of_wait(candidate_id: String, wait: BoxFuture<'static, Result<CandidateState, Error>>) -> Self {
        let (sender, outbox) = mpsc::channel(1);
        let end = sender.clone();
        let run = Box::pin(async move {
            let item = WatchItem { candidate_id, result: Ok(wait.await?), previous_status: None };
            let _ = sender.send(Ok(item)).await;
            Ok(())
        });
        Items::spawn(run, end, outbox)
    }

    /// Runs what sends the items; `sender` is for the error that it ends with.
    fn spawn(run: Run, sender: Sender<Result<WatchItem, Error>>, outbox: Receiver<Result<WatchItem, Error>>) -> Self {
        let is_finished = Arc::new(AtomicBool::new(false));
        // Boxed, so that the runtime's part is compiled once.
        let run: BoxFuture<'static, ()> = Box::pin({
            let is_finished = Arc::clone(&is_finished);
            async move {
                let ended = catch_panic(run).await.unwrap_or_else(|panic| Err(panic_error(&*panic)));
                if let Err(error) = ended {
                    let error = error.with(|parts| parts.operation = Operation::Status.name());
                    let _ = sender.send(Err(error)).await;
                }
                is_finished.store(true, Ordering::Release);
                drop(sender);
            }
        });
        // Its reads are children of the caller's span.
        let task = tokio::spawn(run.in_current_span()).abort_handle();
        let stopper = Stopper { task, is_stopped: Arc::default() };
        Items { outbox, stopper, is_finished }
    }

    #[cfg_attr(not(feature = "bindings"), allow(dead_code, reason = "bindings only"))]
    pub(crate) fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<WatchItem, Error>>> {
        self.outbox.poll_recv(cx).map(|item| {
            if self.stopper.is_stopped() {
                return None;
            }
            // A failure must not look like the end of the watch. It is given once.
            if item.is_none() && !self.is_finished.swap(true, Ordering::AcqRel) {
                let lost = "the tokio runtime on which the watch was started has ended before the watch";
                return Some(Err(Error::new(ErrorKind::Internal, lost)));
            }
            item
        })
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}

struct Driver {
    client: Arc<dyn PacedClient>,
    polls: Polls,
    job_position_id: String,
    candidates: Vec<Candidate>,
    /// When each candidate that is not being polled is polled next, by its index.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    under_way: JoinSet<Polled>,
    sender: Sender<Result<WatchItem, Error>>,
}

struct Candidate {
    id: Box<str>,
    pace: Pace,
    last: Option<Seen>,
}

/// A poll that may begin.
struct Ready {
    index: usize,
    room: OwnedPermit<Result<WatchItem, Error>>,
    slot: PollSlot,
    reservation: Reservation,
}

/// A poll that has ended, and the room for its item.
struct Polled {
    index: usize,
    room: OwnedPermit<Result<WatchItem, Error>>,
    result: Result<CandidateState, Error>,
}

impl Driver {
    fn new(
        client: Arc<dyn PacedClient>,
        input: WatchInput,
        sender: Sender<Result<WatchItem, Error>>,
    ) -> Result<Self, Error> {
        let WatchInput { candidate_ids, job_position_id } = input;
        let mut distinct = HashSet::new();
        let mut candidates = Vec::new();
        for id in &candidate_ids {
            if distinct.insert(id.as_str()) {
                client.check(&OperationInput::new(Operation::Status, id.as_str(), job_position_id.as_str()))?;
                candidates.push(Candidate { id: id.as_str().into(), pace: Pace::new(), last: None });
            }
        }
        if Handle::try_current().is_err() {
            return Err(Error::invalid_argument("a watch needs a tokio runtime; start it inside one"));
        }
        let now = Instant::now();
        let due = (0..candidates.len()).map(|index| Reverse((now, index))).collect();
        let polls = client.polls()?;
        Ok(Driver { client, polls, job_position_id, candidates, due, under_way: JoinSet::new(), sender })
    }

    async fn run(mut self) -> Result<(), Error> {
        let mut closed = self.client.closed();
        let mut starting: Option<BoxFuture<'static, Result<Ready, Error>>> = None;
        loop {
            let next_due = self.due.peek().map(|Reverse((due, _))| *due);
            if starting.is_none()
                && next_due.is_some_and(|due| due <= Instant::now())
                && let Some(Reverse((due, index))) = self.due.pop()
            {
                starting = Some(self.start(due, index));
            }
            if starting.is_none() && self.due.is_empty() && self.under_way.is_empty() {
                return Ok(());
            }
            let start = async {
                match (&mut starting, next_due) {
                    (Some(start), _) => start.await.map(Some),
                    (None, Some(due)) => {
                        sleep_until(due).await;
                        Ok(None)
                    }
                    (None, None) => pending().await,
                }
            };
            tokio::select! {
                biased;
                error = &mut closed => return Err(error),
                Some(joined) = self.under_way.join_next() => {
                    // Tasks neither panic nor are aborted while the driver lives.
                    if let Ok(polled) = joined {
                        self.finish(polled)?;
                    }
                }
                started = start => {
                    if let Some(ready) = started? {
                        starting = None;
                        self.begin(ready);
                    }
                }
            }
        }
    }

    /// Waits until a poll may begin. The room for its item comes first: a watch whose items are not taken keeps no slot.
    fn start(&self, due: Instant, index: usize) -> BoxFuture<'static, Result<Ready, Error>> {
        let (client, polls, sender) = (Arc::clone(&self.client), self.polls.clone(), self.sender.clone());
        Box::pin(async move {
            // Without a receiver, the driver is about to be aborted.
            let Ok(room) = sender.reserve_owned().await else { return pending().await };
            let slot = polls.acquire(due).await;
            let reservation = client.reserve(Category::Reads, Operation::Status.name(), None).await?;
            Ok(Ready { index, room, slot, reservation })
        })
    }

    fn begin(&mut self, Ready { index, room, slot, reservation }: Ready) {
        let Some(candidate) = self.candidates.get(index) else { return };
        let client = Arc::clone(&self.client);
        let input = OperationInput {
            // The rate limit is waited for as long as it takes, whatever the client's timeout.
            timeout: Some(Duration::MAX),
            max_retries: Some(0),
            ..OperationInput::new(Operation::Status, &*candidate.id, self.job_position_id.as_str())
        };
        let polled = async move {
            let result = catch_panic(poll(&*client, slot, &input, reservation)).await;
            Polled { index, room, result: result.unwrap_or_else(|panic| Err(panic_error(&*panic))) }
        };
        self.under_way.spawn(polled.in_current_span());
    }

    /// Gives the item of a poll, if there is one, and decides when the candidate is polled again.
    fn finish(&mut self, Polled { index, room, result }: Polled) -> Result<(), Error> {
        let Some(candidate) = self.candidates.get_mut(index) else { return Ok(()) };
        let random = self.client.random();
        let item = |candidate: &Candidate, previous: Option<Seen>, result| WatchItem {
            candidate_id: candidate.id.to_string(),
            result,
            previous_status: previous.map(|previous| previous.status),
        };
        let interval = match result {
            Ok(state) => {
                let seen = Seen::of(&state);
                let changed = candidate.last.as_ref() != Some(&seen);
                if changed {
                    let previous = candidate.last.replace(seen);
                    room.send(Ok(item(candidate, previous, Ok(state))));
                }
                candidate.pace.next(changed, random)
            }
            Err(error) if ends_watch(&error) => return Err(error),
            Err(error) if error.is_permanent() => {
                let previous = candidate.last.take();
                room.send(Ok(item(candidate, previous, Err(error))));
                return Ok(());
            }
            Err(error) => candidate.pace.after_failure(&error, random),
        };
        self.due.push(Reverse((after(Instant::now(), interval), index)));
        Ok(())
    }
}

/// Whether an error would be every candidate's.
fn ends_watch(error: &Error) -> bool {
    let concerns_all = matches!(
        error.kind(),
        ErrorKind::Authentication | ErrorKind::PermissionDenied | ErrorKind::InvalidArgument | ErrorKind::Internal
    );
    // A failure of the connection that a retry would not change.
    concerns_all || (error.is_permanent() && error.kind().is_retried())
}
