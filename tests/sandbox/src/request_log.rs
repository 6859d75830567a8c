//! The log of API requests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::http::{HeaderName, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::api::ApiRequest;
use crate::bounded::BoundedQueue;
use crate::clock::UnixTime;

/// A longer body is cut.
const MAX_LOGGED_BODY: usize = 64 * 1024;
/// The log takes this much memory for each request of its capacity; an ordinary request takes less.
const AVERAGE_ENTRY: usize = 2 * 1024;
/// Enough for the largest request, however small the capacity.
const MIN_LOG: usize = 1024 * 1024;
/// An estimate of what the allocator needs for each string.
const ALLOCATION: usize = 32;

/// A request as it was received, and the progress of its response.
#[derive(Debug)]
struct Entry {
    seq: u64,
    connection: u64,
    received_at: UnixTime,
    uptime: Duration,
    method: Method,
    target: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// At most `MAX_LOGGED_BODY` bytes.
    body: Bytes,
    body_length: usize,
    candidate_id: Option<String>,
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
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An estimate of its memory.
    fn size(&self) -> usize {
        let header = |(name, value): &(HeaderName, HeaderValue)| {
            size_of::<(HeaderName, HeaderValue)>() + name.as_str().len() + value.len() + ALLOCATION
        };
        let target = self.target.path_and_query().map_or(0, |target| target.as_str().len());
        size_of::<Self>()
            + 4 * ALLOCATION
            + self.headers.iter().map(header).sum::<usize>()
            + target
            + self.candidate_id.as_ref().map_or(0, String::len)
            + self.body.len()
    }

    fn to_json(&self) -> Value {
        let progress = self.progress().clone();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut headers = Vec::new();
        let mut header: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in &self.headers {
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
            "method": self.method.as_str(),
            "target": self.target.to_string(),
            "path": self.target.path(),
            "query": self.target.query(),
            "candidateId": self.candidate_id,
            "headers": headers,
            "header": header,
            "body": (!self.body.is_empty()).then(|| text(&self.body)),
            "bodyLength": self.body_length,
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
    /// `None` without a log.
    entry: Option<Arc<Entry>>,
    finished: bool,
}

impl RequestTracker {
    fn note(&self, change: impl FnOnce(&mut Progress)) {
        if let Some(entry) = &self.entry {
            change(&mut entry.progress());
        }
    }

    /// Set before the first byte is sent, so that a client that has its response also finds it in the log.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.note(|progress| progress.answered = Some(status.as_u16()));
    }

    pub(crate) fn fault(&self, name: &'static str) {
        self.note(|progress| progress.fault = Some(name));
    }

    pub(crate) fn acted(&self) {
        self.note(|progress| progress.acted = true);
    }

    pub(crate) fn replayed(&self) {
        self.note(|progress| progress.replayed = true);
    }

    /// The response was sent, or the sandbox closed the connection: the client may leave now.
    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for RequestTracker {
    fn drop(&mut self) {
        if !self.finished {
            self.note(|progress| progress.client_closed = true);
        }
    }
}

/// Copies, so that an entry does not keep hyper's whole read buffer alive.
fn copy_headers(request: &ApiRequest) -> Vec<(HeaderName, HeaderValue)> {
    let copy = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone());
    request.parts.headers.iter().map(|(name, value)| (name.clone(), copy(value))).collect()
}

fn copy_target(request: &ApiRequest) -> Uri {
    request.parts.uri.to_string().parse().unwrap_or_else(|_| request.parts.uri.clone())
}

/// The beginning of a body. A cut body is a copy, so that the rest is freed.
fn cut(body: &Bytes) -> Bytes {
    if body.len() <= MAX_LOGGED_BODY {
        return body.clone();
    }
    let mut end = MAX_LOGGED_BODY;
    // Not within a UTF-8 character, of which at most three bytes can be missing.
    while end > MAX_LOGGED_BODY - 3 && body.get(end).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {
        end -= 1;
    }
    Bytes::copy_from_slice(&body.slice(..end))
}

#[derive(Debug)]
pub(crate) struct RequestLog {
    enabled: bool,
    received: AtomicU64,
    entries: Mutex<BoundedQueue<Arc<Entry>>>,
}

impl RequestLog {
    /// Keeps so many requests; the oldest are dropped first.
    pub(crate) fn new(capacity: usize) -> Self {
        let max_bytes = capacity.saturating_mul(AVERAGE_ENTRY).max(MIN_LOG);
        let entries = Mutex::new(BoundedQueue::new(capacity, max_bytes));
        Self { enabled: capacity > 0, received: AtomicU64::new(0), entries }
    }

    fn entries(&self) -> MutexGuard<'_, BoundedQueue<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(
        &self,
        request: &ApiRequest,
        connection: u64,
        received_at: UnixTime,
        uptime: Duration,
    ) -> RequestTracker {
        if !self.enabled {
            return RequestTracker { entry: None, finished: false };
        }
        let mut entry = Entry {
            seq: 0,
            connection,
            received_at,
            uptime,
            method: request.parts.method.clone(),
            target: copy_target(request),
            headers: copy_headers(request),
            body: cut(&request.body),
            body_length: request.body.len(),
            candidate_id: request.candidate_id().map(str::to_owned),
            progress: Mutex::default(),
        };
        let size = entry.size();
        // Numbered under the lock, so that the log is in the order of the numbers.
        let mut entries = self.entries();
        entry.seq = self.received.fetch_add(1, Ordering::Relaxed) + 1;
        let entry = Arc::new(entry);
        entries.push(size, Arc::clone(&entry));
        RequestTracker { entry: Some(entry), finished: false }
    }

    /// All requests, or those for one candidate.
    pub(crate) fn select(&self, candidate_id: Option<&str>) -> LoggedRequests {
        let entries = self.entries();
        let selected = |entry: &&Arc<Entry>| candidate_id.is_none() || entry.candidate_id.as_deref() == candidate_id;
        LoggedRequests(entries.iter().filter(selected).cloned().collect())
    }

    pub(crate) fn clear(&self) -> usize {
        self.entries().clear()
    }

    pub(crate) fn reset(&self) {
        let mut entries = self.entries();
        entries.clear();
        self.received.store(0, Ordering::Relaxed);
    }
}

/// Log entries, which are serialised one at a time and without the log's lock: a long log takes much more memory as JSON.
pub(crate) struct LoggedRequests(Vec<Arc<Entry>>);

impl Serialize for LoggedRequests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|entry| entry.to_json()))
    }
}
