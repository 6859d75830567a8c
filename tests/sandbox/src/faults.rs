//! Faults that tests queue for a candidate.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::http::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::bounded::{Budget, BudgetExceeded, map_size};
use crate::route::Operation;

/// Whether and when the operation itself is performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    /// The action takes effect, and is stored under its idempotency key, before the fault.
    Before,
    /// Only for a delay: wait first, then act.
    After,
    /// The action never takes effect.
    None,
}

/// The kind of a fault, with its parameters.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum FaultKind {
    Status {
        status: u16,
        #[serde(default)]
        headers: Map<String, Value>,
        body: Option<String>,
        body_base64: Option<String>,
        #[serde(default, deserialize_with = "present")]
        json: Option<Value>,
    },
    Delay {
        seconds: f64,
    },
    Close {
        #[serde(default)]
        reset: bool,
    },
    Cut {
        after_bytes: Option<usize>,
    },
    Drip {
        bytes_per_second: f64,
    },
    Endless {
        #[serde(default = "ok")]
        status: u16,
    },
    NotJson {
        #[serde(default = "ok")]
        status: u16,
        body: Option<String>,
    },
    Huge {
        bytes: u64,
    },
    Redirect {
        location: String,
        #[serde(default = "temporary_redirect")]
        status: u16,
    },
    #[serde(rename = "answer")]
    Response {
        #[serde(default, deserialize_with = "present")]
        data: Option<Value>,
        #[serde(default, deserialize_with = "present")]
        envelope: Option<Value>,
    },
    CloseIdle {},
}

fn ok() -> u16 {
    200
}

fn temporary_redirect() -> u16 {
    307
}

/// Distinguishes an explicit `null` from an absent field.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

const MAX_DELAY_SECONDS: f64 = 24.0 * 60.0 * 60.0;
const MAX_BYTES: u64 = 1 << 30;

/// Why a fault cannot be queued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FaultError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("times must be at least 1, or null for no limit")]
    Times,
    #[error("a delay always acts: set act to \"before\" or \"after\" the wait")]
    DelayWithoutAct,
    #[error(
        "act \"after\" is only for delays. For {0} use \"before\" to perform the action first, or \"none\" to prevent it"
    )]
    AfterWithoutDelay(&'static str),
    #[error("status must be from 200 to 999")]
    Status,
    #[error("give only one of body, bodyBase64 and json")]
    SeveralBodies,
    #[error("bodyBase64 is not valid base64")]
    Base64,
    #[error("give either data or envelope")]
    DataOrEnvelope,
    #[error("seconds must be from 0 to {MAX_DELAY_SECONDS}")]
    Seconds,
    #[error("bytesPerSecond must be from 0.001 to 1000000000")]
    BytesPerSecond,
    #[error("bytes must be at most {MAX_BYTES}")]
    Bytes,
    #[error("a response with status {0} has no body")]
    NoBody(u16),
    #[error("the status of a redirect must be from 300 to 399")]
    RedirectStatus,
    #[error("{0:?} is not a valid header name")]
    HeaderName(String),
    #[error("{0:?} is not a valid header value")]
    HeaderValue(String),
    #[error("a header must be a string, a number, a list of these, or null to remove it")]
    HeaderType,
    #[error("{0} is set from the body; use the kinds cut, drip, endless or huge")]
    BodyHeader(String),
}

impl FaultKind {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Delay { .. } => "delay",
            Self::Close { .. } => "close",
            Self::Cut { .. } => "cut",
            Self::Drip { .. } => "drip",
            Self::Endless { .. } => "endless",
            Self::NotJson { .. } => "not_json",
            Self::Huge { .. } => "huge",
            Self::Redirect { .. } => "redirect",
            Self::Response { .. } => "answer",
            Self::CloseIdle {} => "close_idle",
        }
    }

    /// Faults that replace the response prevent the action; faults that change the response do not.
    fn default_act(&self) -> Act {
        match self {
            Self::Status { .. } | Self::Close { .. } | Self::Redirect { .. } => Act::None,
            Self::Delay { .. }
            | Self::Cut { .. }
            | Self::Drip { .. }
            | Self::Endless { .. }
            | Self::NotJson { .. }
            | Self::Huge { .. }
            | Self::Response { .. }
            | Self::CloseIdle {} => Act::Before,
        }
    }

    fn validate(&self) -> Result<(), FaultError> {
        match self {
            Self::Status { status, headers, body, body_base64, json } => {
                status_code(*status)?;
                header_changes(headers)?;
                let bodies = [body.is_some(), body_base64.is_some(), json.is_some()];
                if bodies.iter().filter(|given| **given).count() > 1 {
                    return Err(FaultError::SeveralBodies);
                }
                body_base64.as_deref().map_or(Ok(()), |text| from_base64(text).map(drop))
            }
            Self::Delay { seconds } if !(0.0..=MAX_DELAY_SECONDS).contains(seconds) => Err(FaultError::Seconds),
            Self::Drip { bytes_per_second } if !(0.001..=1e9).contains(bytes_per_second) => {
                Err(FaultError::BytesPerSecond)
            }
            Self::Huge { bytes } if *bytes > MAX_BYTES => Err(FaultError::Bytes),
            Self::Endless { status } | Self::NotJson { status, .. } => {
                if has_no_body(status_code(*status)?) {
                    return Err(FaultError::NoBody(*status));
                }
                Ok(())
            }
            Self::Redirect { location, status } => {
                HeaderValue::from_str(location).map_err(|_| FaultError::HeaderValue(location.clone()))?;
                if !(300..400).contains(status) {
                    return Err(FaultError::RedirectStatus);
                }
                Ok(())
            }
            Self::Response { data, envelope } if data.is_some() == envelope.is_some() => {
                Err(FaultError::DataOrEnvelope)
            }
            Self::Delay { .. }
            | Self::Close { .. }
            | Self::Cut { .. }
            | Self::Drip { .. }
            | Self::Huge { .. }
            | Self::Response { .. }
            | Self::CloseIdle {} => Ok(()),
        }
    }
}

