//! What a company's Idempotency-Keys stand for: a first request, and the answer that it got.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use tokio::sync::watch;

use crate::answer::Answer;
use crate::clock::UnixTime;

const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// A soak run uses a new key for every action; beyond this the oldest is forgotten before its day is over.
const KEPT: usize = 100_000;

/// What must be the same for a key to be used again: the body, and what it was sent to.
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
    answer: Option<Answer>,
    /// Closed once the first request is over, whether or not it left an answer.
    in_flight: watch::Receiver<()>,
}

impl Record {
    fn is_in_flight(&self) -> bool {
        self.in_flight.has_changed().is_ok()
    }
}

/// Held by the request that used a key first for as long as it is being worked on. Others with the same key wait until
/// it is dropped, which also happens when its client goes away.
#[derive(Debug)]
pub(crate) struct InFlight {
    key: Bytes,
    arrived: UnixTime,
    _over: watch::Sender<()>,
}

#[derive(Debug)]
pub(crate) enum Claim {
    /// Nobody used the key before: act, then `remember` the answer.
    First(InFlight),
    Replay(Answer),
    /// The same request is being worked on: wait until this closes, then claim again.
    Wait(watch::Receiver<()>),
    Conflict,
}

#[derive(Debug, Default)]
pub(crate) struct IdempotencyKeys {
    records: HashMap<Bytes, Record>,
    /// In order of arrival, so that what is too old is always in front.
    by_age: VecDeque<(UnixTime, Bytes)>,
}

impl IdempotencyKeys {
    pub(crate) fn claim(&mut self, key: Bytes, fingerprint: Fingerprint, now: UnixTime) -> Claim {
        self.forget(now);
        if let Some(record) = self.records.get(&key)
            && (record.answer.is_some() || record.is_in_flight())
        {
            return if record.fingerprint != fingerprint {
                Claim::Conflict
            } else if record.is_in_flight() {
                Claim::Wait(record.in_flight.clone())
            } else {
                record.answer.clone().map_or(Claim::Conflict, Claim::Replay)
            };
        }
        let (over, in_flight) = watch::channel(());
        self.by_age.push_back((now, key.clone()));
        self.records.insert(key.clone(), Record { fingerprint, arrived: now, answer: None, in_flight });
        Claim::First(InFlight { key, arrived: now, _over: over })
    }

    /// Keeps a finished answer for the key's day: what succeeded or was refused, never an overload or a breakdown.
    pub(crate) fn remember(&mut self, claim: &InFlight, answer: &Answer) {
        let passing = answer.status.is_server_error() || answer.status.as_u16() == 429;
        if let Some(record) = self.records.get_mut(&claim.key)
            && record.arrived == claim.arrived
            && !passing
        {
            record.answer = Some(answer.clone());
        }
    }

    fn forget(&mut self, now: UnixTime) {
        while let Some((arrived, key)) = self.by_age.front() {
            if *arrived + KEPT_FOR > now && self.by_age.len() < KEPT {
                break;
            }
            // The key may have been claimed anew since; then it is younger than this note of it.
            if let Entry::Occupied(record) = self.records.entry(key.clone())
                && record.get().arrived == *arrived
            {
                record.remove();
            }
            self.by_age.pop_front();
        }
    }
}
