//! One HTTP attempt: sends a request, gives the response's status and headers, then its body.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use tokio::runtime::{self, Handle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Cause;
use crate::key::ApiKey;
use crate::operation::Operation;
use crate::record::ConnectionUse;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that is built once per call and sent, the same to the byte, in each of its attempts.
#[derive(Clone, Debug)]
pub(crate) struct PreparedRequest {
    pub(crate) operation: Operation,
    pub(crate) url: Url,
    /// The idempotency key and the body; reads have neither.
    pub(crate) action: Option<(HeaderValue, Bytes)>,
    pub(crate) traceparent: Option<HeaderValue>,
}

impl PreparedRequest {
    pub(crate) fn idempotency_key(&self) -> Option<String> {
        self.action.as_ref().and_then(|(key, _)| key.to_str().ok()).map(str::to_owned)
    }
}

/// How far an attempt has got, shared by the call, the request body and the resolver.
#[derive(Clone, Debug, Default)]
pub(crate) struct SendState(Arc<Progress>);

#[derive(Debug, Default)]
struct Progress {
    /// Whether the server may have received an action's request. Decided once: the request is either sent, or abandoned
    /// before and then never sent.
    sent: AtomicU8,
    /// Whether the host is being looked up.
    resolving: AtomicBool,
    /// Whether the request was written, or dropped because there is no connection.
    written: AtomicBool,
    /// The [`ConnectionUse`], or 0.
    connection: AtomicU8,
}

const NOT_SENT: u8 = 0;
const SENT: u8 = 1;
const ABANDONED: u8 = 2;

/// What an attempt waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The TCP and TLS handshakes, unless a pooled connection is used.
    Connecting,
    /// The host's addresses.
    Resolving,
    /// The response.
    Response,
}

tokio::task_local! {
    /// The attempt that is being polled: reqwest passes nothing of a request to its resolver.
    static CURRENT: SendState;
}

impl SendState {
    /// The request is about to be written; false when it was abandoned before.
    pub(crate) fn mark_sent(&self) -> bool {
        let before = self.0.sent.compare_exchange(NOT_SENT, SENT, Ordering::AcqRel, Ordering::Acquire);
        before.is_ok() || before == Err(SENT)
    }

    /// The response is not awaited any more. Returns whether the server may have the request.
    pub(crate) fn abandon(&self) -> bool {
        self.0.sent.swap(ABANDONED, Ordering::AcqRel) == SENT
    }

    pub(crate) fn set_resolving(&self, resolving: bool) {
        self.0.resolving.store(resolving, Ordering::Relaxed);
    }

    pub(crate) fn stage(&self) -> Stage {
        if self.0.written.load(Ordering::Relaxed) { Stage::Response } else { self.connect_stage() }
    }

    /// The last stage before the request was written.
    pub(crate) fn connect_stage(&self) -> Stage {
        if self.0.resolving.load(Ordering::Relaxed) { Stage::Resolving } else { Stage::Connecting }
    }

    /// Which connection the attempt uses, as far as that is known.
    pub(crate) fn connection(&self) -> Option<ConnectionUse> {
        let connection = self.0.connection.load(Ordering::Relaxed);
        [ConnectionUse::New, ConnectionUse::Pooled].into_iter().find(|known| *known as u8 + 1 == connection)
    }

    pub(crate) fn set_connection(&self, connection: ConnectionUse) {
        self.0.connection.store(connection as u8 + 1, Ordering::Relaxed);
    }

    /// The attempt on whose behalf the caller is polled, if any.
    pub(crate) fn current() -> Option<SendState> {
        CURRENT.try_with(Clone::clone).ok()
    }
}

/// A response whose body is yet to be read.
#[derive(Debug)]
pub(crate) struct ResponseHead<B> {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: B,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) struct SendError {
    pub(crate) cause: Cause,
    /// Whether there was a connection on which something may have been sent.
    pub(crate) connected: bool,
    /// The stage at which the connect timeout expired, if it did.
    pub(crate) timed_out: Option<Stage>,
}

