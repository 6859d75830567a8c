//! The client that both classes of the facade hold.

use std::sync::Mutex;

use celper::bindings;
use celper::{ClientBuilder, Error};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};

use crate::arguments::{Problem, bytes_or_text, count, duration, input, optional, text};
use crate::bridge::{self, Bridge, Call, lock};
use crate::errors;
use crate::lifetime::Inside;
use crate::logs;
use crate::results::{self, RateLimits};
use crate::wait::wait;

/// The core's client.
#[pyclass(frozen, module = "celper._celper")]
pub(crate) struct Client {
    client: celper::Client,
    /// The way to the event loop that last made a call, so that it is not looked up for every one.
    bridge: Mutex<Option<Py<Bridge>>>,
}

#[pymethods]
impl Client {
    /// The options in the order of the facade's signature. `None` stands for one that was not given, but for
    /// `rate_limits`, where it turns pacing off.
    #[new]
    #[pyo3(signature = (*options))]
    fn new(py: Python<'_>, options: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let _inside = Inside::new(py);
        let builder = builder(options).map_err(|problem| problem.into_python(py))?;
        let (made, records) = logs::recorded(py, || builder.build())?;
        records.into_iter().try_for_each(|record| record.emit(py))?;
        let client = made.map_err(|error| errors::to_python(py, &error))?;
        Ok(Client { client, bridge: Mutex::new(None) })
    }

    /// Makes a call and waits for it, on the caller's own thread.
    #[pyo3(signature = (*arguments))]
    fn call<'py>(&self, py: Python<'py>, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let inside = Inside::new(py);
        let input = input(arguments)?;
        let runtime = bindings::runtime().map_err(|error| errors::to_python(py, &error))?;
        match wait(py, inside, &runtime, self.client.clone(), input)? {
            Ok(output) => results::to_python(py, output),
            Err(error) => Err(errors::to_python(py, &error)),
        }
    }

    /// Starts a call on the running event loop; to be awaited at once.
    #[pyo3(signature = (*arguments))]
    fn start<'py>(&self, py: Python<'py>, arguments: &Bound<'py, PyTuple>) -> PyResult<Call> {
        let _inside = Inside::new(py);
        let event_loop = bridge::running_loop(py)?;
        let input = input(arguments)?;
        let bridge = self.bridge_to(&event_loop)?;
        Bridge::start(&bridge, &event_loop, self.client.clone(), input)
    }

    /// Lets calls under way end, and begins no more.
    fn close(&self) {
        self.client.close();
    }

    #[getter]
    fn base_url(&self) -> &str {
        self.client.base_url()
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a Celper client cannot be pickled or copied, for it holds an API key; make one where it is needed",
        ))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.bridge.try_lock().map_or(Ok(()), |bridge| visit.call(&*bridge))
    }

    fn __clear__(&self) {
        let _bridge = lock(&self.bridge).take();
    }
}

impl Client {
    fn bridge_to<'py>(&self, event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Bridge>> {
        let py = event_loop.py();
        let last = lock(&self.bridge).as_ref().map(|last| last.clone_ref(py));
        if let Some(last) = last
            && last.get().leads_to(event_loop)
        {
            return Ok(last.into_bound(py));
        }
        let bridge = bridge::find(event_loop)?;
        // Dropped outside the lock: what goes with it may run code of Python's.
        let _before = lock(&self.bridge).replace(bridge.clone().unbind());
        Ok(bridge)
    }
}

fn builder(options: &Bound<'_, PyTuple>) -> Result<ClientBuilder, Problem> {
    type Any<'py> = Bound<'py, PyAny>;
    type All<'py> = (Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>, Any<'py>);
    let (key, url, timeout, attempt_timeout, max_retries, rate_limits, proxy, certificates, app_info): All<'_> =
        options.as_any().extract().map_err(Problem::Raised)?;
    let version = options.py().version_info();
    let version = format!("{}.{}.{}", version.major, version.minor, version.patch);
    let mut builder = celper::Client::builder().language("python", version);
    if let Some(key) = optional(text, "api_key", &key)? {
        builder = builder.api_key(key);
    }
    if let Some(url) = optional(text, "base_url", &url)? {
        builder = builder.base_url(url);
    }
    builder = builder.timeout(duration("timeout", &timeout)?);
    builder = builder.attempt_timeout(duration("attempt_timeout", &attempt_timeout)?);
    builder = builder.max_retries(count("max_retries", &max_retries)?);
    builder = builder.rate_limits(optional(windows, "rate_limits", &rate_limits)?);
    if let Some(proxy) = optional(text, "proxy", &proxy)? {
        builder = builder.proxy(proxy);
    }
    if let Some(pem) = optional(bytes_or_text, "ca_certificates", &certificates)? {
        builder = builder.ca_certificates(pem);
    }
    if let Some(app_info) = optional(text, "app_info", &app_info)? {
        builder = builder.app_info(app_info);
    }
    Ok(builder)
}

fn windows(name: &str, value: &Bound<'_, PyAny>) -> Result<celper::RateLimits, Problem> {
    let limits = value.cast::<RateLimits>().map(|limits| limits.get().to_core());
    limits
        .map_err(|_| Error::invalid_argument(format!("{name} must be a RateLimits, or None to turn pacing off")).into())
}
