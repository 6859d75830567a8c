//! The events.

use std::time::SystemTime;

use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Reason;
use crate::digest::hex;
use crate::error::Error;
use crate::model::CandidateStatus;
use crate::response::iso_8601;

const CANDIDATE_STATUS_CHANGED: &str = "candidate_status_changed";
const ANALYSIS_READY: &str = "analysis_ready";
const CV_ANALYSIS_COMPLETE: &str = "cv_analysis_complete";
const BULK_IMPORT_COMPLETE: &str = "bulk_import_complete";

/// An event, from [`unwrap`](super::unwrap).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The id of the webhook: of the subscription, not of this event.
    pub webhook_id: String,
    /// The company's id.
    pub company_id: String,
    /// When it happened, on the service's clock.
    pub timestamp: SystemTime,
    /// The event's `data` as it was sent: a JSON text, with what this version does not know.
    pub data: String,
    /// The same for each delivery of the event, and different for all others: keep it, and skip an event whose key you have. The
    /// SHA-256 of the body, in hexadecimal digits.
    pub dedupe_key: String,
}

/// What happened. The set is open: an event that this version does not know is [`EventKind::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// `candidate_status_changed`.
    CandidateStatusChanged(StatusChange),
    /// `analysis_ready`; the API documents no fields of its data.
    AnalysisReady,
    /// `cv_analysis_complete`; the API documents no fields of its data.
    CvAnalysisComplete,
    /// `bulk_import_complete`; the API documents no fields of its data.
    BulkImportComplete,
    /// Another event, by its name.
    Unknown(String),
}

/// The data of `candidate_status_changed`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StatusChange {
    /// The candidate's id.
    pub candidate_id: String,
    /// The job position's id.
    pub job_position_id: String,
    /// The status now; by the time the event arrives, there may be another.
    pub status: CandidateStatus,
    /// The status before; `None` where the service names none.
    pub previous_status: Option<CandidateStatus>,
}

impl EventKind {
    /// The names of the events that this version knows.
    pub const KNOWN: [&'static str; 4] =
        [CANDIDATE_STATUS_CHANGED, ANALYSIS_READY, CV_ANALYSIS_COMPLETE, BULK_IMPORT_COMPLETE];

    /// The event's name as the API spells it.
    pub fn name(&self) -> &str {
        match self {
            EventKind::CandidateStatusChanged(_) => CANDIDATE_STATUS_CHANGED,
            EventKind::AnalysisReady => ANALYSIS_READY,
            EventKind::CvAnalysisComplete => CV_ANALYSIS_COMPLETE,
            EventKind::BulkImportComplete => BULK_IMPORT_COMPLETE,
            EventKind::Unknown(name) => name,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    event: String,
    webhook_id: String,
    company_id: String,
    #[serde(deserialize_with = "iso_8601")]
    timestamp: SystemTime,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Event {
    /// The event in a body whose signature was verified.
    pub(super) fn from_verified(body: &[u8]) -> Result<Event, Error> {
        let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| unreadable("the body", &error))?;
        let data = envelope.data.get();
        let kind = match envelope.event.as_str() {
            CANDIDATE_STATUS_CHANGED => EventKind::CandidateStatusChanged(
                serde_json::from_str(data)
                    .map_err(|error| unreadable("the data of candidate_status_changed", &error))?,
            ),
            ANALYSIS_READY => EventKind::AnalysisReady,
            CV_ANALYSIS_COMPLETE => EventKind::CvAnalysisComplete,
            BULK_IMPORT_COMPLETE => EventKind::BulkImportComplete,
            _ => EventKind::Unknown(envelope.event),
        };
        Ok(Event {
            kind,
            webhook_id: envelope.webhook_id,
            company_id: envelope.company_id,
            timestamp: envelope.timestamp,
            data: data.to_owned(),
            // Of the body without the header's timestamp: when the service signs a further attempt anew, that differs.
            dedupe_key: hex(digest(&SHA256, body).as_ref()),
        })
    }
}

fn unreadable(what: &str, error: &serde_json::Error) -> Error {
    if error.is_data() {
        Error::webhook(Reason::UnexpectedBody, format!("{what} is signed, but not as the API documents it: {error}"))
    } else {
        let hint = if what == "the body" { "; is this a webhook of Celper?" } else { "" };
        Error::webhook(Reason::NotJson, format!("{what} is signed, but not JSON: {error}{hint}"))
    }
}
