//! One HTTP attempt: sends a request, gives its status line and headers, then its body.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use http::{Method, Uri};
use http_body::Body as _;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::base_url::BaseUrl;
use crate::connect::{Connector, connector};
use crate::error::Cause;
use crate::key::ApiKey;
use crate::operation::Operation;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that is made once per call and sent, the same to the byte, in each of its attempts.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) operation: Operation,
    pub(crate) uri: Uri,
    /// The idempotency key and the body; reads have neither.
    pub(crate) action: Option<(HeaderValue, Bytes)>,
}

impl Prepared {
    pub(crate) fn idempotency_key(&self) -> Option<String> {
        self.action.as_ref().and_then(|(key, _)| key.to_str().ok()).map(str::to_owned)
    }
}

/// Whether the server may have an action's request. Settled once: either the request goes out, or it is given up first and
/// then certainly does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Departure(Arc<AtomicU8>);

const NOT_YET: u8 = 0;
const GONE_OUT: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Departure {
    /// The request is to go out now; false when it was given up before.
    pub(crate) fn go_out(&self) -> bool {
        let before = self.0.compare_exchange(NOT_YET, GONE_OUT, Ordering::AcqRel, Ordering::Acquire);
        before.is_ok() || before == Err(GONE_OUT)
    }

    /// Nobody waits for the answer any more. Whether the server may have the request.
    pub(crate) fn give_up(&self) -> bool {
        self.0.swap(GIVEN_UP, Ordering::AcqRel) == GONE_OUT
    }
}

/// The beginning of an answer.
#[derive(Debug)]
pub(crate) struct Head<B> {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: B,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    pub(crate) cause: Cause,
    /// Whether there was a connection on which something may have been sent.
    pub(crate) connected: bool,
}

/// Why a body was not read to its end.
#[derive(Debug)]
pub(crate) enum BodyFailure {
    TooLarge,
    Broken(Cause),
}

/// What carries attempts out. The real one is [`Http`]; tests that run on a paused clock put a simulated server here.
pub(crate) trait Transport: Send + Sync + 'static {
    type Body: Send;

    /// Sends the request and gives the head of the answer. `departure` is noted before the server can have a whole action.
    fn send(
        &self,
        request: &Prepared,
        key: &ApiKey,
        departure: &Departure,
    ) -> impl Future<Output = Result<Head<Self::Body>, NoAnswer>> + Send;

    /// Reads a body of at most `most` bytes.
    fn read(&self, body: Self::Body, most: usize) -> impl Future<Output = Result<Bytes, BodyFailure>> + Send;
}

/// How many runtimes' connections are kept.
const MOST_RUNTIMES: usize = 16;

/// Below the 60 s after which common proxies and load balancers close an idle connection without a word.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(50);

type Pool = legacy::Client<Connector, Watched>;

/// The network.
pub(crate) struct Http {
    tls: rustls::ClientConfig,
    proxy: Option<Intercept>,
    user_agent: HeaderValue,
    /// For a proxy that passes requests on: it reads their headers, where a tunnel's does not.
    proxy_credentials: Option<HeaderValue>,
    /// A connection is served by a task of the runtime that made it. On another runtime it would stand still whenever that
    /// one does, so each has a pool of its own; the longest unused goes when there are too many.
    of_runtimes: Mutex<Vec<(tokio::runtime::Id, Pool)>>,
}

impl Http {
    /// To one server, by a proxy if there is one.
    pub(crate) fn new(
        tls: rustls::ClientConfig,
        server: &BaseUrl,
        proxy: Option<Intercept>,
        user_agent: HeaderValue,
    ) -> Self {
        let credentials = proxy.as_ref().and_then(|proxy| proxy.basic_auth().cloned());
        let proxy_credentials = credentials.filter(|_| server.is_plain());
        Http { tls, proxy, user_agent, proxy_credentials, of_runtimes: Mutex::default() }
    }

    fn pool(&self) -> Pool {
        legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector(self.tls.clone(), self.proxy.clone(), &self.user_agent))
    }

    fn of_this_runtime(&self) -> Result<Pool, NoAnswer> {
        let handle = tokio::runtime::Handle::try_current();
        let id = handle.map_err(|error| NoAnswer { cause: error.into(), connected: false })?.id();
        let mut pools = self.of_runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        // Nearly always the last one used is the one in use.
        if let Some((last, pool)) = pools.last()
            && *last == id
        {
            return Ok(pool.clone());
        }
        let known = pools.iter().position(|(other, _)| *other == id).map(|position| pools.remove(position));
        let pool = known.map_or_else(|| self.pool(), |(_, pool)| pool);
        if pools.len() == MOST_RUNTIMES {
            pools.remove(0);
        }
        pools.push((id, pool.clone()));
        Ok(pool)
    }
}

impl Transport for Http {
    type Body = Incoming;

    async fn send(&self, request: &Prepared, key: &ApiKey, departure: &Departure) -> Result<Head<Incoming>, NoAnswer> {
        let body = request.action.as_ref().map(|(_, body)| body.clone());
        let mut message = http::Request::new(Watched { bytes: body, departure: departure.clone() });
        *message.uri_mut() = request.uri.clone();
        let headers = message.headers_mut();
        headers.insert(API_KEY, key.header());
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, self.user_agent.clone());
        if let Some(credentials) = &self.proxy_credentials {
            headers.insert(PROXY_AUTHORIZATION, credentials.clone());
        }
        if let Some((idempotency_key, _)) = &request.action {
            headers.insert(IDEMPOTENCY_KEY, idempotency_key.clone());
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *message.method_mut() = Method::POST;
        }
        let response = self.of_this_runtime()?.request(message).await;
        let (head, body) =
            response.map_err(|error| NoAnswer { connected: !error.is_connect(), cause: error.into() })?.into_parts();
        Ok(Head { status: head.status.as_u16(), headers: head.headers, body })
    }

    async fn read(&self, mut body: Incoming, most: usize) -> Result<Bytes, BodyFailure> {
        let announced = body.size_hint().exact().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced > most {
            return Err(BodyFailure::TooLarge);
        }
        let mut whole = Vec::with_capacity(announced);
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let frame = frame.map_err(|error| BodyFailure::Broken(error.into()))?;
            // What is no data are trailers.
            let Some(chunk) = frame.data_ref() else { continue };
            if whole.len() + chunk.len() > most {
                return Err(BodyFailure::TooLarge);
            }
            whole.extend_from_slice(chunk);
        }
        Ok(whole.into())
    }
}

/// A request body that notes when it is asked for. That is after a connection was made and before the last byte of the
/// request is written, and the server cannot act on a request without its body: so while it has not been asked for, the
/// action has certainly not taken place.
struct Watched {
    bytes: Option<Bytes>,
    departure: Departure,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.bytes.is_some() && !self.departure.go_out() {
            return Poll::Ready(Some(Err(io::Error::other("the call was given up"))));
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
