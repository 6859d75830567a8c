//! Python values as the core's. What has the wrong type is refused by name; what has the right one is the core's to judge.

use std::time::Duration;

use celper::bindings::{refused_call, seconds};
use celper::{Error, Operation, OperationInput};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDelta, PyInt, PyString, PyTuple};

use crate::errors;

type Any<'py> = Bound<'py, PyAny>;

/// Why a value is not passed on.
pub(crate) enum Problem {
    /// It is refused.
    Refused(Error),
    /// To look at it ran code of Python's, and that raised.
    Raised(PyErr),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Problem::Refused(error)
    }
}

impl Problem {
    pub(crate) fn into_python(self, py: Python<'_>) -> PyErr {
        match self {
            Problem::Refused(error) => errors::to_python(py, &error),
            Problem::Raised(error) => error,
        }
    }
}

/// The call that a method of the facade passes on: the operation, both ids, `timeout`, `max_retries`, and of an action
/// `idempotency_key`, `email_subject` and `email_body`.
pub(crate) fn input(arguments: &Bound<'_, PyTuple>) -> PyResult<OperationInput> {
    type All<'py> = (usize, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>);
    let (operation, candidate_id, job_position_id, timeout, max_retries, key, subject, body): All<'_> =
        arguments.as_any().extract()?;
    let Some(operation) = Operation::ALL.get(operation).copied() else {
        return Err(errors::to_python(arguments.py(), &Error::invalid_argument("there is no such operation")));
    };
    let mut input = OperationInput::new(operation, "", "");
    let mut fill = || -> Result<(), Problem> {
        // First, so that an error over one of the others can name it.
        input.idempotency_key = optional(text, "idempotency_key", &key)?;
        input.candidate_id = text("candidate_id", &candidate_id)?;
        input.job_position_id = text("job_position_id", &job_position_id)?;
        input.timeout = optional(duration, "timeout", &timeout)?;
        input.max_retries = optional(count, "max_retries", &max_retries)?;
        input.email_subject = optional(text, "email_subject", &subject)?;
        input.email_body = optional(text, "email_body", &body)?;
        Ok(())
    };
    match fill() {
        Ok(()) => Ok(input),
        Err(Problem::Refused(error)) => Err(errors::to_python(arguments.py(), &refused_call(&input, error))),
        Err(Problem::Raised(error)) => Err(error),
    }
}

/// `None` stands for an argument that was not given.
pub(crate) fn optional<'py, T>(
    read: impl FnOnce(&str, &Any<'py>) -> Result<T, Problem>,
    name: &str,
    value: &Any<'py>,
) -> Result<Option<T>, Problem> {
    if value.is_none() { Ok(None) } else { read(name, value).map(Some) }
}

pub(crate) fn text(name: &str, value: &Any<'_>) -> Result<String, Problem> {
    let text = value.cast::<PyString>().map_err(|_| wrong(name, "a str", value))?;
    let text = text
        .to_str()
        .map_err(|_| Error::invalid_argument(format!("{name} has half of a surrogate pair, which is no character")))?;
    Ok(text.to_owned())
}

/// PEM is text, and comes from files as bytes.
pub(crate) fn bytes_or_text(name: &str, value: &Any<'_>) -> Result<Vec<u8>, Problem> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    if !value.is_instance_of::<PyString>() {
        return Err(wrong(name, "the content of a PEM file, bytes or a str", value));
    }
    text(name, value).map(String::into_bytes)
}

/// Seconds, or a `timedelta`.
pub(crate) fn duration(name: &str, value: &Any<'_>) -> Result<Duration, Problem> {
    // A bool is a number to Python, and no time to anybody.
    if !value.is_instance_of::<PyBool>() {
        if value.is_instance_of::<PyDelta>() {
            let number = value.call_method0("total_seconds").and_then(|number| number.extract::<f64>());
            return Ok(seconds(name, number.map_err(Problem::Raised)?)?);
        }
        match value.extract::<f64>() {
            Ok(number) => return Ok(seconds(name, number)?),
            Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
                return Ok(seconds(name, f64::INFINITY)?);
            }
            Err(error) if is_of_the_wrong_type(value.py(), &error) => {}
            Err(error) => return Err(Problem::Raised(error)),
        }
    }
    Err(wrong(name, "a number of seconds or a timedelta", value))
}

/// What Python says of a value that is no number. Anything else came out of the value's own code, or of a signal handler.
fn is_of_the_wrong_type(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyTypeError>(py) || error.is_instance_of::<PyValueError>(py)
}

pub(crate) fn count(name: &str, value: &Any<'_>) -> Result<u32, Problem> {
    if value.is_instance_of::<PyBool>() || !value.is_instance_of::<PyInt>() {
        return Err(wrong(name, "an int", value));
    }
    // The number itself is not shown: it may have thousands of digits.
    value
        .extract()
        .map_err(|_| Error::invalid_argument(format!("{name} must be a whole number from 0 to {}", u32::MAX)).into())
}

/// The type is named and the value is not: it may be a secret.
fn wrong(name: &str, wanted: &str, value: &Any<'_>) -> Problem {
    let found = if value.is_none() {
        "None".to_owned()
    } else {
        value.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string())
    };
    Error::invalid_argument(format!("{name} must be {wanted}, not {found}")).into()
}
