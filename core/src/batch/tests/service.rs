//! A simulated service with candidates, idempotency keys, rate windows and faults, which outlives the runtimes of its clients.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::argument::NameStyle;
use crate::base_url::BaseUrl;
use crate::batch::{BatchBuilder, BoxFuture, CandidateRequest, Input, InviteRequest, Iter, PacedClient};
use crate::call::{Engine, Limits, Reservation};
use crate::error::Error;
use crate::key::ApiKey;
use crate::operation::{Category, Operation};
use crate::pacing::{Pacer, PollBudget, Polls, RateLimits, unshared};
use crate::request::{JobPositionId, OperationInput, OperationOutput};
use crate::transport::{BodyError, PreparedRequest, ResponseHead, SendError, SendState, Transport};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const BASE_URL: &str = "http://localhost";

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    /// The service acts, and the response is a 500, which it does not keep.
    ActsAnd500,
    /// The service acts, and the connection breaks.
    ActsAndResets,
    Responds(u16),
    /// It is received and gets no response.
    Hangs,
    /// The transport panics.
    Panics,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Candidate {
    pub(crate) status: &'static str,
    pub(crate) viewed: bool,
    /// How often each action was performed.
    pub(crate) acts: u32,
}

type Faults = Box<dyn Fn(&str, Operation) -> Fault + Send + Sync>;

/// The service's side. Its wall clock follows tokio's paused clock and can be advanced.
pub(crate) struct Service {
    pub(crate) candidates: Mutex<HashMap<String, Candidate>>,
    keys: Mutex<HashMap<String, (SystemTime, u16, String)>>,
    windows: Mutex<[VecDeque<SystemTime>; 2]>,
    clock: Mutex<(SystemTime, Option<Instant>)>,
    /// Whether there are limits.
    pub(crate) is_limited: AtomicBool,
    pub(crate) log: Mutex<Vec<(String, Operation)>>,
    /// When each read was sent.
    pub(crate) sent_reads: Mutex<Vec<(String, Instant)>>,
    pub(crate) requests: AtomicUsize,
    pub(crate) reads: AtomicUsize,
    pub(crate) rejected: AtomicUsize,
    pub(crate) on_wire: AtomicUsize,
    pub(crate) most_on_wire: AtomicUsize,
    pub(crate) faults: Mutex<Faults>,
    /// From one request to its response, in milliseconds: picked by a counter.
    pub(crate) latencies: Mutex<Vec<u64>>,
}

