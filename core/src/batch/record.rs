//! The lines of a journal: JSON objects, one per line. They hold ids, keys and outcomes; no e-mail, no message of the server and
//! no API key.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::keys::RequestId;
use crate::error::Error;
use crate::model::{CandidateState, Decision, Invitation};
use crate::request::{OperationInput, OperationOutput};
use crate::response::iso_8601;

/// Names the format; the first line of a journal begins with it.
pub(super) const FORMAT: &str = "celper batch journal";
/// Increased when an older version would misread a newer journal.
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    pub(super) format: Cow<'a, str>,
    pub(super) version: u32,
    #[serde(borrow)]
    pub(super) batch_id: Cow<'a, str>,
    /// Ids and outcomes of one service mean nothing to another.
    #[serde(borrow)]
    pub(super) base_url: Cow<'a, str>,
}

/// What has happened to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// It is about to be sent for the first time under its key.
    Started,
    /// It has its result.
    Done,
    /// It has an error.
    Failed,
}

/// A further line: the state of one request, which replaces that of its earlier lines.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    request: Cow<'a, str>,
    #[serde(borrow)]
    operation: Cow<'a, str>,
    #[serde(borrow)]
    candidate_id: Cow<'a, str>,
    #[serde(borrow)]
    job_position_id: Cow<'a, str>,
    pub(super) event: Event,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<Cow<'a, str>>,
    #[serde(default)]
    generation: u32,
    /// When the first request with this key was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_sent_at: Option<Time>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    result: Option<RecordedResult<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    error: Option<RecordedError<'a>>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Time(#[serde(serialize_with = "rfc_3339", deserialize_with = "iso_8601")] SystemTime);

/// A result. One structure for all types: code that tells them apart while it reads is several times as large.
#[derive(Debug, Default, Serialize, Deserialize)]
struct RecordedResult<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    status: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    analysis_viewed: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interview_score: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invited: Option<bool>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    session_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    email_delivery: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    request_id: Option<Cow<'a, str>>,
    attempts: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordedError<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    request_id: Option<Cow<'a, str>>,
    outcome_unknown: bool,
}

/// An action that was sent, or was about to be: it may have taken place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SentAction {
    pub(super) key: String,
    pub(super) generation: u32,
    /// When the first request with this key was sent.
    pub(super) first_sent: SystemTime,
}

/// What a journal knows of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RecordedState {
    /// It has its result.
    Done { output: OperationOutput, key: Option<String> },
    /// It failed, and the action certainly did not take place.
    Failed { generation: u32 },
    /// It was under way, or failed with an unknown outcome.
    InDoubt(SentAction),
}

impl<'a> Line<'a> {
    fn new(event: Event, id: RequestId, input: &'a OperationInput, sent: Option<&'a SentAction>) -> Self {
        Line {
            request: id.to_string().into(),
            operation: input.operation.name().into(),
            candidate_id: input.candidate_id.as_str().into(),
            job_position_id: input.job_position_id.as_str().into(),
            event,
            idempotency_key: sent.map(|sent| sent.key.as_str().into()),
            generation: sent.map_or(0, |sent| sent.generation),
            first_sent_at: sent.map(|sent| Time(sent.first_sent)),
            result: None,
            error: None,
        }
    }

    /// An action is about to be sent.
    pub(super) fn started(id: RequestId, input: &'a OperationInput, sent: &'a SentAction) -> Self {
        Line::new(Event::Started, id, input, Some(sent))
    }

    /// A request has ended. `sent`: the action that was sent, if one was.
    pub(super) fn ended(
        id: RequestId,
        input: &'a OperationInput,
        sent: Option<&'a SentAction>,
        result: &'a Result<OperationOutput, Error>,
    ) -> Self {
        match result {
            Ok(output) => Line { result: Some(output.into()), ..Line::new(Event::Done, id, input, sent) },
            Err(error) => Line {
                error: Some(RecordedError {
                    kind: error.kind().name().into(),
                    status: error.status(),
                    code: error.code().map(Cow::from),
                    request_id: error.request_id().map(Cow::from),
                    outcome_unknown: error.outcome_unknown(),
                }),
                ..Line::new(Event::Failed, id, input, sent)
            },
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        to_line(self)
    }

    /// `None` when the bytes are no line of a journal.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let line: Line<'_> = serde_json::from_slice(bytes).ok()?;
        (line.id().is_some() && line.state().is_some()).then_some(line)
    }

