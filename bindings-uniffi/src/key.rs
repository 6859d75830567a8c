//! Key providers that are written in the host language.
//!
//! Not a foreign trait of `UniFFI`, which keeps one table of functions for each trait and process: a second class loader on
//! the JVM replaces the first one's, and then a client gets the key of another application. Here each client has the address
//! of its own host's function. No host object crosses the boundary, only numbers under which the host keeps its objects.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard};

use celper::{ApiKey, KeyFuture, KeyProvider};
use tokio::sync::oneshot;

use crate::lock;

/// What the core tells the host's function about a key provider.
#[derive(Clone, Copy)]
#[repr(i32)]
enum KeyEvent {
    /// A key is needed for a request, which the host completes with [`complete_key_request`].
    Requested = 0,
    /// The request needs no key any more.
    Cancelled = 1,
    /// The error of a request is no longer needed.
    ErrorDropped = 2,
    /// No client uses the provider any more.
    Released = 3,
}

/// The host's function. It returns at once and never throws.
type KeyCallback = extern "C" fn(event: i32, provider: u64, request: u64);

/// A key provider of the host.
#[derive(uniffi::Record)]
pub struct KeySource {
    /// The address of the host's function, a `void (*)(int32_t event, uint64_t provider, uint64_t request)` that stays valid
    /// for as long as the process runs. 0 is refused.
    pub callback: u64,
    /// The number under which the host keeps the provider, until the function is called with the event "released" (3).
    pub provider: u64,
}

/// The result of a request for a key.
#[derive(uniffi::Enum)]
pub enum KeyResult {
    /// The key.
    Key {
        /// The key's text.
        key: String,
    },
    /// The provider threw an error, which the host keeps under the request's number.
    Failed {
        /// The error's message.
        message: String,
    },
}

struct PendingRequest {
    provider: Provider,
    result: oneshot::Sender<Result<String, KeyProviderError>>,
}

static REQUESTS: LazyLock<Mutex<HashMap<u64, PendingRequest>>> = LazyLock::new(Mutex::default);

fn requests() -> MutexGuard<'static, HashMap<u64, PendingRequest>> {
    lock(&REQUESTS)
}

/// Completes a request for a key. Returns false if no call waits for it any more: the host then drops the error.
#[uniffi::export]
pub fn complete_key_request(request: u64, result: KeyResult) -> bool {
    let pending = requests().remove(&request);
    let Some(PendingRequest { provider, result: sender }) = pending else { return false };
    let result = match result {
        KeyResult::Key { key } => Ok(key),
        KeyResult::Failed { message } => {
            Err(KeyProviderError { message, provider, request, taken: AtomicBool::new(false) })
        }
    };
    match sender.send(result) {
        Ok(()) => true,
        Err(unread) => {
            // The result of this function tells the host that no call waits.
            drop(unread.map_err(|error| error.take()));
            false
        }
    }
}

/// A provider's number, and the function that knows it.
#[derive(Clone, Copy)]
struct Provider {
    callback: KeyCallback,
    number: u64,
}

impl Provider {
    fn tell(self, event: KeyEvent, request: u64) {
        (self.callback)(event as i32, self.number, request);
    }
}

/// Adapts a [`KeySource`] to the core's [`KeyProvider`].
pub(crate) struct HostKeyProvider(Provider);

impl HostKeyProvider {
    #[allow(unsafe_code, reason = "an address becomes a function")]
    pub(crate) fn new(source: &KeySource) -> Option<Self> {
        let address = usize::try_from(source.callback).ok().filter(|address| *address != 0)?;
        // SAFETY: the host passes the address of a function of this type, and it is not null.
        let callback = unsafe { std::mem::transmute::<*const (), KeyCallback>(std::ptr::without_provenance(address)) };
        Some(HostKeyProvider(Provider { callback, number: source.provider }))
    }
}

impl Drop for HostKeyProvider {
    fn drop(&mut self) {
        self.0.tell(KeyEvent::Released, 0);
    }
}

