//! Everything the sandbox knows.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::company::Company;
use crate::faults::Faults;
use crate::idempotency::IdempotencyKeys;
use crate::ledger::Ledger;
use crate::lifecycle::Candidates;
use crate::options::Options;
use crate::outbox::Outbox;
use crate::proxy::ProxyLog;
use crate::windows::{Limits, Windows};

/// What a reset puts back to its beginning, behind one lock: every step of a request sees it whole.
#[derive(Debug)]
pub(crate) struct World {
    /// Counts the resets. A request that was asleep during one must not act in the world that came after it.
    pub(crate) generation: u64,
    pub(crate) company: Company,
    pub(crate) windows: Windows,
    pub(crate) candidates: Candidates,
    pub(crate) idempotency: IdempotencyKeys,
    pub(crate) faults: Faults,
    pub(crate) outbox: Outbox,
}

impl World {
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
    pub(crate) ledger: Ledger,
    pub(crate) proxy_log: ProxyLog,
    world: Mutex<World>,
}

impl Shared {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            clock: Clock::new(),
            ledger: Ledger::new(options.log_capacity),
            proxy_log: ProxyLog::default(),
            world: Mutex::new(World::new(&options, 0)),
            options,
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reset(&self) {
        let mut world = self.world();
        *world = World::new(&self.options, world.generation + 1);
        // Under the same lock: nothing may be counted on the old clock in the new world.
        self.clock.reset();
        self.ledger.reset();
        self.proxy_log.clear();
    }
}
