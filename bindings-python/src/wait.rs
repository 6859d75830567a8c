//! Runs a synchronous call on the caller's thread. Ctrl-C interrupts it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use celper::bindings::{self, forked_call};
use celper::{Client, Error, OperationInput, OperationOutput};
use pyo3::prelude::*;
use tokio::runtime::Handle;

use crate::keys;
use crate::lifetime::{NativeGuard, generation, is_other_process};
use crate::logs::{self, BufferedSink, HostEvent, Recorded};

/// How often the waiting thread runs signal handlers and emits log records, which only a Python thread can do.
const TICK: Duration = Duration::from_millis(50);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Makes the call on this thread, without the GIL. Signal handlers run about every 50 ms. If one raises an exception
/// (`KeyboardInterrupt`, for example), or a log handler does, the call is dropped.
pub(crate) fn wait(
    py: Python<'_>,
    mut guard: NativeGuard,
    runtime: &Handle,
    client: Client,
    input: OperationInput,
    key_provider: Option<&Bound<'_, PyAny>>,
) -> PyResult<Result<OperationOutput, Error>> {
    let started_in = generation();
    let level = logs::enabled_level(py)?;
    let events = (level.is_some() || key_provider.is_some()).then(BufferedSink::default);
    let (operation, idempotency_key) = (input.operation, input.idempotency_key.clone());
    let mut call = Recorded::new(bindings::send(client, input), events.as_ref().map(|events| events.sink(level)));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        let (new_guard, outcome) =
            guard.release(py, || poll_for_a_tick(Pin::new(&mut call), &waker, runtime, events.as_ref()));
        guard = new_guard;
        for event in events.iter().flat_map(BufferedSink::take) {
            match event {
                HostEvent::Log(record) => record.emit(py, None)?,
                HostEvent::Key(reply) => {
                    key_provider.map_or(Ok(()), |provider| reply.answer(py, keys::call_sync(provider)))?
                }
            }
        }
        if let Some(outcome) = outcome {
            return Ok(outcome);
        }
        py.check_signals()?;
        if is_other_process(started_in) {
            // A signal handler forked, and this is the child: the call's connection and runtime belong to the parent.
            std::mem::forget(call);
            return Ok(Err(forked_call(operation, idempotency_key)));
        }
    }
}

/// Polls until the call is ready, a tick is over, or the call needs its key.
fn poll_for_a_tick<T>(
    mut call: Pin<&mut impl Future<Output = T>>,
    waker: &Waker,
    runtime: &Handle,
    events: Option<&BufferedSink>,
) -> Option<T> {
    // The call's sockets and timers need the runtime's context.
    let _context = runtime.enter();
    let deadline = Instant::now() + TICK;
    loop {
        if let Poll::Ready(value) = call.as_mut().poll(&mut Context::from_waker(waker)) {
            return Some(value);
        }
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() || events.is_some_and(BufferedSink::needs_key) {
            return None;
        }
        thread::park_timeout(remaining);
    }
}
