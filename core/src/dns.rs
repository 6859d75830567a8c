//! Name resolution: bounded in threads, and shared by calls to the same host.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{Semaphore, watch};

use crate::base_url::is_localhost;
use crate::error::Cause;
use crate::process::PerProcess;
use crate::record::ConnectionUse;
use crate::transport::SendState;

/// How many lookups of different hosts run at a time in a process. A lookup occupies a thread until the operating system
/// gives up, which can take a minute; it cannot be cancelled.
const MAX_LOOKUPS: usize = 16;

/// The operating system's resolver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolver;

/// A host name without an address.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ResolveError(Arc<io::Error>);

type LookupResult = Result<Vec<SocketAddr>, ResolveError>;

struct Lookups {
    pending: Mutex<HashMap<String, watch::Receiver<Option<LookupResult>>>>,
    threads: Arc<Semaphore>,
}

static LOOKUPS: PerProcess<Lookups> = PerProcess::empty();

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        // Not inside the future: it may be polled by another task later.
        let state = SendState::current();
        state.iter().for_each(|state| state.set_connection(ConnectionUse::New));
        Box::pin(async move {
            if is_localhost(name.as_str()) {
                let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
                return Ok(Box::new(loopback.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs);
            }
            state.iter().for_each(|state| state.set_resolving(true));
            let Ok(lookups) = LOOKUPS.get_or_init(|| Ok::<_, Infallible>(Lookups::new()));
            let result = lookups.resolve(name.as_str(), |host| Ok((host, 0).to_socket_addrs()?.collect())).await;
            state.iter().for_each(|state| state.set_resolving(false));
            let addresses = result.map_err(Cause::from)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl Lookups {
    fn new() -> Self {
        Lookups { pending: Mutex::default(), threads: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }

    /// The addresses of a host; `lookup` blocks a thread of its own. A call for a host that is being looked up waits for that
    /// lookup's result.
    async fn resolve(
        self: &Arc<Self>,
        host: &str,
        lookup: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> LookupResult {
        let mut result = match self.pending(host) {
            Some(pending) => pending,
            None => {
                let permit = Arc::clone(&self.threads).acquire_owned().await;
                match self.pending(host) {
                    Some(pending) => pending,
                    None => self.start(host, permit, lookup)?,
                }
            }
        };
        let result = result.wait_for(Option::is_some).await.ok().and_then(|result| result.clone());
        result.unwrap_or_else(|| Err(io::Error::other("the lookup was interrupted").into()))
    }

    fn pending(&self, host: &str) -> Option<watch::Receiver<Option<LookupResult>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    fn start(
        self: &Arc<Self>,
        host: &str,
        permit: impl Send + 'static,
        lookup: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> Result<watch::Receiver<Option<LookupResult>>, ResolveError> {
        let (sender, receiver) = watch::channel(None);
        let (lookups, name) = (Arc::clone(self), host.to_owned());
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        thread::Builder::new().name("celper-dns".to_owned()).spawn(move || {
            let result = lookup(&name).map_err(ResolveError::from);
            lookups.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            sender.send_replace(Some(result));
            drop(permit);
        })?;
        pending.insert(host.to_owned(), receiver.clone());
        Ok(receiver)
    }
}

impl From<io::Error> for ResolveError {
    fn from(error: io::Error) -> Self {
        ResolveError(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn calls_to_one_host_share_a_lookup_and_the_number_of_threads_is_bounded() {
        let lookups = Arc::new(Lookups::new());
        let started = Arc::new(AtomicUsize::new(0));
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let call = |host: String| {
            let (lookups, started, blocked) = (Arc::clone(&lookups), Arc::clone(&started), Arc::clone(&blocked));
            tokio::spawn(async move {
                let lookup = move |_: &str| {
                    started.fetch_add(1, Ordering::SeqCst);
                    let _ = blocked.lock().unwrap().recv();
                    Ok(vec!["192.0.2.1:0".parse().unwrap()])
                };
                lookups.resolve(&host, lookup).await.unwrap().len()
            })
        };
        let same: Vec<_> = (0..300).map(|_| call("api.example".to_owned())).collect();
        let others: Vec<_> = (0..30).map(|n| call(format!("host-{n}.example"))).collect();
        while started.load(Ordering::SeqCst) < MAX_LOOKUPS {
            tokio::task::yield_now().await;
        }
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(started.load(Ordering::SeqCst), MAX_LOOKUPS);
        drop(release);
        for call in same.into_iter().chain(others) {
            assert_eq!(call.await.unwrap(), 1);
        }
        assert_eq!(started.load(Ordering::SeqCst), 31);
        assert!(lookups.pending.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn localhost_is_not_looked_up() {
        for name in ["localhost", "celper.localhost", "LOCALHOST"] {
            let addresses: Vec<_> = Resolver.resolve(name.parse().unwrap()).await.unwrap().collect();
            assert!(
                addresses.len() == 2 && addresses.iter().all(|address| address.ip().is_loopback()),
                "{addresses:?}"
            );
        }
    }
}