/// Why a body was not read to its end.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is larger than allowed.
    TooLarge,
    /// The connection failed, or the body's framing is not valid.
    Incomplete(Cause),
}

/// Sends attempts. The real one is [`HttpTransport`]; tests that run on a paused clock use a simulated server instead.
pub(crate) trait Transport: Send + Sync + 'static {
    type Body: Send;
    /// The right to use a connection.
    type Connection: Send;

    /// Waits until the client may use one more connection.
    fn acquire_connection(&self) -> impl Future<Output = Self::Connection> + Send;

    /// Sends the request and gives the head of the response. Marks `state` before the server can have a whole action.
    fn send(
        &self,
        request: &PreparedRequest,
        key: &ApiKey,
        state: &SendState,
        connection: Self::Connection,
    ) -> impl Future<Output = Result<ResponseHead<Self::Body>, SendError>> + Send;

    /// Reads a body of at most `max_length` bytes.
    fn read(&self, body: Self::Body, max_length: usize) -> impl Future<Output = Result<Bytes, BodyError>> + Send;

    /// Closes the idle connections and gives no pooled one to later attempts: after a failure they may be as dead as the one
    /// that failed.
    fn discard_connections(&self) {}

    /// The proxy that requests go through, for messages.
    fn proxy_address(&self) -> Option<&str> {
        None
    }
}

/// How many runtimes' connection pools are kept.
const MAX_POOLS: usize = 16;

/// How many connections a client uses at a time; more calls wait for one. Most processes may open 1,024 files.
///
/// Up to twice as many can be open: an attempt that finds no idle connection starts one, and when another becomes idle
/// first, it uses that one, and the new one is added to the pool.
const MAX_CONNECTIONS: usize = 128;

type BuildClient = dyn Fn() -> reqwest::Result<reqwest::Client> + Send + Sync;

/// Sends attempts over the network.
pub(crate) struct HttpTransport {
    build_client: Box<BuildClient>,
    proxy_address: Option<String>,
    connections: Arc<Semaphore>,
    /// A connection is served by a task of the runtime that made it, and stands still when that runtime does. So each
    /// runtime has a client, and with it a pool, of its own; the one unused for longest is dropped when there are too many.
    clients: Mutex<Vec<(runtime::Id, reqwest::Client)>>,
    /// The local addresses of the latest connections: reqwest does not say whether a response came over a pooled one.
    known: Mutex<VecDeque<SocketAddr>>,
}

/// A response's body, and the use of its connection until it is read or dropped.
pub(crate) struct HttpBody {
    response: reqwest::Response,
    _connection: Option<OwnedSemaphorePermit>,
}

impl HttpTransport {
    /// `build_client` is called once for each pool.
    pub(crate) fn new(
        proxy_address: Option<String>,
        build_client: impl Fn() -> reqwest::Result<reqwest::Client> + Send + Sync + 'static,
    ) -> Self {
        HttpTransport {
            build_client: Box::new(build_client),
            proxy_address,
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            clients: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// Whether a connection was used before.
    fn connection_use(&self, address: SocketAddr) -> ConnectionUse {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&address) {
            return ConnectionUse::Pooled;
        }
        if known.len() == 2 * MAX_CONNECTIONS {
            known.pop_front();
        }
        known.push_back(address);
        ConnectionUse::New
    }

    fn client(&self) -> Result<reqwest::Client, SendError> {
        let id = Handle::try_current().map_err(|error| SendError::not_connected(error.into()))?.id();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        // Nearly always the last one used is the one in use.
        if let Some((last, client)) = clients.last()
            && *last == id
        {
            return Ok(client.clone());
        }
        let known = clients.iter().position(|(other, _)| *other == id).map(|position| clients.remove(position));
        let client = match known {
            Some((_, client)) => client,
            None => (self.build_client)().map_err(|error| SendError::not_connected(error.without_url().into()))?,
        };
        if clients.len() == MAX_POOLS {
            clients.remove(0);
        }
        clients.push((id, client.clone()));
        Ok(client)
    }
}

impl SendError {
    fn not_connected(cause: Cause) -> Self {
        SendError { cause, connected: false, timed_out: None }
    }
}

impl Transport for HttpTransport {
    type Body = HttpBody;
    /// `None` never happens: the semaphore is not closed.
    type Connection = Option<OwnedSemaphorePermit>;

