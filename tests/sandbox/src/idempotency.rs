//! Idempotency keys: the first request with each key, and its stored response.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use tokio::sync::watch;

use crate::clock::UnixTime;
use crate::response::ApiResponse;

const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Beyond either of these the oldest keys are forgotten before their day is over: a soak run uses a new key for every
/// action.
const MAX_KEYS: usize = 100_000;
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// An estimate of a record's memory beyond its texts.
const OVERHEAD: usize = size_of::<(Bytes, Record)>() + size_of::<(UnixTime, Bytes)>() + 128;

/// What a repeated request must have in common with the first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) body: Bytes,
}

#[derive(Debug)]
struct Record {
    fingerprint: Fingerprint,
    arrived: UnixTime,
    response: Option<ApiResponse>,
    /// Closed when the first request ends, with or without a stored response.
    in_flight: watch::Receiver<()>,
    size: usize,
}

impl Record {
    fn is_in_flight(&self) -> bool {
        self.in_flight.has_changed().is_ok()
    }
}

/// Held by the first request with a key while it is processed. Others with the same key wait until it is dropped, which
/// also happens when its client disconnects.
#[derive(Debug)]
pub(crate) struct InFlight {
    key: Bytes,
    arrived: UnixTime,
    _over: watch::Sender<()>,
}

#[derive(Debug)]
pub(crate) enum Claim {
    /// The key is new: act, then `store` the response.
    First(InFlight),
    Replay(ApiResponse),
    /// The same request is being processed: wait until this closes, then claim again.
    Wait(watch::Receiver<()>),
    Conflict,
}

#[derive(Debug, Default)]
pub(crate) struct IdempotencyKeys {
    records: HashMap<Bytes, Record>,
    /// In order of arrival, oldest first.
    by_age: VecDeque<(UnixTime, Bytes)>,
    bytes: usize,
}

impl IdempotencyKeys {
    pub(crate) fn claim(&mut self, key: Bytes, fingerprint: Fingerprint, now: UnixTime) -> Claim {
        let size = OVERHEAD + key.len() + fingerprint.target.len() + fingerprint.body.len();
        self.evict(now, 0);
        if let Some(record) = self.records.get(&key)
            && (record.response.is_some() || record.is_in_flight())
        {
            return if record.fingerprint != fingerprint {
                Claim::Conflict
            } else if record.is_in_flight() {
                Claim::Wait(record.in_flight.clone())
            } else {
                record.response.clone().map_or(Claim::Conflict, Claim::Replay)
            };
        }
        self.evict(now, size);
        let (over, in_flight) = watch::channel(());
        self.by_age.push_back((now, key.clone()));
        self.bytes += size;
        let record = Record { fingerprint, arrived: now, response: None, in_flight, size };
        if let Some(replaced) = self.records.insert(key.clone(), record) {
            self.bytes -= replaced.size;
        }
        Claim::First(InFlight { key, arrived: now, _over: over })
    }

    /// Stores a response for the key's day: 2xx and 4xx, but never 429 or 5xx.
    pub(crate) fn store(&mut self, claim: &InFlight, response: &ApiResponse) {
        let temporary = response.status.is_server_error() || response.status.as_u16() == 429;
        if let Some(record) = self.records.get_mut(&claim.key)
            && record.arrived == claim.arrived
            && !temporary
        {
            let size = response.request_id.len() + response.body.len();
            record.size += size;
            self.bytes += size;
            record.response = Some(response.clone());
        }
    }

    /// Forgets keys that are too old, and the oldest ones until there is room for a new one of this size.
    fn evict(&mut self, now: UnixTime, size: usize) {
        let keys = usize::from(size > 0);
        while let Some((arrived, key)) = self.by_age.front() {
            let expired = *arrived + KEPT_FOR <= now;
            if !expired && self.by_age.len() + keys <= MAX_KEYS && self.bytes + size <= MAX_BYTES {
                break;
            }
            // The key may have been claimed again since; then its record is newer than this entry.
            if let Entry::Occupied(record) = self.records.entry(key.clone())
                && record.get().arrived == *arrived
            {
                self.bytes -= record.remove().size;
            }
            self.by_age.pop_front();
        }
    }
}
