//! Converts Python values to the core's types. Only types are checked here; the core checks values.

use std::path::PathBuf;
use std::time::Duration;

use celper::bindings::watch::{WaitInput, rejected_watch, wait_for_status};
use celper::bindings::{self, Argument, NameStyle, forked_call, rejected_call};
use celper::{Client, Error, Operation, OperationInput, OperationOutput};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDelta, PyInt, PySequence, PyString, PyTuple};

use crate::errors;

type Any<'py> = Bound<'py, PyAny>;

/// How messages spell arguments.
pub(crate) const NAMES: NameStyle = NameStyle::Snake;

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
    /// Adds to an invalid argument's error what was called.
    pub(crate) fn map(self, reject: impl FnOnce(Error) -> Error) -> Self {
        match self {
            ArgumentError::Invalid(error) => ArgumentError::Invalid(reject(error)),
            raised => raised,
        }
    }

    pub(crate) fn into_py_err(self, py: Python<'_>) -> PyErr {
        match self {
            ArgumentError::Invalid(error) => errors::to_py_err(py, &error),
            ArgumentError::Raised(error) => error,
        }
    }
}

/// What [`Client::call`](crate::client::Client) makes: one of the operations, or a wait for a status.
pub(crate) enum CallInput {
    Operation(OperationInput),
    Wait(WaitInput),
}

impl CallInput {
    /// The call. A panic becomes an error.
    pub(crate) async fn send(self, client: Client) -> Result<OperationOutput, Error> {
        match self {
            CallInput::Operation(input) => bindings::send(client, input).await,
            CallInput::Wait(input) => wait_for_status(client, input).await,
        }
    }

    /// The error, in the child process, of a call during which the process was forked.
    pub(crate) fn forked(&self) -> impl FnOnce() -> Error + use<> {
        let (operation, key) = match self {
            CallInput::Operation(input) => (input.operation, input.idempotency_key.clone()),
            CallInput::Wait(_) => (Operation::Status, None),
        };
        move || forked_call(operation, key)
    }
}

/// What stands in place of an operation for a wait for a status.
const WAIT: &str = "wait";

/// Converts the arguments of [`Client::call`](crate::client::Client): in the order of [`OperationInput`], or of [`WaitInput`].
pub(crate) fn call_input(arguments: &Bound<'_, PyTuple>) -> PyResult<CallInput> {
    type Wait<'py> = (Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>);
    if arguments.get_item(0).is_ok_and(|name| name.eq(WAIT).unwrap_or_default()) {
        let (_, candidate_id, job_position_id, until, timeout): Wait<'_> = arguments.as_any().extract()?;
        let convert = || -> Result<_, ArgumentError> {
            Ok(WaitInput {
                candidate_id: text(Argument::CandidateId, &candidate_id)?,
                job_position_id: text(Argument::JobPositionId, &job_position_id)?,
                until: statuses(&until)?,
                timeout: Some(duration(Argument::Timeout, &timeout)?),
            })
        };
        return convert().map(CallInput::Wait).map_err(|error| error.map(rejected_watch).into_py_err(arguments.py()));
    }
    operation_input(arguments).map(CallInput::Operation)
}

/// A status, or an iterable of statuses.
fn statuses(value: &Any<'_>) -> Result<Vec<String>, ArgumentError> {
    if value.is_instance_of::<PyString>() {
        return Ok(vec![text(Argument::Until, value)?]);
    }
    any_texts(Argument::Until, "a status, or an iterable of statuses", value)
}

/// Texts from any iterable.
pub(crate) fn any_texts(argument: Argument, expected: &str, value: &Any<'_>) -> Result<Vec<String>, ArgumentError> {
    let name = argument.name(NAMES);
    let is_text = value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>();
    let items = match value.try_iter() {
        Ok(items) if !is_text => items,
        Err(error) if !is_conversion_error(value.py(), &error) => return Err(ArgumentError::Raised(error)),
        _ => return Err(wrong_type(name, expected, value)),
    };
    let item = |(index, item): (usize, PyResult<Any<'_>>)| {
        named_text(&format!("{name}[{index}]"), &item.map_err(ArgumentError::Raised)?)
    };
    items.enumerate().map(item).collect()
}

fn operation_input(arguments: &Bound<'_, PyTuple>) -> PyResult<OperationInput> {
    type All<'py> = (String, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Option<String>);
    let (operation, candidate_id, job_position_id, subject, body, key, timeout, max_retries, traceparent): All<'_> =
        arguments.as_any().extract()?;
    let Some(operation) = Operation::from_name(&operation) else {
        return Err(errors::to_py_err(arguments.py(), &Error::invalid_argument("unknown operation")));
    };
    let values = [candidate_id, job_position_id, subject, body, key, timeout, max_retries];
    let mut input = to_input(operation, &values).map_err(|error| error.into_py_err(arguments.py()))?;
    input.traceparent = traceparent;
    Ok(input)
}

