//! Results and rate limits as Python classes: immutable, with equality, hash, repr, copying and pickling by their fields.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use celper::bindings::Argument;
use celper::{CandidateStatus, OperationOutput};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDateTime, PyDelta, PyDict, PyString, PyTuple, PyTzInfo, PyTzInfoAccess};

use crate::arguments::{ArgumentError, count, duration};
use crate::lifetime::NativeGuard;
use crate::records::{CallRecord, LazyRecord};

/// A class with named fields. PyO3's `eq`, `hash` and `str` options would compare and show the Rust values, not the Python ones.
macro_rules! record {
    (
        @repr $repr:ident $(@more { $($more:tt)* })? $(#[$doc:meta])* $class:ident {
            $($(#[$field_doc:meta])* $field:ident: $kind:ty,)*
        }
        $($members:tt)*
    ) => {
        $(#[$doc])*
        #[pyclass(frozen, module = "celper")]
        pub(crate) struct $class {
            $($(#[$field_doc])* #[pyo3(get)] $field: $kind,)*
            $($($more)*)?
        }

        #[pymethods]
        impl $class {
            $($members)*

            fn __eq__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
                let py = slf.py();
                let _guard = NativeGuard::new(py);
                if !other.is_instance_of::<Self>() {
                    return Ok(py.NotImplemented());
                }
                let equal = values(slf.as_any(), Self::FIELDS)?.eq(values(other, Self::FIELDS)?)?;
                Ok(equal.into_pyobject(py)?.to_owned().into_any().unbind())
            }

            fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
                let _guard = NativeGuard::new(slf.py());
                values(slf.as_any(), Self::FIELDS)?.hash()
            }

            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                let _guard = NativeGuard::new(slf.py());
                $repr(slf.as_any(), stringify!($class), Self::FIELDS)
            }

            /// The fields as data for JSON: times in ISO 8601, durations in seconds, the status as a `str`, objects as a `dict`.
            fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
                let _guard = NativeGuard::new(slf.py());
                plain(slf.as_any(), Self::FIELDS)
            }

            /// For JSON encoders that look for it, such as that of Celery and Kombu.
            fn __json__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
                Self::to_dict(slf)
            }

            fn __getnewargs_ex__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
                let _guard = NativeGuard::new(slf.py());
                let fields = PyDict::new(slf.py());
                for name in Self::FIELDS {
                    fields.set_item(name, slf.getattr(*name)?)?;
                }
                if slf.hasattr("record")? {
                    fields.set_item("record", slf.getattr("record")?)?;
                }
                Ok((PyTuple::empty(slf.py()), fields))
            }

            #[classattr]
            fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
                PyTuple::new(py, Self::FIELDS)
            }
        }

        impl $class {
            const FIELDS: &[&str] = &[$(stringify!($field)),*];
        }
    };
    // The result of a call: it has the call's record, which is no part of its data.
    (@result $(#[$doc:meta])* $class:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty $(= $default:tt)?,)* }) => {
        record! {
            @repr repr
            @more {
                /// The call's attempts and waits; ``None`` if no call made this result. ``==`` and ``to_dict`` leave it out.
                #[pyo3(get)]
                record: LazyRecord,
            }
            $(#[$doc])* $class { $($(#[$field_doc])* $field: $kind,)* }

            #[new]
            #[pyo3(signature = (*, $($field $(= $default)?,)* record = None))]
            #[allow(clippy::too_many_arguments, reason = "one for each field")]
            fn new($($field: $kind,)* record: Option<PyRef<'_, CallRecord>>) -> Self {
                Self { $($field,)* record: record.into() }
            }
        }
    };
    // A class whose constructor has an argument for every field.
    ($(#[$doc:meta])* $class:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty $(= $default:tt)?,)* }) => {
        record! {
            $(#[$doc])* $class { $($(#[$field_doc])* $field: $kind,)* }

            #[new]
            #[pyo3(signature = (*, $($field $(= $default)?),*))]
            #[allow(clippy::too_many_arguments, reason = "one for each field")]
            fn new($($field: $kind),*) -> Self {
                Self { $($field),* }
            }
        }
    };
    ($(#[$doc:meta])* $class:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* } $($constructor:tt)*) => {
        record! { @repr repr $(#[$doc])* $class { $($(#[$field_doc])* $field: $kind,)* } $($constructor)* }
    };
}
pub(crate) use record;

pub(crate) fn values<'py>(record: &Bound<'py, PyAny>, names: &[&str]) -> PyResult<Bound<'py, PyTuple>> {
    let values: Vec<_> = names.iter().map(|name| record.getattr(*name)).collect::<PyResult<_>>()?;
    PyTuple::new(record.py(), values)
}

pub(crate) fn plain<'py>(record: &Bound<'py, PyAny>, names: &[&str]) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(record.py());
    for name in names {
        let value = record.getattr(*name)?;
        let value = if value.is_instance_of::<PyDateTime>() {
            value.call_method0("isoformat")?
        } else if value.is_instance_of::<PyDelta>() {
            value.call_method0("total_seconds")?
        } else if value.hasattr("to_dict")? {
            value.call_method0("to_dict")?
        } else if let Ok(text) = value.cast::<PyString>() {
            // A member of `CandidateStatus` as the `str` that it also is.
            PyString::new(record.py(), text.to_str()?).into_any()
        } else {
            value
        };
        fields.set_item(name, value)?;
    }
    Ok(fields)
}

pub(crate) fn repr(record: &Bound<'_, PyAny>, class: &str, names: &[&str]) -> PyResult<String> {
    let field = |name: &&str| Ok(format!("{name}={}", record.getattr(*name)?.repr()?));
    let fields: Vec<String> = names.iter().map(field).collect::<PyResult<_>>()?;
    Ok(format!("{class}({})", fields.join(", ")))
}

/// A member of `CandidateStatus`, or a plain `str` for a status without a member.
pub(crate) struct Status(Py<PyAny>);

/// `celper._status.BY_VALUE`, imported on first use.
static BY_VALUE: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

impl Status {
    pub(crate) fn from_core(py: Python<'_>, status: &CandidateStatus) -> PyResult<Self> {
        Status::from_value(PyString::new(py, status.as_str()).as_any())
    }

    pub(crate) fn into_any(self) -> Py<PyAny> {
        self.0
    }

    fn from_value(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = value.py();
        let by_value = BY_VALUE.get_or_try_init(py, || {
            Ok::<_, PyErr>(py.import("celper._status")?.getattr("BY_VALUE")?.cast_into::<PyDict>()?.unbind())
        })?;
        Ok(Status(by_value.bind(py).get_item(value)?.unwrap_or_else(|| value.clone()).unbind()))
    }
}

impl<'py> FromPyObject<'_, 'py> for Status {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if !value.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("status must be a str"));
        }
        Status::from_value(&value)
    }
}

