//! What a call did, as Python classes.

use celper::bindings::record as border;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyDict, PyTuple, PyType};

use crate::lifetime::NativeGuard;
use crate::results::{UtcDateTime, plain, record, repr, values};

record! {
    /// One HTTP request of a call. Times are in seconds.
    AttemptRecord {
        /// From the call's start to the attempt's.
        offset: f64,
        /// From the attempt's start to the end of its response, or to its failure.
        duration: f64,
        /// The HTTP status, if there was a response.
        status: Option<u16> = None,
        /// The server's id for the request.
        request_id: Option<String> = None,
        /// The ``kind`` of the error with which it failed; ``None`` if it did not.
        error_kind: Option<String> = None,
        /// ``"new"``, or ``"pooled"`` for a connection of an earlier attempt; ``None`` if that is not known.
        connection: Option<String> = None,
    }
}

record! {
    /// A wait of a call. Times are in seconds.
    WaitRecord {
        /// From the call's start to the wait's.
        offset: f64,
        /// How long it waited.
        duration: f64,
        /// What for: ``"rate_limit"``, ``"retry"``, ``"key_provider"`` or ``"connection"``.
        reason: String,
    }
}

/// The attempts and waits of a call: ``record`` of results and errors.
///
///     print(state.record)  # every attempt and wait on a line of its own
///
/// It holds no API key, no ids of candidates or job positions, and nothing of an e-mail. Times are in seconds.
#[pyclass(frozen, eq, module = "celper")]
#[derive(Clone, PartialEq)]
pub(crate) struct CallRecord(Box<celper::CallRecord>);

impl From<&celper::CallRecord> for CallRecord {
    fn from(record: &celper::CallRecord) -> Self {
        CallRecord(Box::new(record.clone()))
    }
}

#[pymethods]
impl CallRecord {
    /// The operation: ``status``, ``invite``, ``select`` or ``reject``.
    #[getter]
    fn operation(&self) -> &'static str {
        self.0.operation.name()
    }

    /// When the call started, on this machine's clock: an aware ``datetime`` in UTC.
    #[getter]
    fn started_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        let _guard = NativeGuard::new(py);
        Ok(UtcDateTime::from_core(py, self.0.started_at)?.bind(py))
    }

    /// From the start to the result or error, waits included.
    #[getter]
    fn duration(&self) -> f64 {
        self.0.duration.as_secs_f64()
    }

    /// The HTTP requests, in order.
    #[getter]
    fn attempts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let _guard = NativeGuard::new(py);
        let attempts = self.0.attempts().iter().map(|attempt| AttemptRecord {
            offset: attempt.offset.as_secs_f64(),
            duration: attempt.duration.as_secs_f64(),
            status: attempt.status,
            request_id: attempt.request_id.clone(),
            error_kind: attempt.error_kind.map(|kind| kind.name().to_owned()),
            connection: attempt.connection.map(|connection| connection.name().to_owned()),
        });
        PyTuple::new(py, attempts.collect::<Vec<_>>())
    }

    /// The waits of at least a millisecond, in order.
    #[getter]
    fn waits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let _guard = NativeGuard::new(py);
        let waits = self.0.waits().iter().map(|wait| WaitRecord {
            offset: wait.offset.as_secs_f64(),
            duration: wait.duration.as_secs_f64(),
            reason: wait.reason.name().to_owned(),
        });
        PyTuple::new(py, waits.collect::<Vec<_>>())
    }

    /// The fields as data for JSON: times in ISO 8601, durations in seconds, objects as a ``dict``.
    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let py = slf.py();
        let _guard = NativeGuard::new(py);
        let fields = plain(slf.as_any(), &["operation", "started_at", "duration"])?;
        for name in ["attempts", "waits"] {
            let items: Vec<_> =
                slf.getattr(name)?.try_iter()?.map(|item| item?.call_method0("to_dict")).collect::<PyResult<_>>()?;
            fields.set_item(name, items)?;
        }
        Ok(fields)
    }

    fn __json__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        Self::to_dict(slf)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        let (operation, attempts, seconds) = (self.operation(), self.0.attempts().len(), self.duration());
        format!("<CallRecord {operation}: {attempts} attempts in {seconds:.3} s>")
    }

    fn __hash__(&self) -> u64 {
        self.0.duration.as_nanos() as u64
    }

    #[classmethod]
    fn _from_json(_: &Bound<'_, PyType>, json: &str) -> PyResult<Self> {
        let record = border::from_json(json).ok_or_else(|| PyValueError::new_err("not a call's record"))?;
        Ok(CallRecord(Box::new(record)))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("_from_json")?, (border::to_json(&slf.get().0),)))
    }
}

/// The record of a result, made a Python object when somebody looks at it.
pub(crate) struct LazyRecord(Option<Box<celper::CallRecord>>);

impl From<Option<Box<celper::CallRecord>>> for LazyRecord {
    fn from(record: Option<Box<celper::CallRecord>>) -> Self {
        LazyRecord(record)
    }
}

impl From<Option<PyRef<'_, CallRecord>>> for LazyRecord {
    fn from(record: Option<PyRef<'_, CallRecord>>) -> Self {
        LazyRecord(record.map(|record| record.0.clone()))
    }
}

impl<'py> IntoPyObject<'py> for &LazyRecord {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        self.0.clone().map(CallRecord).into_pyobject(py).map(Bound::into_any)
    }
}
