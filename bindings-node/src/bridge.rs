//! Runs calls on the core's runtime and delivers their outcomes to one JavaScript environment (the main thread or a worker).
//! Each environment has one bridge.
//!
//! Invariants:
//! - Outcomes wait in one queue, and JavaScript is woken only when the queue was empty: many calls that end together cost one
//!   wake-up. They are serialized on the runtime's thread, to keep JavaScript's thread free.
//! - The threadsafe function exists while JavaScript is connected: from the first of its calls and batches to the end of the last.
//!   It holds the callback, and with it everything that the callback can reach, which in a test runner is the whole context of
//!   a test file. It keeps the event loop alive until [`Bridge::unref_event_loop`].
//! - When the environment ends, its calls are aborted and nothing touches the environment again.

use std::collections::HashMap;
use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use celper::bindings::watch::{self, WaitInput};
use celper::{ApiKey, Error, Operation, OperationInput, OperationOutput, bindings};
use napi::bindgen_prelude::{Env, Function};
use napi::sys;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::batch::{self, NativeBatch};
use crate::client::{NativeClient, milliseconds};
use crate::key::{HostKeyError, KeyResult};
use crate::outcome::{self, catch_panic};
use crate::scope::Scope;
use crate::watch::NativeWatch;

/// The JavaScript callback that drains the queue.
type Wake = ThreadsafeFunction<(), (), (), napi::Status, false>;

#[derive(Default)]
pub(crate) struct Shared {
    queue: Mutex<OutcomeQueue>,
    /// Calls in progress and calls whose outcome is in the queue, by id. Only the environment's thread uses it.
    calls: Mutex<HashMap<u32, AbortHandle>>,
    keys: Mutex<KeyRequests>,
}

/// The key requests that JavaScript has not completed.
#[derive(Default)]
struct KeyRequests {
    waiting: HashMap<u32, oneshot::Sender<KeyResult>>,
    last_id: u32,
}

/// Messages that JavaScript has not drained yet: outcomes, and calls that need a key.
#[derive(Default)]
struct OutcomeQueue {
    /// The calls that have ended.
    ids: Vec<u32>,
    /// JSON objects, separated by commas.
    json: String,
    /// Present while JavaScript is connected.
    wake: Option<Arc<Wake>>,
}