impl KeyProvider for HostKeyProvider {
    fn api_key(&self) -> KeyFuture<'_> {
        Box::pin(async {
            static NEXT_REQUEST: AtomicU64 = AtomicU64::new(1);
            let number = NEXT_REQUEST.fetch_add(1, Ordering::Relaxed);
            let (sender, result) = oneshot::channel();
            requests().insert(number, PendingRequest { provider: self.0, result: sender });
            let _request = Request { provider: self.0, number };
            self.0.tell(KeyEvent::Requested, number);
            match result.await {
                Ok(Ok(key)) => Ok(ApiKey::new(key)?),
                Ok(Err(error)) => Err(error.into()),
                Err(_) => Err("the request for a key was lost".into()),
            }
        })
    }
}

/// A request that is under way; dropped when the key has arrived, or when the call ends without it.
struct Request {
    provider: Provider,
    number: u64,
}

impl Drop for Request {
    fn drop(&mut self) {
        let pending = requests().remove(&self.number);
        if pending.is_some() {
            self.provider.tell(KeyEvent::Cancelled, self.number);
        }
    }
}

/// A key provider's error as the cause of a core error; [`Failure`](crate::Failure) passes its number to the host.
#[derive(thiserror::Error)]
#[error("{message}")]
pub(crate) struct KeyProviderError {
    message: String,
    provider: Provider,
    request: u64,
    taken: AtomicBool,
}

impl KeyProviderError {
    /// The number under which the host keeps the error. From now on the host itself must release the error.
    pub(crate) fn take(&self) -> Option<u64> {
        (!self.taken.swap(true, Ordering::Relaxed)).then_some(self.request)
    }
}

impl Drop for KeyProviderError {
    fn drop(&mut self) {
        if let Some(request) = self.take() {
            self.provider.tell(KeyEvent::ErrorDropped, request);
        }
    }
}

impl fmt::Debug for KeyProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyProviderError")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::task::{Context, Waker};

    use super::*;

    static EVENTS: Mutex<Vec<(i32, u64, u64)>> = Mutex::new(Vec::new());

    extern "C" fn record(event: i32, provider: u64, request: u64) {
        EVENTS.lock().unwrap().push((event, provider, request));
    }

    /// The events of one provider, without the requests' numbers.
    fn events(provider: u64) -> Vec<i32> {
        EVENTS.lock().unwrap().iter().filter(|event| event.1 == provider).map(|event| event.0).collect()
    }

    fn last_request(provider: u64) -> u64 {
        EVENTS.lock().unwrap().iter().rfind(|event| event.1 == provider).unwrap().2
    }

    fn provider(number: u64) -> HostKeyProvider {
        HostKeyProvider::new(&KeySource { callback: record as *const () as u64, provider: number }).unwrap()
    }

    fn start(future: &mut KeyFuture<'_>) {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    fn failed() -> KeyResult {
        KeyResult::Failed { message: "signed out".to_owned() }
    }

    #[test]
    fn the_host_hears_of_everything_that_it_has_to_forget() {
        // The call ends before the result.
        let host = provider(1);
        let mut future = host.api_key();
        start(&mut future);
        drop(future);
        assert_eq!(events(1), [0, 1]);
        assert!(!complete_key_request(last_request(1), failed()));

        // The call ends between the result and its delivery.
        let host = provider(2);
        let mut future = host.api_key();
        start(&mut future);
        assert!(complete_key_request(last_request(2), failed()));
        drop(future);
        assert_eq!(events(2), [0, 2]);

        // The caller gets the error, which is then the host's to forget.
        let host = provider(3);
        let mut future = host.api_key();
        start(&mut future);
        let request = last_request(3);
        assert!(complete_key_request(request, failed()));
        let error = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future).unwrap_err();
        assert_eq!(error.to_string(), "signed out");
        assert_eq!(error.downcast_ref::<KeyProviderError>().unwrap().take(), Some(request));
        drop(error);
        drop(host);
        assert_eq!(events(3), [0, 3]);
    }

    #[test]
    fn a_null_function_is_refused() {
        assert!(HostKeyProvider::new(&KeySource { callback: 0, provider: 9 }).is_none());
    }
}
