//! Passes the core's log events to Python's logger `celper`, and the reads of waits and watches to whoever traces them.
//!
//! Events occur on threads that do not call Python. Each call has a [`Sink`] for its records, and a Python thread emits them
//! later, in the context of the task that made the call. Records below the logger's level are not made.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::UNIX_EPOCH;

use celper::bindings::logs::{self as core_logs, Level, LogRecord, LogValue};
use celper::bindings::watch::{EndedRead, Reads};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::bridge::lock;
use crate::errors;
use crate::keys::KeyReply;
use crate::records::CallRecord;

/// The name of the logger.
const LOGGER: &str = "celper";

/// What a call has for a Python thread.
pub(crate) enum HostEvent {
    /// A log record.
    Log(LogRecord),
    /// The call needs the API key of a client whose key is a function.
    Key(KeyReply),
    /// A read of a wait or a watch has ended.
    Read(Box<EndedRead>),
}

/// Where a call's events go, and which log records it wants.
#[derive(Clone)]
pub(crate) struct Sink {
    /// `None`: no records.
    level: Option<Level>,
    put: Arc<dyn Fn(HostEvent) + Send + Sync>,
}

impl Sink {
    pub(crate) fn new(level: Option<Level>, put: impl Fn(HostEvent) + Send + Sync + 'static) -> Self {
        Sink { level, put: Arc::new(put) }
    }
}

thread_local! {
    /// The sink for the call that this thread currently polls.
    static SINK: RefCell<Option<Sink>> = const { RefCell::new(None) };
}

/// Passes an event of the call that this thread polls to its Python thread. False if the call has none.
pub(crate) fn send_to_host(event: HostEvent) -> bool {
    let sink = SINK.with_borrow(Clone::clone);
    sink.inspect(|sink| (sink.put)(event)).is_some()
}

/// The reads of a wait or a watch, as events of it.
pub(crate) fn reads(traceparent: Option<String>) -> Reads {
    let ended = |read| {
        send_to_host(HostEvent::Read(Box::new(read)));
    };
    Reads { traceparent, ended: Arc::new(ended) }
}

/// Tells the function of a read, on a Python thread, in `context` if there is one.
pub(crate) fn tell_read(
    py: Python<'_>,
    on_read: Option<&Bound<'_, PyAny>>,
    read: EndedRead,
    context: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let Some(on_read) = on_read else { return Ok(()) };
    let error = read.error.map(|error| errors::to_exception(py, &error)).transpose()?;
    let arguments = (read.candidate_id, read.job_position_id, CallRecord::from(&read.record), error);
    match context {
        Some(context) => {
            let (candidate_id, job_position_id, record, error) = arguments;
            context.call_method1("run", (on_read, candidate_id, job_position_id, record, error))
        }
        None => on_read.call1(arguments),
    }
    .map(drop)
}

/// Sets this thread's sink, and restores the previous one when dropped.
struct SinkScope(Option<Sink>);

impl SinkScope {
    fn new(sink: Sink) -> Self {
        SinkScope(SINK.with_borrow_mut(|current| current.replace(sink)))
    }
}

impl Drop for SinkScope {
    fn drop(&mut self) {
        let previous = self.0.take();
        SINK.with_borrow_mut(|current| *current = previous);
    }
}

/// A call whose events go to a sink.
pub(crate) struct Recorded<F> {
    sink: Option<Sink>,
    call: Pin<Box<F>>,
}

impl<F> Recorded<F> {
    pub(crate) fn new(call: F, sink: Option<Sink>) -> Self {
        Recorded { sink, call: Box::pin(call) }
    }
}

impl<F: Future> Future for Recorded<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _scope = self.sink.clone().map(SinkScope::new);
        self.call.as_mut().poll(context)
    }
}

/// A function that runs polls with this sink, for what the core polls in tasks of its own.
pub(crate) fn scope(sink: Sink) -> impl Fn(&mut dyn FnMut()) + Send + Sync + 'static {
    move |poll| {
        let _scope = SinkScope::new(sink.clone());
        poll();
    }
}

/// The most events for which reads are added: those of a watch whose items nobody takes are not taken either.
const MAX_EVENTS: usize = 1_024;

/// A sink that buffers events until they are taken.
#[derive(Clone, Default)]
pub(crate) struct BufferedSink(Arc<Mutex<Buffer>>);

#[derive(Default)]
struct Buffer {
    events: Vec<HostEvent>,
    /// Wakes the Python thread that waits, and gives the key.
    waker: Option<Waker>,
    /// Called when the key is needed and no thread waits.
    unattended: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Buffer {
    fn needs_key(&self) -> bool {
        self.events.iter().any(|event| matches!(event, HostEvent::Key(_)))
    }
}

impl BufferedSink {
    pub(crate) fn sink(&self, level: Option<Level>) -> Sink {
        let buffer = Arc::clone(&self.0);
        Sink::new(level, move |event| {
            let mut buffer = lock(&buffer);
            if matches!(event, HostEvent::Read(_)) && buffer.events.len() >= MAX_EVENTS {
                return;
            }
            let is_key = matches!(event, HostEvent::Key(_));
            buffer.events.push(event);
            if is_key {
                // The waker stays: its thread waits until it leaves.
                let (waker, unattended) = (buffer.waker.clone(), buffer.unattended.clone());
                drop(buffer);
                match (waker, unattended) {
                    (Some(waker), _) => waker.wake(),
                    (None, Some(unattended)) => unattended(),
                    (None, None) => {}
                }
            }
        })
    }

