//! Delivers the outcomes of asynchronous calls to their event loop.
//!
//! - The runtime's thread puts outcomes into the loop's inbox. It wakes the loop, through a pipe that the loop watches, only when
//!   the inbox was empty: many calls that end together cost one wake-up, and the thread never waits for the GIL.
//! - For a loop that cannot watch pipes (Windows' proactor), a thread of the runtime's pool calls `call_soon_threadsafe`.
//! - Dropping an awaited call, for whatever reason, cancels its request.
//! - A bridge belongs to one process. A forked child neither uses nor drops its parent's bridges.

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

use crate::lifetime::{NativeGuard, generation, is_other_process};
use crate::logs::{self, Record, Recorded, Sink};
use crate::{errors, results};

/// Locks a mutex, also after a panic: no code leaves the guarded value half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the runtime delivers to the loop.
enum Message {
    Log(Record),
    Outcome(u64, Result<OperationOutput, Error>),
}

struct Inbox {
    messages: Mutex<Vec<Message>>,
    reader: PipeReader,
    writer: PipeWriter,
    /// For a loop that does not watch the pipe: the callback that schedules `collect`, and the runtime whose pool threads may
    /// wait for the GIL to call it.
    scheduler: OnceLock<(Py<PyAny>, Handle)>,
}

impl Inbox {
    fn put(self: &Arc<Self>, message: Message) {
        let mut messages = lock(&self.messages);
        messages.push(message);
        if messages.len() > 1 {
            return;
        }
        if let Some((_, runtime)) = self.scheduler.get() {
            let inbox = Arc::clone(self);
            runtime.spawn_blocking(move || inbox.schedule_collection());
        } else {
            // Under the lock, so that the pipe holds a byte exactly while the inbox is not empty, and neither this write nor the
            // read blocks. The write fails only when the system is out of memory, and then the loop fails as well.
            let _ = (&self.writer).write(&[0]);
        }
    }

    fn take(&self) -> Vec<Message> {
        let mut messages = lock(&self.messages);
        if !messages.is_empty() && self.scheduler.get().is_none() {
            let _ = (&self.reader).read(&mut [0]);
        }
        mem::take(&mut *messages)
    }

    fn schedule_collection(&self) {
        let Some((schedule, _)) = self.scheduler.get() else { return };
        let _guard = NativeGuard::without_gil();
        // Attaching fails late in the interpreter's shutdown, when nothing waits for the outcome any more.
        Python::try_attach(|py| {
            // The call fails when the loop is closed. Then nothing waits for the outcome either.
            let _ = schedule.bind(py).call0();
        });
    }
}

struct InFlightCall {
    future: Py<PyAny>,
    task: AbortHandle,
}

/// Connects one event loop to the core.
#[pyclass(frozen, weakref, module = "celper._celper")]
pub(crate) struct Bridge {
    generation: u32,
    /// Weak, because the loop owns the bridge: its reader callback refers to it.
    event_loop: Py<PyWeakrefReference>,
    last_id: AtomicU64,
    // Both are set until the bridge is dropped.
    inbox: Option<Arc<Inbox>>,
    calls: Option<Mutex<HashMap<u64, InFlightCall>>>,
}

