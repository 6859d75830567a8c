//! Verifies and signs webhooks. The event classes are defined in `celper.webhooks`.

use std::time::SystemTime;

use celper::bindings::{self, Argument};
use celper::webhooks::{self, EventKind, Options};
use celper::{CandidateStatus, Error};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arguments::{ArgumentError, NAMES, duration};
use crate::errors::{self, catch_panic};
use crate::lifetime::NativeGuard;
use crate::results::{Status, UtcDateTime};

/// The name and the value of each header.
type Headers = Vec<(String, Vec<u8>)>;

/// The fields of an event: what all events have, then what only `candidate_status_changed` has.
type Fields<'py> = (
    (String, String, String, Bound<'py, PyAny>, String, String),
    Option<(String, String, Py<PyAny>, Option<Py<PyAny>>)>,
);

/// Verifies a webhook and returns the fields of its event, `data` as JSON.
#[pyfunction]
#[pyo3(signature = (body, headers, secrets, tolerance, now, /))]
pub(crate) fn unwrap_webhook<'py>(
    py: Python<'py>,
    body: &[u8],
    headers: Headers,
    secrets: Vec<Vec<u8>>,
    tolerance: &Bound<'py, PyAny>,
    now: Option<f64>,
) -> PyResult<Fields<'py>> {
    let _guard = NativeGuard::new(py);
    catch_panic(py, || {
        let options = options(tolerance, now).map_err(|error| error.into_py_err(py))?;
        let event = webhooks::unwrap(body, headers, secrets, options).map_err(|error| errors::to_py_err(py, &error))?;
        let status = |status: &CandidateStatus| Ok::<_, PyErr>(Status::from_core(py, status)?.into_any());
        let change = match &event.kind {
            EventKind::CandidateStatusChanged(change) => Some((
                change.candidate_id.clone(),
                change.job_position_id.clone(),
                status(&change.status)?,
                change.previous_status.as_ref().map(status).transpose()?,
            )),
            _ => None,
        };
        let timestamp = (&UtcDateTime::from_core(py, event.timestamp)?).into_pyobject(py)?.into_any();
        let name = event.kind.name().to_owned();
        Ok(((name, event.webhook_id, event.company_id, timestamp, event.data, event.dedupe_key), change))
    })
}

/// Verifies a webhook.
#[pyfunction]
#[pyo3(signature = (body, headers, secrets, tolerance, now, /))]
pub(crate) fn verify_webhook(
    py: Python<'_>,
    body: &[u8],
    headers: Headers,
    secrets: Vec<Vec<u8>>,
    tolerance: &Bound<'_, PyAny>,
    now: Option<f64>,
) -> PyResult<()> {
    let _guard = NativeGuard::new(py);
    catch_panic(py, || {
        let options = options(tolerance, now).map_err(|error| error.into_py_err(py))?;
        webhooks::verify(body, headers, secrets, options).map_err(|error| errors::to_py_err(py, &error))
    })
}

/// Signs a body; returns names and values of the headers.
#[pyfunction]
#[pyo3(signature = (body, secret, timestamp, /))]
pub(crate) fn sign_webhook<'py>(
    py: Python<'py>,
    body: &[u8],
    secret: &[u8],
    timestamp: Option<f64>,
) -> PyResult<Bound<'py, PyTuple>> {
    let _guard = NativeGuard::new(py);
    catch_panic(py, || {
        let headers = time(Argument::Timestamp, timestamp)
            .and_then(|time| webhooks::sign(body, secret, time.unwrap_or_else(SystemTime::now)));
        PyTuple::new(py, headers.map_err(|error| errors::to_py_err(py, &error))?)
    })
}

fn options(tolerance: &Bound<'_, PyAny>, now: Option<f64>) -> Result<Options, ArgumentError> {
    let tolerance = if tolerance.is_none() { None } else { Some(duration(Argument::Tolerance, tolerance)?) };
    Ok(Options::default().tolerance(tolerance).now(time(Argument::Now, now)?))
}

fn time(argument: Argument, seconds: Option<f64>) -> Result<Option<SystemTime>, Error> {
    seconds.map(|seconds| bindings::unix_time(argument, NAMES, seconds)).transpose()
}
