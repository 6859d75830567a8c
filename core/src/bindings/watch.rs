//! Waits for a status, and watches of candidates, for the language bindings.
//!
//! A wait is one call: run [`wait_for_status`] where the binding runs [`send`](super::send), within the same scope and with the same
//! cancellation; its result and errors are converted like that call's, and an error may have a
//! [`last_state`](Error::last_state).
//!
//! A watch runs on the [`runtime`] and is pulled:
//!
//! ```text
//! let watch = WatchHandle::start(client, candidate_ids, job_position_id)?;    // Err: raise it where the watch is made
//! loop {
//!     match watch.next().await {
//!         Ok(Some(item)) => give(item.candidate_id, item.result, item.previous_status),
//!         Ok(None) => break,                                                   // no candidate is left, or it was stopped
//!         Err(error) => raise(error),                                          // nothing follows
//!     }
//! }
//! ```
//!
//! Call [`WatchHandle::stop`] when the host leaves the loop, or drop the last clone. What a facade has to decide: nothing but how
//! its language spells this.

use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::batch::{Scope, ScopedClient, guard, scoped};
use super::runtime;
use crate::batch::PacedClient;
use crate::call::Reservation;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::model::CandidateStatus;
use crate::operation::Operation;
use crate::panics::panic_error;
use crate::record::CallRecord;
use crate::request::{OperationInput, OperationOutput};
pub use crate::watch::WatchItem;
use crate::watch::{Items, StatusWait, Stopper, WatchInput};

/// The arguments of a wait for a status.
#[derive(Clone, Debug)]
pub struct WaitInput {
    /// The candidate's id.
    pub candidate_id: String,
    /// The id of the candidate's job position.
    pub job_position_id: String,
    /// The statuses to wait for.
    pub until: Vec<String>,
    /// The timeout; the core's default when `None`, and [`Duration::MAX`] for as long as it takes.
    pub timeout: Option<Duration>,
}

/// [`Client::wait_for_status`] for a host process that must not end with a panic: a panic becomes an error.
///
/// Spawn it on the [`runtime`]; dropping or aborting it ends the wait.
///
/// # Errors
///
/// The wait's own, or [`ErrorKind::Internal`] for a panic.
pub async fn wait_for_status(client: Client, input: WaitInput) -> Result<OperationOutput, Error> {
    run_wait(Arc::new(client), input).await
}

/// As [`wait_for_status`], for a host that traces its calls.
///
/// # Errors
///
/// Those of [`wait_for_status`].
pub async fn wait_for_status_observed(
    client: Client,
    input: WaitInput,
    reads: Reads,
) -> Result<OperationOutput, Error> {
    let scope: Scope = Arc::new(|poll| poll());
    run_wait(Arc::new(ScopedClient { client, scope, reads: Some(reads) }), input).await
}

async fn run_wait(client: Arc<dyn PacedClient>, input: WaitInput) -> Result<OperationOutput, Error> {
    let state = guard(status_wait(client, input).run()).await;
    state.map(OperationOutput::CandidateState).map_err(rejected_watch)
}

fn status_wait(client: Arc<dyn PacedClient>, input: WaitInput) -> StatusWait {
    let until = input.until.into_iter().map(CandidateStatus::from).collect();
    let call = OperationInput {
        timeout: input.timeout,
        ..OperationInput::new(Operation::Status, input.candidate_id, input.job_position_id)
    };
    StatusWait::new(client, call, until)
}

/// What a host that traces its calls wants of the reads of a wait or a watch.
#[derive(Clone)]
pub struct Reads {
    /// A `traceparent` header for their requests.
    pub traceparent: Option<String>,
    /// Is told of each read that has ended, on the thread that polls it, before its effect is seen.
    pub ended: Arc<dyn Fn(EndedRead) + Send + Sync>,
}

/// A read of a wait or a watch, which is a call of its own.
#[derive(Debug)]
#[non_exhaustive]
pub struct EndedRead {
    /// The candidate.
    pub candidate_id: String,
    /// The candidate's job position.
    pub job_position_id: String,
    /// What the read did.
    pub record: CallRecord,
    /// Why it failed, without a cause; `None` if it did not.
    pub error: Option<Error>,
}

