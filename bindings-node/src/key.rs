//! The key provider that a JavaScript program passes as `apiKey`: a function, which only its environment's thread can call.
//!
//! The provider's call tells JavaScript through its bridge that it needs a key, and waits for [`KeyResult`]. Nothing here holds the
//! function: JavaScript finds it by the id of the call, the batch or the watch.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use celper::{ApiKey, KeyFuture, KeyProvider};

use crate::bridge::Shared;
use crate::scope;

/// The key, or what is wrong with it, or [`HostKeyError`].
pub(crate) type KeyResult = Result<ApiKey, Box<dyn Error + Send + Sync>>;

/// Asks the JavaScript environment that made the call.
pub(crate) struct HostKeyProvider;

impl KeyProvider for HostKeyProvider {
    fn api_key(&self) -> KeyFuture<'_> {
        Box::pin(async {
            let (shared, id) = scope::current().ok_or("the call belongs to no JavaScript environment")?;
            let (id, receiver) = shared.request_key(id);
            // Also when the call is cancelled, or its time runs out, while the function works.
            let _request = KeyRequest { shared, id };
            receiver.await?
        })
    }
}

/// A key request in progress.
struct KeyRequest {
    shared: Arc<Shared>,
    id: u32,
}

impl Drop for KeyRequest {
    fn drop(&mut self) {
        self.shared.forget_key_request(self.id);
    }
}

/// What the function threw, as the cause of a core error. JavaScript replaces it with the thrown value.
#[derive(Debug)]
pub(crate) struct HostKeyError {
    pub(crate) message: String,
    /// The key request that failed with it.
    pub(crate) request: u32,
}

impl fmt::Display for HostKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for HostKeyError {}