impl<'py> IntoPyObject<'py> for &Status {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(self.0.bind(py).clone())
    }
}

/// A timezone-aware `datetime`, in UTC when it comes from the core.
pub(crate) struct UtcDateTime(Py<PyDateTime>);

impl UtcDateTime {
    pub(crate) fn bind<'py>(&self, py: Python<'py>) -> Bound<'py, PyDateTime> {
        self.0.bind(py).clone()
    }

    /// The core rejects times outside of Python's `datetime` range.
    pub(crate) fn from_core(py: Python<'_>, time: SystemTime) -> PyResult<Self> {
        let epoch = PyDateTime::from_timestamp(py, 0.0, Some(&PyTzInfo::utc(py)?.to_owned()))?;
        let datetime = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => epoch.add(after)?,
            Err(before) => epoch.sub(before.duration())?,
        };
        Ok(UtcDateTime(datetime.cast_into::<PyDateTime>()?.unbind()))
    }
}

impl<'py> FromPyObject<'_, 'py> for UtcDateTime {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let datetime = value.cast::<PyDateTime>().map_err(|_| PyTypeError::new_err("must be a datetime"))?;
        if datetime.get_tzinfo().is_none() {
            return Err(PyValueError::new_err("must be an aware datetime, with a time zone"));
        }
        Ok(UtcDateTime(datetime.to_owned().unbind()))
    }
}

