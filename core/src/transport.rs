//! One HTTP attempt: sends a request, gives its status line and headers, then its body.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use crate::error::Cause;
use crate::key::ApiKey;
use crate::operation::Operation;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that is made once per call and sent, the same to the byte, in each of its attempts.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) operation: Operation,
    pub(crate) url: Url,
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

/// The network.
pub(crate) struct Http {
    make: Box<dyn Fn() -> reqwest::Result<reqwest::Client> + Send + Sync>,
    /// A connection is served by a task of the runtime that made it. On another runtime it would stand still whenever that
    /// one does, so each has a client, and so a pool, of its own; the longest unused goes when there are too many.
    of_runtimes: Mutex<Vec<(tokio::runtime::Id, reqwest::Client)>>,
}

impl Http {
    /// `make` is called once for each runtime.
    pub(crate) fn new(make: impl Fn() -> reqwest::Result<reqwest::Client> + Send + Sync + 'static) -> Self {
        Http { make: Box::new(make), of_runtimes: Mutex::default() }
    }

    fn of_this_runtime(&self) -> Result<reqwest::Client, NoAnswer> {
        let no_client = |cause: Cause| NoAnswer { cause, connected: false };
        let id = tokio::runtime::Handle::try_current().map_err(|error| no_client(error.into()))?.id();
        let mut clients = self.of_runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        // Nearly always the last one used is the one in use.
        if let Some((last, client)) = clients.last()
            && *last == id
        {
            return Ok(client.clone());
        }
        let known = clients.iter().position(|(other, _)| *other == id).map(|position| clients.remove(position));
        let (_, client) = match known {
            Some(known) => known,
            None => (id, (self.make)().map_err(|error| no_client(error.without_url().into()))?),
        };
        if clients.len() == MOST_RUNTIMES {
            clients.remove(0);
        }
        clients.push((id, client.clone()));
        Ok(client)
    }
}

impl Transport for Http {
    type Body = reqwest::Response;

    async fn send(
        &self,
        request: &Prepared,
        key: &ApiKey,
        departure: &Departure,
    ) -> Result<Head<reqwest::Response>, NoAnswer> {
        let method = if request.action.is_some() { Method::POST } else { Method::GET };
        let mut message = reqwest::Request::new(method, request.url.clone());
        message.headers_mut().insert(API_KEY, key.header());
        if let Some((idempotency_key, body)) = &request.action {
            message.headers_mut().insert(IDEMPOTENCY_KEY, idempotency_key.clone());
            message.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let body = Watched { bytes: Some(body.clone()), departure: departure.clone() };
            *message.body_mut() = Some(reqwest::Body::wrap(body));
        }
        // The URL in reqwest's own errors would put ids into messages and logs.
        let mut response = self.of_this_runtime()?.execute(message).await.map_err(|error| {
            let connected = !error.is_connect();
            NoAnswer { cause: error.without_url().into(), connected }
        })?;
        let headers = std::mem::take(response.headers_mut());
        Ok(Head { status: response.status().as_u16(), headers, body: response })
    }

    async fn read(&self, mut body: reqwest::Response, most: usize) -> Result<Bytes, BodyFailure> {
        let announced = body.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced > most {
            return Err(BodyFailure::TooLarge);
        }
        let mut whole = Vec::with_capacity(announced);
        loop {
            match body.chunk().await {
                Ok(Some(chunk)) if whole.len() + chunk.len() > most => return Err(BodyFailure::TooLarge),
                Ok(Some(chunk)) => whole.extend_from_slice(&chunk),
                Ok(None) => return Ok(whole.into()),
                Err(error) => return Err(BodyFailure::Broken(error.without_url().into())),
            }
        }
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
        if !self.departure.go_out() {
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