#[pymethods]
impl Bridge {
    #[new]
    fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (reader, writer) = std::io::pipe()?;
        let inbox = Inbox { messages: Mutex::default(), reader, writer, scheduler: OnceLock::new() };
        Ok(Bridge {
            generation: generation(),
            event_loop: PyWeakrefReference::new(event_loop)?.unbind(),
            last_id: AtomicU64::new(0),
            inbox: Some(Arc::new(inbox)),
            calls: Some(Mutex::default()),
        })
    }

    /// Whether this is the bridge of `event_loop` in this process.
    pub(crate) fn serves(&self, event_loop: &Bound<'_, PyAny>) -> bool {
        // Calling a weak reference returns its object, or None.
        let own_loop = self.event_loop.bind(event_loop.py()).call0();
        self.is_of_this_process() && own_loop.is_ok_and(|own_loop| own_loop.is(event_loop))
    }

    /// The file descriptor that becomes readable when there is something to collect.
    fn fileno(&self) -> PyResult<i32> {
        #[cfg(unix)]
        if let Some(inbox) = &self.inbox {
            return Ok(std::os::fd::AsRawFd::as_raw_fd(&inbox.reader));
        }
        Err(PyNotImplementedError::new_err("event loops cannot watch pipes on this platform"))
    }

    /// For a loop that cannot watch the pipe: calls `schedule`, on another thread, when there is something to collect.
    fn set_scheduler(&self, py: Python<'_>, schedule: Py<PyAny>) -> PyResult<()> {
        let runtime = bindings::runtime().map_err(|error| errors::to_py_err(py, &error))?;
        if let Some(inbox) = &self.inbox {
            let _ = inbox.scheduler.set((schedule, runtime));
        }
        Ok(())
    }

    /// Emits the log records and completes the futures whose calls have ended. Runs on the loop, which reports what a log
    /// handler raises.
    fn collect(&self, py: Python<'_>) -> PyResult<()> {
        let Some(inbox) = self.inbox.as_ref().filter(|_| self.is_of_this_process()) else { return Ok(()) };
        let _guard = NativeGuard::new(py);
        let deliver = |message| match message {
            Message::Log(record) => record.emit(py),
            Message::Outcome(id, outcome) => {
                self.remove(id).map_or(Ok(()), |call| complete(call.future.bind(py), outcome))
            }
        };
        // Deliver the rest even if one fails.
        inbox.take().into_iter().map(deliver).fold(Ok(()), Result::and)
    }

    /// The number of calls in flight.
    fn __len__(&self) -> usize {
        self.calls.as_ref().map_or(0, |calls| lock(calls).len())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        if let Some((schedule, _)) = self.inbox.as_ref().and_then(|inbox| inbox.scheduler.get()) {
            visit.call(schedule)?;
        }
        let Some(Ok(calls)) = self.calls.as_ref().map(Mutex::try_lock) else { return Ok(()) };
        calls.values().try_for_each(|call| visit.call(&call.future))
    }

    fn __clear__(&self) {
        // Dropped after the lock is released: dropping a future may run code that locks again.
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
        let runtime = bindings::runtime().map_err(|error| errors::to_py_err(py, &error))?;
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        let id = this.last_id.fetch_add(1, Ordering::Relaxed);
        if let (Some(inbox), Some(calls)) = (&this.inbox, &this.calls) {
            let log_inbox = Arc::clone(inbox);
            let sink =
                logs::is_enabled(py)?.then(|| -> Sink { Arc::new(move |record| log_inbox.put(Message::Log(record))) });
            let inbox = Arc::clone(inbox);
            let call = Recorded::new(bindings::send(client, input), sink);
            let task = runtime.spawn(async move {
                let outcome = call.await;
                inbox.put(Message::Outcome(id, outcome));
            });
            let task = task.abort_handle();
            lock(calls).insert(id, InFlightCall { future: future.clone().unbind(), task });
        }
        Ok(Call { bridge: slf.clone().unbind(), id, future: future.unbind(), awaited: AtomicBool::new(false) })
    }

    fn remove(&self, id: u64) -> Option<InFlightCall> {
        self.calls.as_ref().and_then(|calls| lock(calls).remove(&id))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let (inbox, calls) = (self.inbox.take(), self.calls.take());
        if !self.is_of_this_process() {
            // Tasks and their locks belong to the parent process.
            mem::forget((inbox, calls));
            return;
        }
        for call in calls.into_iter().flat_map(|calls| calls.into_inner().unwrap_or_else(PoisonError::into_inner)) {
            call.1.task.abort();
        }
    }
}

/// Completes the future. An exception is set as its result and raised by [`Call`]: asyncio would log a future's exception as
/// "never retrieved" if the awaiting task is cancelled in the same loop iteration.
fn complete(future: &Bound<'_, PyAny>, outcome: Result<OperationOutput, Error>) -> PyResult<()> {
    let py = future.py();
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    let value = errors::catch_panic(py, || match outcome {
        Ok(output) => results::to_python(py, output),
        Err(error) => errors::to_exception(py, &error),
    });
    let value = value.unwrap_or_else(|failure| failure.into_value(py).into_bound(py).into_any());
    future.call_method1(intern!(py, "set_result"), (value,)).map(drop)
}

/// A call in flight, and the iterator that `await` uses. Dropping it cancels the request.
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
            // A task accepts a yielded future only with this flag, which `Future.__await__` sets.
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

/// The event loop that runs on this thread. Without one, raises asyncio's `RuntimeError`.
pub(crate) fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET_RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    GET_RUNNING_LOOP.import(py, "asyncio", "get_running_loop")?.call0()
}

/// The bridge of this loop, created on first use.
pub(crate) fn bridge_to<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Bridge>> {
    static BRIDGE_TO: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let bridge = BRIDGE_TO.import(event_loop.py(), "celper._bridge", "bridge_to")?.call1((event_loop,))?;
    Ok(bridge.cast_into()?)
}
