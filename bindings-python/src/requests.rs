//! The requests of a batch, its items and its progress as Python classes.
//!
//! A request holds its arguments as they were given. They are converted when the batch reads it, so that one that is wrong gives
//! an item with an error, and no exception in the caller's loop over its rows.

use celper::bindings::batch::{BatchRow, BatchRowItem, rejected_batch};
use celper::{BatchProgress as CoreProgress, Error, Operation, bindings};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::arguments::{ArgumentError, NAMES, to_input};
use crate::errors::to_exception;
use crate::lifetime::NativeGuard;
use crate::results::{plain, record, repr, to_python, values};

/// Always shown.
const IDS: [&str; 2] = ["candidate_id", "job_position_id"];
/// Shown by its length only.
const EMAIL: [&str; 2] = ["email_subject", "email_body"];

/// Leaves out the options that were not given, and the e-mail's text.
fn show(request: &Bound<'_, PyAny>, class: &str, names: &[&str]) -> PyResult<String> {
    let mut fields = Vec::new();
    for name in names {
        let value = request.getattr(*name)?;
        if value.is_none() && !IDS.contains(name) {
            continue;
        }
        fields.push(match value.cast::<PyString>() {
            Ok(text) if EMAIL.contains(name) => format!("{name}=<{} characters>", text.len()?),
            _ => format!("{name}={}", value.repr()?),
        });
    }
    Ok(format!("{class}({})", fields.join(", ")))
}

macro_rules! request {
    ($(#[$doc:meta])* $class:ident $operation:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        record! {
            @repr show
            $(#[$doc])*
            $class {
                /// The candidate's id.
                candidate_id: Py<PyAny>,
                /// The id of the job position.
                job_position_id: Py<PyAny>,
                $($(#[$field_doc])* $field: Option<Py<PyAny>>,)*
                /// The timeout of the call, in seconds or as a ``timedelta``; waiting for the rate limit does not count.
                /// ``None``: the client's.
                timeout: Option<Py<PyAny>>,
                /// The number of retries; ``None``: the client's.
                max_retries: Option<Py<PyAny>>,
            }

            #[new]
            #[pyo3(signature = (candidate_id, *, job_position_id, $($field = None,)* timeout = None, max_retries = None))]
            fn new(
                candidate_id: Py<PyAny>,
                job_position_id: Py<PyAny>,
                $($field: Option<Py<PyAny>>,)*
                timeout: Option<Py<PyAny>>,
                max_retries: Option<Py<PyAny>>,
            ) -> Self {
                $class { candidate_id, job_position_id, $($field,)* timeout, max_retries }
            }

            fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
                visit.call(&self.candidate_id)?;
                visit.call(&self.job_position_id)?;
                $(visit.call(&self.$field)?;)*
                visit.call(&self.timeout)?;
                visit.call(&self.max_retries)
            }
        }

        impl $class {
            const OPERATION: Operation = Operation::$operation;
        }
    };
}

request! {
    /// A status request of a batch: ``get_candidate_status`` as data.
    ///
    ///     StatusRequest("cand_xyz789", job_position_id="pos_abc123")
    StatusRequest Status {}
}

request! {
    /// An invitation of a batch: ``invite_candidate`` as data.
    ///
    ///     InviteRequest("cand_xyz789", job_position_id="pos_abc123", email_subject="Your interview")
    ///
    /// ``repr`` does not show the e-mail's text.
    InviteRequest Invite {
        /// The e-mail's subject, at most 200 characters; ``None``: the service's template.
        email_subject,
        /// The e-mail's body, at most 5,000 characters, with ``{interviewLink}``; ``None``: the service's template.
        email_body,
        /// The idempotency key; ``None``: derived from the batch id, or a new UUID v4.
        idempotency_key,
    }
}

request! {
    /// A selection of a batch: ``select_candidate`` as data.
    ///
    ///     SelectRequest("cand_xyz789", job_position_id="pos_abc123")
    SelectRequest Select {
        /// The idempotency key; ``None``: derived from the batch id, or a new UUID v4.
        idempotency_key,
    }
}

request! {
    /// A rejection of a batch: ``reject_candidate`` as data.
    ///
    ///     RejectRequest("cand_xyz789", job_position_id="pos_abc123")
    RejectRequest Reject {
        /// The idempotency key; ``None``: derived from the batch id, or a new UUID v4.
        idempotency_key,
    }
}

/// Converts a row of a batch. What Python code raised meanwhile, a signal handler for example, goes to the caller.
pub(crate) fn to_row(row: &Bound<'_, PyAny>) -> PyResult<BatchRow> {
    let operation = if row.is_instance_of::<StatusRequest>() {
        StatusRequest::OPERATION
    } else if row.is_instance_of::<InviteRequest>() {
        InviteRequest::OPERATION
    } else if row.is_instance_of::<SelectRequest>() {
        SelectRequest::OPERATION
    } else if row.is_instance_of::<RejectRequest>() {
        RejectRequest::OPERATION
    } else {
        let type_name = row.get_type().name()?;
        return Ok(Err(rejected_batch(Error::invalid_argument(format!(
            "a row must be an InviteRequest, SelectRequest, RejectRequest or StatusRequest, not {type_name}"
        )))));
    };
    let none = row.py().None().into_bound(row.py());
    let field = |name: &str| row.getattr_opt(name).map(|value| value.unwrap_or_else(|| none.clone()));
    let values = [
        field("candidate_id")?,
        field("job_position_id")?,
        field("email_subject")?,
        field("email_body")?,
        field("idempotency_key")?,
        field("timeout")?,
        field("max_retries")?,
    ];
    match to_input(operation, &values) {
        Ok(input) => Ok(Ok(input)),
        Err(ArgumentError::Invalid(error)) => Ok(Err(error)),
        Err(ArgumentError::Raised(error)) => Err(error),
    }
}

/// Why a request would be refused before anything is sent: the command asks for all rows of a file before the first is sent.
#[pyfunction]
pub(crate) fn refusal(request: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let checked = to_row(request)?.and_then(|input| bindings::check(&input, NAMES));
    Ok(checked.err().map(|error| error.message().to_owned()))
}

record! {
    /// How one request of a batch ended: with a ``result`` or an ``error``.
    ///
    ///     for item in batch:
    ///         print(item.request.candidate_id, item.error or item.result)
    BatchItem {
        /// The request's position in the input, from 0.
        index: u64,
        /// The request.
        request: Py<PyAny>,
        /// The result; ``None`` if there is an ``error``.
        result: Option<Py<PyAny>>,
        /// The error; ``None`` if there is a ``result``.
        error: Option<Py<PyAny>>,
        /// The key under which an action was sent; ``None`` for reads, and for what was not sent.
        idempotency_key: Option<String>,
        /// Whether the result is from an earlier run: this one did not act.
        resumed: bool,
        /// Whether nothing was sent, because the batch was ended; ``error`` says why.
        not_attempted: bool,
        /// Whether the action has taken place already, as the candidate's status shows: ``result`` is a ``CandidateState``.
        already_done: bool,
    }

    #[new]
    #[pyo3(signature = (
        *,
        index,
        request,
        result = None,
        error = None,
        idempotency_key = None,
        resumed = false,
        not_attempted = false,
        already_done = false,
    ))]
    #[allow(clippy::too_many_arguments, reason = "one for each field")]
    fn new(
        index: u64,
        request: Py<PyAny>,
        result: Option<Py<PyAny>>,
        error: Option<Py<PyAny>>,
        idempotency_key: Option<String>,
        resumed: bool,
        not_attempted: bool,
        already_done: bool,
    ) -> Self {
        BatchItem { index, request, result, error, idempotency_key, resumed, not_attempted, already_done }
    }

    /// An error that was raised refers to its frames, and these may refer to the item.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.request)?;
        visit.call(&self.result)?;
        visit.call(&self.error)
    }
}

