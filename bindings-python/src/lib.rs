//! The native module of the Python package `celper`: passes calls to the core and returns their results.
//!
//! The public classes are in `python/celper`. Two rules apply to all code here:
//! - The runtime's worker thread never calls Python. It puts log records and outcomes into a queue, which a Python thread
//!   empties: the caller's in a synchronous call ([`wait`]), the event loop's in an asynchronous one ([`bridge`]).
//! - Threads in native code are counted, so that the interpreter waits for them before it shuts down ([`lifetime`]).

mod arguments;
mod batch;
mod bridge;
mod client;
mod errors;
mod keys;
mod lifetime;
mod logs;
mod records;
mod requests;
mod results;
mod wait;
mod watch;
mod webhooks;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _celper {
    use celper::webhooks::{EventKind, Options, Reason};
    use celper::{CandidateStatus, ClientBuilder, ErrorKind, Operation};
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;

    #[pymodule_export]
    use crate::batch::{Batch, BatchWait, Consumer, Feed, PendingWait};
    #[pymodule_export]
    use crate::bridge::{Bridge, Call, PendingCall};
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::records::{AttemptRecord, CallRecord, WaitRecord};
    #[pymodule_export]
    use crate::requests::refusal;
    #[pymodule_export]
    use crate::requests::{BatchItem, BatchProgress, InviteRequest, RejectRequest, SelectRequest, StatusRequest};
    #[pymodule_export]
    use crate::results::{CandidateState, Decision, Invitation, RateLimit, RateLimits};

    #[pymodule_export]
    use crate::watch::{Watch, WatchItem};
    #[pymodule_export]
    use crate::webhooks::{sign_webhook, unwrap_webhook, verify_webhook};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        crate::lifetime::reject_subinterpreters()?;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
        // The core's tables: tests compare the Python code with them.
        let errors = ErrorKind::TABLE.iter().map(|row| (row.name, row.class, row.parent));
        module.add("ERRORS", PyTuple::new(py, errors)?)?;
        let reasons = Reason::ALL.iter().map(|reason| reason.name());
        module.add("WEBHOOK_REASONS", PyTuple::new(py, reasons)?)?;
        module.add("WEBHOOK_EVENTS", PyTuple::new(py, EventKind::KNOWN)?)?;
        let statuses = CandidateStatus::KNOWN;
        module.add("STATUSES", PyTuple::new(py, statuses.iter().map(CandidateStatus::as_str))?)?;
        let operations = Operation::ALL.map(|operation| (operation.name(), operation.method_name()));
        module.add("OPERATIONS", PyTuple::new(py, operations)?)?;
        let attempt_timeout = ClientBuilder::DEFAULT_ATTEMPT_TIMEOUT.as_secs_f64();
        module.add("DEFAULTS", (attempt_timeout, ClientBuilder::DEFAULT_MAX_RETRIES))?;
        module.add("WEBHOOK_TOLERANCE", Options::DEFAULT_TOLERANCE.as_secs_f64())?;
        crate::logs::install();
        crate::lifetime::register_hooks(py)
    }
}
