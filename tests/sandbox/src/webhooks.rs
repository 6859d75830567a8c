//! The company's webhook: signs and delivers an event for every change of a candidate's status, with retries and faults.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
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
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::bounded::BoundedQueue;
use crate::clock::{UnixTime, iso_8601};
use crate::state::Shared;

const MAX_DELIVERIES: usize = 10_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;
const MAX_FAULTS: usize = 10_000;

/// The attempts at a delivery, until one gets a 2xx.
const ATTEMPTS: u32 = 4;
/// The wait before the second attempt; it doubles. Short, so that no test waits for long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
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
#[derive(Clone, Debug)]
pub(crate) struct Job {
    webhook: Webhook,
    candidate_id: String,
    status: String,
    body: String,
    fault: Option<DeliveryFault>,
    generation: u64,
}

#[derive(Debug)]
pub(crate) struct Webhooks {
    webhook: Option<Webhook>,
    id: String,
    faults: VecDeque<DeliveryFault>,
    deliveries: BoundedQueue<Delivery>,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            webhook: None,
            id: format!("wh_{}", Uuid::new_v4().simple()),
            faults: VecDeque::new(),
            deliveries: BoundedQueue::new(MAX_DELIVERIES, MAX_BYTES),
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
    pub(crate) fn job(&mut self, change: &Change<'_>, now: UnixTime, generation: u64) -> Option<Job> {
        let webhook = self.webhook.clone()?;
        if change.before == change.after {
            return None;
        }
        let body = json!({
            "event": "candidate_status_changed",
            "webhookId": self.id,
            "companyId": "comp_sandbox",
            "timestamp": iso_8601(now),
            "data": {
                "candidateId": change.candidate_id,
                "jobPositionId": change.job_position_id,
                "status": change.after,
                "previousStatus": change.before,
            },
        });
        Some(Job {
            webhook,
            candidate_id: change.candidate_id.to_owned(),
            status: change.after.to_owned(),
            body: body.to_string(),
            fault: self.faults.pop_front(),
            generation,
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
    while let Some(job) = jobs.recv().await {
        while tasks.try_join_next().is_some() {}
        tasks.spawn(deliver(job, Arc::clone(&shared)));
    }
}

async fn deliver(job: Job, shared: Arc<Shared>) {
    if let Some(DeliveryFault::Late { seconds }) = job.fault {
        sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default()).await;
    }
    let mut copies = if matches!(job.fault, Some(DeliveryFault::Twice)) { 2 } else { 1 };
    let mut wait = FIRST_WAIT;
    for attempt in 1..=ATTEMPTS {
        let response = match timeout(RESPONSE_TIMEOUT, post(&job, shared.clock.now())).await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no response in 10 s".to_owned()),
        };
        {
            let mut state = shared.state();
            if state.generation != job.generation {
                return; // reset meanwhile
            }
            state.webhooks.record(Delivery {
                event: "candidate_status_changed".to_owned(),
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
