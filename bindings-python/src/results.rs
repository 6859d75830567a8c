//! Results and rate limits as Python's values: immutable, comparable, readable, and copied and pickled by their fields.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use celper::{CandidateStatus, OperationOutput};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDateTime, PyDict, PyString, PyTuple, PyTzInfo, PyTzInfoAccess};

use crate::arguments::{Problem, count, duration};
use crate::lifetime::Inside;

/// A class of named fields. pyo3's own `eq`, `hash` and `str` would compare and show Rust's values instead of Python's.
macro_rules! record {
    // A result: every field is an argument of the same name.
    ($(#[$doc:meta])* $class:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty $(= $default:tt)?,)* }) => {
        record! {
            $(#[$doc])* $class { $($(#[$field_doc])* $field: $kind,)* }

            #[new]
            #[pyo3(signature = (*, $($field $(= $default)?),*))]
            fn new($($field: $kind),*) -> Self {
                Self { $($field),* }
            }
        }
    };
    ($(#[$doc:meta])* $class:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* } $($constructor:tt)*) => {
        $(#[$doc])*
        #[pyclass(frozen, module = "celper")]
        pub(crate) struct $class {
            $($(#[$field_doc])* #[pyo3(get)] $field: $kind),*
        }

        #[pymethods]
        impl $class {
            $($constructor)*

            fn __eq__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
                let py = slf.py();
                let _inside = Inside::new(py);
                if !other.is_instance_of::<Self>() {
                    return Ok(py.NotImplemented());
                }
                let equal = values(slf.as_any(), Self::FIELDS)?.eq(values(other, Self::FIELDS)?)?;
                Ok(equal.into_pyobject(py)?.to_owned().into_any().unbind())
            }

            fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
                let _inside = Inside::new(slf.py());
                values(slf.as_any(), Self::FIELDS)?.hash()
            }

            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                let _inside = Inside::new(slf.py());
                repr(slf.as_any(), stringify!($class), Self::FIELDS)
            }

            fn __getnewargs_ex__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
                let _inside = Inside::new(slf.py());
                let fields = PyDict::new(slf.py());
                for name in Self::FIELDS {
                    fields.set_item(name, slf.getattr(*name)?)?;
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
}

fn values<'py>(record: &Bound<'py, PyAny>, names: &[&str]) -> PyResult<Bound<'py, PyTuple>> {
    let values: Vec<_> = names.iter().map(|name| record.getattr(*name)).collect::<PyResult<_>>()?;
    PyTuple::new(record.py(), values)
}

fn repr(record: &Bound<'_, PyAny>, class: &str, names: &[&str]) -> PyResult<String> {
    let field = |name: &&str| Ok(format!("{name}={}", record.getattr(*name)?.repr()?));
    let fields: Vec<String> = names.iter().map(field).collect::<PyResult<_>>()?;
    Ok(format!("{class}({})", fields.join(", ")))
}

/// A member of `CandidateStatus`, or the server's own `str` where no member goes with it.
pub(crate) struct Status(Py<PyAny>);

/// `celper._status.BY_VALUE`, looked up once.
static BY_VALUE: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

impl Status {
    fn of(py: Python<'_>, status: &CandidateStatus) -> PyResult<Self> {
        Status::named(PyString::new(py, status.as_str()).as_any())
    }

    fn named(value: &Bound<'_, PyAny>) -> PyResult<Self> {
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
        Status::named(&value)
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

/// An aware `datetime`.
pub(crate) struct Moment(Py<PyDateTime>);

impl Moment {
    /// The core gives no time that Python's calendar does not have.
    fn of(py: Python<'_>, time: SystemTime) -> PyResult<Self> {
        let epoch = PyDateTime::from_timestamp(py, 0.0, Some(&PyTzInfo::utc(py)?.to_owned()))?;
        let moment = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => epoch.add(after)?,
            Err(before) => epoch.sub(before.duration())?,
        };
        Ok(Moment(moment.cast_into::<PyDateTime>()?.unbind()))
    }
}

impl<'py> FromPyObject<'_, 'py> for Moment {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let moment = value.cast::<PyDateTime>().map_err(|_| PyTypeError::new_err("must be a datetime"))?;
        if moment.get_tzinfo().is_none() {
            return Err(PyValueError::new_err("must be an aware datetime, with a time zone"));
        }
        Ok(Moment(moment.to_owned().unbind()))
    }
}

impl<'py> IntoPyObject<'py> for &Moment {
    type Target = PyDateTime;
    type Output = Bound<'py, PyDateTime>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(self.0.bind(py).clone())
    }
}

record! {
    /// What the server said of its rate limit in one answer: the tightest of the windows that the request counted in.
    ///
    /// Each field is ``None`` where the server did not send its header.
    RateLimit {
        /// Requests allowed in the window (``X-RateLimit-Limit``).
        limit: Option<u64> = None,
        /// Requests left in the window (``X-RateLimit-Remaining``).
        remaining: Option<u64> = None,
        /// When there is room again, on the server's clock (``X-RateLimit-Reset``): an aware ``datetime``.
        reset_at: Option<Moment> = None,
    }
}

record! {
    /// A candidate's state, from ``get_candidate_status``.
    CandidateState {
        /// Where the candidate stands: a ``CandidateStatus``, or a ``str`` for a status that this version does not know.
        status: Status,
        /// Whether somebody has viewed the interview's analysis; a decision needs that.
        analysis_viewed: bool,
        /// The interview's score; ``None`` before there is one.
        interview_score: Option<f64> = None,
        /// The server's id of the request.
        request_id: Option<String> = None,
        /// The server's rate limit headers; ``None`` where it sent none.
        rate_limit: Option<Py<RateLimit>> = None,
    }
}

record! {
    /// An invitation that went out, from ``invite_candidate``.
    Invitation {
        /// Whether the candidate was invited.
        invited: bool,
        /// The interview session's id.
        session_id: String,
        /// How the e-mail stands: ``"pending"`` when it is queued.
        email_delivery: String,
        /// When the interview session closes: an aware ``datetime``, 7 days after the invitation.
        expires_at: Moment,
        /// The server's id of the request.
        request_id: Option<String> = None,
        /// The server's rate limit headers; ``None`` where it sent none.
        rate_limit: Option<Py<RateLimit>> = None,
    }
}

record! {
    /// A decision that was taken, from ``select_candidate`` and ``reject_candidate``.
    Decision {
        /// The candidate's status now: ``CandidateStatus.SELECTED`` or ``CandidateStatus.REJECTED``.
        status: Status,
        /// The server's id of the request.
        request_id: Option<String> = None,
        /// The server's rate limit headers; ``None`` where it sent none.
        rate_limit: Option<Py<RateLimit>> = None,
    }
}

record! {
    /// How many requests the service allows a company in each sliding window; by default its documented limits.
    ///
    /// ``window`` is in seconds, or a ``timedelta``. Two processes that share one company's limits take half each:
    ///
    ///     Celper(rate_limits=RateLimits(reads=20, actions=15, total=30))
    RateLimits {
        /// Reads (status) in one window.
        reads: u32,
        /// Actions (invite, select, reject) in one window.
        actions: u32,
        /// Requests of all kinds in one window.
        total: u32,
        /// The windows' length in seconds.
        window: f64,
    }

    #[new]
    #[pyo3(
        signature = (*, reads = Given(None), actions = Given(None), total = Given(None), window = Given(None)),
        text_signature = "(*, reads=40, actions=30, total=60, window=60.0)"
    )]
    fn new(
        py: Python<'_>,
        reads: Given<'_>,
        actions: Given<'_>,
        total: Given<'_>,
        window: Given<'_>,
    ) -> PyResult<Self> {
        let _inside = Inside::new(py);
        let default = celper::RateLimits::default();
        let read = || -> Result<_, Problem> {
            let limit = |name, Given(given): Given<'_>, default| given.map_or(Ok(default), |value| count(name, &value));
            let limits = celper::RateLimits {
                reads: limit("rate_limits.reads", reads, default.reads)?,
                actions: limit("rate_limits.actions", actions, default.actions)?,
                total: limit("rate_limits.total", total, default.total)?,
                window: window.0.map_or(Ok(default.window), |value| duration("rate_limits.window", &value))?,
            };
            limits.check()?;
            Ok(limits)
        };
        let limits = read().map_err(|problem| problem.into_python(py))?;
        let celper::RateLimits { reads, actions, total, window } = limits;
        Ok(RateLimits { reads, actions, total, window: window.as_secs_f64() })
    }
}

