//! The core's errors as Python's exceptions, whose classes are Python's own.

use celper::Error;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// `celper._errors.from_native`, looked up once.
static FROM_NATIVE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

pub(crate) fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    value(py, error).map_or_else(|failure| failure, PyErr::from_value)
}

/// The exception's instance.
pub(crate) fn value<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let from_native = FROM_NATIVE
        .get_or_try_init(py, || py.import("celper._errors")?.getattr("from_native").map(Bound::unbind))?
        .bind(py);
    from_native.call1((
        error.kind().name(),
        error.message(),
        error.to_string(),
        error.operation(),
        error.status(),
        error.code(),
        error.request_id(),
        error.retry_after().map(|wait| wait.as_secs_f64()),
        error.attempts(),
        error.idempotency_key(),
        error.outcome_unknown(),
    ))
}
