//! The log of API requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::http::HeaderValue;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use crate::clock::UnixTime;
use crate::route::Route;

/// A request as it was received, and the progress of its response.
#[derive(Debug)]
pub(crate) struct Entry {
    seq: u64,
    connection: u64,
    received_at: UnixTime,
    uptime: Duration,
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    pub(crate) route: Option<Route>,
    progress: Mutex<Progress>,
}

#[derive(Clone, Debug, Default)]
struct Progress {
    answered: Option<u16>,
    fault: Option<&'static str>,
    acted: bool,
    replayed: bool,
    client_closed: bool,
}

impl Entry {
    pub(crate) fn candidate_id(&self) -> Option<&str> {
        self.route.as_ref()?.candidate_id().ok()
    }

    /// The path and query as they were on the wire.
    pub(crate) fn target(&self) -> String {
        self.parts.uri.to_string()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn to_json(&self) -> Value {
        let progress = self.progress().clone();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut headers = Vec::new();
        let mut header: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in &self.parts.headers {
            let value = text(value.as_bytes());
            headers.push([name.as_str().to_owned(), value.clone()]);
            header
                .entry(name.as_str())
                .and_modify(|joined| {
                    joined.push_str(", ");
                    joined.push_str(&value);
                })
                .or_insert(value);
        }
        json!({
            "seq": self.seq,
            "method": self.parts.method.as_str(),
            "target": self.target(),
            "path": self.parts.uri.path(),
            "query": self.parts.uri.query(),
            "candidateId": self.candidate_id(),
            "headers": headers,
            "header": header,
            "body": (!self.body.is_empty()).then(|| text(&self.body)),
            "receivedAt": self.received_at.as_secs_f64(),
            "monotonicMs": self.uptime.as_secs_f64() * 1000.0,
            "connection": self.connection,
            "answered": progress.answered,
            "fault": progress.fault,
            "acted": progress.acted,
            "replayed": progress.replayed,
            "clientClosed": progress.client_closed,
        })
    }
}

/// Tracks a request until its response is sent. If it is dropped without `finish`, the connection ended first, and the log
/// records that the client left.
#[derive(Debug)]
pub(crate) struct RequestTracker {
    entry: Arc<Entry>,
    finished: bool,
}

impl RequestTracker {
    pub(crate) fn request(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// Set before the first byte is sent, so that a client that has its response also finds it in the log.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.entry.progress().answered = Some(status.as_u16());
    }

    pub(crate) fn fault(&self, name: &'static str) {
        self.entry.progress().fault = Some(name);
    }

    pub(crate) fn acted(&self) {
        self.entry.progress().acted = true;
    }

    pub(crate) fn replayed(&self) {
        self.entry.progress().replayed = true;
    }

    /// The response was sent, or the sandbox closed the connection: the client may leave now.
    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for RequestTracker {
    fn drop(&mut self) {
        if !self.finished {
            self.entry.progress().client_closed = true;
        }
    }
}

/// Copies slices of hyper's read buffer, so that an entry does not keep the whole buffer alive.
fn detach(parts: &mut Parts) {
    for value in parts.headers.values_mut() {
        if let Ok(copy) = HeaderValue::from_bytes(value.as_bytes()) {
            *value = copy;
        }
    }
    if let Ok(copy) = parts.uri.to_string().parse() {
        parts.uri = copy;
    }
}

/// A received request.
pub(crate) struct Arrival {
    pub(crate) connection: u64,
    pub(crate) received_at: UnixTime,
    pub(crate) uptime: Duration,
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
}

#[derive(Debug)]
pub(crate) struct RequestLog {
    /// How many requests are kept; the oldest are dropped first.
    capacity: usize,
    received: AtomicU64,
    entries: Mutex<VecDeque<Arc<Entry>>>,
}

impl RequestLog {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, received: AtomicU64::new(0), entries: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self, arrival: Arrival) -> RequestTracker {
        let Arrival { connection, received_at, uptime, mut parts, body } = arrival;
        let route = Route::parse(parts.uri.path());
        let make = |seq, parts| {
            let progress = Mutex::default();
            Arc::new(Entry { seq, connection, received_at, uptime, parts, body, route, progress })
        };
        // Without a log the order does not matter, and the lock is not needed.
        if self.capacity == 0 {
            let entry = make(self.received.fetch_add(1, Ordering::Relaxed) + 1, parts);
            return RequestTracker { entry, finished: false };
        }
        detach(&mut parts);
        let mut entries = self.entries();
        let entry = make(self.received.fetch_add(1, Ordering::Relaxed) + 1, parts);
        if entries.len() >= self.capacity {
            entries.pop_front();
        }
        entries.push_back(Arc::clone(&entry));
        RequestTracker { entry, finished: false }
    }

    pub(crate) fn to_json(&self, candidate_id: Option<&str>) -> Value {
        // Cloned first, so that a long log does not block requests while it is serialised.
        let entries: Vec<_> = self.entries().iter().cloned().collect();
        entries
            .iter()
            .filter(|entry| candidate_id.is_none() || entry.candidate_id() == candidate_id)
            .map(|entry| entry.to_json())
            .collect()
    }

    pub(crate) fn clear(&self) -> usize {
        std::mem::take(&mut *self.entries()).len()
    }

    pub(crate) fn reset(&self) {
        let mut entries = self.entries();
        entries.clear();
        self.received.store(0, Ordering::Relaxed);
    }
}
