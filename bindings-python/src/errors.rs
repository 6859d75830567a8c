//! Converts the core's errors to Python exceptions. The exception classes are defined in `celper._errors`.

use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use celper::{Error, OperationOutput, bindings};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::keys::KeyProviderError;
use crate::records::CallRecord;
use crate::results::{self, RateLimit};

/// `celper._errors.from_native`, imported on first use.
static FROM_NATIVE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

pub(crate) fn to_py_err(py: Python<'_>, error: &Error) -> PyErr {
    to_exception(py, error).map_or_else(|failure| failure, PyErr::from_value)
}

/// Creates the exception instance.
pub(crate) fn to_exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let from_native = FROM_NATIVE
        .get_or_try_init(py, || py.import("celper._errors")?.getattr("from_native").map(Bound::unbind))?
        .bind(py);
    let more = PyDict::new(py);
    if let Some(reason) = error.webhook_reason() {
        more.set_item("reason", reason.name())?;
        more.set_item("clock_difference", error.clock_difference())?;
    }
    let fields = (
        error.kind().name(),
        error.message(),
        error.to_string(),
        error.operation(),
        error.status(),
        error.code(),
        error.request_id(),
        error.retry_after().map(|wait| wait.as_secs_f64()),
        error.attempts(),
        error.rate_limit().map(|headers| RateLimit::from_core(py, headers)).transpose()?,
        error.idempotency_key(),
        error.outcome_unknown(),
    );
    if let Some(state) = error.last_state() {
        let state = results::to_python(py, OperationOutput::CandidateState(state.clone()))?;
        more.set_item("last_state", state)?;
    }
    if let Some(record) = error.record() {
        more.set_item("record", CallRecord::from(record))?;
    }
    let exception = from_native.call(fields, Some(&more))?;
    if let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<KeyProviderError>()) {
        exception.setattr("__cause__", cause.exception(py))?;
    }
    Ok(exception)
}

/// Runs `work`, and raises an `InternalError` if it panics.
pub(crate) fn catch_panic<T>(py: Python<'_>, work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    // What `work` left in an inconsistent state is dropped with it.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(to_py_err(py, &bindings::panic_error(&*panic))))
}
