//! Verifies and signs webhooks.
//!
//! Webhooks go to servers. In the libraries for iOS and Android, which are built without the feature `webhooks`, these functions
//! return an error.

use celper::Error;

use crate::failure::Failure;
use crate::output::Timestamp;

/// A webhook.
#[derive(uniffi::Record)]
pub struct WebhookInput {
    /// The body as it arrived.
    pub body: Vec<u8>,
    /// The values of `X-Celper-Signature`.
    pub signatures: Vec<String>,
    /// The values of `X-Celper-Timestamp`.
    pub timestamps: Vec<String>,
    /// The webhook's secrets.
    pub secrets: Vec<String>,
    /// How far the timestamp may be from now, in seconds; without it, it is not checked.
    pub tolerance: Option<f64>,
    /// The time to compare with, in seconds since 1970.
    pub now: Option<f64>,
    /// Whether to read the event.
    pub unwrap: bool,
}

/// What became of a webhook.
#[derive(uniffi::Enum)]
pub enum WebhookOutcome {
    /// The event was read.
    Unwrapped {
        /// The event's name.
        name: String,
        /// The id of the subscription.
        webhook_id: String,
        /// The company's id.
        company_id: String,
        /// When it happened.
        timestamp: Timestamp,
        /// The data, as JSON.
        data: String,
        /// The SHA-256 of the body.
        dedupe_key: String,
        /// What only `candidate_status_changed` has: the ids of candidate and job position, the status, the one before if the
        /// service names one.
        change: Vec<String>,
    },
    /// The webhook was verified, or its body signed.
    Done {
        /// The names and values of the headers, in turn.
        headers: Vec<String>,
    },
    /// It cannot be trusted or read, or an argument is invalid.
    Refused {
        /// The error.
        failure: Failure,
        /// Why a webhook is refused.
        reason: Option<String>,
        /// The seconds by which its timestamp is behind this machine's clock.
        clock_difference: Option<i64>,
    },
}

/// Verifies a webhook, and reads its event if that is asked for.
#[uniffi::export]
pub fn receive_webhook(input: WebhookInput) -> WebhookOutcome {
    outcome(|| enabled::receive(&input))
}

/// Signs a body, at a time in seconds since 1970.
#[uniffi::export]
pub fn sign_webhook(body: Vec<u8>, secret: String, timestamp: f64) -> WebhookOutcome {
    outcome(|| enabled::sign(&body, &secret, timestamp))
}

/// The names of the reasons of the core, then those of its events, for tests.
#[uniffi::export]
pub fn webhook_names() -> Vec<Vec<String>> {
    enabled::names()
}

fn outcome(work: impl FnOnce() -> Result<WebhookOutcome, Error>) -> WebhookOutcome {
    // `UniFFI` itself turns a panic into an exception.
    work().unwrap_or_else(|error| WebhookOutcome::Refused {
        reason: error.webhook_reason().map(|reason| reason.name().to_owned()),
        clock_difference: error.clock_difference(),
        failure: error.into(),
    })
}

#[cfg(feature = "webhooks")]
mod enabled {
    use celper::bindings::{self, Argument};
    use celper::webhooks::{self, EventKind, Options, Reason, SIGNATURE_HEADER, TIMESTAMP_HEADER};
    use celper::{CandidateStatus, Error};

    use super::{WebhookInput, WebhookOutcome};
    use crate::NAMES;

    pub(super) fn receive(input: &WebhookInput) -> Result<WebhookOutcome, Error> {
        let tolerance =
            input.tolerance.map(|value| bindings::seconds(Argument::Tolerance, NAMES, value)).transpose()?;
        let now = input.now.map(|value| bindings::unix_time(Argument::Now, NAMES, value)).transpose()?;
        let options = Options::default().tolerance(tolerance).now(now);
        let signatures = input.signatures.iter().map(|value| (SIGNATURE_HEADER, value));
        let headers = signatures.chain(input.timestamps.iter().map(|value| (TIMESTAMP_HEADER, value)));
        if !input.unwrap {
            webhooks::verify(&input.body, headers, &input.secrets, options)?;
            return Ok(WebhookOutcome::Done { headers: Vec::new() });
        }
        let event = webhooks::unwrap(&input.body, headers, &input.secrets, options)?;
        let change = match &event.kind {
            EventKind::CandidateStatusChanged(change) => {
                let previous = change.previous_status.as_ref().map(CandidateStatus::as_str);
                let always = [&change.candidate_id, &change.job_position_id, change.status.as_str()];
                always.into_iter().chain(previous).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        Ok(WebhookOutcome::Unwrapped {
            name: event.kind.name().to_owned(),
            webhook_id: event.webhook_id,
            company_id: event.company_id,
            timestamp: event.timestamp.into(),
            data: event.data,
            dedupe_key: event.dedupe_key,
            change,
        })
    }

    pub(super) fn sign(body: &[u8], secret: &str, timestamp: f64) -> Result<WebhookOutcome, Error> {
        let timestamp = bindings::unix_time(Argument::Timestamp, NAMES, timestamp)?;
        let headers = webhooks::sign(body, secret, timestamp)?;
        let headers = headers.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        Ok(WebhookOutcome::Done { headers })
    }

    pub(super) fn names() -> Vec<Vec<String>> {
        let reasons = Reason::ALL.iter().map(|reason| reason.name().to_owned()).collect();
        vec![reasons, EventKind::KNOWN.map(str::to_owned).to_vec()]
    }
}

#[cfg(not(feature = "webhooks"))]
mod enabled {
    use celper::Error;

    use super::{WebhookInput, WebhookOutcome};

    pub(super) fn receive(_: &WebhookInput) -> Result<WebhookOutcome, Error> {
        Err(absent())
    }

    pub(super) fn sign(_: &[u8], _: &str, _: f64) -> Result<WebhookOutcome, Error> {
        Err(absent())
    }

    pub(super) fn names() -> Vec<Vec<String>> {
        Vec::new()
    }

    fn absent() -> Error {
        Error::invalid_argument("the library for apps has no webhooks: receive them on a server")
    }
}