record! {
    /// How far a batch is, from ``batch.progress``: a snapshot.
    BatchProgress {
        /// Requests that have ended: ``succeeded + failed + not_attempted``.
        done: u64,
        /// Requests with a result, those of earlier runs included.
        succeeded: u64,
        /// Requests with an error.
        failed: u64,
        /// Requests that were not attempted, because the batch was ended.
        not_attempted: u64,
        /// Requests whose result is from an earlier run.
        resumed: u64,
        /// Requests that were sent and have not ended.
        in_flight: u64,
        /// The number of all requests; ``None`` as long as it is unknown.
        total: Option<u64> = None,
        /// The seconds until all are done, as far as the rate limit decides it; ``None`` as long as this is unknown.
        eta: Option<f64> = None,
        /// The seconds until the next request is sent, when the rate limit lets none through now.
        rate_limit_wait: Option<f64> = None,
    }
}

impl BatchItem {
    pub(crate) fn from_core(py: Python<'_>, item: BatchRowItem, request: Py<PyAny>) -> PyResult<Self> {
        let BatchRowItem { index, result, idempotency_key, resumed, not_attempted, already_done, .. } = item;
        let (result, error) = match result {
            Ok(output) => (Some(to_python(py, output)?.unbind()), None),
            Err(error) => (None, Some(to_exception(py, &error)?.unbind())),
        };
        Ok(BatchItem { index, request, result, error, idempotency_key, resumed, not_attempted, already_done })
    }
}

impl BatchProgress {
    pub(crate) fn from_core(progress: &CoreProgress) -> Self {
        BatchProgress {
            done: progress.done,
            succeeded: progress.succeeded,
            failed: progress.failed,
            not_attempted: progress.not_attempted,
            resumed: progress.resumed,
            in_flight: progress.in_flight,
            total: progress.total,
            eta: progress.eta.map(|eta| eta.as_secs_f64()),
            rate_limit_wait: progress.rate_limit_wait.map(|wait| wait.as_secs_f64()),
        }
    }
}
