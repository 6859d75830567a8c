//! Every API request that came in, and what became of it.

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

/// A request as it was received, and how far its answer got.
#[derive(Debug)]
pub(crate) struct Entry {
    seq: u64,
    connection: u64,
    received_at: UnixTime,
    running: Duration,
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
            "monotonicMs": self.running.as_secs_f64() * 1000.0,
            "connection": self.connection,
            "answered": progress.answered,
            "fault": progress.fault,
            "acted": progress.acted,
            "replayed": progress.replayed,
            "clientClosed": progress.client_closed,
        })
    }
}

/// Follows a request until its answer has left, and notes when the client did not stay for it: whoever holds this and
/// drops it without calling `settle` was torn down by the connection ending.
#[derive(Debug)]
pub(crate) struct Delivery {
    entry: Arc<Entry>,
    settled: bool,
}

impl Delivery {
    pub(crate) fn request(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// Noted before the first byte leaves, so that a client that has its answer also finds it in the ledger.
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

    /// The answer is out, or the sandbox itself hung up: from here on the client may go.
    pub(crate) fn settle(mut self) {
        self.settled = true;
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.settled {
            self.entry.progress().client_closed = true;
        }
    }
}

/// Copies what hyper hands out as slices of its read buffer: each entry would keep kilobytes of it.
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

/// What the ledger is told of a request.
pub(crate) struct Arrival {
    pub(crate) connection: u64,
    pub(crate) received_at: UnixTime,
    pub(crate) running: Duration,
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    /// How many requests are kept; the oldest go first.
    capacity: usize,
    received: AtomicU64,
    entries: Mutex<VecDeque<Arc<Entry>>>,
}

impl Ledger {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, received: AtomicU64::new(0), entries: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self, arrival: Arrival) -> Delivery {
        let Arrival { connection, received_at, running, mut parts, body } = arrival;
        let route = Route::of_path(parts.uri.path());
        let make = |seq, parts| {
            let progress = Mutex::default();
            Arc::new(Entry { seq, connection, received_at, running, parts, body, route, progress })
        };
        // Without a log there is nothing to be in order with, and no reason to meet at its lock.
        if self.capacity == 0 {
            let entry = make(self.received.fetch_add(1, Ordering::Relaxed) + 1, parts);
            return Delivery { entry, settled: false };
        }
        detach(&mut parts);
        let mut entries = self.entries();
        let entry = make(self.received.fetch_add(1, Ordering::Relaxed) + 1, parts);
        if entries.len() >= self.capacity {
            entries.pop_front();
        }
        entries.push_back(Arc::clone(&entry));
        Delivery { entry, settled: false }
    }

    pub(crate) fn to_json(&self, candidate_id: Option<&str>) -> Value {
        // Cloned first: writing down a long ledger must not keep requests waiting.
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
