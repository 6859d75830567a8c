//! Carries calls out on the core's runtime and brings their outcomes to one JavaScript environment (the main thread or a
//! worker), which has exactly one bridge.
//!
//! What holds:
//! - Outcomes wait in one queue, and JavaScript is woken only when that was empty: many calls that end together cost one
//!   wake-up. They are made into text on the runtime's thread, so that JavaScript's own has little to do.
//! - The environment is kept alive while JavaScript says so with [`Bridge::hold`], and never by an idle bridge.
//! - When the environment ends, whenever and however, its calls are dropped and nothing of it is touched again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use celper::{Error, Operation, OperationInput, bindings};
use napi::bindgen_prelude::{Env, Function};
use napi::sys;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tokio::task::AbortHandle;

use crate::client::{NativeClient, milliseconds};
use crate::outcome;

/// JavaScript's function that fetches the waiting outcomes; weak, for an environment that has nothing else to do may end.
type Wake = ThreadsafeFunction<(), (), (), napi::Status, false, true>;

struct Shared {
    wake: Wake,
    /// Set when the environment ends.
    closed: AtomicBool,
    waiting: Mutex<Waiting>,
    /// The calls under way and those whose outcome waits, by their number. Only the environment's own thread touches it.
    calls: Mutex<HashMap<u32, AbortHandle>>,
}

/// Outcomes that JavaScript has not fetched yet.
#[derive(Default)]
struct Waiting {
    ids: Vec<u32>,
    /// JSON objects with commas between them.
    json: String,
}

/// A lock that a panic cannot spoil: what it guards is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn deliver(&self, id: u32, outcome: &str) {
        let first = {
            let mut waiting = lock(&self.waiting);
            let first = waiting.ids.is_empty();
            if !first {
                waiting.json.push(',');
            }
            waiting.json.push_str(outcome);
            waiting.ids.push(id);
            first
        };
        // Not under the lock: JavaScript's thread comes for it at once.
        if first && !self.closed.load(Ordering::Acquire) {
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        lock(&self.calls).drain().for_each(|(_, call)| call.abort());
    }
}

/// One environment's way to the core and back.
#[napi]
pub struct Bridge {
    shared: Arc<Shared>,
}

#[napi]
impl Bridge {
    /// `wake` is called, with nothing, when there are outcomes to `drain`.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, wake: Function<'_, (), ()>) -> napi::Result<Self> {
        let wake = wake.build_threadsafe_function().callee_handled::<false>().weak::<true>().build()?;
        let shared = Arc::new(Shared {
            wake,
            closed: AtomicBool::new(false),
            waiting: Mutex::default(),
            calls: Mutex::default(),
        });
        // Hooks run last added first, so this one runs before Node closes `wake`.
        env.add_env_cleanup_hook(Arc::clone(&shared), |shared| shared.close())?;
        Ok(Bridge { shared })
    }

    /// Starts a call. Its outcome comes under `id`, unless it is cancelled before.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments, reason = "an object would cost as much again to take apart as the whole call")]
    pub fn start(
        &self,
        id: u32,
        client: &NativeClient,
        operation: u32,
        candidate_id: String,
        job_position_id: String,
        idempotency_key: Option<String>,
        timeout: Option<f64>,
        max_retries: Option<u32>,
        email_subject: Option<String>,
        email_body: Option<String>,
    ) {
        let prepare = || -> Result<_, Error> {
            let operation = usize::try_from(operation).ok().and_then(|index| Operation::ALL.get(index)).copied();
            let operation = operation.ok_or_else(|| Error::invalid_argument("there is no such operation"))?;
            let mut input = OperationInput::new(operation, candidate_id, job_position_id);
            input.idempotency_key = idempotency_key;
            input.timeout = timeout.map(milliseconds);
            input.max_retries = max_retries;
            input.email_subject = email_subject;
            input.email_body = email_body;
            Ok((bindings::runtime()?, input))
        };
        let (runtime, input) = match prepare() {
            Ok(prepared) => prepared,
            Err(error) => return self.shared.deliver(id, &outcome::failure(id, &error)),
        };
        let client = client.0.clone();
        let shared = Arc::clone(&self.shared);
        let call = runtime.spawn(async move {
            // Boxed, so that what JavaScript's thread has to make and move is small.
            let outcome = match Box::pin(bindings::send(client, input)).await {
                Ok(output) => outcome::success(id, &output),
                Err(error) => outcome::failure(id, &error),
            };
            shared.deliver(id, &outcome);
        });
        lock(&self.shared.calls).insert(id, call.abort_handle());
    }

    /// Drops a call: its connection is closed and nothing more is sent. Its outcome may be on its way all the same.
    #[napi(catch_unwind)]
    pub fn cancel(&self, id: u32) {
        if let Some(call) = lock(&self.shared.calls).remove(&id) {
            call.abort();
        }
    }

    /// The outcomes that are waiting, as JSON: a list.
    #[napi(catch_unwind)]
    pub fn drain(&self) -> String {
        let waiting = std::mem::take(&mut *lock(&self.shared.waiting));
        let mut calls = lock(&self.shared.calls);
        for id in &waiting.ids {
            calls.remove(id);
        }
        format!("[{}]", waiting.json)
    }

    /// Keeps the environment alive until `release`: a call is under way.
    #[napi(catch_unwind)]
    pub fn hold(&self, env: Env) {
        // SAFETY: `wake` belongs to `env`, on whose thread this is, and lives until after the last JavaScript ran there.
        unsafe { sys::napi_ref_threadsafe_function(env.raw(), self.shared.wake.raw()) };
    }

    /// Lets the environment end when it has nothing else to do.
    #[napi(catch_unwind)]
    pub fn release(&self, env: Env) {
        // SAFETY: as for `hold`.
        unsafe { sys::napi_unref_threadsafe_function(env.raw(), self.shared.wake.raw()) };
    }
}
