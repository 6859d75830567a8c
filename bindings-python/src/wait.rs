//! Waits for a synchronous call on the caller's own thread, with an ear for Ctrl-C.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use celper::bindings::{self, lost_in_fork};
use celper::{Client, Error, OperationInput, OperationOutput};
use pyo3::prelude::*;
use tokio::runtime::Handle;

use crate::lifetime::{Inside, generation, is_other_process};
use crate::logs::{self, Kept, Recorded};

/// How often a waiting thread looks up: Python's signal handlers run only on its own threads, and log records wait for one.
const TICK: Duration = Duration::from_millis(50);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Makes the call on this thread, without the GIL. About every 50 ms signal handlers get their turn; when one raises
/// (`KeyboardInterrupt`, say), or a log handler does, the call is dropped.
pub(crate) fn wait(
    py: Python<'_>,
    mut inside: Inside,
    runtime: &Handle,
    client: Client,
    input: OperationInput,
) -> PyResult<Result<OperationOutput, Error>> {
    let begun_in = generation();
    let records = logs::wanted(py)?.then(Kept::default);
    let (operation, idempotency_key) = (input.operation, input.idempotency_key.clone());
    let mut call = Recorded::new(bindings::send(client, input), records.as_ref().map(Kept::sink));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        let (still_inside, ready) = inside.leave(py, || poll_for_a_tick(Pin::new(&mut call), &waker, runtime));
        inside = still_inside;
        records.iter().flat_map(Kept::take).try_for_each(|record| record.emit(py))?;
        if let Some(outcome) = ready {
            return Ok(outcome);
        }
        py.check_signals()?;
        if is_other_process(begun_in) {
            // A signal handler forked, and this is the child: whom the call waits for is the parent's.
            std::mem::forget(call);
            return Ok(Err(lost_in_fork(operation, idempotency_key)));
        }
    }
}

fn poll_for_a_tick<T>(mut call: Pin<&mut impl Future<Output = T>>, waker: &Waker, runtime: &Handle) -> Option<T> {
    // Its sockets and timers are the runtime's, though this thread polls it.
    let _context = runtime.enter();
    let ends = Instant::now() + TICK;
    loop {
        if let Poll::Ready(value) = call.as_mut().poll(&mut Context::from_waker(waker)) {
            return Some(value);
        }
        let left = ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}
