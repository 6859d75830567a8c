//! Batches: what waits for the core, for a thread, for a task of an event loop, or for a greenlet.
//!
//! All three poll the core themselves, so that an item is taken only when its Python code gets it: an interrupted or cancelled
//! wait loses none.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use celper::bindings::batch::{BatchEvent, BatchHandle, BatchOptions, BatchRowItem, forked_batch, rejected_batch};
use celper::bindings::{self, Argument};
use celper::{Client, Error};
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyWeakrefReference};
use pyo3::{IntoPyObjectExt, PyTraverseError, PyVisit, intern};

use crate::arguments::{ArgumentError, optional, path, row_count, text};
use crate::bridge::{self, Bridge, Inbox, lock};
use crate::client::greenlet_wait;
use crate::errors::{self, catch_panic};
use crate::keys;
use crate::lifetime::{NativeGuard, generation, is_other_process};
use crate::logs::{self, BufferedSink};
use crate::requests::{BatchItem, BatchProgress, to_row};
use crate::wait::{Host, wait};

/// Converts to a Python object on a Python thread.
pub(crate) type Convert = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;
/// Something that a batch waits for.
pub(crate) type Work = Pin<Box<dyn Future<Output = Convert> + Send>>;

pub(crate) fn work<T: Send + 'static>(
    future: impl Future<Output = Result<T, Error>> + Send + 'static,
    convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> Work {
    Box::pin(async move {
        let result = future.await;
        Box::new(move |py: Python<'_>| match result {
            Ok(value) => convert(py, value),
            Err(error) => Err(errors::to_py_err(py, &error)),
        }) as Convert
    })
}

/// A batch. Dropping it starts nothing more.
#[pyclass(frozen, module = "celper._celper")]
pub(crate) struct Batch {
    handle: BatchHandle,
    /// The rows without an item, by index.
    requests: Py<PyDict>,
    consumer: Py<Consumer>,
}

/// Who takes the items of a batch or a watch, emits its log records and gives its keys.
#[pyclass(frozen, weakref, module = "celper._celper")]
pub(crate) struct Consumer {
    key_provider: Option<Py<PyAny>>,
    /// Is told of a watch's reads.
    on_read: Option<Py<PyAny>>,
    host: ConsumerHost,
}

/// Where log records and requests for keys go.
enum ConsumerHost {
    /// Nowhere: there are none.
    Nobody,
    /// To the thread or greenlet that takes the items.
    Thread(BufferedSink),
    /// To the event loop.
    Loop(Py<Bridge>, u64),
}

pub(crate) fn options(
    batch_id: &Bound<'_, PyAny>,
    journal: &Bound<'_, PyAny>,
    total: &Bound<'_, PyAny>,
) -> Result<BatchOptions, ArgumentError> {
    let convert = || -> Result<_, ArgumentError> {
        Ok(BatchOptions {
            batch_id: optional(text, Argument::BatchId, batch_id)?,
            journal: optional(path, Argument::Journal, journal)?,
            total: if total.is_none() { None } else { Some(row_count("total", total)?) },
        })
    };
    convert().map_err(|error| error.map(rejected_batch))
}

/// Runs the polls of what a consumer waits for.
pub(crate) type Scope = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// Starts a batch for a thread.
pub(crate) fn start(
    py: Python<'_>,
    guard: NativeGuard,
    client: Client,
    options: BatchOptions,
    key_provider: Option<&Py<PyAny>>,
) -> PyResult<Py<Batch>> {
    let (consumer, scope) = Consumer::on_thread(py, key_provider, None)?;
    let host = Host { events: None, key_provider: None, on_read: None };
    let batch = block_on(py, guard, begin(client, options, consumer, scope), &host)?;
    Ok(batch.into_bound(py).cast_into::<Batch>()?.unbind())
}

/// Starts a batch for the tasks of an event loop.
pub(crate) fn start_on_loop(
    bridge: &Bound<'_, Bridge>,
    event_loop: &Bound<'_, PyAny>,
    client: Client,
    options: BatchOptions,
    key_provider: Option<&Py<PyAny>>,
) -> PyResult<BatchWait> {
    let (consumer, scope) = Consumer::on_loop(bridge, key_provider, None)?;
    Ok(BatchWait::new(bridge, event_loop, begin(client, options, consumer, scope)))
}

