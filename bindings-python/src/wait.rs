//! Waits for the core on the caller's thread. Ctrl-C interrupts it.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use celper::{Client, Error, OperationOutput};
use pyo3::prelude::*;
use tokio::runtime::Handle;

use crate::arguments::CallInput;
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

/// What the core has for Python code while a thread waits, and the function that gives the API key.
pub(crate) struct Host<'a, 'py> {
    pub(crate) events: Option<&'a BufferedSink>,
    pub(crate) key_provider: Option<&'a Bound<'py, PyAny>>,
}

impl Host<'_, '_> {
    /// Emits the log records, and calls the function for the key.
    pub(crate) fn serve(&self, py: Python<'_>) -> PyResult<()> {
        for event in self.events.into_iter().flat_map(BufferedSink::take) {
            match event {
                HostEvent::Log(record) => logs::emit(py, record, None)?,
                HostEvent::Key(reply) => {
                    self.key_provider.map_or(Ok(()), |provider| reply.send(py, keys::call_sync(provider, None)))?
                }
            }
        }
        Ok(())
    }
}

/// Makes a call on this thread. If a signal handler raises an exception (`KeyboardInterrupt`, for example), or a log handler
/// does, the call is dropped.
pub(crate) fn call(
    py: Python<'_>,
    guard: NativeGuard,
    runtime: &Handle,
    client: Client,
    input: CallInput,
    key_provider: Option<&Bound<'_, PyAny>>,
) -> PyResult<(NativeGuard, Result<OperationOutput, Error>)> {
    let level = logs::enabled_level(py)?;
    let events = (level.is_some() || key_provider.is_some()).then(BufferedSink::default);
    let host = Host { events: events.as_ref(), key_provider };
    let forked = input.forked();
    let call = Recorded::new(input.send(client), events.as_ref().map(|events| events.sink(level)));
    let (guard, outcome) = wait(py, guard, runtime, call, &host)?;
    host.serve(py)?;
    Ok((guard, outcome.unwrap_or_else(|| Err(forked()))))
}

/// Polls the work on this thread, without the GIL, until it is ready. Signal handlers run about every 50 ms.
///
/// Gives the guard back: the caller converts what is ready to Python objects, which runs Python code, an exception's `__init__`
/// for example, in which a shutdown could end the thread.
///
/// `None`: a signal handler forked, and this is the child; the work's connections and its runtime belong to the parent.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    mut guard: NativeGuard,
    runtime: &Handle,
    mut work: impl Future<Output = T> + Send + Unpin,
    host: &Host<'_, '_>,
) -> PyResult<(NativeGuard, Option<T>)> {
    let started_in = generation();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let events = host.events;
    let _attendance = events.map(|events| Attendance::new(events, &waker));
    loop {
        let (new_guard, outcome) = guard.release(py, || poll_for_a_tick(Pin::new(&mut work), &waker, runtime, events));
        guard = new_guard;
        if outcome.is_some() {
            return Ok((guard, outcome));
        }
        host.serve(py)?;
        py.check_signals()?;
        if is_other_process(started_in) {
            mem::forget(work);
            return Ok((guard, None));
        }
    }
}

/// While a thread waits, and gives the key.
struct Attendance<'a> {
    events: &'a BufferedSink,
    generation: u32,
}

impl<'a> Attendance<'a> {
    fn new(events: &'a BufferedSink, waker: &Waker) -> Self {
        events.wait_with(waker);
        Attendance { events, generation: generation() }
    }
}

impl Drop for Attendance<'_> {
    fn drop(&mut self) {
        // In a forked child, another thread of the parent may hold the lock.
        if !is_other_process(self.generation) {
            self.events.leave();
        }
    }
}

/// Polls until the work is ready, a tick is over, or the key is needed.
fn poll_for_a_tick<T>(
    mut work: Pin<&mut impl Future<Output = T>>,
    waker: &Waker,
    runtime: &Handle,
    events: Option<&BufferedSink>,
) -> Option<T> {
    // The work's sockets and timers need the runtime's context.
    let _context = runtime.enter();
    let deadline = Instant::now() + TICK;
    loop {
        if let Poll::Ready(value) = work.as_mut().poll(&mut Context::from_waker(waker)) {
            return Some(value);
        }
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() || events.is_some_and(BufferedSink::needs_key) {
            return None;
        }
        thread::park_timeout(remaining);
    }
}
