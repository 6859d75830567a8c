//! The native client that `Celper` and `AsyncCelper` wrap.

use std::sync::Mutex;

use celper::bindings::{self, Argument};
use celper::{ClientBuilder, Error, Operation};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::arguments::{ArgumentError, NAMES, bytes_or_text, call_input, count, duration, optional, text, texts};
use crate::batch::{self, Batch, BatchWait, Consumer};
use crate::bridge::{self, Bridge, Call, PendingCall, lock};
use crate::errors::{self, catch_panic};
use crate::keys::HostKeyProvider;
use crate::lifetime::NativeGuard;
use crate::logs::{self, HostEvent};
use crate::results::{self, RateLimits};
use crate::wait;
use crate::watch::{self, Watch};

/// The core's client.
#[pyclass(frozen, module = "celper._celper")]
pub(crate) struct Client {
    client: celper::Client,
    /// The function that gives the API key, instead of a fixed one.
    key_provider: Option<Py<PyAny>>,
    /// The bridge of the event loop that made the last call, to save a lookup for each call.
    last_bridge: Mutex<Option<Py<Bridge>>>,
}

#[pymethods]
impl Client {
    /// `None` means that an option was not given, except for `rate_limits`, where it turns pacing off.
    #[new]
    #[pyo3(
        signature = (*options),
        text_signature = "(api_key, base_url, allow_http_hosts, timeout, attempt_timeout, max_retries, rate_limits, \
                          rate_limit_store, rate_limit_name, rate_limit_store_down, proxy, ca_certificates, app_info, /)"
    )]
    fn new(py: Python<'_>, options: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let _guard = NativeGuard::new(py);
        catch_panic(py, || {
            let (builder, key_provider) = builder(options).map_err(|error| error.into_py_err(py))?;
            let (client, events) = logs::record(py, || builder.build())?;
            for event in events {
                if let HostEvent::Log(record) = event {
                    logs::emit(py, record, None)?;
                }
            }
            let client = client.map_err(|error| errors::to_py_err(py, &error))?;
            Ok(Client { client, key_provider, last_bridge: Mutex::new(None) })
        })
    }

    /// Makes a call and waits for its result, on the caller's thread.
    #[pyo3(
        signature = (*arguments),
        text_signature = "($self, operation, candidate_id, job_position_id, email_subject, email_body, idempotency_key, \
                          timeout, max_retries, traceparent, /)"
    )]
    fn call<'py>(slf: &Bound<'py, Self>, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if let Some(wait_readable) = greenlet_wait(py)? {
            // Without a guard: other greenlets run on this thread while this one waits.
            static CALL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            let call = CALL.import(py, "celper._greenlets", "call")?;
            return call.call1((slf, arguments, wait_readable));
        }
        let this = slf.get();
        let guard = NativeGuard::new(py);
        catch_panic(py, || {
            let input = call_input(arguments)?;
            let runtime = bindings::runtime().map_err(|error| errors::to_py_err(py, &error))?;
            let key_provider = this.key_provider.as_ref().map(|provider| provider.bind(py));
            let (_guard, outcome) = wait::call(py, guard, &runtime, this.client.clone(), input, key_provider)?;
            match outcome {
                Ok(output) => results::to_python(py, output),
                Err(error) => Err(errors::to_py_err(py, &error)),
            }
        })
    }

    /// Starts a synchronous call, for `celper._greenlets`, which waits for it.
    #[pyo3(
        signature = (*arguments),
        text_signature = "($self, operation, candidate_id, job_position_id, email_subject, email_body, idempotency_key, \
                          timeout, max_retries, traceparent, /)"
    )]
    fn begin(&self, py: Python<'_>, arguments: &Bound<'_, PyTuple>) -> PyResult<PendingCall> {
        let _guard = NativeGuard::new(py);
        catch_panic(py, || {
            let input = call_input(arguments)?;
            PendingCall::start(py, self.client.clone(), input, self.key_provider.as_ref())
        })
    }

    /// Starts a call on the running event loop. The caller awaits it at once.
    #[pyo3(
        signature = (*arguments),
        text_signature = "($self, operation, candidate_id, job_position_id, email_subject, email_body, idempotency_key, \
                          timeout, max_retries, traceparent, /)"
    )]
    fn start<'py>(&self, py: Python<'py>, arguments: &Bound<'py, PyTuple>) -> PyResult<Call> {
        let _guard = NativeGuard::new(py);
        catch_panic(py, || {
            let event_loop = bridge::running_loop(py)?;
            let input = call_input(arguments)?;
            let bridge = self.bridge_to(&event_loop)?;
            Bridge::start(&bridge, &event_loop, self.client.clone(), input, self.key_provider.as_ref())
        })
    }

    /// Starts a batch and waits until it has begun, on the caller's thread.
    fn batch(
        slf: &Bound<'_, Self>,
        batch_id: &Bound<'_, PyAny>,
        journal: &Bound<'_, PyAny>,
        total: &Bound<'_, PyAny>,
    ) -> PyResult<Py<Batch>> {
        let (py, this) = (slf.py(), slf.get());
        let guard = NativeGuard::new(py);
        catch_panic(py, || {
            let options = batch::options(batch_id, journal, total).map_err(|error| error.into_py_err(py))?;
            batch::start(py, guard, this.client.clone(), options, this.key_provider.as_ref())
        })
    }

    /// Starts a batch on the running event loop. The caller awaits it at once.
    fn start_batch(
        &self,
        py: Python<'_>,
        batch_id: &Bound<'_, PyAny>,
        journal: &Bound<'_, PyAny>,
        total: &Bound<'_, PyAny>,
    ) -> PyResult<BatchWait> {
        let _guard = NativeGuard::new(py);
        catch_panic(py, || {
            let event_loop = bridge::running_loop(py)?;
            let options = batch::options(batch_id, journal, total).map_err(|error| error.into_py_err(py))?;
            let bridge = self.bridge_to(&event_loop)?;
            batch::start_on_loop(&bridge, &event_loop, self.client.clone(), options, self.key_provider.as_ref())
        })
    }

    /// Starts a watch for a thread, or, on the running event loop, for its tasks.
    fn watch(
        &self,
        py: Python<'_>,
        candidate_ids: &Bound<'_, PyAny>,
        job_position_id: &Bound<'_, PyAny>,
        on_loop: bool,
    ) -> PyResult<Watch> {
        let _guard = NativeGuard::new(py);
        catch_panic(py, || {
            let input = watch::input(candidate_ids, job_position_id).map_err(|error| error.into_py_err(py))?;
            let provider = self.key_provider.as_ref();
            let consumer = if on_loop {
                let event_loop = bridge::running_loop(py)?;
                Consumer::on_loop(&self.bridge_to(&event_loop)?, provider)?
            } else {
                Consumer::on_thread(py, provider)?
            };
            watch::start(py, self.client.clone(), input, consumer)
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

    /// The URL of a request for a span; without the ids it says `REDACTED`.
    fn span_url(&self, py: Python<'_>, operation: &str, ids: Option<(String, String)>) -> PyResult<String> {
        let _guard = NativeGuard::new(py);
        catch_panic(py, || {
            let operation = Operation::from_name(operation).unwrap_or(Operation::Status);
            let ids = ids.as_ref().map(|(candidate, position)| (candidate.as_str(), position.as_str()));
            Ok(bindings::record::span_url(&self.client, operation, ids))
        })
    }

    #[getter]
    fn base_url(&self) -> &str {
        self.client.base_url()
    }

    #[getter]
    fn timeout(&self) -> Option<f64> {
        self.client.timeout().map(|timeout| timeout.as_secs_f64())
    }

    #[getter]
    fn attempt_timeout(&self) -> f64 {
        self.client.attempt_timeout().as_secs_f64()
    }

    #[getter]
    fn max_retries(&self) -> u32 {
        self.client.max_retries()
    }

    #[getter]
    fn rate_limit_store(&self) -> String {
        self.client.rate_limit_store()
    }

    #[getter]
    fn rate_limit_name(&self) -> Option<&str> {
        self.client.rate_limit_name()
    }

    #[getter]
    fn rate_limits(&self) -> Option<RateLimits> {
        self.client.rate_limits().map(RateLimits::from_core)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a Celper client cannot be pickled or copied because it holds an API key; create one in each process",
        ))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.key_provider)?;
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

/// How a greenlet waits until a file descriptor is readable; `None` where no sockets are monkey-patched.
pub(crate) fn greenlet_wait(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    static WAIT_READABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let modules = MODULES.import(py, "sys", "modules")?;
    // A program that has imported neither is spared the rest.
    if !modules.contains(intern!(py, "gevent.monkey"))? && !modules.contains(intern!(py, "eventlet.patcher"))? {
        return Ok(None);
    }
    let wait = WAIT_READABLE.import(py, "celper._greenlets", "wait_readable")?.call0()?;
    Ok((!wait.is_none()).then_some(wait))
}

fn builder(options: &Bound<'_, PyTuple>) -> Result<(ClientBuilder, Option<Py<PyAny>>), ArgumentError> {
    let options_given: [Bound<'_, PyAny>; 13] = options.as_any().extract().map_err(ArgumentError::Raised)?;
    let [
        key,
        url,
        http_hosts,
        timeout,
        attempt_timeout,
        max_retries,
        rate_limits,
        store,
        limit_name,
        store_down,
        proxy,
        certificates,
        app_info,
    ] = options_given;
    let version = options.py().version_info();
    let version = format!("{}.{}.{}", version.major, version.minor, version.patch);
    let mut builder = celper::Client::builder().language("python", version, NAMES);
    let key_provider = key.is_callable().then(|| key.clone().unbind());
    if key_provider.is_some() {
        builder = builder.key_provider(HostKeyProvider);
    } else if let Some(key) = optional(text, Argument::ApiKey, &key)? {
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
    if let Some(store) = optional(text, Argument::RateLimitStore, &store)? {
        builder = builder.rate_limit_store(store);
    }
    if let Some(name) = optional(text, Argument::RateLimitName, &limit_name)? {
        builder = builder.rate_limit_name(name);
    }
    if let Some(what) = optional(text, Argument::RateLimitStoreDown, &store_down)? {
        builder = builder.rate_limit_store_down(what);
    }
    if let Some(proxy) = optional(text, Argument::Proxy, &proxy)? {
        builder = builder.proxy(proxy);
    }
    if let Some(pem) = optional(bytes_or_text, Argument::CaCertificates, &certificates)? {
        builder = builder.ca_certificates(pem);
    }
    if let Some(app_info) = optional(text, Argument::AppInfo, &app_info)? {
        builder = builder.app_info(app_info);
    }
    Ok((builder, key_provider))
}

fn limits(argument: Argument, value: &Bound<'_, PyAny>) -> Result<celper::RateLimits, ArgumentError> {
    let limits = value.cast::<RateLimits>().map(|limits| limits.get().to_core());
    limits.map_err(|_| {
        let name = argument.name(NAMES);
        Error::invalid_argument(format!("{name} must be a RateLimits, or None to turn pacing off")).into()
    })
}