/// When the batch does not start, the consumer is dropped with the work.
fn begin(client: Client, options: BatchOptions, consumer: Py<Consumer>, scope: Option<Scope>) -> Work {
    work(
        async move {
            match scope {
                Some(scope) => BatchHandle::start_within(client, options, scope).await,
                None => BatchHandle::start(client, options).await,
            }
        },
        |py, handle| Batch { handle, requests: PyDict::new(py).unbind(), consumer }.into_py_any(py),
    )
}

impl Consumer {
    /// A thread or greenlet.
    pub(crate) fn on_thread(
        py: Python<'_>,
        key_provider: Option<&Py<PyAny>>,
        on_read: Option<Py<PyAny>>,
    ) -> PyResult<(Py<Consumer>, Option<Scope>)> {
        let level = logs::enabled_level(py)?;
        let has_events = level.is_some() || key_provider.is_some() || on_read.is_some();
        let events = has_events.then(BufferedSink::default);
        let scope = events.as_ref().map(|events| Box::new(logs::scope(events.sink(level))) as Scope);
        let host = events.clone().map_or(ConsumerHost::Nobody, ConsumerHost::Thread);
        let key_provider = key_provider.map(|provider| provider.clone_ref(py));
        let consumer = Bound::new(py, Consumer { key_provider, on_read, host })?;
        if let Some(events) = events.filter(|_| consumer.get().key_provider.is_some()) {
            events.set_unattended(give_keys_later(&consumer)?);
        }
        Ok((consumer.unbind(), scope))
    }

    /// The tasks of an event loop.
    pub(crate) fn on_loop(
        bridge: &Bound<'_, Bridge>,
        key_provider: Option<&Py<PyAny>>,
        on_read: Option<Py<PyAny>>,
    ) -> PyResult<(Py<Consumer>, Option<Scope>)> {
        let py = bridge.py();
        let (host, scope) = match bridge.get().open_batch(py, key_provider, on_read)? {
            Some((id, sink)) => {
                (ConsumerHost::Loop(bridge.clone().unbind(), id), Some(Box::new(logs::scope(sink)) as Scope))
            }
            None => (ConsumerHost::Nobody, None),
        };
        Ok((Py::new(py, Consumer { key_provider: None, on_read: None, host })?, scope))
    }

    /// Waits on this thread, or as a greenlet.
    pub(crate) fn wait(slf: &Bound<'_, Self>, work: Work) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        if let Some(wait_readable) = greenlet_wait(py)? {
            // Without a guard: other greenlets run on this thread while this one waits.
            static WAIT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            let pending = PendingWait {
                consumer: slf.clone().unbind(),
                generation: generation(),
                inbox: Some(Arc::new(Inbox::new()?)),
                work: Mutex::new(Some(work)),
            };
            let wait = WAIT.import(py, "celper._greenlets", "wait_for")?;
            return Ok(wait.call1((pending, wait_readable))?.unbind());
        }
        let guard = NativeGuard::new(py);
        catch_panic(py, || {
            let key_provider = this.key_provider.as_ref().map(|provider| provider.bind(py));
            let on_read = this.on_read.as_ref().map(|on_read| on_read.bind(py));
            block_on(py, guard, work, &Host { events: this.events(), key_provider, on_read })
        })
    }

    fn events(&self) -> Option<&BufferedSink> {
        if let ConsumerHost::Thread(events) = &self.host { Some(events) } else { None }
    }

    /// Emits the log records, gives the keys and tells of the reads that are there. After a wait that gave no item: an exception would
    /// lose it.
    pub(crate) fn serve(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let _guard = NativeGuard::new(py);
        let key_provider = this.key_provider.as_ref().map(|provider| provider.bind(py));
        let on_read = this.on_read.as_ref().map(|on_read| on_read.bind(py));
        Host { events: this.events(), key_provider, on_read }.serve(py)
    }

    /// Tells of the reads that are there. It does not raise, also not after a wait that gave an item: whoever is told does not.
    pub(crate) fn tell_reads(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let _guard = NativeGuard::new(py);
        if let ConsumerHost::Loop(bridge, id) = &this.host {
            return bridge.get().tell_reads(py, *id);
        }
        let Some(on_read) = &this.on_read else { return Ok(()) };
        let mut reads = this.events().map(BufferedSink::take_reads).unwrap_or_default().into_iter();
        reads.try_for_each(|read| logs::tell_read(py, Some(on_read.bind(py)), read, None))
    }
}