impl Reads {
    pub(super) async fn observe(
        &self,
        client: &Client,
        input: &OperationInput,
        reservation: Reservation,
    ) -> Result<OperationOutput, Error> {
        let input = OperationInput { traceparent: self.traceparent.clone(), ..input.clone() };
        let result = client.send_reserved(&input, Some(reservation)).await;
        let (record, error) = match &result {
            Ok(OperationOutput::CandidateState(state)) => (state.record.as_deref(), None),
            Ok(_) => (None, None),
            Err(error) => (error.record(), Some(error)),
        };
        if let Some(record) = record {
            let error = error.map(|error| {
                error.without_source().with(|parts| {
                    parts.operation = error.operation();
                    parts.attempts = error.attempts();
                    parts.retry_after = error.retry_after();
                    parts.record = Some(record.clone());
                })
            });
            let OperationInput { candidate_id, job_position_id, .. } = input;
            (self.ended)(EndedRead { candidate_id, job_position_id, record: record.clone(), error });
        }
        result
    }
}

/// A watch. Clones are the same watch; dropping the last one ends it.
#[derive(Clone)]
pub struct WatchHandle(Arc<Owner>);

struct Owner {
    pid: u32,
    /// Only taken when it is dropped.
    live: Option<Live>,
}

struct Live {
    stopper: Stopper,
    items: Mutex<Items>,
}

impl WatchHandle {
    /// Starts a watch on the [`runtime`]. Does not block.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`] for an id that is not valid, or a closed client.
    pub fn start(client: Client, candidate_ids: Vec<String>, job_position_id: String) -> Result<Self, Error> {
        Self::spawn(|| Items::start(Arc::new(client), WatchInput { candidate_ids, job_position_id }))
    }

    /// As [`start`](WatchHandle::start). `scope` runs every poll of the watch and its calls, and sets for it what they look for on
    /// their thread: where log records go, or who has the key of a key provider. `reads` is for a host that traces its calls.
    ///
    /// # Errors
    ///
    /// Those of [`start`](WatchHandle::start).
    pub fn start_observed(
        client: Client,
        candidate_ids: Vec<String>,
        job_position_id: String,
        scope: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static,
        reads: Option<Reads>,
    ) -> Result<Self, Error> {
        let scope: Scope = Arc::new(scope);
        let client = Arc::new(ScopedClient { client, scope: Arc::clone(&scope), reads });
        let input = WatchInput { candidate_ids, job_position_id };
        // What is logged between the reads is the watch's too.
        Self::spawn(|| Items::start_within(client, input, |run| scoped(&scope, run)))
    }

    /// A wait for a status, for a host that pulls it as it does a watch: the only item is the state that the wait ends with.
    /// `scope` runs every poll of the wait.
    ///
    /// # Errors
    ///
    /// When the runtime cannot be started. Those of the wait come with [`next`](WatchHandle::next).
    pub fn start_wait(
        client: Client,
        input: WaitInput,
        scope: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static,
        reads: Option<Reads>,
    ) -> Result<Self, Error> {
        let (candidate_id, scope) = (input.candidate_id.clone(), Arc::new(scope) as Scope);
        let client = ScopedClient { client, scope: Arc::clone(&scope), reads };
        // What is logged between the reads is the wait's too.
        let wait = scoped(&scope, Box::pin(status_wait(Arc::new(client), input).run()));
        Self::spawn(|| Ok(Items::of_wait(candidate_id, wait)))
    }

    fn spawn(start: impl FnOnce() -> Result<Items, Error>) -> Result<Self, Error> {
        let runtime = runtime().map_err(rejected_watch)?;
        let started = catch_unwind(AssertUnwindSafe(|| {
            let _entered = runtime.enter();
            start()
        }));
        let items = started.unwrap_or_else(|panic| Err(rejected_watch(panic_error(&*panic))))?;
        let live = Live { stopper: items.stopper(), items: Mutex::new(items) };
        Ok(WatchHandle(Arc::new(Owner { pid: process::id(), live: Some(live) })))
    }

    /// The next item; `None` when no candidate is left, or after [`stop`](WatchHandle::stop). It can be polled on any thread, with or
    /// without a runtime; dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// The error that has ended the watch, once; and always in a forked child, where the watch does not exist.
    pub async fn next(&self) -> Result<Option<WatchItem>, Error> {
        let live = self.live()?;
        guard(async {
            let mut items = live.items.lock().await;
            poll_fn(|cx| items.poll_next(cx)).await.transpose()
        })
        .await
        .map_err(rejected_watch)
    }

    /// Whether the watch can be used here.
    ///
    /// # Errors
    ///
    /// In a forked child.
    pub fn check(&self) -> Result<(), Error> {
        self.live().map(drop)
    }