/// Converts the arguments of an operation, in the order of [`OperationInput`].
pub(crate) fn to_input(operation: Operation, values: &[Any<'_>; 7]) -> Result<OperationInput, ArgumentError> {
    let [candidate_id, job_position_id, subject, body, key, timeout, max_retries] = values;
    let mut input = OperationInput::new(operation, "", "");
    let mut fill = || -> Result<(), ArgumentError> {
        // First, so that errors about the other arguments carry it.
        input.idempotency_key = optional(text, Argument::IdempotencyKey, key)?;
        input.candidate_id = text(Argument::CandidateId, candidate_id)?;
        input.job_position_id = text(Argument::JobPositionId, job_position_id)?;
        input.email_subject = optional(text, Argument::EmailSubject, subject)?;
        input.email_body = optional(text, Argument::EmailBody, body)?;
        input.timeout = optional(duration, Argument::Timeout, timeout)?;
        input.max_retries = optional(count, Argument::MaxRetries, max_retries)?;
        Ok(())
    };
    let filled = fill();
    filled.map_err(|error| error.map(|error| rejected_call(&input, error)))?;
    Ok(input)
}

/// A path: a `str` or an `os.PathLike`.
pub(crate) fn path(argument: Argument, value: &Any<'_>) -> Result<PathBuf, ArgumentError> {
    match value.extract() {
        Ok(path) => Ok(path),
        Err(error) if is_conversion_error(value.py(), &error) => {
            Err(wrong_type(argument.name(NAMES), "a str or an os.PathLike", value))
        }
        Err(error) => Err(ArgumentError::Raised(error)),
    }
}

/// A number of rows.
pub(crate) fn row_count(name: &str, value: &Any<'_>) -> Result<u64, ArgumentError> {
    if value.is_instance_of::<PyBool>() || !value.is_instance_of::<PyInt>() {
        return Err(wrong_type(name, "an int", value));
    }
    value.extract().map_err(|_| Error::invalid_argument(format!("{name} must be a whole number from 0 on")).into())
}

/// Converts an argument whose default is `None`.
pub(crate) fn optional<'py, T>(
    convert: impl FnOnce(Argument, &Any<'py>) -> Result<T, ArgumentError>,
    argument: Argument,
    value: &Any<'py>,
) -> Result<Option<T>, ArgumentError> {
    if value.is_none() { Ok(None) } else { convert(argument, value).map(Some) }
}

pub(crate) fn text(argument: Argument, value: &Any<'_>) -> Result<String, ArgumentError> {
    named_text(argument.name(NAMES), value)
}

fn named_text(name: &str, value: &Any<'_>) -> Result<String, ArgumentError> {
    let text = value.cast::<PyString>().map_err(|_| wrong_type(name, "a str", value))?;
    let text = text.to_str().map_err(|_| Error::invalid_argument(format!("{name} contains a lone surrogate")))?;
    Ok(text.to_owned())
}

/// A list or another sequence of texts, but not a single text, which Python would iterate by character.
pub(crate) fn texts(argument: Argument, value: &Any<'_>) -> Result<Vec<String>, ArgumentError> {
    let name = argument.name(NAMES);
    let is_text = value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>();
    let Some(sequence) = value.cast::<PySequence>().ok().filter(|_| !is_text) else {
        return Err(wrong_type(name, "a list of str", value));
    };
    let items = sequence.try_iter().map_err(ArgumentError::Raised)?;
    items
        .enumerate()
        .map(|(index, item)| named_text(&format!("{name}[{index}]"), &item.map_err(ArgumentError::Raised)?))
        .collect()
}

/// The content of a PEM file: text, or bytes as read from the file.
pub(crate) fn bytes_or_text(argument: Argument, value: &Any<'_>) -> Result<Vec<u8>, ArgumentError> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    if !value.is_instance_of::<PyString>() {
        return Err(wrong_type(argument.name(NAMES), "the content of a PEM file, bytes or a str", value));
    }
    text(argument, value).map(String::into_bytes)
}

/// Seconds, or a `timedelta`.
pub(crate) fn duration(argument: Argument, value: &Any<'_>) -> Result<Duration, ArgumentError> {
    let seconds = |number| Ok(bindings::seconds(argument, NAMES, number)?);
    // Python's bool is an int, but `timeout=True` is a mistake.
    if !value.is_instance_of::<PyBool>() {
        if value.is_instance_of::<PyDelta>() {
            let total = value.call_method0("total_seconds").and_then(|total| total.extract::<f64>());
            return seconds(total.map_err(ArgumentError::Raised)?);
        }
        match value.extract::<f64>() {
            Ok(number) => return seconds(number),
            Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => return seconds(f64::MAX),
            Err(error) if is_conversion_error(value.py(), &error) => {}
            Err(error) => return Err(ArgumentError::Raised(error)),
        }
    }
    Err(wrong_type(argument.name(NAMES), "a number of seconds or a timedelta", value))
}

/// Whether Python raised the error because the value is not a number. Other exceptions come from the value's `__float__` or
/// from a signal handler.
fn is_conversion_error(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyTypeError>(py) || error.is_instance_of::<PyValueError>(py)
}

pub(crate) fn count(argument: Argument, value: &Any<'_>) -> Result<u32, ArgumentError> {
    let name = argument.name(NAMES);
    if value.is_instance_of::<PyBool>() || !value.is_instance_of::<PyInt>() {
        return Err(wrong_type(name, "an int", value));
    }
    // The message leaves the number out: it may have thousands of digits.
    value
        .extract()
        .map_err(|_| Error::invalid_argument(format!("{name} must be a whole number from 0 to {}", u32::MAX)).into())
}

/// Names the argument's type, not its value, which may be a secret.
pub(crate) fn wrong_type(name: &str, expected: &str, value: &Any<'_>) -> ArgumentError {
    let actual = if value.is_none() {
        "None".to_owned()
    } else {
        value.get_type().name().map_or_else(|_| "another type".to_owned(), |name| name.to_string())
    };
    Error::invalid_argument(format!("{name} must be {expected}, not {actual}")).into()
}