#[pymethods]
impl Consumer {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let ConsumerHost::Loop(bridge, _) = &self.host {
            visit.call(bridge)?;
        }
        visit.call(&self.on_read)?;
        visit.call(&self.key_provider)
    }
}

/// Gives the keys on a thread of the runtime's pool. A caller that takes long with an item, or takes none for a while, would
/// otherwise keep the requests that are under way waiting for their keys.
fn give_keys_later(consumer: &Bound<'_, Consumer>) -> PyResult<impl Fn() + Send + Sync + 'static> {
    let py = consumer.py();
    let runtime = bindings::runtime().map_err(|error| errors::to_py_err(py, &error))?;
    // Weak: the core keeps this function for as long as requests are under way.
    let consumer = Arc::new(PyWeakrefReference::new(consumer)?.unbind());
    let context = Arc::new(bridge::copy_context(py)?);
    Ok(move || {
        let (consumer, context) = (Arc::clone(&consumer), Arc::clone(&context));
        runtime.spawn_blocking(move || {
            let _guard = NativeGuard::without_gil();
            // Attaching fails late in the interpreter's shutdown, when nothing waits for the key any more.
            Python::try_attach(|py| {
                give_keys(py, &consumer, &context).map_err(|error| error.write_unraisable(py, None))
            })
        });
    })
}

fn give_keys(py: Python<'_>, consumer: &Py<PyWeakrefReference>, context: &Py<PyAny>) -> PyResult<()> {
    let Some(consumer) = consumer.bind(py).upgrade_as::<Consumer>()? else { return Ok(()) };
    let (Some(events), Some(provider)) = (consumer.get().events(), &consumer.get().key_provider) else {
        return Ok(());
    };
    for reply in events.take_keys() {
        // A copy, because a context can be entered only once at a time.
        let context = context.bind(py).call_method0("copy")?;
        reply.send(py, keys::call_sync(provider.bind(py), Some(&context)))?;
    }
    Ok(())
}

/// Waits on this thread.
fn block_on(py: Python<'_>, guard: NativeGuard, work: Work, host: &Host<'_, '_>) -> PyResult<Py<PyAny>> {
    let runtime = bindings::runtime().map_err(|error| errors::to_py_err(py, &error))?;
    let (_guard, outcome) = wait(py, guard, &runtime, work, host)?;
    match outcome {
        Some(convert) => convert(py),
        None => Err(errors::to_py_err(py, &forked_batch())),
    }
}

impl Drop for ConsumerHost {
    fn drop(&mut self) {
        if let ConsumerHost::Loop(bridge, id) = self {
            bridge.get().close_batch(*id);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // Fails in a forked child, whose parent's batch it is.
        let _ = self.handle.stop();
    }
}

#[pymethods]
impl Batch {
    /// The batch's side for its rows, whose requests carry this `traceparent`.
    fn feed(&self, py: Python<'_>, traceparent: Option<String>) -> Feed {
        let (handle, requests) = (self.handle.clone(), self.requests.clone_ref(py));
        Feed { handle, requests, pushed: AtomicU64::new(0), traceparent }
    }

    /// Waits for what is next: `"wants_row"`, an item, or `None` at the end.
    fn next_event(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let (handle, this) = (slf.get().handle.clone(), slf.clone().unbind());
        let event = async move { handle.next_event().await };
        let event = work(event, move |py, event| match event {
            BatchEvent::WantsRow => Ok(intern!(py, "wants_row").clone().into_any().unbind()),
            BatchEvent::Item(item) => {
                // A signal that came while this thread waited would interrupt it as soon as it has the item, and lose that.
                if let Err(interrupt) = py.check_signals() {
                    this.get().handle.put_back(*item).map_err(|error| errors::to_py_err(py, &error))?;
                    return Err(interrupt);
                }
                this.get().take_item(py, *item)
            }
            BatchEvent::End => Ok(py.None()),
            _ => Ok(py.None()),
        });
        let consumer = slf.get().consumer.bind(slf.py());
        let event = Consumer::wait(consumer, event)?;
        if event.is_none(slf.py()) {
            Consumer::serve(consumer)?;
        }
        Ok(event)
    }

    /// Waits until nothing is under way any more.
    fn wait_until_finished(slf: &Bound<'_, Self>) -> PyResult<()> {
        let handle = slf.get().handle.clone();
        let consumer = slf.get().consumer.bind(slf.py());
        Consumer::wait(consumer, work(async move { handle.finished().await }, |py, ()| Ok(py.None())))?;
        Consumer::serve(consumer)
    }

    /// Waits on the event loop for the next item; `None` at the end.
    fn next(slf: &Bound<'_, Self>) -> PyResult<BatchWait> {
        let (handle, this) = (slf.get().handle.clone(), slf.clone().unbind());
        let item = async move { handle.next().await };
        BatchWait::on_running_loop(
            slf.py(),
            slf.get().handle.batch_id().map(drop),
            work(item, move |py, item| item.map_or_else(|| Ok(py.None()), |item| this.get().take_item(py, item))),
        )
    }

    /// Waits on the event loop until nothing is under way any more.
    fn finished(slf: &Bound<'_, Self>) -> PyResult<BatchWait> {
        let handle = slf.get().handle.clone();
        BatchWait::on_running_loop(
            slf.py(),
            slf.get().handle.batch_id().map(drop),
            work(async move { handle.finished().await }, |py, ()| Ok(py.None())),
        )
    }

    #[getter]
    fn batch_id<'py>(&self, py: Python<'py>) -> PyResult<Option<String>> {
        let batch_id = self.handle.batch_id().map_err(|error| errors::to_py_err(py, &error))?;
        Ok(batch_id.map(str::to_owned))
    }

    #[getter]
    fn progress(&self, py: Python<'_>) -> PyResult<BatchProgress> {
        let progress = self.handle.progress().map_err(|error| errors::to_py_err(py, &error))?;
        Ok(BatchProgress::from_core(&progress))
    }

    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.stop().map_err(|error| errors::to_py_err(py, &error))
    }

    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.cancel().map_err(|error| errors::to_py_err(py, &error))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.requests)?;
        visit.call(&self.consumer)
    }
}