    /// Ends the watch: drops the requests that are under way, and wakes whoever waits for the next item. Items that were not taken
    /// are lost.
    ///
    /// # Errors
    ///
    /// In a forked child.
    pub fn stop(&self) -> Result<(), Error> {
        self.live()?.stopper.stop();
        Ok(())
    }

    fn live(&self) -> Result<&Live, Error> {
        // Before any lock: another thread may have held it when the process was forked.
        self.0.live.as_ref().filter(|_| self.0.pid == process::id()).ok_or_else(forked_watch)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.pid != process::id() {
            // The parent's locks and tasks are not this process's.
            mem::forget(self.live.take());
        }
    }
}

/// The error of a wait or a watch with an argument that the binding cannot convert.
pub fn rejected_watch(error: Error) -> Error {
    error.with(|parts| parts.operation = Operation::Status.name())
}

/// The error, in the child process, of a watch that belongs to the parent.
pub fn forked_watch() -> Error {
    let message =
        "the process was forked during the watch, which continues in the parent process only; start another one";
    rejected_watch(Error::new(ErrorKind::Connection, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyFuture, KeyProvider};

    fn client() -> Client {
        // Nothing listens there: each poll fails, and is repeated.
        Client::builder().api_key("celp_secret").base_url("http://127.0.0.1:1").build().unwrap()
    }

    fn watch(client: Client) -> WatchHandle {
        WatchHandle::start(client, vec!["c1".to_owned()], "p".to_owned()).unwrap()
    }

    #[test]
    fn stopping_a_watch_wakes_whoever_waits() {
        let watch = watch(client());
        let waiting = runtime().unwrap().spawn({
            let watch = watch.clone();
            async move { watch.next().await }
        });
        std::thread::sleep(Duration::from_millis(20));
        watch.stop().unwrap();
        assert!(runtime().unwrap().block_on(waiting).unwrap().unwrap().is_none());
    }

    #[test]
    fn the_watches_and_waits_of_a_client_that_is_about_to_be_closed_end() {
        let client = client();
        let watch = watch(client.clone());
        let input = WaitInput {
            candidate_id: "c1".to_owned(),
            job_position_id: "p".to_owned(),
            until: vec!["interviewed".to_owned()],
            timeout: None,
        };
        let pulled = WatchHandle::start_wait(client.clone(), input.clone(), |poll| poll(), None).unwrap();
        let waiting = runtime().unwrap().spawn(wait_for_status(client.clone(), input));
        std::thread::sleep(Duration::from_millis(20));
        super::super::batch::end_batches(&client);
        let watched = runtime().unwrap().block_on(watch.next()).unwrap_err();
        let pulled = runtime().unwrap().block_on(pulled.next()).unwrap_err();
        let waited = runtime().unwrap().block_on(waiting).unwrap().unwrap_err();
        for error in [watched, pulled, waited] {
            assert!(error.message().contains("closed") && error.operation() == "status", "{error}");
        }
        assert!(runtime().unwrap().block_on(watch.next()).unwrap().is_none());
    }

    #[test]
    fn a_forked_child_gets_an_error_and_leaves_the_watch_alone() {
        let parents = watch(client());
        let _entered = runtime().unwrap().enter();
        let input = WatchInput { candidate_ids: vec![], job_position_id: "p".to_owned() };
        let items = Mutex::new(Items::start(Arc::new(client()), input).unwrap());
        let live = Live { stopper: parents.live().unwrap().stopper.clone(), items };
        let childs = WatchHandle(Arc::new(Owner { pid: 0, live: Some(live) }));
        assert!(childs.stop().unwrap_err().message().contains("forked"));
        drop(childs);
        assert!(!parents.live().unwrap().stopper.is_stopped());
    }

    #[test]
    fn polls_run_within_the_scope() {
        tokio::task_local!(static KEY: &'static str);
        struct Provider;
        impl KeyProvider for Provider {
            fn api_key(&self) -> KeyFuture<'_> {
                Box::pin(async {
                    tokio::task::yield_now().await;
                    Err(format!("asked within {}", KEY.try_with(|key| *key)?).into())
                })
            }
        }
        let client = Client::builder().key_provider(Provider).base_url("http://127.0.0.1:1").build().unwrap();
        let scope = |poll: &mut dyn FnMut()| KEY.sync_scope("the scope", poll);
        let watch = WatchHandle::start_observed(client, vec!["c1".to_owned()], "p".to_owned(), scope, None).unwrap();
        let error = runtime().unwrap().block_on(watch.next()).unwrap_err();
        assert!(error.kind() == ErrorKind::Authentication && error.message().contains("the scope"), "{error}");
    }
}
