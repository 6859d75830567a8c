//! The core's log events as records of Python's logger `celper`.
//!
//! An event happens on a thread that does not touch Python. Whoever polls a call says where the call's events go, and
//! brings them to Python when it comes by; a call that nobody listens to costs one look at the logger.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::bridge::lock;

/// The target of the core's events.
const TARGET: &str = "celper";

/// One log record, until Python has it.
pub(crate) struct Record {
    level: u8,
    created: Duration,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

enum Value {
    Text(String),
    Whole(i64),
    Real(f64),
    Truth(bool),
}

/// Where a call's records go.
pub(crate) type Sink = Arc<dyn Fn(Record) + Send + Sync>;

thread_local! {
    /// The sink of what this thread does at the moment.
    static SINK: RefCell<Option<Sink>> = const { RefCell::new(None) };
}

/// Sets the sink until it is dropped, and the one before again then.
struct During(Option<Sink>);

impl During {
    fn new(sink: Sink) -> Self {
        During(SINK.with_borrow_mut(|current| current.replace(sink)))
    }
}

impl Drop for During {
    fn drop(&mut self) {
        let before = self.0.take();
        SINK.with_borrow_mut(|current| *current = before);
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
        let _during = self.sink.clone().map(During::new);
        self.call.as_mut().poll(context)
    }
}

/// A sink that keeps the records until they are taken.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<Record>>>);

impl Kept {
    pub(crate) fn sink(&self) -> Sink {
        let kept = Arc::clone(&self.0);
        Arc::new(move |record| lock(&kept).push(record))
    }

    pub(crate) fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *lock(&self.0))
    }
}

/// Does `work`, and keeps what it logs.
pub(crate) fn recorded<T>(py: Python<'_>, work: impl FnOnce() -> T) -> PyResult<(T, Vec<Record>)> {
    let kept = Kept::default();
    let _during = wanted(py)?.then(|| During::new(kept.sink()));
    Ok((work(), kept.take()))
}

/// Whether somebody listens to the logger. What that raises is the caller's: it may be a signal handler's.
pub(crate) fn wanted(py: Python<'_>) -> PyResult<bool> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    static IS_ENABLED_FOR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let is_enabled_for = match IS_ENABLED_FOR.get(py) {
        Some(known) => known,
        None => {
            let modules = MODULES.import(py, "sys", "modules")?;
            // A program that has not imported `logging` has not set it up either, and need not wait for it.
            let Some(logging) = modules.get_item("logging")? else { return Ok(false) };
            IS_ENABLED_FOR.get_or_try_init(py, || {
                logging.call_method1("getLogger", (TARGET,))?.getattr("isEnabledFor").map(Bound::unbind)
            })?
        }
    };
    is_enabled_for.bind(py).call1((number(Level::DEBUG),))?.is_truthy()
}

/// The level as Python counts.
fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

impl Record {
    /// Hands the record to the logger, on a thread of Python's.
    ///
    /// What a filter or handler raises goes on to the caller, as from any library that logs: it may be a signal handler's
    /// exception that happened to come here, Ctrl-C or a worker's time limit, and must not get lost.
    pub(crate) fn emit(self, py: Python<'_>) -> PyResult<()> {
        static EMIT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let emit = EMIT.import(py, "celper._logs", "emit")?;
        let mut text = self.message;
        let fields = PyDict::new(py);
        for (name, value) in self.fields {
            // Writing to a String cannot fail.
            let _ = write!(text, " {name}={value}");
            match value {
                Value::Text(value) => fields.set_item(name, value),
                Value::Whole(value) => fields.set_item(name, value),
                Value::Real(value) => fields.set_item(name, value),
                Value::Truth(value) => fields.set_item(name, value),
            }?;
        }
        emit.call1((self.level, text, self.created.as_secs_f64(), fields)).map(drop)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(value) => f.write_str(value),
            Value::Whole(value) => write!(f, "{value}"),
            Value::Real(value) => write!(f, "{value}"),
            Value::Truth(value) => write!(f, "{value}"),
        }
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push((field.name(), Value::Text(format!("{value:?}"))));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // An empty text stands for what there is not.
        if !value.is_empty() {
            self.fields.push((field.name(), Value::Text(value.to_owned())));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), Value::Whole(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Whole);
        self.fields.push((field.name(), value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.push((field.name(), Value::Real(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), Value::Truth(value)));
    }
}

/// Gives the core's events to the sink of the moment; its own events are the only ones in this library that are looked at.
struct ToSink;

impl Subscriber for ToSink {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == TARGET { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        SINK.with_borrow(Option::is_some)
    }

    fn event(&self, event: &Event<'_>) {
        let Some(sink) = SINK.with_borrow(Clone::clone) else { return };
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut record =
            Record { level: number(*event.metadata().level()), created, message: String::new(), fields: Vec::new() };
        event.record(&mut record);
        sink(record);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Once for the whole process. This library has a `tracing` of its own, so nobody can have been here before.
pub(crate) fn install() {
    let _ = tracing::subscriber::set_global_default(ToSink);
}
