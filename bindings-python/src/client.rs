//! The native client that `Celper` and `AsyncCelper` wrap.

use std::sync::Mutex;

use celper::bindings::{self, Argument};
use celper::{ClientBuilder, Error};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};

use crate::arguments::{ArgumentError, NAMES, bytes_or_text, count, duration, operation_input, optional, text, texts};
use crate::bridge::{self, Bridge, Call, lock};
use crate::errors::{self, catch_panic};
use crate::lifetime::NativeGuard;
use crate::logs;
use crate::results::{self, RateLimits};
use crate::wait::wait;

/// The core's client.
#[pyclass(frozen, module = "celper._celper")]
pub(crate) struct Client {
    client: celper::Client,
    /// The bridge of the event loop that made the last call, to save a lookup for each call.
    last_bridge: Mutex<Option<Py<Bridge>>>,
}

#[pymethods]
impl Client {
    /// `None` means that an option was not given, except for `rate_limits`, where it turns pacing off.
    #[new]
    #[pyo3(
        signature = (*options),
        text_signature = "(api_key, base_url, allow_http_hosts, timeout, attempt_timeout, max_retries, rate_limits, proxy, \
                          ca_certificates, app_info, /)"
    )]
    fn new(py: Python<'_>, options: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let _guard = NativeGuard::new(py);
        catch_panic(py, || {
            let builder = builder(options).map_err(|error| error.into_py_err(py))?;
            let (client, records) = logs::record(py, || builder.build())?;
            records.into_iter().try_for_each(|record| record.emit(py))?;
            let client = client.map_err(|error| errors::to_py_err(py, &error))?;
            Ok(Client { client, last_bridge: Mutex::new(None) })
        })
    }

    /// Makes a call and waits for its result, on the caller's thread.
    #[pyo3(
        signature = (*arguments),
        text_signature = "($self, operation, candidate_id, job_position_id, email_subject, email_body, idempotency_key, \
                          timeout, max_retries, /)"
    )]
    fn call<'py>(&self, py: Python<'py>, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let guard = NativeGuard::new(py);
        catch_panic(py, || {
            let input = operation_input(arguments)?;
            let runtime = bindings::runtime().map_err(|error| errors::to_py_err(py, &error))?;
            match wait(py, guard, &runtime, self.client.clone(), input)? {
                Ok(output) => results::to_python(py, output),
                Err(error) => Err(errors::to_py_err(py, &error)),
            }
        })
    }

    /// Starts a call on the running event loop. The caller awaits it at once.
    #[pyo3(
        signature = (*arguments),
        text_signature = "($self, operation, candidate_id, job_position_id, email_subject, email_body, idempotency_key, \
                          timeout, max_retries, /)"
    )]
    fn start<'py>(&self, py: Python<'py>, arguments: &Bound<'py, PyTuple>) -> PyResult<Call> {
        let _guard = NativeGuard::new(py);
        catch_panic(py, || {
            let event_loop = bridge::running_loop(py)?;
            let input = operation_input(arguments)?;
            let bridge = self.bridge_to(&event_loop)?;
            Bridge::start(&bridge, &event_loop, self.client.clone(), input)
        })
    }

    /// Rejects further calls. Calls in flight still complete.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let _guard = NativeGuard::new(py);
        catch_panic(py, || {
            self.client.close();
            Ok(())
        })
    }

    #[getter]
    fn base_url(&self) -> &str {
        self.client.base_url()
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a Celper client cannot be pickled or copied because it holds an API key; create one in each process",
        ))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.last_bridge.try_lock().map_or(Ok(()), |bridge| visit.call(&*bridge))
    }

    fn __clear__(&self) {
        let _bridge = lock(&self.last_bridge).take();
    }
}

impl Client {
    fn bridge_to<'py>(&self, event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Bridge>> {
        let py = event_loop.py();
        let last = lock(&self.last_bridge).as_ref().map(|bridge| bridge.clone_ref(py));
        if let Some(last) = last
            && last.get().serves(event_loop)
        {
            return Ok(last.into_bound(py));
        }
        let bridge = bridge::bridge_to(event_loop)?;
        // Dropped after the lock is released: dropping it may run Python code.
        let _previous = lock(&self.last_bridge).replace(bridge.clone().unbind());
        Ok(bridge)
    }
}

fn builder(options: &Bound<'_, PyTuple>) -> Result<ClientBuilder, ArgumentError> {
    type Any<'py> = Bound<'py, PyAny>;
    type All<'py> =
        (Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>);
    let (key, url, http_hosts, timeout, attempt_timeout, max_retries, rate_limits, proxy, certificates, app_info): All<
        '_,
    > = options.as_any().extract().map_err(ArgumentError::Raised)?;
    let version = options.py().version_info();
    let version = format!("{}.{}.{}", version.major, version.minor, version.patch);
    let mut builder = celper::Client::builder().language("python", version, NAMES);
    if let Some(key) = optional(text, Argument::ApiKey, &key)? {
        builder = builder.api_key(key);
    }
    if let Some(url) = optional(text, Argument::BaseUrl, &url)? {
        builder = builder.base_url(url);
    }
    if let Some(hosts) = optional(texts, Argument::AllowHttpHosts, &http_hosts)? {
        builder = builder.allow_http_hosts(hosts);
    }
    if let Some(timeout) = optional(duration, Argument::Timeout, &timeout)? {
        builder = builder.timeout(timeout);
    }
    builder = builder.attempt_timeout(duration(Argument::AttemptTimeout, &attempt_timeout)?);
    builder = builder.max_retries(count(Argument::MaxRetries, &max_retries)?);
    builder = builder.rate_limits(optional(limits, Argument::RateLimits, &rate_limits)?);
    if let Some(proxy) = optional(text, Argument::Proxy, &proxy)? {
        builder = builder.proxy(proxy);
    }
    if let Some(pem) = optional(bytes_or_text, Argument::CaCertificates, &certificates)? {
        builder = builder.ca_certificates(pem);
    }
    if let Some(app_info) = optional(text, Argument::AppInfo, &app_info)? {
        builder = builder.app_info(app_info);
    }
    Ok(builder)
}

fn limits(argument: Argument, value: &Bound<'_, PyAny>) -> Result<celper::RateLimits, ArgumentError> {
    let limits = value.cast::<RateLimits>().map(|limits| limits.get().to_core());
    limits.map_err(|_| {
        let name = argument.name(NAMES);
        Error::invalid_argument(format!("{name} must be a RateLimits, or None to turn pacing off")).into()
    })
}
