//! Brings the outcomes of asynchronous calls to their event loop.
//!
//! What holds:
//! - The runtime's thread leaves outcomes in the loop's inbox, and wakes the loop, through a pipe that it watches, only when
//!   the inbox was empty: many calls that end together cost one wake-up, and none waits for the GIL.
//! - On a loop that watches no pipes (Windows' proactor) a thread from the runtime's pool calls `call_soon_threadsafe`.
//! - An awaited call that is dropped, for whatever reason, takes its request along.
//! - Everything belongs to one process: in a forked child it is neither used nor taken apart.

use std::collections::HashMap;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use celper::{Error, OperationInput, OperationOutput, bindings};
use pyo3::exceptions::{PyBaseException, PyNotImplementedError, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyWeakrefReference;
use pyo3::{PyTraverseError, PyVisit};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::lifetime::{Inside, generation, is_other_process};
use crate::logs::{self, Record, Recorded, Sink};
use crate::{errors, results};

/// A lock that a panic cannot spoil: what it guards is whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the runtime leaves for the loop.
enum Arrival {
    Log(Record),
    Outcome(u64, Result<OperationOutput, Error>),
}

struct Inbox {
    arrivals: Mutex<Vec<Arrival>>,
    reader: PipeReader,
    writer: PipeWriter,
    /// Where the loop does not watch the pipe: what schedules the collection, and the runtime whose threads may wait for
    /// the GIL.
    schedule: OnceLock<(Py<PyAny>, Handle)>,
}

impl Inbox {
    fn put(self: &Arc<Self>, arrival: Arrival) {
        let mut arrivals = lock(&self.arrivals);
        arrivals.push(arrival);
        if arrivals.len() > 1 {
            return;
        }
        if let Some((_, runtime)) = self.schedule.get() {
            let inbox = Arc::clone(self);
            runtime.spawn_blocking(move || inbox.schedule_collection());
        } else {
            // Under the lock, so that there is a byte in the pipe exactly while there is something in the inbox: neither
            // this nor the read can ever block. It fails only when there is no memory, and then so does the loop.
            let _ = (&self.writer).write(&[0]);
        }
    }

    fn take(&self) -> Vec<Arrival> {
        let mut arrivals = lock(&self.arrivals);
        if !arrivals.is_empty() && self.schedule.get().is_none() {
            let _ = (&self.reader).read(&mut [0]);
        }
        mem::take(&mut *arrivals)
    }

    fn schedule_collection(&self) {
        let Some((schedule, _)) = self.schedule.get() else { return };
        let _inside = Inside::from_outside();
        // There is none to attach to at the interpreter's very end, and nobody left who waits.
        Python::try_attach(|py| {
            // Fails when the loop is closed, and then nobody waits either.
            let _ = schedule.bind(py).call0();
        });
    }
}

struct InFlight {
    future: Py<PyAny>,
    task: AbortHandle,
}

/// One event loop's way to the core and back.
#[pyclass(frozen, weakref, module = "celper._celper")]
pub(crate) struct Bridge {
    generation: u32,
    /// Weak: the loop has the bridge, as what watches its pipe.
    event_loop: Py<PyWeakrefReference>,
    last_id: AtomicU64,
    // Both are there until the bridge is dropped, in the process that made them.
    inbox: Option<Arc<Inbox>>,
    calls: Option<Mutex<HashMap<u64, InFlight>>>,
}

#[pymethods]
impl Bridge {
    #[new]
    fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (reader, writer) = std::io::pipe()?;
        let inbox = Inbox { arrivals: Mutex::default(), reader, writer, schedule: OnceLock::new() };
        Ok(Bridge {
            generation: generation(),
            event_loop: PyWeakrefReference::new(event_loop)?.unbind(),
            last_id: AtomicU64::new(0),
            inbox: Some(Arc::new(inbox)),
            calls: Some(Mutex::default()),
        })
    }

    /// Whether the bridge ends at this loop, in this process.
    pub(crate) fn leads_to(&self, event_loop: &Bound<'_, PyAny>) -> bool {
        // A weak reference that is called gives its object, or None.
        let target = self.event_loop.bind(event_loop.py()).call0();
        self.is_of_this_process() && target.is_ok_and(|target| target.is(event_loop))
    }

    /// What the loop has to watch.
    fn fileno(&self) -> PyResult<i32> {
        #[cfg(unix)]
        if let Some(inbox) = &self.inbox {
            return Ok(std::os::fd::AsRawFd::as_raw_fd(&inbox.reader));
        }
        Err(PyNotImplementedError::new_err("no event loop can watch a pipe here"))
    }

    /// For a loop that watches nothing: `schedule` is called, on another thread, when there is something to collect.
    fn schedule_by(&self, py: Python<'_>, schedule: Py<PyAny>) -> PyResult<()> {
        let runtime = bindings::runtime().map_err(|error| errors::to_python(py, &error))?;
        if let Some(inbox) = &self.inbox {
            let _ = inbox.schedule.set((schedule, runtime));
        }
        Ok(())
    }

    /// Hands what has arrived to those who wait for it. Runs on the loop, which deals with what a log handler raises.
    fn collect(&self, py: Python<'_>) -> PyResult<()> {
        let Some(inbox) = self.inbox.as_ref().filter(|_| self.is_of_this_process()) else { return Ok(()) };
        let _inside = Inside::new(py);
        let hand_over = |arrival| match arrival {
            Arrival::Log(record) => record.emit(py),
            Arrival::Outcome(id, outcome) => {
                self.remove(id).map_or(Ok(()), |call| settle(call.future.bind(py), outcome))
            }
        };
        // All of them, whatever becomes of one.
        inbox.take().into_iter().map(hand_over).fold(Ok(()), Result::and)
    }

    /// How many calls are under way.
    fn __len__(&self) -> usize {
        self.calls.as_ref().map_or(0, |calls| lock(calls).len())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        if let Some((schedule, _)) = self.inbox.as_ref().and_then(|inbox| inbox.schedule.get()) {
            visit.call(schedule)?;
        }
        let Some(Ok(calls)) = self.calls.as_ref().map(Mutex::try_lock) else { return Ok(()) };
        calls.values().try_for_each(|call| visit.call(&call.future))
    }

    fn __clear__(&self) {
        // Dropped after the lock is gone: what goes with the futures may come back here.
        let _calls = self.calls.as_ref().map(|calls| mem::take(&mut *lock(calls)));
    }
}