impl Batch {
    fn take_item(&self, py: Python<'_>, item: BatchRowItem) -> PyResult<Py<PyAny>> {
        let requests = self.requests.bind(py);
        let request = requests.as_any().get_item(item.index)?;
        requests.del_item(item.index)?;
        BatchItem::from_core(py, item, request.unbind())?.into_py_any(py)
    }
}

/// What feeds a batch. It does not keep the batch going when that is dropped.
#[pyclass(frozen, module = "celper._celper")]
pub(crate) struct Feed {
    handle: BatchHandle,
    requests: Py<PyDict>,
    /// How many rows were added.
    pushed: AtomicU64,
    traceparent: Option<String>,
}

#[pymethods]
impl Feed {
    /// Waits on the event loop until rows are wanted; 0: none any more.
    fn wants_rows(&self, py: Python<'_>) -> PyResult<BatchWait> {
        let handle = self.handle.clone();
        BatchWait::on_running_loop(
            py,
            self.handle.batch_id().map(drop),
            work(async move { handle.wants_rows().await }, |py, rows| rows.into_py_any(py)),
        )
    }

    /// Adds a row. False: the batch takes no more. No signal handler runs in the middle, so that each row has its index.
    fn push(&self, row: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = row.py();
        let _guard = NativeGuard::new(py);
        catch_panic(py, || {
            let request = to_row(row)?.map(|mut input| {
                input.traceparent.clone_from(&self.traceparent);
                input
            });
            self.requests.bind(py).set_item(self.pushed.fetch_add(1, Ordering::Relaxed), row)?;
            self.handle.push(request).map_err(|error| errors::to_py_err(py, &error))
        })
    }

    /// There are no further rows.
    fn end_rows(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.end_rows().map_err(|error| errors::to_py_err(py, &error))
    }

    /// The source of the rows failed.
    fn fail_rows(&self, py: Python<'_>, message: &str) -> PyResult<()> {
        self.handle.fail_rows(message).map_err(|error| errors::to_py_err(py, &error))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.requests)
    }
}

/// The iterator with which a task awaits something of a batch.
#[pyclass(frozen, module = "celper._celper")]
pub(crate) struct BatchWait {
    bridge: Py<Bridge>,
    event_loop: Py<PyAny>,
    id: u64,
    waker: Waker,
    work: Mutex<Option<Work>>,
    waits: AtomicBool,
}