    async fn acquire_connection(&self) -> Self::Connection {
        Arc::clone(&self.connections).acquire_owned().await.ok()
    }

    async fn send(
        &self,
        request: &PreparedRequest,
        key: &ApiKey,
        state: &SendState,
        connection: Self::Connection,
    ) -> Result<ResponseHead<HttpBody>, SendError> {
        let method = if request.action.is_some() { Method::POST } else { Method::GET };
        let mut message = reqwest::Request::new(method, request.url.clone());
        message.headers_mut().insert(API_KEY, key.header());
        if let Some((idempotency_key, _)) = &request.action {
            message.headers_mut().insert(IDEMPOTENCY_KEY, idempotency_key.clone());
            message.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(traceparent) = &request.traceparent {
            message.headers_mut().insert(TRACEPARENT, traceparent.clone());
        }
        if self.proxy_address.is_none() && request.url.domain().is_some() {
            // The resolver, which is asked for a new connection, corrects this.
            state.set_connection(ConnectionUse::Pooled);
        }
        let bytes = request.action.as_ref().map(|(_, body)| body.clone());
        *message.body_mut() = Some(reqwest::Body::wrap(TrackedBody { bytes, state: state.clone() }));
        let response = CURRENT.scope(state.clone(), self.client()?.execute(message)).await;
        let mut response = response.map_err(|error| SendError {
            connected: !error.is_connect() && !error.is_builder(),
            timed_out: error.is_timeout().then(|| state.connect_stage()),
            // The URL in reqwest's own errors would put ids into messages and logs.
            cause: error.without_url().into(),
        })?;
        if let Some(info) = response.extensions().get::<HttpInfo>() {
            state.set_connection(self.connection_use(info.local_addr()));
        }
        let headers = std::mem::take(response.headers_mut());
        let status = response.status().as_u16();
        Ok(ResponseHead { status, headers, body: HttpBody { response, _connection: connection } })
    }

    async fn read(&self, body: HttpBody, max_length: usize) -> Result<Bytes, BodyError> {
        let HttpBody { mut response, _connection } = body;
        let announced = response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced > max_length {
            return Err(BodyError::TooLarge);
        }
        let mut next =
            async || response.chunk().await.map_err(|error| BodyError::Incomplete(error.without_url().into()));
        // Nearly always the body is one chunk, which needs no copy.
        let first = next().await?.unwrap_or_default();
        let mut body = Vec::new();
        let mut length = first.len();
        while length <= max_length {
            let Some(chunk) = next().await? else {
                return Ok(if body.is_empty() { first } else { body.into() });
            };
            if body.is_empty() {
                body.extend_from_slice(&first);
            }
            body.extend_from_slice(&chunk);
            length += chunk.len();
        }
        Err(BodyError::TooLarge)
    }

    fn discard_connections(&self) {
        let Ok(handle) = Handle::try_current() else { return };
        let discarded: Vec<_> = {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            clients.extract_if(.., |(runtime, _)| *runtime == handle.id()).collect()
        };
        // A new connection may get the local address of a closed one.
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // Without the lock: dropping a pool closes its connections.
        drop(discarded);
    }

    fn proxy_address(&self) -> Option<&str> {
        self.proxy_address.as_deref()
    }
}

/// A request body, empty for reads, that notes when it is read. That is after a connection was made and before the last byte
/// of the request is written, and the server cannot act on a request without its body: so while it has not been read, the
/// action has certainly not taken place.
struct TrackedBody {
    bytes: Option<Bytes>,
    state: SendState,
}

/// hyper drops the body when it has written the request; an empty one it does not read.
impl Drop for TrackedBody {
    fn drop(&mut self) {
        self.state.0.written.store(true, Ordering::Relaxed);
    }
}

impl http_body::Body for TrackedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.state.mark_sent() {
            return Poll::Ready(Some(Err(io::Error::other("the request was abandoned"))));
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
