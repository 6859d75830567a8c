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
use std::task::{Wake, Waker};

use celper::bindings::watch::EndedRead;
use celper::{Error, OperationOutput, bindings};
use pyo3::exceptions::{PyBaseException, PyNotImplementedError, PyRuntimeError, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyWeakrefReference;
use pyo3::{PyTraverseError, PyVisit};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::arguments::CallInput;
use crate::keys::{self, KeyReply};
use crate::lifetime::{NativeGuard, generation, is_other_process};
use crate::logs::{self, HostEvent, Recorded, Sink};
use crate::{errors, results};

/// Locks a mutex, also after a panic: no code leaves the guarded value half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the runtime delivers to the loop.
enum Message {
    Event(u64, HostEvent),
    Outcome(u64, Result<OperationOutput, Error>),
    /// The call has ended without an outcome: it was cancelled.
    Ended(u64),
    /// What a batch waits for can be polled.
    Wake(u64),
}

/// Puts a message into the inbox.
pub(crate) struct InboxWaker {
    inbox: Arc<Inbox>,
    id: u64,
}

impl Wake for InboxWaker {
    fn wake(self: Arc<Self>) {
        self.inbox.put(Message::Wake(self.id));
    }
}

/// Tells the inbox that a call has ended, when it is dropped with the call's task.
struct EndOfCall {
    inbox: Arc<Inbox>,
    id: u64,
    outcome: Option<Result<OperationOutput, Error>>,
    /// Whether the bridge keeps a context for the call.
    has_context: bool,
}

impl EndOfCall {
    fn with(mut self, outcome: Result<OperationOutput, Error>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for EndOfCall {
    fn drop(&mut self) {
        match self.outcome.take() {
            Some(outcome) => self.inbox.put(Message::Outcome(self.id, outcome)),
            None if self.has_context => self.inbox.put(Message::Ended(self.id)),
            None => {}
        }
    }
}

pub(crate) struct Inbox {
    messages: Mutex<Vec<Message>>,
    reader: PipeReader,
    writer: PipeWriter,
    /// For a loop that does not watch the pipe: the callback that schedules `collect`, and the runtime whose pool threads may
    /// wait for the GIL to call it.
    scheduler: OnceLock<(Py<PyAny>, Handle)>,
    /// Set when the bridge is freed. The garbage collector may have cleared the scheduler's callback by then.
    closed: AtomicBool,
}

impl Inbox {
    pub(crate) fn new() -> PyResult<Self> {
        let (reader, writer) = std::io::pipe()?;
        Ok(Inbox {
            messages: Mutex::default(),
            reader,
            writer,
            scheduler: OnceLock::new(),
            closed: AtomicBool::new(false),
        })
    }

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

    /// Takes the reads of a watch, and leaves the rest.
    fn take_reads(&self, id: u64) -> Vec<EndedRead> {
        let mut messages = lock(&self.messages);
        let (mut reads, mut others) = (Vec::new(), Vec::new());
        for message in messages.drain(..) {
            match message {
                Message::Event(of, HostEvent::Read(read)) if of == id => reads.push(*read),
                other => others.push(other),
            }
        }
        if others.is_empty() && !reads.is_empty() && self.scheduler.get().is_none() {
            let _ = (&self.reader).read(&mut [0]);
        }
        *messages = others;
        reads
    }

    /// The file descriptor that becomes readable when there is a message.
    pub(crate) fn fileno(&self) -> PyResult<i32> {
        #[cfg(unix)]
        return Ok(std::os::fd::AsRawFd::as_raw_fd(&self.reader));
        #[cfg(not(unix))]
        Err(PyNotImplementedError::new_err("pipes cannot be watched on this platform"))
    }

    pub(crate) fn waker(self: &Arc<Self>, id: u64) -> Waker {
        Waker::from(Arc::new(InboxWaker { inbox: Arc::clone(self), id }))
    }

    /// Removes the messages, for an owner that is only woken by them.
    pub(crate) fn clear(&self) {
        drop(self.take());
    }

    fn schedule_collection(&self) {
        let Some((schedule, _)) = self.scheduler.get() else { return };
        let _guard = NativeGuard::without_gil();
        // Attaching fails late in the interpreter's shutdown, when nothing waits for the outcome any more.
        Python::try_attach(|py| {
            // The call fails when the loop is closed. Then nothing waits for the outcome either.
            if !self.closed.load(Ordering::SeqCst) {
                let _ = schedule.bind(py).call0();
            }
        });
    }
}

struct InFlightCall {
    future: Py<PyAny>,
    task: AbortHandle,
    key_provider: Option<Py<PyAny>>,
    /// The task that awaits what an async key function returned.
    key_task: Option<Py<PyAny>>,
    /// Is told of a wait's reads.
    on_read: Option<Py<PyAny>>,
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
    /// The `contextvars.Context` of each call that may have events, until its last one: the caller's, in which log handlers and
    /// key functions run. Longer than a cancelled call is in `calls`.
    contexts: Option<Mutex<HashMap<u64, Py<PyAny>>>>,
    batches: Option<Mutex<Batches>>,
}

/// What the bridge keeps for batches.
#[derive(Default)]
struct Batches {
    /// The futures of the tasks that wait.
    waits: HashMap<u64, Py<PyAny>>,
    /// The functions that give the API key, by batch.
    key_providers: HashMap<u64, Py<PyAny>>,
    /// The tasks that await what an async key function returned.
    key_tasks: HashMap<u64, Py<PyAny>>,
    /// Those who are told of the reads of a watch.
    on_read: HashMap<u64, Py<PyAny>>,
}

#[pymethods]
impl Bridge {
    #[new]
    fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let inbox = Inbox::new()?;
        Ok(Bridge {
            generation: generation(),
            event_loop: PyWeakrefReference::new(event_loop)?.unbind(),
            last_id: AtomicU64::new(0),
            inbox: Some(Arc::new(inbox)),
            calls: Some(Mutex::default()),
            contexts: Some(Mutex::default()),
            batches: Some(Mutex::default()),
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
        self.inbox.as_ref().map_or_else(
            || Err(PyNotImplementedError::new_err("event loops cannot watch pipes on this platform")),
            |inbox| inbox.fileno(),
        )
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
    fn collect(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let Some(inbox) = this.inbox.as_ref().filter(|_| this.is_of_this_process()) else { return Ok(()) };
        let _guard = NativeGuard::new(py);
        let deliver = |message| match message {
            Message::Event(id, HostEvent::Log(record)) => logs::emit(py, record, this.context(py, id).as_ref()),
            Message::Event(id, HostEvent::Key(reply)) => Self::give_key(slf, id, reply),
            Message::Event(id, HostEvent::Read(read)) => this.tell_read(py, id, *read),
            Message::Outcome(id, outcome) => {
                let _context = this.remove_context(id);
                this.remove(id).map_or(Ok(()), |call| complete(call.future.bind(py), outcome))
            }
            Message::Ended(id) => {
                let _context = this.remove_context(id);
                Ok(())
            }
            Message::Wake(id) => {
                let future = this.batches.as_ref().and_then(|batches| lock(batches).waits.remove(&id));
                future.map_or(Ok(()), |future| set_result(future.bind(py), py.None().bind(py)))
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
        if let Some(Ok(contexts)) = self.contexts.as_ref().map(Mutex::try_lock) {
            contexts.values().try_for_each(|context| visit.call(context))?;
        }
        if let Some(Ok(batches)) = self.batches.as_ref().map(Mutex::try_lock) {
            let Batches { waits, key_providers, key_tasks, on_read } = &*batches;
            let objects =
                waits.values().chain(key_providers.values()).chain(key_tasks.values()).chain(on_read.values());
            objects.into_iter().try_for_each(|object| visit.call(object))?;
        }
        let Some(Ok(calls)) = self.calls.as_ref().map(Mutex::try_lock) else { return Ok(()) };
        calls.values().try_for_each(|call| {
            visit.call(&call.future)?;
            visit.call(&call.key_provider)?;
            visit.call(&call.key_task)?;
            visit.call(&call.on_read)
        })
    }

    fn __clear__(&self) {
        self.close_inbox();
        // Dropped after the lock is released: dropping a future may run code that locks again.
        let _calls = self.calls.as_ref().map(|calls| mem::take(&mut *lock(calls)));
        let _contexts = self.contexts.as_ref().map(|contexts| mem::take(&mut *lock(contexts)));
        let _batches = self.batches.as_ref().map(|batches| mem::take(&mut *lock(batches)));
    }
}

impl Bridge {
    /// With the GIL, which the scheduler's callback takes too.
    fn close_inbox(&self) {
        if let Some(inbox) = &self.inbox {
            inbox.closed.store(true, Ordering::SeqCst);
        }
    }

    pub(crate) fn is_of_this_process(&self) -> bool {
        !is_other_process(self.generation)
    }

    pub(crate) fn start(
        slf: &Bound<'_, Self>,
        event_loop: &Bound<'_, PyAny>,
        client: celper::Client,
        (input, on_read): (CallInput, Option<Py<PyAny>>),
        key_provider: Option<&Py<PyAny>>,
    ) -> PyResult<Call> {
        let (py, this) = (slf.py(), slf.get());
        let runtime = bindings::runtime().map_err(|error| errors::to_py_err(py, &error))?;
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        let id = this.new_id();
        if let (Some(inbox), Some(calls), Some(contexts)) = (&this.inbox, &this.calls, &this.contexts) {
            let level = logs::enabled_level(py)?;
            let has_events = level.is_some() || key_provider.is_some() || on_read.is_some();
            if has_events {
                lock(contexts).insert(id, copy_context(py)?);
            }
            let events = Arc::clone(inbox);
            let sink = has_events.then(|| Sink::new(level, move |event| events.put(Message::Event(id, event))));
            let call = Recorded::new(input.send(client), sink);
            let end = EndOfCall { inbox: Arc::clone(inbox), id, outcome: None, has_context: has_events };
            let task = runtime.spawn(async move {
                // Moved in before the call begins, so that an aborted task drops it too.
                let end = end;
                end.with(call.await);
            });
            let call = InFlightCall {
                future: future.clone().unbind(),
                task: task.abort_handle(),
                key_provider: key_provider.map(|provider| provider.clone_ref(py)),
                key_task: None,
                on_read,
            };
            lock(calls).insert(id, call);
        }
        Ok(Call { bridge: slf.clone().unbind(), id, future: future.unbind(), awaited: AtomicBool::new(false) })
    }

    fn new_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Where the events of a batch or a watch go, if it has any: the loop emits its log records, asks this function for its keys and
    /// tells the other one of its reads, in the caller's context, until [`close_batch`](Bridge::close_batch).
    pub(crate) fn open_batch(
        &self,
        py: Python<'_>,
        key_provider: Option<&Py<PyAny>>,
        on_read: Option<Py<PyAny>>,
    ) -> PyResult<Option<(u64, Sink)>> {
        let level = logs::enabled_level(py)?;
        let (Some(inbox), Some(contexts), Some(batches)) = (&self.inbox, &self.contexts, &self.batches) else {
            return Ok(None);
        };
        if level.is_none() && key_provider.is_none() && on_read.is_none() {
            return Ok(None);
        }
        let (id, context) = (self.new_id(), copy_context(py)?);
        lock(contexts).insert(id, context);
        if let Some(provider) = key_provider {
            lock(batches).key_providers.insert(id, provider.clone_ref(py));
        }
        if let Some(on_read) = on_read {
            lock(batches).on_read.insert(id, on_read);
        }
        let inbox = Arc::clone(inbox);
        Ok(Some((id, Sink::new(level, move |event| inbox.put(Message::Event(id, event))))))
    }

    pub(crate) fn close_batch(&self, id: u64) {
        if !self.is_of_this_process() {
            return;
        }
        let _context = self.remove_context(id);
        let _functions = self.batches.as_ref().map(|batches| {
            let mut batches = lock(batches);
            (batches.key_providers.remove(&id), batches.on_read.remove(&id))
        });
    }

    /// A waker that completes the future from [`add_wait`](Bridge::add_wait) with the same id.
    pub(crate) fn new_waker(&self) -> (u64, Waker) {
        let id = self.new_id();
        (id, self.inbox.as_ref().map_or_else(|| Waker::noop().clone(), |inbox| inbox.waker(id)))
    }

    /// A new future of the loop, on which a task waits. The loop is not yet back in `collect`, so a wake-up is not lost.
    pub(crate) fn add_wait<'py>(&self, id: u64, event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let future = event_loop.call_method0(intern!(event_loop.py(), "create_future"))?;
        let _previous =
            self.batches.as_ref().and_then(|batches| lock(batches).waits.insert(id, future.clone().unbind()));
        Ok(future)
    }

    pub(crate) fn remove_wait(&self, id: u64) {
        if self.is_of_this_process() {
            let _future = self.batches.as_ref().and_then(|batches| lock(batches).waits.remove(&id));
        }
    }

    fn remove(&self, id: u64) -> Option<InFlightCall> {
        self.calls.as_ref().and_then(|calls| lock(calls).remove(&id))
    }

    fn context<'py>(&self, py: Python<'py>, id: u64) -> Option<Bound<'py, PyAny>> {
        self.contexts.as_ref().and_then(|contexts| lock(contexts).get(&id).map(|context| context.bind(py).clone()))
    }

    /// Dropped by the caller, after the lock is released: dropping a context may run Python code.
    fn remove_context(&self, id: u64) -> Option<Py<PyAny>> {
        self.contexts.as_ref().and_then(|contexts| lock(contexts).remove(&id))
    }

    /// Tells of the reads of a watch that have ended, before the loop gets to it.
    pub(crate) fn tell_reads(&self, py: Python<'_>, id: u64) -> PyResult<()> {
        let Some(inbox) = self.inbox.as_ref().filter(|_| self.is_of_this_process()) else { return Ok(()) };
        inbox.take_reads(id).into_iter().try_for_each(|read| self.tell_read(py, id, read))
    }

    /// Tells of a read, unless its wait or watch has been left.
    fn tell_read(&self, py: Python<'_>, id: u64, read: EndedRead) -> PyResult<()> {
        let of_call =
            self.calls.as_ref().and_then(|calls| lock(calls).get(&id)?.on_read.as_ref().map(|it| it.clone_ref(py)));
        let of_watch = || lock(self.batches.as_ref()?).on_read.get(&id).map(|it| it.clone_ref(py));
        let on_read = of_call.or_else(of_watch);
        logs::tell_read(py, on_read.as_ref().map(|it| it.bind(py)), read, self.context(py, id).as_ref())
    }

    /// Calls the key function in the caller's context. What an async one returns is awaited by a task of its own.
    fn give_key(slf: &Bound<'_, Self>, id: u64, reply: KeyReply) -> PyResult<()> {
        static AWAIT_KEY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let (py, this) = (slf.py(), slf.get());
        let of_call = this.calls.as_ref().and_then(|calls| {
            lock(calls).get(&id).and_then(|call| call.key_provider.as_ref().map(|provider| provider.clone_ref(py)))
        });
        let of_batch = || {
            let batches = this.batches.as_ref()?;
            lock(batches).key_providers.get(&id).map(|provider| provider.clone_ref(py))
        };
        let is_batch = of_call.is_none();
        let provider = of_call.or_else(of_batch);
        let (Some(provider), Some(context)) = (provider, this.context(py, id)) else { return Ok(()) };
        let key = context.call_method1("run", (provider,));
        let awaitable = key.as_ref().ok().filter(|key| key.hasattr("__await__").unwrap_or_default());
        let Some(awaitable) = awaitable else {
            // In a batch, the event loop raises or reports what is not an `Exception`.
            return if is_batch { reply.send(py, key) } else { this.send_key(py, id, reply, key) };
        };
        // A batch asks for several keys at a time.
        let id = if is_batch { this.new_id() } else { id };
        let callback = KeyTaskCallback { bridge: slf.clone().unbind(), id, reply: Mutex::new(Some(reply)) };
        let await_key = AWAIT_KEY.import(py, "celper._bridge", "await_key")?;
        let event_loop = this.event_loop.bind(py).call0()?;
        let task = await_key.call1((event_loop, awaitable, context, Bound::new(py, callback)?))?;
        this.set_key_task(id, Some(task.unbind()));
        Ok(())
    }

    fn set_key_task(&self, id: u64, task: Option<Py<PyAny>>) {
        let Some((calls, batches)) = self.calls.as_ref().zip(self.batches.as_ref()) else { return };
        // The previous one is dropped after the lock is released.
        let _previous = match (lock(calls).get_mut(&id), task) {
            (Some(call), task) => mem::replace(&mut call.key_task, task),
            (None, Some(task)) => lock(batches).key_tasks.insert(id, task),
            (None, None) => lock(batches).key_tasks.remove(&id),
        };
    }

    /// Replies with the key. What is not an `Exception` is raised by the call, as it is.
    fn send_key(&self, py: Python<'_>, id: u64, reply: KeyReply, key: PyResult<Bound<'_, PyAny>>) -> PyResult<()> {
        let Err(other) = reply.send(py, key) else { return Ok(()) };
        let Some(call) = self.remove(id) else { return Ok(()) };
        call.task.abort();
        set_result(call.future.bind(py), &other.into_value(py).into_bound(py).into_any())
    }
}

/// Replies to a request for the key when the task that awaits it is done.
#[pyclass(frozen, module = "celper._celper")]
struct KeyTaskCallback {
    bridge: Py<Bridge>,
    id: u64,
    reply: Mutex<Option<KeyReply>>,
}

#[pymethods]
impl KeyTaskCallback {
    fn __call__(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        let _guard = NativeGuard::new(py);
        let Some(reply) = lock(&self.reply).take() else { return Ok(()) };
        let bridge = self.bridge.get();
        bridge.set_key_task(self.id, None);
        bridge.send_key(py, self.id, reply, task.call_method0("result"))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.close_inbox();
        let (inbox, calls) = (self.inbox.take(), self.calls.take());
        let (contexts, batches) = (self.contexts.take(), self.batches.take());
        if !self.is_of_this_process() {
            // Tasks and their locks belong to the parent process.
            mem::forget((inbox, calls, contexts, batches));
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
    let value = errors::catch_panic(py, || match outcome {
        Ok(output) => results::to_python(py, output),
        Err(error) => errors::to_exception(py, &error),
    });
    let value = value.unwrap_or_else(|failure| failure.into_value(py).into_bound(py).into_any());
    set_result(future, &value)
}

fn set_result(future: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = future.py();
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
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
            if let Some(task) = call.key_task {
                Python::attach(|py| {
                    // A call is often dropped while an exception unwinds, which Python code must not run into.
                    let unwinding = PyErr::take(py);
                    // Fails when the task's loop is closed, and then it does not run any more.
                    let _ = task.call_method0(py, "cancel");
                    if let Some(error) = unwinding {
                        error.restore(py);
                    }
                });
            }
        }
    }
}

/// A synchronous call that another kind of thread waits for: a greenlet of gevent or eventlet, which must not block its thread.
#[pyclass(frozen, module = "celper._celper")]
pub(crate) struct PendingCall {
    generation: u32,
    task: AbortHandle,
    inbox: Option<Arc<Inbox>>,
    key_provider: Option<Py<PyAny>>,
    on_read: Option<Py<PyAny>>,
}

#[pymethods]
impl PendingCall {
    /// The file descriptor that becomes readable when there is something to collect.
    fn fileno(&self) -> PyResult<i32> {
        self.inbox.as_ref().map_or_else(
            || Err(PyNotImplementedError::new_err("greenlets cannot watch pipes on this platform")),
            |inbox| inbox.fileno(),
        )
    }

    /// Emits log records and gives the key. Returns the result in a tuple, or raises the call's error, once the call has ended.
    fn collect<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyAny>,)>> {
        let Some(inbox) = self.inbox.as_ref().filter(|_| !is_other_process(self.generation)) else {
            return Err(PyRuntimeError::new_err("the process was forked during the call"));
        };
        for message in inbox.take() {
            match message {
                Message::Event(_, HostEvent::Log(record)) => logs::emit(py, record, None)?,
                Message::Event(_, HostEvent::Read(read)) => {
                    logs::tell_read(py, self.on_read.as_ref().map(|it| it.bind(py)), *read, None)?;
                }
                Message::Event(_, HostEvent::Key(reply)) => {
                    if let Some(provider) = &self.key_provider {
                        reply.send(py, keys::call_sync(provider.bind(py), None))?;
                    }
                }
                Message::Outcome(_, Ok(output)) => return results::to_python(py, output).map(|result| Some((result,))),
                Message::Outcome(_, Err(error)) => return Err(errors::to_py_err(py, &error)),
                Message::Ended(_) | Message::Wake(_) => {}
            }
        }
        Ok(None)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.key_provider)?;
        visit.call(&self.on_read)
    }
}

impl PendingCall {
    pub(crate) fn start(
        py: Python<'_>,
        client: celper::Client,
        (input, on_read): (CallInput, Option<Py<PyAny>>),
        key_provider: Option<&Py<PyAny>>,
    ) -> PyResult<Self> {
        let runtime = bindings::runtime().map_err(|error| errors::to_py_err(py, &error))?;
        let inbox = Arc::new(Inbox::new()?);
        let events = Arc::clone(&inbox);
        let sink = Sink::new(logs::enabled_level(py)?, move |event| events.put(Message::Event(0, event)));
        let call = Recorded::new(input.send(client), Some(sink));
        let end = EndOfCall { inbox: Arc::clone(&inbox), id: 0, outcome: None, has_context: false };
        let task = runtime.spawn(async move {
            let end = end;
            end.with(call.await);
        });
        Ok(PendingCall {
            generation: generation(),
            task: task.abort_handle(),
            inbox: Some(inbox),
            key_provider: key_provider.map(|provider| provider.clone_ref(py)),
            on_read,
        })
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        if is_other_process(self.generation) {
            mem::forget(self.inbox.take());
        } else {
            self.task.abort();
        }
    }
}

/// The event loop that runs on this thread.
pub(crate) fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET_RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    GET_RUNNING_LOOP.import(py, "asyncio", "get_running_loop")?.call0().map_err(|error| {
        if !error.is_instance_of::<PyRuntimeError>(py) {
            return error;
        }
        PyRuntimeError::new_err(
            "AsyncCelper needs a running asyncio event loop, and there is none here: await its methods in a coroutine that \
             asyncio runs. Under trio, also through anyio, use Celper in a worker thread: \
             `await anyio.to_thread.run_sync(lambda: client.get_candidate_status(...))`",
        )
    })
}

pub(crate) fn copy_context(py: Python<'_>) -> PyResult<Py<PyAny>> {
    static COPY_CONTEXT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    Ok(COPY_CONTEXT.import(py, "contextvars", "copy_context")?.call0()?.unbind())
}

/// The bridge of this loop, created on first use.
pub(crate) fn bridge_to<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Bridge>> {
    static BRIDGE_TO: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let bridge = BRIDGE_TO.import(event_loop.py(), "celper._bridge", "bridge_to")?.call1((event_loop,))?;
    Ok(bridge.cast_into()?)
}
