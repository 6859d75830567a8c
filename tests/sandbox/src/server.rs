//! Listening, and one HTTP/1.1 conversation per connection.

use std::fmt;
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
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::answer::to_bytes;
use crate::api::{self, Outcome, Reply};
use crate::body::{AnswerBody, Content};
use crate::control;
use crate::faults::has_no_body;
use crate::ledger::Arrival;
use crate::options::ProxyOptions;
use crate::proxy;
use crate::state::Shared;
use crate::wire::{OnceFlushed, Wire, WireControl};

/// Far more than any request of this API needs.
const LONGEST_REQUEST_BODY: usize = 8 * 1024 * 1024;

/// Answers the API and the control endpoints until it is dropped, which also ends all its connections.
pub(crate) async fn serve_api(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let counter = AtomicU64::new(0);
    accept_forever(listener, |tcp, caller| {
        let control = Arc::new(WireControl::default());
        let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
        let connection =
            Arc::new(Connection { number, caller, control: Arc::clone(&control), shared: Arc::clone(&shared) });
        let wire = Wire::new(tcp, control);
        let tls = tls.clone();
        async move {
            match tls {
                None => converse(wire, connection).await,
                Some(tls) => {
                    // A client that does not trust the certificate leaves here; there is nothing to tell anybody.
                    if let Ok(encrypted) = tls.accept(wire).await {
                        converse(encrypted, connection).await;
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
            // Either side going away in the middle is an ordinary end of a tunnel.
            let _ = proxy::serve(tcp, &options, &shared.proxy_log).await;
        }
    })
    .await;
}

async fn accept_forever<F>(listener: TcpListener, converse: impl Fn(TcpStream, IpAddr) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, caller)) => {
                    // Small answers must not wait for an acknowledgement; without the option they are only slower.
                    let _ = tcp.set_nodelay(true);
                    connections.spawn(converse(tcp, caller.ip()));
                }
                // Out of file descriptors, most likely: closing connections will give some back.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

struct Connection {
    number: u64,
    caller: IpAddr,
    control: Arc<WireControl>,
    shared: Arc<Shared>,
}

async fn converse(io: impl AsyncRead + AsyncWrite + Unpin, connection: Arc<Connection>) {
    let serving = Arc::clone(&connection);
    let service = service_fn(move |request| {
        let connection = Arc::clone(&serving);
        async move { connection.respond(request).await }
    });
    let conversation = http1::Builder::new()
        // A client that closes its side is gone: the request in hand is dropped there and then.
        .half_close(false)
        // The sandbox's clock decides the date.
        .auto_date_header(false)
        .serve_connection(TokioIo::new(io), service);
    tokio::select! {
        // It fails whenever a client leaves early or a fault closes the connection: both are what was wanted.
        _ = conversation => {}
        () = connection.control.hung_up() => {}
    }
}

/// Makes hyper drop the connection without answering.
#[derive(Debug)]
struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the sandbox hung up")
    }
}

impl std::error::Error for HungUp {}

/// The whole body, or nothing and `true` when it is longer than it may be.
async fn read_body(body: Incoming) -> Result<(Bytes, bool), HungUp> {
    // Announced as too long: the client may be waiting for a verdict before it sends any of it.
    if body.size_hint().lower() > LONGEST_REQUEST_BODY as u64 {
        return Ok((Bytes::new(), true));
    }
    match Limited::new(body, LONGEST_REQUEST_BODY).collect().await {
        // A copy: hyper's bytes are a slice of its whole read buffer, and an idempotency key keeps them for a day.
        Ok(body) => Ok((Bytes::copy_from_slice(&body.to_bytes()), false)),
        Err(error) if error.is::<LengthLimitError>() => Ok((Bytes::new(), true)),
        // The client left in the middle of its request.
        Err(_) => Err(HungUp),
    }
}

impl Connection {
    async fn respond(&self, request: Request<Incoming>) -> Result<Response<AnswerBody>, HungUp> {
        let (parts, body) = request.into_parts();
        let (body, too_long) = read_body(body).await?;
        if parts.uri.path().starts_with(control::PREFIX) {
            let (status, json) =
                control::answer(&self.shared, &parts.method, parts.uri.path(), parts.uri.query(), &body);
            let mut response = Response::new(self.body(Content::Whole(to_bytes(&json)), OnceFlushed::default()));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Ok(response);
        }
        let asked_for_head_only = parts.method == Method::HEAD;
        let clock = &self.shared.clock;
        let (received_at, running) = (clock.now(), clock.running());
        let delivery =
            self.shared.ledger.record(Arrival { connection: self.number, received_at, running, parts, body });
        match api::answer(&self.shared, self.caller, &delivery, too_long).await {
            Outcome::HangUp { reset } => {
                delivery.settle();
                if reset {
                    self.control.end_with_reset();
                }
                Err(HungUp)
            }
            Outcome::Reply(Reply { status, headers, content, then_hang_up }) => {
                delivery.answered(status);
                let then = OnceFlushed { settle: Some(delivery), hang_up: then_hang_up };
                let bodiless = asked_for_head_only || has_no_body(status);
                let content = if bodiless { Content::Whole(Bytes::new()) } else { content };
                let mut response = Response::new(self.body(content, then));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                Ok(response)
            }
        }
    }

    fn body(&self, content: Content, then: OnceFlushed) -> AnswerBody {
        AnswerBody::new(content, then, Arc::clone(&self.control))
    }
}
