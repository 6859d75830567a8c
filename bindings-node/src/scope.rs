//! Whose call the current thread polls: where its log records go, and who has its key.

use std::future::Future;
use std::sync::{Arc, Once};

use celper::bindings::logs;

use crate::bridge::Shared;
use crate::outcome;

/// A call, a batch or a watch of a JavaScript environment.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: u32,
    /// Whether JavaScript wants log records.
    pub(crate) logs: bool,
}

tokio::task_local! {
    static SCOPE: Scope;
}

impl Scope {
    /// Runs a call within this scope.
    pub(crate) fn run<F: Future>(self, call: F) -> impl Future<Output = F::Output> + use<F> {
        self.install_logs();
        SCOPE.scope(self, call)
    }

    /// A function that runs polls within this scope, for what the core polls in tasks of its own.
    pub(crate) fn polls(self) -> impl Fn(&mut dyn FnMut()) + Send + Sync + 'static {
        self.install_logs();
        move |poll| SCOPE.sync_scope(self.clone(), poll)
    }

    /// Not before a record is wanted: without a subscriber, the core's events cost the least.
    fn install_logs(&self) {
        static INSTALLED: Once = Once::new();
        if self.logs {
            INSTALLED.call_once(|| {
                let wants = |level| level <= logs::Level::DEBUG && SCOPE.try_with(|scope| scope.logs).unwrap_or(false);
                logs::install(wants, |record| {
                    let _ = SCOPE.try_with(|scope| scope.shared.push(&outcome::log_json(scope.id, &record)));
                });
            });
        }
    }
}

/// The environment and the id of the current call.
pub(crate) fn current() -> Option<(Arc<Shared>, u32)> {
    SCOPE.try_with(|scope| (Arc::clone(&scope.shared), scope.id)).ok()
}