impl<'py> IntoPyObject<'py> for &UtcDateTime {
    type Target = PyDateTime;
    type Output = Bound<'py, PyDateTime>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(self.0.bind(py).clone())
    }
}

record! {
    /// The rate limit headers of one response. They describe the tightest window that the request counted in.
    ///
    /// A field is ``None`` if the server did not send its header.
    RateLimit {
        /// Requests allowed in the window (``X-RateLimit-Limit``).
        limit: Option<u64> = None,
        /// Requests left in the window (``X-RateLimit-Remaining``).
        remaining: Option<u64> = None,
        /// When the window has room again, on the server's clock (``X-RateLimit-Reset``): an aware ``datetime`` in UTC.
        reset_at: Option<UtcDateTime> = None,
    }
}

record! { @result
    /// The result of ``get_candidate_status``.
    ///
    ///     state = client.get_candidate_status("cand_xyz789", job_position_id="pos_abc123")
    ///     print(state.status, state.interview_score)
    CandidateState {
        /// The candidate's status: a ``CandidateStatus``, or a ``str`` for a status that this version does not know.
        status: Status,
        /// Whether somebody has viewed the interview's analysis, which selecting and rejecting require.
        analysis_viewed: bool,
        /// The interview's score; ``None`` if there is none yet.
        interview_score: Option<f64> = None,
        /// The server's id for the request.
        request_id: Option<String> = None,
        /// The response's rate limit headers; ``None`` if it had none.
        rate_limit: Option<Py<RateLimit>> = None,
        /// The number of HTTP requests that the call sent.
        attempts: u32 = 1,
    }
}

record! { @result
    /// The result of ``invite_candidate``.
    ///
    ///     invitation = client.invite_candidate("cand_xyz789", job_position_id="pos_abc123")
    ///     print(f"open until {invitation.expires_at:%d %B %Y}")
    Invitation {
        /// Whether the candidate was invited.
        invited: bool,
        /// The interview session's id.
        session_id: String,
        /// The state of the e-mail: ``"pending"`` when it is queued.
        email_delivery: String,
        /// When the interview session expires: an aware ``datetime`` in UTC, 7 days after the invitation.
        expires_at: UtcDateTime,
        /// The server's id for the request.
        request_id: Option<String> = None,
        /// The response's rate limit headers; ``None`` if it had none.
        rate_limit: Option<Py<RateLimit>> = None,
        /// The number of HTTP requests that the call sent.
        attempts: u32 = 1,
    }
}

record! { @result
    /// The result of ``select_candidate`` and ``reject_candidate``.
    ///
    ///     decision = client.select_candidate("cand_xyz789", job_position_id="pos_abc123")
    ///     print(decision.status)
    Decision {
        /// The candidate's new status: ``CandidateStatus.SELECTED`` or ``CandidateStatus.REJECTED``.
        status: Status,
        /// The server's id for the request.
        request_id: Option<String> = None,
        /// The response's rate limit headers; ``None`` if it had none.
        rate_limit: Option<Py<RateLimit>> = None,
        /// The number of HTTP requests that the call sent.
        attempts: u32 = 1,
    }
}

record! {
    /// The number of requests to send in each sliding window. The defaults are the service's limits for a company.
    ///
    ///     Celper(rate_limits=RateLimits(reads=20, actions=15, total=30))  # leaves half to others
    ///
    /// ``window`` is in seconds, or a ``timedelta``.
    RateLimits {
        /// Reads (status) per window.
        reads: u32,
        /// Actions (invite, select, reject) per window.
        actions: u32,
        /// Requests of all kinds per window.
        total: u32,
        /// The length of each window in seconds.
        window: f64,
    }

