//! Verifies and signs webhooks. Outcomes are JSON, as those of calls.

use std::time::SystemTime;

use celper::bindings::{self, Argument, NameStyle};
use celper::webhooks::{self, EventKind, Options, Reason, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use celper::{CandidateStatus, Error};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::client::milliseconds;
use crate::outcome::{self, catch_panic, unix_milliseconds};

/// A webhook, already type-checked.
#[napi(object, object_to_js = false)]
pub struct NativeWebhook {
    pub body: Uint8Array,
    /// The values of `X-Celper-Signature`.
    pub signatures: Vec<String>,
    /// The values of `X-Celper-Timestamp`.
    pub timestamps: Vec<String>,
    pub secrets: Vec<Uint8Array>,
    /// In milliseconds; absent for no check.
    pub tolerance: Option<f64>,
    /// In milliseconds since 1970.
    pub now: Option<f64>,
}

/// An event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventFields<'a> {
    #[serde(rename = "type")]
    name: &'a str,
    webhook_id: &'a str,
    company_id: &'a str,
    timestamp: f64,
    #[serde(flatten)]
    change: Option<ChangeFields<'a>>,
    dedupe_key: &'a str,
}

/// What only `candidate_status_changed` has.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeFields<'a> {
    candidate_id: &'a str,
    job_position_id: &'a str,
    status: &'a str,
    previous_status: Option<&'a str>,
}

#[derive(Serialize)]
struct Unwrapped<'a> {
    event: EventFields<'a>,
    data: &'a RawValue,
}

/// Verifies a webhook and returns the event or the error as JSON.
#[napi(catch_unwind)]
pub fn unwrap_webhook(webhook: NativeWebhook) -> String {
    let unwrapped = catch_panic(|| {
        let event = webhooks::unwrap(&webhook.body, headers(&webhook), secrets(&webhook), options(&webhook)?)?;
        let change = match &event.kind {
            EventKind::CandidateStatusChanged(change) => Some(ChangeFields {
                candidate_id: &change.candidate_id,
                job_position_id: &change.job_position_id,
                status: change.status.as_str(),
                previous_status: change.previous_status.as_ref().map(CandidateStatus::as_str),
            }),
            _ => None,
        };
        // The core has parsed it.
        let data: &RawValue = serde_json::from_str(&event.data)
            .map_err(|error| Error::webhook(Reason::NotJson, format!("the data is not JSON: {error}")))?;
        Ok(json(&Unwrapped {
            event: EventFields {
                name: event.kind.name(),
                webhook_id: &event.webhook_id,
                company_id: &event.company_id,
                timestamp: unix_milliseconds(event.timestamp),
                change,
                dedupe_key: &event.dedupe_key,
            },
            data,
        }))
    });
    unwrapped.unwrap_or_else(|error| outcome::error_json(0, &error))
}

/// Verifies a webhook and returns an empty object or the error as JSON.
#[napi(catch_unwind)]
pub fn verify_webhook(webhook: NativeWebhook) -> String {
    let verified =
        catch_panic(|| webhooks::verify(&webhook.body, headers(&webhook), secrets(&webhook), options(&webhook)?));
    verified.map_or_else(|error| outcome::error_json(0, &error), |()| "{}".to_owned())
}

/// Signs a body; returns names and values of the headers, or the error, as JSON. The time is in milliseconds since 1970.
#[napi(catch_unwind)]
pub fn sign_webhook(body: Uint8Array, secret: Uint8Array, timestamp: Option<f64>) -> String {
    let signed = catch_panic(|| {
        let timestamp = time(Argument::Timestamp, timestamp)?.unwrap_or_else(SystemTime::now);
        webhooks::sign(&body, &secret, timestamp)
    });
    signed.map_or_else(|error| outcome::error_json(0, &error), |headers| json(&headers))
}

/// The reasons of the core.
#[napi(catch_unwind)]
pub fn webhook_reasons() -> Vec<&'static str> {
    Reason::ALL.iter().map(|reason| reason.name()).collect()
}

/// The events of the core.
#[napi(catch_unwind)]
pub fn webhook_events() -> Vec<&'static str> {
    EventKind::KNOWN.to_vec()
}

fn headers(webhook: &NativeWebhook) -> impl Iterator<Item = (&'static str, &str)> {
    let signatures = webhook.signatures.iter().map(|value| (SIGNATURE_HEADER, value.as_str()));
    signatures.chain(webhook.timestamps.iter().map(|value| (TIMESTAMP_HEADER, value.as_str())))
}

fn secrets(webhook: &NativeWebhook) -> impl Iterator<Item = &[u8]> {
    webhook.secrets.iter().map(AsRef::as_ref)
}

fn options(webhook: &NativeWebhook) -> Result<Options, Error> {
    Ok(Options::default().tolerance(webhook.tolerance.map(milliseconds)).now(time(Argument::Now, webhook.now)?))
}

fn time(argument: Argument, milliseconds: Option<f64>) -> Result<Option<SystemTime>, Error> {
    milliseconds.map(|since| bindings::unix_time(argument, NameStyle::Camel, since / 1_000.0)).transpose()
}

fn json(value: &impl Serialize) -> String {
    // Serializing cannot fail: there are no maps with non-string keys and no custom `Serialize` implementations.
    serde_json::to_string(value).unwrap_or_default()
}
