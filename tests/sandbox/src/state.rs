//! The sandbox's state.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::clock::{Clock, UnixTime};
use crate::company::Company;
use crate::faults::Faults;
use crate::idempotency::IdempotencyKeys;
use crate::lifecycle::{Candidates, EXPIRED};
use crate::options::Options;
use crate::outbox::Outbox;
use crate::proxy::ProxyLog;
use crate::request_log::RequestLog;
use crate::webhooks::{Change, Job, Webhooks};
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
    pub(crate) webhooks: Webhooks,
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
            webhooks: Webhooks::default(),
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
    webhook_jobs: UnboundedSender<Job>,
    /// Taken when the sandbox starts.
    new_webhook_jobs: Mutex<Option<UnboundedReceiver<Job>>>,
}

impl Shared {
    pub(crate) fn new(options: Options) -> Self {
        let (webhook_jobs, new_webhook_jobs) = unbounded_channel();
        Self {
            webhook_jobs,
            new_webhook_jobs: Mutex::new(Some(new_webhook_jobs)),
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

    pub(crate) fn take_webhook_jobs(&self) -> Option<UnboundedReceiver<Job>> {
        self.new_webhook_jobs.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Tells the webhook of a change of status, if there is one.
    pub(crate) fn notify(&self, state: &mut State, change: &Change<'_>, at: UnixTime) {
        let generation = state.generation;
        if let Some(job) = state.webhooks.job(change, at, generation) {
            // Fails only when the sandbox stops.
            let _ = self.webhook_jobs.send(job);
        }
    }

    /// Expires the invitations whose sessions have ended. Whoever reads or changes candidates does this first.
    pub(crate) fn expire(&self, state: &mut State, now: UnixTime) {
        while let Some((at, (candidate_id, job_position_id))) = state.candidates.expire_next(now) {
            let (candidate_id, job_position_id) = (&candidate_id, &job_position_id);
            self.notify(state, &Change { candidate_id, job_position_id, before: "invited", after: EXPIRED }, at);
        }
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