/// An argument that may be left out, which `None` does not stand for.
struct Given<'py>(Option<Bound<'py, PyAny>>);

impl<'py> FromPyObject<'_, 'py> for Given<'py> {
    type Error = Infallible;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> Result<Self, Infallible> {
        Ok(Given(Some(value.to_owned())))
    }
}

impl RateLimits {
    pub(crate) fn to_core(&self) -> celper::RateLimits {
        let window = Duration::try_from_secs_f64(self.window).unwrap_or_default();
        celper::RateLimits { reads: self.reads, actions: self.actions, total: self.total, window }
    }
}

/// What an operation gave.
pub(crate) fn to_python<'py>(py: Python<'py>, output: OperationOutput) -> PyResult<Bound<'py, PyAny>> {
    let rate_limit = |given: Option<celper::RateLimit>| {
        let record = |limit: celper::RateLimit| {
            let reset_at = limit.reset_at.map(|time| Moment::of(py, time)).transpose()?;
            Py::new(py, RateLimit { limit: limit.limit, remaining: limit.remaining, reset_at })
        };
        given.map(record).transpose()
    };
    match output {
        OperationOutput::CandidateState(state) => CandidateState {
            status: Status::of(py, &state.status)?,
            analysis_viewed: state.analysis_viewed,
            interview_score: state.interview_score,
            request_id: state.request_id,
            rate_limit: rate_limit(state.rate_limit)?,
        }
        .into_bound_py_any(py),
        OperationOutput::Invitation(invitation) => Invitation {
            invited: invitation.invited,
            session_id: invitation.session_id,
            email_delivery: invitation.email_delivery,
            expires_at: Moment::of(py, invitation.expires_at)?,
            request_id: invitation.request_id,
            rate_limit: rate_limit(invitation.rate_limit)?,
        }
        .into_bound_py_any(py),
        OperationOutput::Decision(decision) => Decision {
            status: Status::of(py, &decision.status)?,
            request_id: decision.request_id,
            rate_limit: rate_limit(decision.rate_limit)?,
        }
        .into_bound_py_any(py),
        _ => Err(PyTypeError::new_err("the native module is older than its core")),
    }
}
