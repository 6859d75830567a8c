//! Accepts connections and serves HTTP/1.1 on them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::http::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::api::{self, ApiRequest, HttpResponse, Outcome};
use crate::body::{Content, ResponseBody};
use crate::control;
use crate::faults::has_no_body;
use crate::options::ProxyOptions;
use crate::proxy;
use crate::state::Shared;
use crate::stream::{AfterFlush, StreamControl, TrackedStream};

/// Far more than any request of this API needs.
const MAX_REQUEST_BODY: usize = 8 * 1024 * 1024;

/// A connection without a complete request head for this long is closed, also between two requests.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves the API and the control endpoints until it is dropped, which also closes all connections.
pub(crate) async fn serve_api(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let counter = AtomicU64::new(0);
    accept_forever(listener, |tcp, caller| {
        let control = Arc::new(StreamControl::default());
        let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
        let local = tcp.local_addr().map_or(shared.options.host, |local| local.ip());
        let connection =
            Arc::new(Connection { number, caller, local, control: Arc::clone(&control), shared: Arc::clone(&shared) });
        let stream = TrackedStream::new(tcp, control);
        let tls = tls.clone();
        async move {
            match tls {
                None => serve_connection(stream, connection).await,
                Some(tls) => {
                    // The handshake fails if the client does not trust the certificate.
                    if let Ok(Ok(encrypted)) = timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
                        serve_connection(encrypted, connection).await;
                    }
                }
            }
        }
    })
    .await;
}

/// Runs the forward proxy until it is dropped.
pub(crate) async fn serve_proxy(listener: TcpListener, options: ProxyOptions, shared: Arc<Shared>) {
    accept_forever(listener, |tcp, _| {
        let (options, shared) = (options.clone(), Arc::clone(&shared));
        async move {
            // A tunnel ends with an error when either side disconnects.
            let _ = proxy::serve(tcp, &options, &shared.proxy_log).await;
        }
    })
    .await;
}

async fn accept_forever<F>(listener: TcpListener, serve_connection: impl Fn(TcpStream, IpAddr) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, caller)) => {
                    // Without this option responses are only slower.
                    let _ = tcp.set_nodelay(true);
                    connections.spawn(serve_connection(tcp, caller.ip()));
                }
                // Most likely out of file descriptors, until other connections close.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

struct Connection {
    number: u64,
    caller: IpAddr,
    /// The address that the client connected to.
    local: IpAddr,
    control: Arc<StreamControl>,
    shared: Arc<Shared>,
}

async fn serve_connection(io: impl AsyncRead + AsyncWrite + Unpin, connection: Arc<Connection>) {
    let handler = Arc::clone(&connection);
    let service = service_fn(move |request| {
        let connection = Arc::clone(&handler);
        async move { connection.respond(request).await }
    });
    let serving = http1::Builder::new()
        // When the client closes its side, drop the request that is being handled.
        .half_close(false)
        // The sandbox's clock decides the date.
        .auto_date_header(false)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(io), service);
    tokio::select! {
        // It fails when a client leaves early or a fault closes the connection, which is no error here.
        _ = serving => {}
        () = connection.control.closed() => {}
    }
}

/// Makes hyper close the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox closed the connection")]
struct ConnectionClosed;

/// The body, or an empty one and `true` if it is too large.
async fn read_body(body: Incoming) -> Result<(Bytes, bool), ConnectionClosed> {
    // A client that announces too much may wait for the response before it sends the body.
    if body.size_hint().lower() > MAX_REQUEST_BODY as u64 {
        return Ok((Bytes::new(), true));
    }
    match Limited::new(body, MAX_REQUEST_BODY).collect().await {
        // A copy: hyper's bytes are a slice of its whole read buffer, and idempotency keys keep bodies for a day.
        Ok(body) => Ok((Bytes::copy_from_slice(&body.to_bytes()), false)),
        Err(error) if error.is::<LengthLimitError>() => Ok((Bytes::new(), true)),
        // The client left before it had sent the whole request.
        Err(_) => Err(ConnectionClosed),
    }
}

impl Connection {
    async fn respond(&self, request: Request<Incoming>) -> Result<Response<ResponseBody>, ConnectionClosed> {
        let (parts, body) = request.into_parts();
        if parts.uri.path().starts_with(control::PREFIX) {
            let (status, json) = match control::check(&self.shared, &parts, self.local) {
                Err(refused) => refused,
                Ok(()) => {
                    let (body, too_long) = read_body(body).await?;
                    control::handle(&self.shared, &parts, &body, too_long)
                }
            };
            let mut response = Response::new(self.body(Content::Whole(json), AfterFlush::default()));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Ok(response);
        }
        let (body, too_long) = read_body(body).await?;
        let request = ApiRequest::new(parts, body);
        let head_only = request.parts.method == Method::HEAD;
        let clock = &self.shared.clock;
        let tracker = self.shared.log.record(&request, self.number, clock.now(), clock.uptime());
        match api::handle(&self.shared, self.caller, &request, &tracker, too_long).await {
            Outcome::Close { reset } => {
                tracker.finish();
                if reset {
                    self.control.end_with_reset();
                }
                Err(ConnectionClosed)
            }
            Outcome::Respond(HttpResponse { status, headers, content, then_close }) => {
                tracker.answered(status);
                let then = AfterFlush { finish: Some(tracker), close: then_close };
                let bodiless = head_only || has_no_body(status);
                let content = if bodiless { Content::Whole(Bytes::new()) } else { content };
                let mut response = Response::new(self.body(content, then));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                Ok(response)
            }
        }
    }

    fn body(&self, content: Content, then: AfterFlush) -> ResponseBody {
        ResponseBody::new(content, then, Arc::clone(&self.control))
    }
}