impl Bridge {
    fn is_of_this_process(&self) -> bool {
        !is_other_process(self.generation)
    }

    pub(crate) fn start(
        slf: &Bound<'_, Self>,
        event_loop: &Bound<'_, PyAny>,
        client: celper::Client,
        input: OperationInput,
    ) -> PyResult<Call> {
        let (py, this) = (slf.py(), slf.get());
        let runtime = bindings::runtime().map_err(|error| errors::to_python(py, &error))?;
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        let id = this.last_id.fetch_add(1, Ordering::Relaxed);
        if let (Some(inbox), Some(calls)) = (&this.inbox, &this.calls) {
            let for_logs = Arc::clone(inbox);
            let sink =
                logs::wanted(py)?.then(|| -> Sink { Arc::new(move |record| for_logs.put(Arrival::Log(record))) });
            let inbox = Arc::clone(inbox);
            let call = Recorded::new(bindings::send(client, input), sink);
            let task = runtime.spawn(async move {
                let outcome = call.await;
                inbox.put(Arrival::Outcome(id, outcome));
            });
            let task = task.abort_handle();
            lock(calls).insert(id, InFlight { future: future.clone().unbind(), task });
        }
        Ok(Call { bridge: slf.clone().unbind(), id, future: future.unbind(), awaited: AtomicBool::new(false) })
    }

    fn remove(&self, id: u64) -> Option<InFlight> {
        self.calls.as_ref().and_then(|calls| lock(calls).remove(&id))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let (inbox, calls) = (self.inbox.take(), self.calls.take());
        if !self.is_of_this_process() {
            // Tasks and their locks are the parent's.
            mem::forget((inbox, calls));
            return;
        }
        for call in calls.into_iter().flat_map(|calls| calls.into_inner().unwrap_or_else(PoisonError::into_inner)) {
            call.1.task.abort();
        }
    }
}

/// Gives the future its outcome. An exception is left as a value, which [`Call`] raises: asyncio would complain of an
/// exception that nobody took, when the awaiting task is cancelled in the same turn of the loop.
fn settle(future: &Bound<'_, PyAny>, outcome: Result<OperationOutput, Error>) -> PyResult<()> {
    let py = future.py();
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    let value = match outcome {
        Ok(output) => results::to_python(py, output),
        Err(error) => errors::value(py, &error),
    };
    let value = value.unwrap_or_else(|failure| failure.into_value(py).into_bound(py).into_any());
    future.call_method1(intern!(py, "set_result"), (value,)).map(drop)
}

/// A call under way, and the iterator that `await` runs over. When it is dropped, so is the request.
#[pyclass(frozen, module = "celper._celper")]
pub(crate) struct Call {
    bridge: Py<Bridge>,
    id: u64,
    future: Py<PyAny>,
    awaited: AtomicBool,
}

#[pymethods]
impl Call {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let future = self.future.bind(py);
        if !self.awaited.swap(true, Ordering::Relaxed) {
            // How a task tells a future that it is asked to wait for from one that was yielded by mistake.
            future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
            return Ok(future.clone());
        }
        let outcome = future.call_method0(intern!(py, "result"))?;
        match outcome.cast_into::<PyBaseException>() {
            Ok(exception) => Err(PyErr::from_value(exception.into_any())),
            Err(other) => Err(PyStopIteration::new_err((other.into_inner().unbind(),))),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.bridge)?;
        visit.call(&self.future)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let bridge = self.bridge.get();
        if bridge.is_of_this_process()
            && let Some(call) = bridge.remove(self.id)
        {
            call.task.abort();
        }
    }
}

/// The loop that runs on this thread; without one, asyncio's own `RuntimeError`.
pub(crate) fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET_RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    GET_RUNNING_LOOP.import(py, "asyncio", "get_running_loop")?.call0()
}

/// The bridge to this loop, made if there is none yet.
pub(crate) fn find<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Bridge>> {
    static BRIDGE_TO: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let bridge = BRIDGE_TO.import(event_loop.py(), "celper._bridge", "bridge_to")?.call1((event_loop,))?;
    Ok(bridge.cast_into()?)
}