    #[new]
    #[pyo3(
        signature = (
            *,
            reads = MaybeUnset::Unset,
            actions = MaybeUnset::Unset,
            total = MaybeUnset::Unset,
            window = MaybeUnset::Unset,
        ),
        text_signature = "(*, reads=40, actions=30, total=60, window=60.0)"
    )]
    fn new(
        py: Python<'_>,
        reads: MaybeUnset<'_>,
        actions: MaybeUnset<'_>,
        total: MaybeUnset<'_>,
        window: MaybeUnset<'_>,
    ) -> PyResult<Self> {
        let _guard = NativeGuard::new(py);
        let default = celper::RateLimits::default();
        let convert = || -> Result<_, ArgumentError> {
            let limits = celper::RateLimits {
                reads: reads.convert_or(default.reads, |value| count(Argument::RateLimitsReads, value))?,
                actions: actions.convert_or(default.actions, |value| count(Argument::RateLimitsActions, value))?,
                total: total.convert_or(default.total, |value| count(Argument::RateLimitsTotal, value))?,
                window: window.convert_or(default.window, |value| duration(Argument::RateLimitsWindow, value))?,
            };
            limits.check()?;
            Ok(limits)
        };
        convert().map(RateLimits::from_core).map_err(|error| error.into_py_err(py))
    }
}

/// An optional argument for which `None` is not the same as leaving it out.
enum MaybeUnset<'py> {
    Unset,
    Set(Bound<'py, PyAny>),
}

impl<'py> MaybeUnset<'py> {
    /// The converted value, or `default` for an unset argument.
    fn convert_or<T>(
        self,
        default: T,
        convert: impl FnOnce(&Bound<'py, PyAny>) -> Result<T, ArgumentError>,
    ) -> Result<T, ArgumentError> {
        match self {
            MaybeUnset::Unset => Ok(default),
            MaybeUnset::Set(value) => convert(&value),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for MaybeUnset<'py> {
    type Error = Infallible;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> Result<Self, Infallible> {
        Ok(MaybeUnset::Set(value.to_owned()))
    }
}

impl RateLimit {
    pub(crate) fn from_core(py: Python<'_>, headers: &celper::RateLimit) -> PyResult<Py<Self>> {
        let reset_at = headers.reset_at.map(|time| UtcDateTime::from_core(py, time)).transpose()?;
        Py::new(py, RateLimit { limit: headers.limit, remaining: headers.remaining, reset_at })
    }
}

impl RateLimits {
    pub(crate) fn from_core(limits: celper::RateLimits) -> Self {
        let celper::RateLimits { reads, actions, total, window } = limits;
        RateLimits { reads, actions, total, window: window.as_secs_f64() }
    }

    pub(crate) fn to_core(&self) -> celper::RateLimits {
        let window = Duration::try_from_secs_f64(self.window).unwrap_or_default();
        celper::RateLimits { reads: self.reads, actions: self.actions, total: self.total, window }
    }
}

/// Converts the result of an operation.
pub(crate) fn to_python<'py>(py: Python<'py>, output: OperationOutput) -> PyResult<Bound<'py, PyAny>> {
    let rate_limit =
        |headers: Option<celper::RateLimit>| headers.map(|headers| RateLimit::from_core(py, &headers)).transpose();
    match output {
        OperationOutput::CandidateState(state) | OperationOutput::AlreadyDone(state) => CandidateState {
            status: Status::from_core(py, &state.status)?,
            analysis_viewed: state.analysis_viewed,
            interview_score: state.interview_score,
            request_id: state.request_id,
            rate_limit: rate_limit(state.rate_limit)?,
            attempts: state.attempts,
            record: state.record.into(),
        }
        .into_bound_py_any(py),
        OperationOutput::Invitation(invitation) => Invitation {
            invited: invitation.invited,
            session_id: invitation.session_id,
            email_delivery: invitation.email_delivery,
            expires_at: UtcDateTime::from_core(py, invitation.expires_at)?,
            request_id: invitation.request_id,
            rate_limit: rate_limit(invitation.rate_limit)?,
            attempts: invitation.attempts,
            record: invitation.record.into(),
        }
        .into_bound_py_any(py),
        OperationOutput::Decision(decision) => Decision {
            status: Status::from_core(py, &decision.status)?,
            request_id: decision.request_id,
            rate_limit: rate_limit(decision.rate_limit)?,
            attempts: decision.attempts,
            record: decision.record.into(),
        }
        .into_bound_py_any(py),
        _ => Err(PyTypeError::new_err("the core returned a result that this version of celper does not know")),
    }
}
