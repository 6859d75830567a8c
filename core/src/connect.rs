//! Connections to the server, straight or by a proxy.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::USER_AGENT;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::error::Cause;

/// Makes connections, over TLS where the address says `https`.
pub(crate) type Connector = HttpsConnector<Route>;

/// `proxy` is where connections go in place of the server, and `user_agent` what a proxy is told.
pub(crate) fn connector(tls: rustls::ClientConfig, proxy: Option<Intercept>, user_agent: &HeaderValue) -> Connector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // So that a peer that is gone without a word is noticed by connections that wait.
    tcp.set_keepalive(Some(Duration::from_secs(15)));
    tcp.set_keepalive_interval(Some(Duration::from_secs(15)));
    tcp.set_keepalive_retries(Some(3));
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    tcp.set_tcp_user_timeout(Some(Duration::from_secs(30)));
    let proxy = proxy.map(|address| {
        // What the server is to speak says nothing of the proxy.
        let mut tls = tls.clone();
        tls.alpn_protocols.clear();
        let https = HttpsConnector::from((tcp.clone(), Arc::new(tls)));
        Proxy { address, https, headers: HeaderMap::from_iter([(USER_AGENT, user_agent.clone())]) }
    });
    HttpsConnector::from((Route { tcp, proxy: proxy.map(Arc::new) }, Arc::new(tls)))
}

/// The way to the server: what the request, or the TLS handshake with the server, is written to.
#[derive(Clone)]
pub(crate) struct Route {
    tcp: HttpConnector,
    proxy: Option<Arc<Proxy>>,
}

struct Proxy {
    address: Intercept,
    https: HttpsConnector<HttpConnector>,
    headers: HeaderMap,
}

impl Service<Uri> for Route {
    type Response = Link;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Link, Cause>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.tcp.poll_ready(context).map_err(Cause::from)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let Some(proxy) = self.proxy.clone() else {
            let connecting = self.tcp.call(server);
            return Box::pin(async { Ok(Link::Straight(connecting.await?)) });
        };
        Box::pin(async move {
            let linked = proxy.connect(server).await;
            linked.map_err(|cause| ByProxy { address: proxy.address.uri().authority().cloned(), cause }.into())
        })
    }
}

impl Proxy {
    async fn connect(&self, server: Uri) -> Result<Link, Cause> {
        let mut https = self.https.clone();
        let address = self.address.uri().clone();
        if server.scheme() != Some(&Scheme::HTTPS) {
            return Ok(Link::Forwarding(https.call(address).await?.into()));
        }
        let mut tunnel = Tunnel::new(address, https).with_headers(self.headers.clone());
        if let Some(credentials) = self.address.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        Ok(Link::Tunnel(tunnel.call(server).await?.into()))
    }
}

/// Names the proxy of a connection that failed: it may be the environment's, and not known to whom it fails.
#[derive(Debug)]
pub(crate) struct ByProxy {
    address: Option<Authority>,
    cause: Cause,
}

impl fmt::Display for ByProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by the proxy at {}", self.address.as_ref().map_or("", Authority::as_str))
    }
}

impl StdError for ByProxy {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.cause)
    }
}

type Tcp = TokioIo<TcpStream>;

/// A connection without the TLS that the server speaks in it. The rare ones are boxed: the TLS with a proxy would otherwise
/// make every connection a kilobyte larger.
pub(crate) enum Link {
    Straight(Tcp),
    /// To a proxy that passes bytes on.
    Tunnel(Box<MaybeHttpsStream<Tcp>>),
    /// To a proxy that passes requests on.
    Forwarding(Box<MaybeHttpsStream<Tcp>>),
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        match self {
            Link::Straight(tcp) => tcp.connected(),
            Link::Tunnel(stream) => stream.connected(),
            Link::Forwarding(stream) => stream.connected().proxy(true),
        }
    }
}

impl Read for Link {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Link::Straight(tcp) => Pin::new(tcp).poll_read(context, into),
            Link::Tunnel(stream) | Link::Forwarding(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl Write for Link {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Link::Straight(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Link::Tunnel(stream) | Link::Forwarding(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Link::Straight(tcp) => Pin::new(tcp).poll_write_vectored(context, parts),
            Link::Tunnel(stream) | Link::Forwarding(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Link::Straight(tcp) => tcp.is_write_vectored(),
            Link::Tunnel(stream) | Link::Forwarding(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Link::Straight(tcp) => Pin::new(tcp).poll_flush(context),
            Link::Tunnel(stream) | Link::Forwarding(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Link::Straight(tcp) => Pin::new(tcp).poll_shutdown(context),
            Link::Tunnel(stream) | Link::Forwarding(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
