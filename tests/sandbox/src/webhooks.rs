//! The company's webhook: signs and delivers an event for every change of a candidate's status, with retries and faults.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use uuid::Uuid;

use crate::bounded::BoundedQueue;
use crate::clock::{UnixTime, iso_8601};
use crate::state::Shared;

const MAX_DELIVERIES: usize = 10_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;
const MAX_FAULTS: usize = 10_000;
/// For the deliveries that wait: for a connection, for their time, or for another attempt.
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// Connections to receivers at a time.
const MAX_CONNECTIONS: usize = 64;

const EVENT: &str = "candidate_status_changed";

/// The attempts at a delivery, until one gets a 2xx.
const ATTEMPTS: u32 = 4;
/// The wait before the second attempt; it doubles. Short, so that no test waits for long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// How often invitations are looked through for expired ones when nobody asks.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long a receiver may take to respond.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where events go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) secret: String,
}

/// Why a webhook is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    #[error("url must be an http URL with a host, such as http://127.0.0.1:8000/webhooks/celper")]
    Url,
    #[error("secret must not be empty")]
    Secret,
    #[error("seconds must be from 0 to 86400")]
    Seconds,
    #[error("there are {MAX_FAULTS} faults of deliveries already: DELETE webhook-faults first")]
    TooManyFaults,
}

/// What goes wrong with the next delivery.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum DeliveryFault {
    /// It is delivered later: events that come after it arrive before it.
    Late { seconds: f64 },
    /// It is delivered twice, although the first time gets a 2xx.
    Twice,
    /// Its signature is of another secret; it is not tried again.
    WrongSignature,
}

/// An attempt at a delivery.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    event: String,
    candidate_id: String,
    status: String,
    /// 1 for the first.
    attempt: u32,
    body: String,
    /// The response's HTTP status; null if there was none.
    answered: Option<u16>,
    /// Why there was none.
    error: Option<String>,
    fault: Option<DeliveryFault>,
    /// On the sandbox's clock.
    ended_at: String,
}

/// A delivery to make.
#[derive(Debug)]
pub(crate) struct Job {
    webhook: Webhook,
    candidate_id: String,
    status: String,
    body: String,
    fault: Option<DeliveryFault>,
    generation: u64,
    /// Ends when a reset drops the sender.
    until_reset: watch::Receiver<()>,
    connections: Arc<Semaphore>,
    _waiting: Waiting,
}

/// Counts the bytes of a delivery as long as it waits.
#[derive(Debug)]
struct Waiting {
    all: Arc<AtomicUsize>,
    size: usize,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.fetch_sub(self.size, Ordering::Relaxed);
    }
}

/// An estimate of the memory of a delivery's task beyond its texts.
const TASK_BYTES: usize = 2048;

#[derive(Debug)]
pub(crate) struct Webhooks {
    webhook: Option<Webhook>,
    id: String,
    faults: VecDeque<DeliveryFault>,
    deliveries: BoundedQueue<Delivery>,
    waiting: Arc<AtomicUsize>,
    connections: Arc<Semaphore>,
    until_reset: watch::Sender<()>,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            webhook: None,
            id: format!("wh_{}", Uuid::new_v4().simple()),
            faults: VecDeque::new(),
            deliveries: BoundedQueue::new(MAX_DELIVERIES, MAX_BYTES),
            waiting: Arc::default(),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            until_reset: watch::Sender::default(),
        }
    }
}

impl Webhooks {
    pub(crate) fn set(&mut self, webhook: Option<Webhook>) -> Result<(), WebhookError> {
        if let Some(webhook) = &webhook {
            let uri: Uri = webhook.url.parse().map_err(|_| WebhookError::Url)?;
            if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
                return Err(WebhookError::Url);
            }
            if webhook.secret.is_empty() {
                return Err(WebhookError::Secret);
            }
        }
        self.webhook = webhook;
        Ok(())
    }

    pub(crate) fn push_fault(&mut self, fault: DeliveryFault) -> Result<(), WebhookError> {
        if matches!(fault, DeliveryFault::Late { seconds } if !(0.0..=86_400.0).contains(&seconds)) {
            return Err(WebhookError::Seconds);
        }
        if self.faults.len() >= MAX_FAULTS {
            return Err(WebhookError::TooManyFaults);
        }
        self.faults.push_back(fault);
        Ok(())
    }

    pub(crate) fn faults(&self) -> Vec<DeliveryFault> {
        self.faults.iter().copied().collect()
    }

    pub(crate) fn clear_faults(&mut self) -> usize {
        std::mem::take(&mut self.faults).len()
    }

    pub(crate) fn deliveries(&self) -> Vec<&Delivery> {
        self.deliveries.iter().collect()
    }

    pub(crate) fn clear_deliveries(&mut self) -> usize {
        self.deliveries.clear()
    }

    /// The delivery of a change of status; none if there is no webhook, or no change.
    pub(crate) fn job(&mut self, change: &Change<'_>, at: UnixTime, generation: u64) -> Option<Job> {
        let webhook = self.webhook.clone()?;
        if change.before == change.after {
            return None;
        }
        let body = json!({
            "event": EVENT,
            "webhookId": self.id,
            "companyId": "comp_sandbox",
            "timestamp": iso_8601(at),
            "data": {
                "candidateId": change.candidate_id,
                "jobPositionId": change.job_position_id,
                "status": change.after,
                "previousStatus": change.before,
            },
        });
        let (candidate_id, status, body) = (change.candidate_id.to_owned(), change.after.to_owned(), body.to_string());
        let fault = self.faults.pop_front();
        let texts = [&webhook.url, &webhook.secret, &candidate_id, &status, &body];
        let size = TASK_BYTES + size_of::<Job>() + texts.iter().map(|text| text.len()).sum::<usize>();
        // Under the state's lock: nobody else adds to it.
        if self.waiting.load(Ordering::Relaxed) + size > MAX_WAITING_BYTES {
            self.record(Delivery {
                event: EVENT.to_owned(),
                candidate_id,
                status,
                attempt: 1,
                body,
                answered: None,
                error: Some(format!("not sent: {MAX_WAITING_BYTES} bytes of deliveries wait already")),
                fault,
                ended_at: iso_8601(at),
            });
            return None;
        }
        self.waiting.fetch_add(size, Ordering::Relaxed);
        Some(Job {
            webhook,
            candidate_id,
            status,
            body,
            fault,
            generation,
            until_reset: self.until_reset.subscribe(),
            connections: Arc::clone(&self.connections),
            _waiting: Waiting { all: Arc::clone(&self.waiting), size },
        })
    }

    fn record(&mut self, delivery: Delivery) {
        let texts = [&delivery.candidate_id, &delivery.status, &delivery.body, &delivery.ended_at];
        let size = size_of::<Delivery>() + texts.iter().map(|text| text.len()).sum::<usize>();
        self.deliveries.push(size, delivery);
    }
}

