#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api;
mod body;
mod clock;
mod company;
mod control;
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
mod windows;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use crate::options::{DEFAULT_KEY, Options, ProxyOptions};

use crate::server::{serve_api, serve_proxy};
use crate::state::Shared;

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
    /// If it cannot listen on the address or make a certificate.
    pub async fn start(options: Options) -> io::Result<Self> {
        let wanted = SocketAddr::new(options.host, options.port);
        let listener = TcpListener::bind(wanted)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {wanted}: {error}")))?;
        let address = listener.local_addr()?;
        let identity = if options.tls { Some(tls::make_identity(options.host)?) } else { None };
        let (acceptor, ca_certificate) = identity.map(|made| (made.acceptor, made.ca_certificate)).unzip();
        let scheme = if options.tls { "https" } else { "http" };
        let api_key = options.keys.first().cloned().unwrap_or_default();
        let proxy = match &options.proxy {
            Some(proxy) => Some((TcpListener::bind((options.host, 0)).await?, proxy.clone())),
            None => None,
        };

        let shared = Arc::new(Shared::new(options));
        let mut proxy_address = None;
        let mut tasks = Vec::new();
        if let Some((listener, proxy)) = proxy {
            proxy_address = Some(listener.local_addr()?);
            tasks.push(tokio::spawn(serve_proxy(listener, proxy, Arc::clone(&shared))));
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