/// The bytes of a `bodyBase64`.
pub(crate) fn from_base64(text: &str) -> Result<Vec<u8>, FaultError> {
    BASE64_STANDARD.decode(text).map_err(|_| FaultError::Base64)
}

pub(crate) fn status_code(status: u16) -> Result<StatusCode, FaultError> {
    StatusCode::from_u16(status).ok().filter(|status| !status.is_informational()).ok_or(FaultError::Status)
}

/// Statuses that HTTP forbids a body for.
pub(crate) fn has_no_body(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// A response header and its new values; none removes the header.
pub(crate) type HeaderChange = (HeaderName, Vec<HeaderValue>);

pub(crate) fn header_changes(headers: &Map<String, Value>) -> Result<Vec<HeaderChange>, FaultError> {
    headers
        .iter()
        .map(|(name, value)| {
            let parsed = HeaderName::try_from(name).map_err(|_| FaultError::HeaderName(name.clone()))?;
            if parsed == CONTENT_LENGTH || parsed == TRANSFER_ENCODING {
                return Err(FaultError::BodyHeader(name.clone()));
            }
            let values = match value {
                Value::Null => Vec::new(),
                Value::Array(values) => values.iter().map(header_value).collect::<Result<_, _>>()?,
                value => vec![header_value(value)?],
            };
            Ok((parsed, values))
        })
        .collect()
}

fn header_value(value: &Value) -> Result<HeaderValue, FaultError> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(FaultError::HeaderType),
    };
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| FaultError::HeaderValue(text))
}

#[derive(Clone, Debug)]
pub(crate) struct Fault {
    candidate_id: String,
    operation: Option<Operation>,
    pub(crate) act: Act,
    pub(crate) kind: FaultKind,
    /// `None`: no limit.
    remaining: Option<u64>,
    /// The request body that queued it, for listing. As text it takes the least memory.
    described: Box<str>,
    /// An estimate of its memory.
    size: usize,
}

/// The fields that all kinds have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CommonFields {
    candidate_id: String,
    operation: Option<Operation>,
    #[serde(default = "once")]
    times: Option<u64>,
    act: Option<Act>,
}

fn once() -> Option<u64> {
    Some(1)
}

impl Fault {
    /// Parses `{candidateId, operation?, times?, act?, kind, …}`; the other fields are parameters of the kind.
    pub(crate) fn from_json(described: Map<String, Value>) -> Result<Self, FaultError> {
        let common = ["candidateId", "operation", "times", "act"];
        let (target, kind): (Map<_, _>, Map<_, _>) =
            described.clone().into_iter().partition(|(name, _)| common.contains(&name.as_str()));
        let target: CommonFields = serde_json::from_value(target.into())?;
        let kind: FaultKind = serde_json::from_value(kind.into())?;
        kind.validate()?;
        if target.times == Some(0) {
            return Err(FaultError::Times);
        }
        let act = target.act.unwrap_or_else(|| kind.default_act());
        let name = kind.name();
        match (&kind, act) {
            (FaultKind::Delay { .. }, Act::None) => {
                return Err(FaultError::DelayWithoutAct);
            }
            (FaultKind::Delay { .. }, Act::After) | (_, Act::Before | Act::None) => {}
            (_, Act::After) => {
                return Err(FaultError::AfterWithoutDelay(name));
            }
        }
        let CommonFields { candidate_id, operation, times: remaining, .. } = target;
        let text = serde_json::to_string(&described)?.into_boxed_str();
        let size = size_of::<Self>() + text.len() + map_size(&described);
        Ok(Self { candidate_id, operation, act, kind, remaining, described: text, size })
    }

    fn matches(&self, candidate_id: &str, operation: Operation) -> bool {
        self.candidate_id == candidate_id && self.operation.is_none_or(|only| only == operation)
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut shown: Map<String, Value> = serde_json::from_str(&self.described).unwrap_or_default();
        shown.insert("times".to_owned(), json!(self.remaining));
        shown.insert(
            "act".to_owned(),
            json!(match self.act {
                Act::Before => "before",
                Act::After => "after",
                Act::None => "none",
            }),
        );
        shown.into()
    }
}

/// Tests queue faults, so the sandbox refuses more than this instead of dropping some.
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// The pending faults, in the order in which they were queued.
#[derive(Debug)]
pub(crate) struct Faults {
    queue: VecDeque<Fault>,
    budget: Budget,
}

impl Default for Faults {
    fn default() -> Self {
        Self { queue: VecDeque::new(), budget: Budget::new("faults", MAX_QUEUED_BYTES) }
    }
}

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) -> Result<(), BudgetExceeded> {
        self.budget.replace(0, fault.size)?;
        self.queue.push_back(fault);
        Ok(())
    }

    /// The next fault for a request, if there is one.
    pub(crate) fn take(&mut self, candidate_id: &str, operation: Operation) -> Option<Fault> {
        let position = self.queue.iter().position(|fault| fault.matches(candidate_id, operation))?;
        let fault = self.queue.get_mut(position)?;
        match &mut fault.remaining {
            Some(remaining) if *remaining > 1 => {
                *remaining -= 1;
                Some(fault.clone())
            }
            Some(_) => {
                let last = self.queue.remove(position)?;
                self.budget.release(last.size);
                Some(last)
            }
            None => Some(fault.clone()),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        self.queue.iter().map(Fault::to_json).collect()
    }

    /// Removes all faults and returns how many there were.
    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(self).queue.len()
    }
}

pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
