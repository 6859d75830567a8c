//! Runs calls on the core's runtime and delivers their outcomes to one JavaScript environment (the main thread or a worker).
//! Each environment has one bridge.
//!
//! Invariants:
//! - Outcomes wait in one queue, and JavaScript is woken only when the queue was empty: many calls that end together cost one
//!   wake-up. They are serialized on the runtime's thread, to keep JavaScript's thread free.
//! - The event loop stays alive between [`Bridge::ref_event_loop`] and [`Bridge::unref_event_loop`]. An idle bridge never
//!   keeps it alive.
//! - When the environment ends, its calls are aborted and nothing touches the environment again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use celper::{Client, Error, Operation, OperationInput, bindings};
use napi::bindgen_prelude::{Env, Function};
use napi::sys;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tokio::task::AbortHandle;

use crate::client::{NativeClient, milliseconds};
use crate::outcome::{self, catch_panic};

/// The JavaScript callback that drains the queue. It is weak, so that it does not keep the event loop alive.
type Wake = ThreadsafeFunction<(), (), (), napi::Status, false, true>;

struct Shared {
    wake: Wake,
    /// Set when the environment ends.
    closed: AtomicBool,
    queue: Mutex<OutcomeQueue>,
    /// Calls in progress and calls whose outcome is in the queue, by id. Only the environment's thread uses it.
    calls: Mutex<HashMap<u32, AbortHandle>>,
}

/// Outcomes that JavaScript has not drained yet.
#[derive(Default)]
struct OutcomeQueue {
    ids: Vec<u32>,
    /// JSON objects, separated by commas.
    json: String,
}

/// Ignores poisoning: the guarded data is consistent between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn deliver(&self, id: u32, outcome: &str) {
        let first = {
            let mut queue = lock(&self.queue);
            let first = queue.ids.is_empty();
            if !first {
                queue.json.push(',');
            }
            queue.json.push_str(outcome);
            queue.ids.push(id);
            first
        };
        // After the lock is released: JavaScript's thread drains the queue at once.
        if first && !self.closed.load(Ordering::Acquire) {
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        lock(&self.calls).drain().for_each(|(_, call)| call.abort());
    }
}

/// Connects one JavaScript environment to the core.
#[napi]
pub struct Bridge {
    shared: Arc<Shared>,
}

#[napi]
impl Bridge {
    /// Calls `wake`, without arguments, when there are outcomes to `drain`.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, wake: Function<'_, (), ()>) -> napi::Result<Self> {
        let wake = wake.build_threadsafe_function().callee_handled::<false>().weak::<true>().build()?;
        let shared =
            Arc::new(Shared { wake, closed: AtomicBool::new(false), queue: Mutex::default(), calls: Mutex::default() });
        // Cleanup hooks run in reverse order of registration, so this one runs before Node closes `wake`.
        env.add_env_cleanup_hook(Arc::clone(&shared), |shared| shared.close())?;
        Ok(Bridge { shared })
    }

    /// Starts a call. Its outcome is queued with `id`, unless the call is cancelled first.
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
        // A panic here is before anything is sent, like the arguments that the core rejects.
        if let Err(error) = catch_panic(|| self.spawn(id, client.0.clone(), input.clone())) {
            let error = bindings::rejected_call(&input, error);
            self.shared.deliver(id, &outcome::error_json(id, &error));
        }
    }

    fn spawn(&self, id: u32, client: Client, input: OperationInput) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let call = bindings::runtime()?.spawn(async move {
            // Boxed, to keep the future that JavaScript's thread creates and moves small.
            let result = Box::pin(bindings::send(client, input)).await;
            let outcome = catch_panic(|| result.map(|output| outcome::result_json(id, &output)));
            shared.deliver(id, &outcome.unwrap_or_else(|error| outcome::error_json(id, &error)));
        });
        lock(&self.shared.calls).insert(id, call.abort_handle());
        Ok(())
    }

    /// Aborts a call: its connection closes and nothing more is sent. Its outcome may already be in the queue.
    #[napi(catch_unwind)]
    pub fn cancel(&self, id: u32) {
        if let Some(call) = lock(&self.shared.calls).remove(&id) {
            call.abort();
        }
    }

    /// Takes all queued outcomes, as a JSON array.
    #[napi(catch_unwind)]
    pub fn drain(&self) -> String {
        let queue = std::mem::take(&mut *lock(&self.shared.queue));
        let mut calls = lock(&self.shared.calls);
        for id in &queue.ids {
            calls.remove(id);
        }
        format!("[{}]", queue.json)
    }

    /// Keeps the event loop alive while calls are in progress.
    #[napi(catch_unwind)]
    pub fn ref_event_loop(&self, env: Env) {
        // SAFETY: this runs on the thread of `env`, which owns `wake`; `wake` outlives all JavaScript of that environment.
        unsafe { sys::napi_ref_threadsafe_function(env.raw(), self.shared.wake.raw()) };
    }

    /// Lets the event loop end when it has nothing else to do.
    #[napi(catch_unwind)]
    pub fn unref_event_loop(&self, env: Env) {
        // SAFETY: as in `ref_event_loop`.
        unsafe { sys::napi_unref_threadsafe_function(env.raw(), self.shared.wake.raw()) };
    }
}
