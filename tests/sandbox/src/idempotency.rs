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
/// Beyond this the oldest key is forgotten before its day is over: a soak run uses a new key for every action.
const KEPT: usize = 100_000;

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
}

impl IdempotencyKeys {
    pub(crate) fn claim(&mut self, key: Bytes, fingerprint: Fingerprint, now: UnixTime) -> Claim {
        self.evict(now);
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
        let (over, in_flight) = watch::channel(());
        self.by_age.push_back((now, key.clone()));
        self.records.insert(key.clone(), Record { fingerprint, arrived: now, response: None, in_flight });
        Claim::First(InFlight { key, arrived: now, _over: over })
    }

    /// Stores a response for the key's day: 2xx and 4xx, but never 429 or 5xx.
    pub(crate) fn store(&mut self, claim: &InFlight, response: &ApiResponse) {
        let temporary = response.status.is_server_error() || response.status.as_u16() == 429;
        if let Some(record) = self.records.get_mut(&claim.key)
            && record.arrived == claim.arrived
            && !temporary
        {
            record.response = Some(response.clone());
        }
    }

    fn evict(&mut self, now: UnixTime) {
        while let Some((arrived, key)) = self.by_age.front() {
            if *arrived + KEPT_FOR > now && self.by_age.len() < KEPT {
                break;
            }
            // The key may have been claimed again since; then its record is newer than this entry.
            if let Entry::Occupied(record) = self.records.entry(key.clone())
                && record.get().arrived == *arrived
            {
                record.remove();
            }
            self.by_age.pop_front();
        }
    }
}
