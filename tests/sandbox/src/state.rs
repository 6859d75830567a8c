//! The sandbox's state.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::company::Company;
use crate::faults::Faults;
use crate::idempotency::IdempotencyKeys;
use crate::lifecycle::Candidates;
use crate::options::Options;
use crate::outbox::Outbox;
use crate::proxy::ProxyLog;
use crate::request_log::RequestLog;
use crate::windows::{Limits, Windows};

/// Everything that a reset clears, behind one lock, so that every step of a request sees a consistent state.
#[derive(Debug)]
pub(crate) struct State {
    /// Counts the resets. A request that waited through one must not act on the new state.
    pub(crate) generation: u64,
    pub(crate) company: Company,
    pub(crate) windows: Windows,
    pub(crate) candidates: Candidates,
    pub(crate) idempotency: IdempotencyKeys,
    pub(crate) faults: Faults,
    pub(crate) outbox: Outbox,
}

impl State {
    fn new(options: &Options, generation: u64) -> Self {
        let limits = Limits {
            reads: options.reads,
            actions: options.actions,
            total: options.total,
            window: options.window,
            enabled: options.limits_enabled,
        };
        Self {
            generation,
            company: Company::new(&options.keys),
            windows: Windows::new(limits),
            candidates: Candidates::default(),
            idempotency: IdempotencyKeys::default(),
            faults: Faults::default(),
            outbox: Outbox::default(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    pub(crate) log: RequestLog,
    pub(crate) proxy_log: ProxyLog,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            clock: Clock::new(),
            log: RequestLog::new(options.log_capacity),
            proxy_log: ProxyLog::default(),
            state: Mutex::new(State::new(&options, 0)),
            options,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reset(&self) {
        let mut state = self.state();
        *state = State::new(&self.options, state.generation + 1);
        // Under the same lock: no request may count itself in the new state by the old clock.
        self.clock.reset();
        self.log.reset();
        self.proxy_log.clear();
    }
}