/// A change of a candidate's status.
pub(crate) struct Change<'a> {
    pub(crate) candidate_id: &'a str,
    pub(crate) job_position_id: &'a str,
    pub(crate) before: &'a str,
    pub(crate) after: &'a str,
}

/// Makes all deliveries, each in a task of its own, until it is dropped.
pub(crate) async fn deliver_all(mut jobs: UnboundedReceiver<Job>, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    let mut expiries = interval(EXPIRY_INTERVAL);
    loop {
        let job = tokio::select! {
            job = jobs.recv() => job,
            _ = expiries.tick() => {
                let mut state = shared.state();
                shared.expire(&mut state, shared.clock.now());
                continue;
            }
        };
        let Some(job) = job else { return };
        while tasks.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut until_reset = job.until_reset.clone();
            tokio::select! {
                _ = until_reset.changed() => {}
                () = deliver(&job, &shared) => {}
            }
        });
    }
}

async fn deliver(job: &Job, shared: &Shared) {
    if let Some(DeliveryFault::Late { seconds }) = job.fault {
        sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default()).await;
    }
    let mut copies = if matches!(job.fault, Some(DeliveryFault::Twice)) { 2 } else { 1 };
    let mut wait = FIRST_WAIT;
    for attempt in 1..=ATTEMPTS {
        let response = {
            let Ok(_connection) = job.connections.acquire().await else { return };
            match timeout(RESPONSE_TIMEOUT, until_reset(shared, job.generation, post(job, shared.clock.now()))).await {
                Ok(None) => return,
                Ok(Some(Ok(status))) => Ok(status),
                Ok(Some(Err(error))) => Err(error.to_string()),
                Err(_) => Err("no response in 10 s".to_owned()),
            }
        };
        {
            let mut state = shared.state();
            if state.generation != job.generation {
                return; // reset meanwhile
            }
            state.webhooks.record(Delivery {
                event: EVENT.to_owned(),
                candidate_id: job.candidate_id.clone(),
                status: job.status.clone(),
                attempt,
                body: job.body.clone(),
                answered: response.as_ref().ok().copied(),
                error: response.as_ref().err().cloned(),
                fault: job.fault,
                ended_at: iso_8601(shared.clock.now()),
            });
        }
        let accepted = response.is_ok_and(|status| (200..300).contains(&status));
        copies -= i32::from(accepted);
        if copies == 0 || matches!(job.fault, Some(DeliveryFault::WrongSignature)) {
            return;
        }
        if !accepted {
            sleep(wait).await;
            wait *= 2;
        }
    }
}

/// Polls a future only in its own generation, and under the state's lock: after a reset nothing of it is sent.
async fn until_reset<T>(shared: &Shared, generation: u64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let state = shared.state();
        if state.generation != generation {
            return Poll::Ready(None);
        }
        let polled = future.as_mut().poll(context);
        drop(state);
        polled.map(Some)
    })
    .await
}

/// One attempt; signed anew, as its time is.
async fn post(job: &Job, now: UnixTime) -> Result<u16, Box<dyn std::error::Error + Send + Sync>> {
    let uri: Uri = job.webhook.url.parse()?;
    let host = uri.host().unwrap_or_default();
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let timestamp = now.as_secs().to_string();
    let wrong = matches!(job.fault, Some(DeliveryFault::WrongSignature));
    let secret = if wrong { "not the secret" } else { job.webhook.secret.as_str() };
    let request = Request::post(uri.path_and_query().map_or("/", |target| target.as_str()))
        .header(HOST, uri.authority().map_or(host, |authority| authority.as_str()))
        .header(CONTENT_TYPE, "application/json")
        .header("X-Celper-Signature", format!("sha256={}", sign(secret, &timestamp, &job.body)))
        .header("X-Celper-Timestamp", timestamp)
        .body(Full::new(Bytes::from(job.body.clone())))?;
    let mut response = pin!(sender.send_request(request));
    let response = tokio::select! {
        biased;
        response = &mut response => response,
        // It has passed on what it received.
        _ = connection => response.await,
    };
    Ok(response?.status().as_u16())
}

fn sign(secret: &str, timestamp: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, format!("{timestamp}.{body}").as_bytes());
    signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