impl Service {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Service {
            candidates: Mutex::default(),
            keys: Mutex::default(),
            windows: Mutex::default(),
            clock: Mutex::new((UNIX_EPOCH + Duration::from_secs(1_795_000_000), None)),
            is_limited: AtomicBool::new(true),
            log: Mutex::default(),
            sent_reads: Mutex::default(),
            requests: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            rejected: AtomicUsize::new(0),
            on_wire: AtomicUsize::new(0),
            most_on_wire: AtomicUsize::new(0),
            faults: Mutex::new(Box::new(|_, _| Fault::None)),
            latencies: Mutex::new(vec![50]),
        })
    }

    /// With this many candidates in a status, `c0` and so on.
    pub(crate) fn with(count: usize, status: &'static str) -> Arc<Self> {
        let service = Service::new();
        let candidate = Candidate { status, viewed: true, acts: 0 };
        service.candidates.lock().unwrap().extend((0..count).map(|nth| (format!("c{nth}"), candidate.clone())));
        service
    }

    pub(crate) fn fails(&self, faults: impl Fn(&str, Operation) -> Fault + Send + Sync + 'static) {
        *self.faults.lock().unwrap() = Box::new(faults);
    }

    /// Binds the wall clock to the current runtime's.
    pub(crate) fn attach(&self) {
        let now = self.now();
        *self.clock.lock().unwrap() = (now, Some(Instant::now()));
    }

    /// Unbinds the wall clock, before the runtime ends, and moves it on.
    pub(crate) fn detach(&self, later: Duration) {
        let now = self.now();
        *self.clock.lock().unwrap() = (now + later, None);
    }

    /// Sets the wall clock back, between two runs.
    pub(crate) fn turn_back(&self, by: Duration) {
        self.clock.lock().unwrap().0 -= by;
    }

    pub(crate) fn now(&self) -> SystemTime {
        let (base, started) = *self.clock.lock().unwrap();
        base + started.map_or(Duration::ZERO, |started| Instant::now() - started)
    }

    pub(crate) fn candidate(&self, id: &str) -> Candidate {
        self.candidates.lock().unwrap()[id].clone()
    }

    pub(crate) fn set_status(&self, id: &str, status: &'static str) {
        self.candidates.lock().unwrap().get_mut(id).unwrap().status = status;
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Whether the request is over one of the windows: 40 reads, 30 actions in 60 s. (The total of 60 is left to the pacer's tests.)
    fn is_over_limit(&self, category: Category) -> bool {
        let now = self.now();
        let (nth, limit) = if category == Category::Reads { (0, 40) } else { (1, 30) };
        let window = &mut self.windows.lock().unwrap()[nth];
        while window.front().is_some_and(|at| *at + 60 * SECOND <= now) {
            window.pop_front();
        }
        if window.len() == limit {
            return true;
        }
        window.push_back(now);
        false
    }

    fn handle(&self, id: &str, operation: Operation, key: Option<&str>, keeps: bool) -> (u16, String) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        if operation == Operation::Status {
            self.reads.fetch_add(1, Ordering::SeqCst);
        }
        self.log.lock().unwrap().push((id.to_owned(), operation));
        if self.is_limited.load(Ordering::SeqCst) && self.is_over_limit(operation.category()) {
            self.rejected.fetch_add(1, Ordering::SeqCst);
            return (429, String::new());
        }
        let mut keys = self.keys.lock().unwrap();
        let now = self.now();
        if let Some((at, status, body)) = key.and_then(|key| keys.get(key))
            && now < *at + Duration::from_secs(24 * 60 * 60)
        {
            return (*status, body.clone());
        }
        let mut candidates = self.candidates.lock().unwrap();
        let Some(candidate) = candidates.get_mut(id) else { return (404, r#"{"error":"NOT_FOUND"}"#.to_owned()) };
        let wanted = match operation {
            Operation::Status => candidate.status,
            Operation::Invite => "invited",
            Operation::Select => "selected",
            Operation::Reject => "rejected",
        };
        let response = match operation {
            Operation::Status => {
                let Candidate { status, viewed, .. } = candidate;
                (200, format!(r#"{{"success":true,"data":{{"status":"{status}","analysisViewed":{viewed}}}}}"#))
            }
            Operation::Invite if candidate.status == "new" => (
                200,
                format!(
                    r#"{{"success":true,"requestId":"r-{id}","data":{{"invited":true,"sessionId":"s-{id}",
                    "emailDelivery":"pending","expiresAt":"2026-04-18T08:00:00.123Z"}}}}"#
                ),
            ),
            Operation::Select | Operation::Reject if candidate.status == "interviewed" && !candidate.viewed => {
                (409, r#"{"error":"ANALYSIS_NOT_VIEWED"}"#.to_owned())
            }
            Operation::Select | Operation::Reject if candidate.status == "interviewed" => {
                (200, format!(r#"{{"success":true,"data":{{"status":"{wanted}"}}}}"#))
            }
            _ => (409, r#"{"error":"INVALID_STATUS","message":"status"}"#.to_owned()),
        };
        if operation.is_action() && response.0 == 200 {
            candidate.status = wanted;
            candidate.acts += 1;
        }
        if keeps && let Some(key) = key {
            keys.insert(key.to_owned(), (now, response.0, response.1.clone()));
        }
        response
    }
}

/// The transport to a service.
pub(crate) struct Wire(pub(super) Arc<Service>);

/// A request on its way. If its future is dropped, it still arrives.
struct OnWire {
    service: Arc<Service>,
    id: String,
    operation: Operation,
    key: Option<String>,
    arrived: bool,
    keeps: bool,
}

impl OnWire {
    fn arrive(&mut self) -> (u16, String) {
        self.arrived = true;
        self.service.handle(&self.id, self.operation, self.key.as_deref(), self.keeps)
    }
}

impl Drop for OnWire {
    fn drop(&mut self) {
        self.service.on_wire.fetch_sub(1, Ordering::SeqCst);
        if !self.arrived {
            self.arrive();
        }
    }
}

impl Transport for Wire {
    type Body = String;
    type Connection = ();

    async fn acquire_connection(&self) {}

    async fn send(
        &self,
        request: &PreparedRequest,
        _: &ApiKey,
        state: &SendState,
        (): (),
    ) -> Result<ResponseHead<String>, SendError> {
        let mut path = request.url.path_segments().unwrap().skip(2);
        let (id, operation) = (path.next().unwrap().to_owned(), Operation::from_name(path.next().unwrap()).unwrap());
        let service = Arc::clone(&self.0);
        let fault = service.faults.lock().unwrap()(&id, operation);
        assert!(fault != Fault::Panics, "the transport panics");
        if operation.is_action() {
            assert!(state.mark_sent());
        } else {
            service.sent_reads.lock().unwrap().push((id.clone(), Instant::now()));
        }
        let on_wire = service.on_wire.fetch_add(1, Ordering::SeqCst) + 1;
        service.most_on_wire.fetch_max(on_wire, Ordering::SeqCst);
        let latency = {
            let latencies = service.latencies.lock().unwrap();
            Duration::from_millis(latencies[service.requests() % latencies.len()])
        };
        let key = request.idempotency_key();
        let mut on_wire = OnWire { service, id, operation, key, arrived: false, keeps: fault != Fault::ActsAnd500 };
        let respond = |status, body| Ok(ResponseHead { status, headers: HeaderMap::new(), body });
        sleep(latency / 2).await;
        match fault {
            Fault::Responds(status) => {
                on_wire.arrived = true;
                on_wire.service.requests.fetch_add(1, Ordering::SeqCst);
                sleep(latency / 2).await;
                return respond(status, String::new());
            }
            Fault::Hangs => return std::future::pending().await,
            _ => {}
        }
        let (status, body) = on_wire.arrive();
        sleep(latency / 2).await;
        match fault {
            Fault::ActsAnd500 => respond(500, String::new()),
            Fault::ActsAndResets => Err(SendError { cause: "reset".into(), connected: true, timed_out: None }),
            _ => respond(status, body),
        }
    }

    async fn read(&self, body: String, _: usize) -> Result<Bytes, BodyError> {
        Ok(body.into())
    }
}

/// A client of the simulated service.
pub(crate) struct SimulatedClient {
    pub(crate) engine: Arc<Engine<Wire>>,
    base_url: BaseUrl,
    limits: Limits,
    unpaced: Arc<PollBudget>,
    /// Closes it for one wait or watch.
    pub(crate) closed: Arc<Notify>,
}

impl SimulatedClient {
    pub(crate) fn new(service: &Arc<Service>, limits: Option<RateLimits>) -> Arc<Self> {
        let engine = Engine {
            transport: Wire(Arc::clone(service)),
            key_provider: Arc::new(ApiKey::new("celp_secret").unwrap()),
            pacer: limits.map(unshared),
            random: || 0.5,
            names: NameStyle::Snake,
        };
        Arc::new(SimulatedClient {
            engine: Arc::new(engine),
            base_url: BaseUrl::parse(BASE_URL, &[], NameStyle::Snake).unwrap(),
            limits: Limits { timeout: None, attempt_timeout: 30 * SECOND, max_retries: 2 },
            unpaced: Arc::default(),
            closed: Arc::default(),
        })
    }

    pub(crate) fn batch<R: Into<CandidateRequest>>(
        self: &Arc<Self>,
        requests: impl IntoIterator<Item = R, IntoIter: Send + 'static>,
    ) -> BatchBuilder {
        let requests = requests.into_iter();
        let total = super::super::exact(requests.size_hint());
        let service = Arc::clone(&self.engine.transport.0);
        let client: Arc<dyn PacedClient> = Arc::clone(self) as _;
        BatchBuilder::new(client, Box::pin(Iter(requests)), total).clock(move || service.now())
    }

    pub(crate) fn batch_of_inputs(self: &Arc<Self>, inputs: Vec<Input>) -> BatchBuilder {
        struct Inputs(std::vec::IntoIter<Input>);
        impl futures_core::Stream for Inputs {
            type Item = Input;
            fn poll_next(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Input>> {
                std::task::Poll::Ready(self.0.next())
            }
        }
        BatchBuilder::new(Arc::clone(self) as _, Box::pin(Inputs(inputs.into_iter())), None)
    }
}

impl PacedClient for SimulatedClient {
    fn base_url(&self) -> &str {
        self.base_url.as_str()
    }

    fn names(&self) -> NameStyle {
        NameStyle::Snake
    }

    fn check_open(&self) -> Result<(), Error> {
        Ok(())
    }

    fn check(&self, input: &OperationInput) -> Result<(), Error> {
        input.prepare(&self.base_url, NameStyle::Snake).map(drop)
    }

    fn pacer(&self) -> Option<Arc<Pacer>> {
        self.engine.pacer.as_deref().cloned()
    }

    fn polls(&self) -> Result<Polls, Error> {
        Ok(match &self.engine.pacer {
            Some(pacer) => Polls::Paced(Arc::clone(pacer)),
            None => Polls::Unpaced(Arc::clone(&self.unpaced)),
        })
    }

    fn random(&self) -> f64 {
        (self.engine.random)()
    }

    fn reserve(
        &self,
        category: Category,
        purpose: &'static str,
        deadline: Option<Instant>,
    ) -> BoxFuture<'static, Result<Reservation, Error>> {
        let engine = Arc::clone(&self.engine);
        Box::pin(async move { Ok(engine.reserve(category, Duration::from_secs(30), purpose, deadline).await) })
    }

    fn call<'a>(
        &'a self,
        input: &'a OperationInput,
        reservation: Reservation,
    ) -> BoxFuture<'a, Result<OperationOutput, Error>> {
        Box::pin(async move {
            let request = input.prepare(&self.base_url, NameStyle::Snake)?;
            let limits = Limits {
                timeout: input.timeout.or(self.limits.timeout),
                max_retries: input.max_retries.unwrap_or(self.limits.max_retries),
                ..self.limits
            };
            let reservation = Some(reservation);
            match input.operation {
                Operation::Status => {
                    self.engine.call(&request, limits, reservation).await.map(OperationOutput::CandidateState)
                }
                Operation::Invite => {
                    self.engine.call(&request, limits, reservation).await.map(OperationOutput::Invitation)
                }
                _ => self.engine.call(&request, limits, reservation).await.map(OperationOutput::Decision),
            }
        })
    }

    fn closed(&self) -> BoxFuture<'static, Error> {
        let closed = Arc::clone(&self.closed);
        Box::pin(async move {
            closed.notified().await;
            Error::invalid_argument("the client is closed")
        })
    }
}

pub(crate) fn invite(nth: usize) -> InviteRequest {
    InviteRequest::new(format!("c{nth}"), JobPositionId("p"))
}
