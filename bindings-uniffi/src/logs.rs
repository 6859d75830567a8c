//! The core's log events, for the host's logger.
//!
//! The host's function gets the events of the calls that want them; how important an event must be is asked for each call.

use std::cell::Cell;
use std::task::Poll;

use celper::bindings::logs::{Level, LogRecord, install};

/// The host's function for log events: `void (*)(int32_t level, const uint8_t *text, int32_t length)`. The text is valid until it
/// returns. It is called on the core's threads, returns at once and never throws.
type LogCallback = extern "C" fn(level: i32, text: *const u8, length: i32);

thread_local! {
    /// Where the events of the call go that this thread polls.
    static SINK: Cell<Option<LogSink>> = const { Cell::new(None) };
}

/// A client's function for log events.
#[derive(Clone, Copy)]
pub(crate) struct Logs(Option<LogCallback>);

impl Logs {
    #[allow(unsafe_code, reason = "an address becomes a function")]
    pub(crate) fn new(address: u64) -> Self {
        let address = usize::try_from(address).ok().filter(|address| *address != 0);
        // SAFETY: the host passes the address of a function of this type, and it is not null.
        let callback = address.map(|address| unsafe {
            std::mem::transmute::<*const (), LogCallback>(std::ptr::without_provenance(address))
        });
        if callback.is_some() {
            install(wants, put);
        }
        Logs(callback)
    }

    /// What a call gets whose logger takes events to this level: 0 none, 1 warnings, 2 information, 3 all.
    pub(crate) fn to_level(self, level: u8) -> Option<LogSink> {
        self.0.filter(|_| level > 0).map(|callback| LogSink { callback, level })
    }
}

/// Where the events of one call go.
#[derive(Clone, Copy)]
pub(crate) struct LogSink {
    callback: LogCallback,
    level: u8,
}

/// Restores a thread's sink when dropped.
struct Restore(Option<LogSink>);

impl Drop for Restore {
    fn drop(&mut self) {
        SINK.set(self.0);
    }
}

/// Runs a part of a call.
pub(crate) fn within<T>(sink: Option<LogSink>, work: impl FnOnce() -> T) -> T {
    let _restore = Restore(SINK.replace(sink));
    work()
}

/// Runs a call.
pub(crate) async fn within_polls<T>(sink: Option<LogSink>, call: impl Future<Output = T>) -> T {
    let mut call = std::pin::pin!(call);
    std::future::poll_fn(|cx| -> Poll<T> { within(sink, || call.as_mut().poll(cx)) }).await
}

fn wants(level: Level) -> bool {
    SINK.get().is_some_and(|sink| rank(level) <= sink.level)
}

fn put(record: LogRecord) {
    if let Some(sink) = SINK.get() {
        let text = record.text();
        (sink.callback)(rank(record.level).into(), text.as_ptr(), i32::try_from(text.len()).unwrap_or_default());
    }
}

fn rank(level: Level) -> u8 {
    match level {
        Level::ERROR | Level::WARN => 1,
        Level::INFO => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    static EVENTS: Mutex<Vec<(i32, String)>> = Mutex::new(Vec::new());

    #[allow(unsafe_code, reason = "the foreign language's function")]
    extern "C" fn record(level: i32, text: *const u8, length: i32) {
        // SAFETY: `put` passes the pointer and the length of one text.
        let bytes = unsafe { std::slice::from_raw_parts(text, usize::try_from(length).unwrap()) };
        EVENTS.lock().unwrap().push((level, String::from_utf8(bytes.to_vec()).unwrap()));
    }

    #[tokio::test]
    async fn a_call_logs_to_its_level_and_another_nothing() {
        let logs = Logs::new(record as *const () as u64);
        let log = async || {
            tracing::info!(target: "celper", wait_ms = 7, "waiting");
            tokio::task::yield_now().await;
            tracing::debug!(target: "celper", "sent");
        };
        within_polls(logs.to_level(2), log()).await;
        within_polls(logs.to_level(0), log()).await;
        log().await;
        within(logs.to_level(1), || tracing::warn!(target: "celper", "lost"));
        let expected = [(2, "waiting wait_ms=7".to_owned()), (1, "lost".to_owned())];
        assert_eq!(EVENTS.lock().unwrap().as_slice(), expected);
    }
}
