//! The core's log events as data, for the host language's logger.
//!
//! Events occur on threads that must not call the host. A binding installs two functions, which find out whose call the current
//! thread polls, and keep the record until the host takes it.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

pub use tracing::Level;
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// The target of the core's events.
const TARGET: &str = "celper";

/// A log event.
#[derive(Clone, Debug)]
pub struct LogRecord {
    /// How important it is.
    pub level: Level,
    /// When it occurred.
    pub created: SystemTime,
    /// What happened, without the fields.
    pub message: String,
    /// The details.
    pub fields: Vec<(&'static str, LogValue)>,
}

/// The value of a log record's field.
#[derive(Clone, Debug)]
pub enum LogValue {
    /// A text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Boolean(bool),
}

impl LogRecord {
    /// The message and the fields as one line: `retrying wait_ms=500 reason=server`.
    pub fn text(&self) -> String {
        let mut text = self.message.clone();
        for (name, value) in &self.fields {
            // Writing to a String cannot fail.
            let _ = write!(text, " {name}={value}");
        }
        text
    }
}

impl fmt::Display for LogValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogValue::Text(value) => f.write_str(value),
            LogValue::Integer(value) => write!(f, "{value}"),
            LogValue::Float(value) => write!(f, "{value}"),
            LogValue::Boolean(value) => write!(f, "{value}"),
        }
    }
}

impl Visit for LogRecord {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push((field.name(), LogValue::Text(format!("{value:?}"))));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // The core logs a missing value as an empty string.
        if !value.is_empty() {
            self.fields.push((field.name(), LogValue::Text(value.to_owned())));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), LogValue::Integer(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value).map_or_else(|_| LogValue::Text(value.to_string()), LogValue::Integer);
        self.fields.push((field.name(), value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.push((field.name(), LogValue::Float(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), LogValue::Boolean(value)));
    }
}

/// Passes the core's events on, and ignores its spans (a call has its record) and the events of other crates.
struct HostSubscriber {
    wants: fn(Level) -> bool,
    put: fn(LogRecord),
}

impl Subscriber for HostSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == TARGET && metadata.is_event() { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        (self.wants)(*metadata.level())
    }

    fn event(&self, event: &Event<'_>) {
        let mut record = LogRecord {
            level: *event.metadata().level(),
            created: SystemTime::now(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut record);
        (self.put)(record);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Passes on the events of this process: those that the host `wants` are `put`. Both are called on the thread that polls a call.
///
/// A binding's library has its own copy of `tracing`, so there is no other subscriber. The first call decides.
pub fn install(wants: fn(Level) -> bool, put: fn(LogRecord)) {
    let _ = tracing::subscriber::set_global_default(HostSubscriber { wants, put });
}
