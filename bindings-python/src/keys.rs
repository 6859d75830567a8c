//! API keys that a Python function gives.
//!
//! The core asks for the key before each attempt, on a thread that does not call Python. The request goes to the call's Python
//! thread, which calls the function without holding a lock of this module, and replies.

use std::error::Error;
use std::fmt;

use celper::{ApiKey, KeyFuture, KeyProvider};
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use tokio::sync::oneshot;

use crate::errors;
use crate::logs::{HostEvent, send_to_host};

/// The function is with the call; see [`send_to_host`].
pub(crate) struct HostKeyProvider;

impl KeyProvider for HostKeyProvider {
    fn api_key(&self) -> KeyFuture<'_> {
        let (reply, key) = oneshot::channel();
        send_to_host(HostEvent::Key(KeyReply(reply)));
        Box::pin(async move {
            match key.await {
                Ok(Ok(key)) => Ok(key),
                Ok(Err(error)) => Err(error.into()),
                Err(_) => Err("nobody was there to give the key".into()),
            }
        })
    }
}

/// The reply to one request for the key.
pub(crate) struct KeyReply(oneshot::Sender<Result<ApiKey, KeyProviderError>>);

impl KeyReply {
    /// Replies with what the function returned or raised. What is not an `Exception` (`KeyboardInterrupt`, for example) is
    /// returned: it ends the call as it is.
    pub(crate) fn send(self, py: Python<'_>, result: PyResult<Bound<'_, PyAny>>) -> PyResult<()> {
        let reply = match result.and_then(|key| to_key(&key)) {
            Ok(key) => Ok(key),
            Err(error) if error.is_instance_of::<PyException>(py) => {
                Err(KeyProviderError { text: error.to_string(), error })
            }
            Err(other) => return Err(other),
        };
        // The receiver is gone if the call has ended, by its timeout for example.
        let _ = self.0.send(reply);
        Ok(())
    }
}

/// Calls the key function in a synchronous call.
pub(crate) fn call_sync<'py>(
    provider: &Bound<'py, PyAny>,
    context: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let key = match context {
        Some(context) => context.call_method1("run", (provider,)),
        None => provider.call0(),
    }?;
    if key.hasattr("__await__")? {
        // A coroutine that is never awaited would warn.
        if key.hasattr("close")? {
            key.call_method0("close")?;
        }
        return Err(PyTypeError::new_err("Celper takes an api_key function that is not async; AsyncCelper takes both"));
    }
    Ok(key)
}

fn to_key(key: &Bound<'_, PyAny>) -> PyResult<ApiKey> {
    let Ok(text) = key.cast::<PyString>() else {
        let type_name = key.get_type().name()?;
        return Err(PyTypeError::new_err(format!("the api_key function must return a str, not {type_name}")));
    };
    ApiKey::new(text.to_str()?).map_err(|error| errors::to_py_err(key.py(), &error))
}

/// What the key function raised. The text is made when it is raised: showing an exception takes the GIL.
#[derive(Debug)]
pub(crate) struct KeyProviderError {
    text: String,
    error: PyErr,
}

impl KeyProviderError {
    pub(crate) fn exception<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.error.clone_ref(py).into_value(py).into_bound(py).into_any()
    }
}

impl fmt::Display for KeyProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for KeyProviderError {}