/// Ignores poisoning: the guarded data is consistent between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Sends the outcome of a call.
    fn deliver(&self, id: u32, outcome: &str) {
        self.enqueue(outcome, Some(id));
    }

    /// Sends a message, a JSON object.
    pub(crate) fn push(&self, message: &str) {
        self.enqueue(message, None);
    }

    fn enqueue(&self, message: &str, ended: Option<u32>) {
        let wake = {
            let mut queue = lock(&self.queue);
            let first = queue.json.is_empty();
            if !first {
                queue.json.push(',');
            }
            queue.json.push_str(message);
            queue.ids.extend(ended);
            if first { queue.wake.clone() } else { None }
        };
        // After the lock is released: JavaScript's thread drains the queue at once.
        if let Some(wake) = wake {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Asks JavaScript for the key of a call or of one of a batch's calls, and gives the request's id. The receiver fails when
    /// JavaScript is not connected any more: the calls of a batch can outlive their environment.
    pub(crate) fn request_key(&self, id: u32) -> (u32, oneshot::Receiver<KeyResult>) {
        let (sender, receiver) = oneshot::channel();
        let request = {
            let mut keys = lock(&self.keys);
            keys.last_id = keys.last_id.wrapping_add(1);
            let request = keys.last_id;
            keys.waiting.insert(request, sender);
            request
        };
        self.push(&outcome::key_request_json(id, request));
        if lock(&self.queue).wake.is_none() {
            self.forget_key_request(request);
        }
        (request, receiver)
    }

    pub(crate) fn forget_key_request(&self, request: u32) {
        lock(&self.keys).waiting.remove(&request);
    }

    /// When the environment ends. Its hooks run in reverse order, so this one runs before Node closes the threadsafe function.
    fn close(&self) {
        lock(&self.queue).wake = None;
        lock(&self.calls).drain().for_each(|(_, call)| call.abort());
        lock(&self.keys).waiting.clear();
    }
}

/// Connects one JavaScript environment to the core.
#[napi]
pub struct Bridge {
    shared: Arc<Shared>,
}

#[napi]
impl Bridge {
    /// A bridge that is not connected yet.
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::new_without_default, reason = "JavaScript creates it")]
    pub fn new() -> Self {
        Bridge { shared: Arc::default() }
    }

    /// Calls `wake`, without arguments, when there are messages to `drain`, and keeps the event loop alive.
    #[napi(catch_unwind)]
    pub fn connect(&self, env: Env, wake: Function<'_, (), ()>) -> napi::Result<()> {
        let mut queue = lock(&self.shared.queue);
        if let Some(wake) = &queue.wake {
            // SAFETY: this runs on the thread of `env`, which owns `wake`; the queue keeps it.
            unsafe { sys::napi_ref_threadsafe_function(env.raw(), wake.raw()) };
            return Ok(());
        }
        let wake = wake.build_threadsafe_function().callee_handled::<false>().build()?;
        // What is there belongs to aborted calls and dropped batches.
        *queue = OutcomeQueue { wake: Some(Arc::new(wake)), ..OutcomeQueue::default() };
        // SAFETY: the hook gets a reference of its own, which it drops when it runs, and `disconnect` when it removes the hook.
        unsafe {
            let shared = Arc::into_raw(Arc::clone(&self.shared)).cast_mut().cast();
            sys::napi_add_env_cleanup_hook(env.raw(), Some(environment_ends), shared);
        }
        Ok(())
    }

    /// Calls `wake` once more, after the continuations of the promises that the current one settles.
    #[napi(catch_unwind)]
    pub fn wake_again(&self) {
        if let Some(wake) = &lock(&self.shared.queue).wake {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Releases `wake`. Only without calls and batches in progress.
    #[napi(catch_unwind)]
    pub fn disconnect(&self, env: Env) {
        let wake = lock(&self.shared.queue).wake.take();
        lock(&self.shared.keys).waiting.clear();
        if wake.is_some() {
            // SAFETY: `connect` added the hook with this reference, and it has not run, as this environment still runs JavaScript.
            unsafe {
                let shared = Arc::as_ptr(&self.shared);
                sys::napi_remove_env_cleanup_hook(env.raw(), Some(environment_ends), shared.cast_mut().cast());
                Arc::decrement_strong_count(shared);
            }
        }
    }

    /// Starts a call. Its outcome is queued with `id`, unless the call is cancelled first; with `logs`, its log records before that.
    #[napi(catch_unwind)]
    #[allow(
        clippy::too_many_arguments,
        reason = "reading the fields of an object would double this thread's work for a call"
    )]
    pub fn start(
        &self,
        id: u32,
        client: &NativeClient,
        #[napi(ts_arg_type = "'status' | 'invite' | 'select' | 'reject'")] operation: String,
        candidate_id: String,
        job_position_id: String,
        email_subject: Option<String>,
        email_body: Option<String>,
        idempotency_key: Option<String>,
        timeout: Option<f64>,
        max_retries: Option<u32>,
        traceparent: Option<String>,
        logs: Option<bool>,
    ) {
        let Some(operation) = Operation::from_name(&operation) else {
            let error = Error::invalid_argument("unknown operation");
            return self.shared.deliver(id, &outcome::error_json(id, &error));
        };
        let mut input = OperationInput::new(operation, candidate_id, job_position_id);
        input.email_subject = email_subject;
        input.email_body = email_body;
        input.idempotency_key = idempotency_key;
        input.timeout = timeout.map(milliseconds);
        input.max_retries = max_retries;
        input.traceparent = traceparent;
        let call = {
            let (client, input) = (client.0.clone(), input.clone());
            move || bindings::send(client, input)
        };
        // A panic here is before anything is sent, like the arguments that the core rejects.
        if let Err(error) = catch_panic(|| self.spawn(id, logs, call)) {
            let error = bindings::rejected_call(&input, error);
            self.shared.deliver(id, &outcome::error_json(id, &error));
        }
    }

    /// Starts a wait for one of the statuses, as a call. Without a `timeout`, the core's default. With `reads`, each read that has
    /// ended is queued.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments, reason = "as those of `start`")]
    pub fn start_wait(
        &self,
        id: u32,
        client: &NativeClient,
        candidate_id: String,
        job_position_id: String,
        until: Vec<String>,
        timeout: Option<f64>,
        traceparent: Option<String>,
        reads: Option<bool>,
        logs: Option<bool>,
    ) {
        let timeout = timeout.map(|timeout| if timeout.is_infinite() { Duration::MAX } else { milliseconds(timeout) });
        let input = WaitInput { candidate_id, job_position_id, until, timeout };
        let client = client.0.clone();
        let reads = self.scope(id, logs).reads(traceparent, reads);
        let wait = move || -> Pin<Box<dyn Future<Output = Result<OperationOutput, Error>> + Send>> {
            match reads {
                Some(reads) => Box::pin(watch::wait_for_status_observed(client, input, reads)),
                None => Box::pin(watch::wait_for_status(client, input)),
            }
        };
        if let Err(error) = catch_panic(|| self.spawn(id, logs, wait)) {
            self.shared.deliver(id, &outcome::error_json(id, &watch::rejected_watch(error)));
        }
    }

    /// `call` makes the call's future, which is large, on the runtime's thread.
    fn spawn<F>(&self, id: u32, logs: Option<bool>, call: impl FnOnce() -> F + Send + 'static) -> Result<(), Error>
    where
        F: Future<Output = Result<OperationOutput, Error>> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let scope = self.scope(id, logs);
        let call = bindings::runtime()?.spawn(async move {
            let result = scope.run(Box::pin(call())).await;
            let outcome = catch_panic(|| result.map(|output| outcome::result_json(id, &output)));
            shared.deliver(id, &outcome.unwrap_or_else(|error| outcome::error_json(id, &error)));
        });
        lock(&self.shared.calls).insert(id, call.abort_handle());
        Ok(())
    }

    fn scope(&self, id: u32, logs: Option<bool>) -> Scope {
        Scope { shared: Arc::clone(&self.shared), id, logs: logs == Some(true) }
    }

    /// Starts a watch. Everything that is asked of it is queued with `id`; with `reads`, also each read that has ended.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments, reason = "as those of `start`")]
    pub fn start_watch(
        &self,
        id: u32,
        client: &NativeClient,
        candidate_ids: Vec<String>,
        job_position_id: String,
        traceparent: Option<String>,
        reads: Option<bool>,
        logs: Option<bool>,
    ) -> NativeWatch {
        let scope = self.scope(id, logs);
        let reads = scope.reads(traceparent, reads);
        NativeWatch::start(scope, client.0.clone(), candidate_ids, job_position_id, reads)
    }

    /// Starts a batch. `{ started }` or its error is queued with `id`, and later everything that is asked of it.
    #[napi(catch_unwind)]
    pub fn start_batch(
        &self,
        id: u32,
        client: &NativeClient,
        batch_id: Option<String>,
        journal: Option<String>,
        total: Option<f64>,
        logs: Option<bool>,
    ) -> NativeBatch {
        let options = batch::options(batch_id, journal, total);
        NativeBatch::start(self.scope(id, logs), client.0.clone(), options)
    }

    /// Aborts a call: its connection closes and nothing more is sent. Its outcome may already be in the queue.
    #[napi(catch_unwind)]
    pub fn cancel(&self, id: u32) {
        if let Some(call) = lock(&self.shared.calls).remove(&id) {
            call.abort();
        }
    }

    /// Takes all queued messages, as a JSON array.
    #[napi(catch_unwind)]
    pub fn drain(&self) -> String {
        let (ids, json) = {
            let mut queue = lock(&self.shared.queue);
            (std::mem::take(&mut queue.ids), std::mem::take(&mut queue.json))
        };
        let mut calls = lock(&self.shared.calls);
        for id in &ids {
            calls.remove(id);
        }
        format!("[{json}]")
    }

    /// Completes a key request with the key that the key provider returned. Its call may have ended.
    #[napi(catch_unwind)]
    pub fn provide_key(&self, request: u32, key: String) {
        self.complete_key_request(request, ApiKey::new(key).map_err(Into::into));
    }

    /// Fails a key request. Its call may have ended.
    #[napi(catch_unwind)]
    pub fn fail_key(&self, request: u32, message: String) {
        self.complete_key_request(request, Err(HostKeyError { message, request }.into()));
    }

    fn complete_key_request(&self, request: u32, result: KeyResult) {
        if let Some(waiting) = lock(&self.shared.keys).waiting.remove(&request) {
            // The call can have been cancelled in this moment.
            let _ = waiting.send(result);
        }
    }

    /// Lets the event loop end when it has nothing else to do.
    #[napi(catch_unwind)]
    pub fn unref_event_loop(&self, env: Env) {
        if let Some(wake) = &lock(&self.shared.queue).wake {
            // SAFETY: as in `connect`.
            unsafe { sys::napi_unref_threadsafe_function(env.raw(), wake.raw()) };
        }
    }
}

/// # Safety
///
/// `shared` is a reference from `Arc::into_raw`, which this function drops.
unsafe extern "C" fn environment_ends(shared: *mut c_void) {
    // SAFETY: as above.
    let shared = unsafe { Arc::from_raw(shared.cast::<Shared>().cast_const()) };
    shared.close();
}