    pub(crate) fn set_unattended(&self, unattended: impl Fn() + Send + Sync + 'static) {
        lock(&self.0).unattended = Some(Arc::new(unattended));
    }

    /// A thread waits, and is woken when the key is needed, until [`leave`](BufferedSink::leave).
    pub(crate) fn wait_with(&self, waker: &Waker) {
        lock(&self.0).waker = Some(waker.clone());
    }

    pub(crate) fn leave(&self) {
        let mut buffer = lock(&self.0);
        buffer.waker = None;
        let unattended = buffer.unattended.clone().filter(|_| buffer.needs_key());
        drop(buffer);
        unattended.into_iter().for_each(|unattended| unattended());
    }

    pub(crate) fn take(&self) -> Vec<HostEvent> {
        std::mem::take(&mut lock(&self.0).events)
    }

    /// Takes the requests for the key, and leaves the log records to a thread that waits.
    pub(crate) fn take_keys(&self) -> Vec<KeyReply> {
        let mut buffer = lock(&self.0);
        let (mut keys, mut others) = (Vec::new(), Vec::new());
        for event in buffer.events.drain(..) {
            match event {
                HostEvent::Key(reply) => keys.push(reply),
                log => others.push(log),
            }
        }
        buffer.events = others;
        keys
    }

    /// Takes the reads that have ended, and leaves the rest.
    pub(crate) fn take_reads(&self) -> Vec<EndedRead> {
        let mut buffer = lock(&self.0);
        let (mut reads, mut others) = (Vec::new(), Vec::new());
        for event in buffer.events.drain(..) {
            match event {
                HostEvent::Read(read) => reads.push(*read),
                other => others.push(other),
            }
        }
        buffer.events = others;
        reads
    }

    /// Whether the call waits for Python code to give the key.
    pub(crate) fn needs_key(&self) -> bool {
        lock(&self.0).needs_key()
    }
}

/// Runs `work` and returns its result with its log records.
pub(crate) fn record<T>(py: Python<'_>, work: impl FnOnce() -> T) -> PyResult<(T, Vec<HostEvent>)> {
    let buffer = BufferedSink::default();
    let level = enabled_level(py)?;
    let _scope = level.is_some().then(|| SinkScope::new(buffer.sink(level)));
    Ok((work(), buffer.take()))
}

/// The lowest level that the logger is enabled for; `None` if it wants not even warnings. An exception goes to the caller: it
/// may be a signal handler's.
pub(crate) fn enabled_level(py: Python<'_>) -> PyResult<Option<Level>> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    static IS_ENABLED_FOR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let is_enabled_for = match IS_ENABLED_FOR.get(py) {
        Some(method) => method,
        None => {
            let modules = MODULES.import(py, "sys", "modules")?;
            // A program that has not imported `logging` has not configured it, and is spared the import.
            let Some(logging) = modules.get_item("logging")? else { return Ok(None) };
            IS_ENABLED_FOR.get_or_try_init(py, || {
                logging.call_method1("getLogger", (LOGGER,))?.getattr("isEnabledFor").map(Bound::unbind)
            })?
        }
    };
    for level in [Level::DEBUG, Level::INFO, Level::WARN] {
        if is_enabled_for.bind(py).call1((python_level(level),))?.is_truthy()? {
            return Ok(Some(level));
        }
    }
    Ok(None)
}

/// The number of a level in Python's `logging`.
fn python_level(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

/// Passes a record to the logger, on a Python thread, in `context` if there is one.
///
/// What a filter or handler raises goes to the caller, as in any library that logs. It may be the exception of a signal
/// handler that ran in the filter (Ctrl-C, or a worker's time limit) and must not be lost.
pub(crate) fn emit(py: Python<'_>, record: LogRecord, context: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    static EMIT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let emit = EMIT.import(py, "celper._logs", "emit")?;
    let text = record.text();
    let fields = PyDict::new(py);
    for (name, value) in record.fields {
        match value {
            LogValue::Text(value) => fields.set_item(name, value),
            LogValue::Integer(value) => fields.set_item(name, value),
            LogValue::Float(value) => fields.set_item(name, value),
            LogValue::Boolean(value) => fields.set_item(name, value),
        }?;
    }
    let created = record.created.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let level = python_level(record.level);
    match context {
        Some(context) => context.call_method1("run", (emit, level, text, created, fields)),
        None => emit.call1((level, text, created, fields)),
    }
    .map(drop)
}

/// Passes the core's events to the current thread's sink.
pub(crate) fn install() {
    let wants =
        |level| SINK.with_borrow(|sink| sink.as_ref().and_then(|sink| sink.level).is_some_and(|least| level <= least));
    core_logs::install(wants, |record| {
        send_to_host(HostEvent::Log(record));
    });
}