impl BatchWait {
    fn new(bridge: &Bound<'_, Bridge>, event_loop: &Bound<'_, PyAny>, work: Work) -> Self {
        let (id, waker) = bridge.get().new_waker();
        BatchWait {
            bridge: bridge.clone().unbind(),
            event_loop: event_loop.clone().unbind(),
            id,
            waker,
            work: Mutex::new(Some(work)),
            waits: AtomicBool::new(false),
        }
    }

    /// Fails with `usable` in a forked child: that says more than that the loop is not running there.
    pub(crate) fn on_running_loop(py: Python<'_>, usable: Result<(), Error>, work: Work) -> PyResult<Self> {
        let _guard = NativeGuard::new(py);
        catch_panic(py, || {
            usable.map_err(|error| errors::to_py_err(py, &error))?;
            let event_loop = bridge::running_loop(py)?;
            let bridge = bridge::bridge_to(&event_loop)?;
            Ok(BatchWait::new(&bridge, &event_loop, work))
        })
    }
}

#[pymethods]
impl BatchWait {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let _guard = NativeGuard::new(py);
        catch_panic(py, || match poll(&self.work, &self.waker) {
            None => {
                self.waits.store(true, Ordering::Relaxed);
                let future = self.bridge.get().add_wait(self.id, self.event_loop.bind(py))?;
                // A task accepts a yielded future only with this flag, which `Future.__await__` sets.
                future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
                Ok(future)
            }
            // In a tuple: a `StopIteration` with a tuple as its argument would take it for its arguments.
            Some(convert) => Err(PyStopIteration::new_err((convert(py)?,))),
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.bridge)?;
        visit.call(&self.event_loop)
    }
}

impl Drop for BatchWait {
    fn drop(&mut self) {
        let bridge = self.bridge.get();
        if !bridge.is_of_this_process() {
            mem::forget(lock(&self.work).take());
        } else if self.waits.load(Ordering::Relaxed) {
            bridge.remove_wait(self.id);
        }
    }
}

/// Polls work that has not ended.
fn poll(work: &Mutex<Option<Work>>, waker: &Waker) -> Option<Convert> {
    let mut slot = lock(work);
    let Some(work) = slot.as_mut() else {
        return Some(Box::new(|_| Err(PyRuntimeError::new_err("this was awaited before"))));
    };
    match work.as_mut().poll(&mut Context::from_waker(waker)) {
        Poll::Ready(convert) => {
            *slot = None;
            Some(convert)
        }
        Poll::Pending => None,
    }
}

/// Something for which a greenlet of gevent or eventlet waits, which must not block its thread.
#[pyclass(frozen, module = "celper._celper")]
pub(crate) struct PendingWait {
    consumer: Py<Consumer>,
    generation: u32,
    inbox: Option<Arc<Inbox>>,
    work: Mutex<Option<Work>>,
}

#[pymethods]
impl PendingWait {
    /// The file descriptor that becomes readable when there is something to collect.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.inbox.as_ref().map_or_else(|| Err(errors::to_py_err(py, &forked_batch())), |inbox| inbox.fileno())
    }

    /// Emits log records and gives the key. Returns what the greenlet waits for, in a tuple, once it is there.
    fn collect<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Some(inbox) = self.inbox.as_ref().filter(|_| !is_other_process(self.generation)) else {
            return Err(errors::to_py_err(py, &forked_batch()));
        };
        inbox.clear();
        let (consumer, waker) = (self.consumer.bind(py), inbox.waker(0));
        if let Some(events) = consumer.get().events() {
            events.wait_with(&waker);
        }
        Consumer::serve(consumer)?;
        let _guard = NativeGuard::new(py);
        catch_panic(py, || match poll(&self.work, &waker) {
            Some(convert) => Ok(Some(PyTuple::new(py, [convert(py)?])?)),
            None => Ok(None),
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.consumer)
    }
}

impl Drop for PendingWait {
    fn drop(&mut self) {
        if is_other_process(self.generation) {
            mem::forget(self.inbox.take());
            mem::forget(lock(&self.work).take());
        } else if let Some(events) = self.consumer.get().events() {
            events.leave();
        }
    }
}