    pub(super) fn id(&self) -> Option<RequestId> {
        self.request.parse().ok()
    }

    /// The state of the request after this line.
    pub(super) fn state(&self) -> Option<RecordedState> {
        let key = self.idempotency_key.as_deref().map(str::to_owned);
        let doubt = || {
            let first_sent = self.first_sent_at?.0;
            Some(RecordedState::InDoubt(SentAction { key: key.clone()?, generation: self.generation, first_sent }))
        };
        match (self.event, &self.result, &self.error) {
            (Event::Started, ..) => doubt(),
            (Event::Done, Some(result), _) => Some(RecordedState::Done { output: result.to_output()?, key }),
            (Event::Failed, _, Some(error)) if error.outcome_unknown => doubt(),
            (Event::Failed, _, Some(_)) => Some(RecordedState::Failed { generation: self.generation }),
            _ => None,
        }
    }
}

pub(super) fn to_line(value: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and derived structs always serialize.
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

impl<'a> From<&'a OperationOutput> for RecordedResult<'a> {
    fn from(output: &'a OperationOutput) -> Self {
        let of_state = |kind: &'static str, state: &'a CandidateState| RecordedResult {
            kind: kind.into(),
            status: Some(state.status.as_str().into()),
            analysis_viewed: Some(state.analysis_viewed),
            interview_score: state.interview_score,
            request_id: state.request_id.as_deref().map(Cow::from),
            attempts: state.attempts,
            ..RecordedResult::default()
        };
        match output {
            OperationOutput::CandidateState(state) => of_state(STATE, state),
            OperationOutput::AlreadyDone(state) => of_state(ALREADY_DONE, state),
            OperationOutput::Invitation(invitation) => RecordedResult {
                kind: INVITATION.into(),
                invited: Some(invitation.invited),
                session_id: Some(invitation.session_id.as_str().into()),
                email_delivery: Some(invitation.email_delivery.as_str().into()),
                expires_at: Some(Time(invitation.expires_at)),
                request_id: invitation.request_id.as_deref().map(Cow::from),
                attempts: invitation.attempts,
                ..RecordedResult::default()
            },
            OperationOutput::Decision(decision) => RecordedResult {
                kind: DECISION.into(),
                status: Some(decision.status.as_str().into()),
                request_id: decision.request_id.as_deref().map(Cow::from),
                attempts: decision.attempts,
                ..RecordedResult::default()
            },
        }
    }
}

const STATE: &str = "candidate_state";
const ALREADY_DONE: &str = "already_done";
const INVITATION: &str = "invitation";
const DECISION: &str = "decision";

impl RecordedResult<'_> {
    /// `None` when it is of no known type, or a field is missing.
    fn to_output(&self) -> Option<OperationOutput> {
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        let (request_id, attempts) = (owned(&self.request_id), self.attempts);
        Some(match &*self.kind {
            INVITATION => OperationOutput::Invitation(Invitation {
                invited: self.invited?,
                session_id: owned(&self.session_id)?,
                email_delivery: owned(&self.email_delivery)?,
                expires_at: self.expires_at?.0,
                request_id,
                rate_limit: None,
                attempts,
                record: None,
            }),
            DECISION => OperationOutput::Decision(Decision {
                status: self.status.as_deref()?.into(),
                request_id,
                rate_limit: None,
                attempts,
                record: None,
            }),
            kind => {
                let state = CandidateState {
                    status: self.status.as_deref()?.into(),
                    analysis_viewed: self.analysis_viewed?,
                    interview_score: self.interview_score,
                    request_id,
                    rate_limit: None,
                    attempts,
                    record: None,
                };
                match kind {
                    STATE => OperationOutput::CandidateState(state),
                    ALREADY_DONE => OperationOutput::AlreadyDone(state),
                    _ => return None,
                }
            }
        })
    }
}

fn rfc_3339<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    let nanos = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => nanos(after),
        Err(before) => -nanos(before.duration()),
    };
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let text = time.format(&Rfc3339).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
}
