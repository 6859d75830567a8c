#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api;
mod body;
mod bounded;
mod clock;
mod company;
mod control;
mod control_access;
mod fault_effects;
mod faults;
mod idempotency;
mod lifecycle;
mod options;
mod outbox;
mod parameters;
mod proxy;
mod request_log;
mod response;
mod route;
mod server;
mod state;
mod stream;
mod tls;
mod webhooks;
mod windows;

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use crate::options::{DEFAULT_KEY, Options, ProxyOptions};

use crate::company::{InvalidKey, validate_key};
use crate::server::{serve_api, serve_proxy};
use crate::state::Shared;

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot make a certificate: {0}")]
    Certificate(Box<dyn Error + Send + Sync>),
    #[error(transparent)]
    Key(#[from] InvalidKey),
    #[error("{0:?} is not a host name or an IP address; give a server name without scheme, port and brackets")]
    ServerName(String),
}

impl From<StartError> for io::Error {
    fn from(error: StartError) -> Self {
        let kind = match &error {
            StartError::Listen { source, .. } => source.kind(),
            StartError::Certificate(_) => io::ErrorKind::Other,
            StartError::Key(_) | StartError::ServerName(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// A running sandbox. It stops, and closes all its connections, when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    scheme: &'static str,
    api_key: String,
    ca_certificate: Option<String>,
    proxy_address: Option<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts a sandbox on the current tokio runtime. It listens by the time this returns.
    ///
    /// # Errors
    ///
    /// If an option is invalid, or if it cannot listen on the address or make a certificate.
    pub async fn start(options: Options) -> io::Result<Self> {
        check(&options)?;
        let address = SocketAddr::new(options.host, options.port);
        let listener = listen(address).await?;
        let address = listener.local_addr()?;
        let identity = if options.tls {
            Some(tls::make_identity(options.host, &options.server_names).map_err(StartError::Certificate)?)
        } else {
            None
        };
        let (acceptor, ca_certificate) = identity.map(|made| (made.acceptor, made.ca_certificate)).unzip();
        let scheme = if options.tls { "https" } else { "http" };
        let api_key = options.keys.first().cloned().unwrap_or_default();
        let proxy = match &options.proxy {
            Some(proxy) => Some((listen(SocketAddr::new(options.host, 0)).await?, proxy.clone())),
            None => None,
        };

        let shared = Arc::new(Shared::new(options));
        let mut proxy_address = None;
        let mut tasks = Vec::new();
        if let Some((listener, proxy)) = proxy {
            proxy_address = Some(listener.local_addr()?);
            tasks.push(tokio::spawn(serve_proxy(listener, proxy, Arc::clone(&shared))));
        }
        if let Some(jobs) = shared.take_webhook_jobs() {
            tasks.push(tokio::spawn(webhooks::deliver_all(jobs, Arc::clone(&shared))));
        }
        tasks.push(tokio::spawn(serve_api(listener, acceptor, shared)));
        Ok(Self { address, scheme, api_key, ca_certificate, proxy_address, tasks })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for a client, without a trailing slash.
    pub fn base_url(&self) -> String {
        format!("{}://{}", self.scheme, reachable(self.address))
    }

    /// The first API key.
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The CA certificate that clients must trust, as PEM; `None` without TLS.
    pub fn ca_certificate(&self) -> Option<&str> {
        self.ca_certificate.as_deref()
    }

    /// The URL of the forward proxy, without credentials; `None` if there is none.
    pub fn proxy_url(&self) -> Option<String> {
        self.proxy_address.map(|address| format!("http://{}", reachable(address)))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

fn check(options: &Options) -> Result<(), StartError> {
    options.keys.iter().try_for_each(|key| validate_key(key))?;
    match options.server_names.iter().find(|name| !is_server_name(name)) {
        Some(name) => Err(StartError::ServerName(name.clone())),
        None => Ok(()),
    }
}

fn is_server_name(name: &str) -> bool {
    let is_host_name = || {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        name.len() <= 253 && name.split('.').all(|label| !label.is_empty() && label.bytes().all(allowed))
    };
    name.parse::<IpAddr>().is_ok() || is_host_name()
}

/// The address for clients: the loopback address if it listens on all interfaces.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}
