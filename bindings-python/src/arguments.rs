//! Converts Python values to the core's types. Only types are checked here; the core checks values.

use std::time::Duration;

use celper::bindings::{refused_call, seconds};
use celper::{Error, Operation, OperationInput};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDelta, PyInt, PyString, PyTuple};

use crate::errors;

type Any<'py> = Bound<'py, PyAny>;

/// Why an argument could not be converted.
pub(crate) enum ArgumentError {
    /// Its type or value is invalid.
    Invalid(Error),
    /// Reading it ran Python code that raised an exception.
    Raised(PyErr),
}

impl From<Error> for ArgumentError {
    fn from(error: Error) -> Self {
        ArgumentError::Invalid(error)
    }
}

impl ArgumentError {
    pub(crate) fn into_py_err(self, py: Python<'_>) -> PyErr {
        match self {
            ArgumentError::Invalid(error) => errors::to_py_err(py, &error),
            ArgumentError::Raised(error) => error,
        }
    }
}

/// Converts the arguments of a method of the Python client: the operation, both ids, `timeout`, `max_retries`,
/// `idempotency_key`, `email_subject` and `email_body`.
pub(crate) fn operation_input(arguments: &Bound<'_, PyTuple>) -> PyResult<OperationInput> {
    type All<'py> = (usize, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>);
    let (operation, candidate_id, job_position_id, timeout, max_retries, key, subject, body): All<'_> =
        arguments.as_any().extract()?;
    let Some(operation) = Operation::ALL.get(operation).copied() else {
        return Err(errors::to_py_err(arguments.py(), &Error::invalid_argument("unknown operation")));
    };
    let mut input = OperationInput::new(operation, "", "");
    let mut fill = || -> Result<(), ArgumentError> {
        // First, so that errors about the other arguments carry it.
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
        Err(ArgumentError::Invalid(error)) => Err(errors::to_py_err(arguments.py(), &refused_call(&input, error))),
        Err(ArgumentError::Raised(error)) => Err(error),
    }
}

/// Converts an argument whose default is `None`.
pub(crate) fn optional<'py, T>(
    convert: impl FnOnce(&str, &Any<'py>) -> Result<T, ArgumentError>,
    name: &str,
    value: &Any<'py>,
) -> Result<Option<T>, ArgumentError> {
    if value.is_none() { Ok(None) } else { convert(name, value).map(Some) }
}

pub(crate) fn text(name: &str, value: &Any<'_>) -> Result<String, ArgumentError> {
    let text = value.cast::<PyString>().map_err(|_| wrong_type(name, "a str", value))?;
    let text = text.to_str().map_err(|_| Error::invalid_argument(format!("{name} contains a lone surrogate")))?;
    Ok(text.to_owned())
}

/// The content of a PEM file: text, or bytes as read from the file.
pub(crate) fn bytes_or_text(name: &str, value: &Any<'_>) -> Result<Vec<u8>, ArgumentError> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    if !value.is_instance_of::<PyString>() {
        return Err(wrong_type(name, "the content of a PEM file, bytes or a str", value));
    }
    text(name, value).map(String::into_bytes)
}

/// Seconds, or a `timedelta`.
pub(crate) fn duration(name: &str, value: &Any<'_>) -> Result<Duration, ArgumentError> {
    // Python's bool is an int, but `timeout=True` is a mistake.
    if !value.is_instance_of::<PyBool>() {
        if value.is_instance_of::<PyDelta>() {
            let total = value.call_method0("total_seconds").and_then(|total| total.extract::<f64>());
            return Ok(seconds(name, total.map_err(ArgumentError::Raised)?)?);
        }
        match value.extract::<f64>() {
            Ok(number) => return Ok(seconds(name, number)?),
            Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
                return Ok(seconds(name, f64::INFINITY)?);
            }
            Err(error) if is_conversion_error(value.py(), &error) => {}
            Err(error) => return Err(ArgumentError::Raised(error)),
        }
    }
    Err(wrong_type(name, "a number of seconds or a timedelta", value))
}

/// Whether Python raised the error because the value is not a number. Other exceptions come from the value's `__float__` or
/// from a signal handler.
fn is_conversion_error(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyTypeError>(py) || error.is_instance_of::<PyValueError>(py)
}

pub(crate) fn count(name: &str, value: &Any<'_>) -> Result<u32, ArgumentError> {
    if value.is_instance_of::<PyBool>() || !value.is_instance_of::<PyInt>() {
        return Err(wrong_type(name, "an int", value));
    }
    // The message leaves the number out: it may have thousands of digits.
    value
        .extract()
        .map_err(|_| Error::invalid_argument(format!("{name} must be a whole number from 0 to {}", u32::MAX)).into())
}

/// Names the argument's type, not its value, which may be a secret.
fn wrong_type(name: &str, expected: &str, value: &Any<'_>) -> ArgumentError {
    let actual = if value.is_none() {
        "None".to_owned()
    } else {
        value.get_type().name().map_or_else(|_| "another type".to_owned(), |name| name.to_string())
    };
    Error::invalid_argument(format!("{name} must be {expected}, not {actual}")).into()
}
