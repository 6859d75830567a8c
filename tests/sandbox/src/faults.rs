//! Faults that tests queue for a candidate.

use std::collections::VecDeque;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::http::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

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

    fn validate(&self) -> Result<(), String> {
        match self {
            Self::Status { status, headers, body, json } => {
                status_code(*status)?;
                header_changes(headers)?;
                if body.is_some() && json.is_some() {
                    return Err("give either body or json, not both".to_owned());
                }
                Ok(())
            }
            Self::Delay { seconds } if !(0.0..=MAX_DELAY_SECONDS).contains(seconds) => {
                Err(format!("seconds must be from 0 to {MAX_DELAY_SECONDS}"))
            }
            Self::Drip { bytes_per_second } if !(0.001..=1e9).contains(bytes_per_second) => {
                Err("bytesPerSecond must be from 0.001 to 1000000000".to_owned())
            }
            Self::Huge { bytes } if *bytes > MAX_BYTES => Err(format!("bytes must be at most {MAX_BYTES}")),
            Self::Endless { status } | Self::NotJson { status, .. } => {
                if has_no_body(status_code(*status)?) {
                    return Err(format!("a response with status {status} has no body"));
                }
                Ok(())
            }
            Self::Redirect { location, status } => {
                HeaderValue::from_str(location).map_err(|_| "location is not a valid header value".to_owned())?;
                if !(300..400).contains(status) {
                    return Err("the status of a redirect must be from 300 to 399".to_owned());
                }
                Ok(())
            }
            Self::Response { data, envelope } if data.is_some() == envelope.is_some() => {
                Err("give either data or envelope".to_owned())
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

pub(crate) fn status_code(status: u16) -> Result<StatusCode, String> {
    StatusCode::from_u16(status)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or_else(|| "status must be from 200 to 999".to_owned())
}

/// Statuses that HTTP forbids a body for.
pub(crate) fn has_no_body(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// A response header and its new values; none removes the header.
pub(crate) type HeaderChange = (HeaderName, Vec<HeaderValue>);

pub(crate) fn header_changes(headers: &Map<String, Value>) -> Result<Vec<HeaderChange>, String> {
    headers
        .iter()
        .map(|(name, value)| {
            let parsed = HeaderName::try_from(name).map_err(|_| format!("{name:?} is not a valid header name"))?;
            if parsed == CONTENT_LENGTH || parsed == TRANSFER_ENCODING {
                return Err(format!("{name} is set from the body; use the kinds cut, drip, endless or huge"));
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

fn header_value(value: &Value) -> Result<HeaderValue, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err("a header must be a string, a number, a list of these, or null to remove it".to_owned()),
    };
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| format!("{text:?} is not a valid header value"))
}

#[derive(Clone, Debug)]
pub(crate) struct Fault {
    candidate_id: String,
    operation: Option<Operation>,
    pub(crate) act: Act,
    pub(crate) kind: FaultKind,
    /// `None`: no limit.
    remaining: Option<u64>,
    /// The request body that queued it, for listing.
    described: Map<String, Value>,
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
    pub(crate) fn from_json(described: Map<String, Value>) -> Result<Self, String> {
        let common = ["candidateId", "operation", "times", "act"];
        let (target, kind): (Map<_, _>, Map<_, _>) =
            described.clone().into_iter().partition(|(name, _)| common.contains(&name.as_str()));
        let target: CommonFields = serde_json::from_value(target.into()).map_err(|error| error.to_string())?;
        let kind: FaultKind = serde_json::from_value(kind.into()).map_err(|error| error.to_string())?;
        kind.validate()?;
        if target.times == Some(0) {
            return Err("times must be at least 1, or null for no limit".to_owned());
        }
        let act = target.act.unwrap_or_else(|| kind.default_act());
        let name = kind.name();
        match (&kind, act) {
            (FaultKind::Delay { .. }, Act::None) => {
                return Err("a delay always acts: set act to \"before\" or \"after\" the wait".to_owned());
            }
            (FaultKind::Delay { .. }, Act::After) | (_, Act::Before | Act::None) => {}
            (_, Act::After) => {
                return Err(format!(
                    "act \"after\" is only for delays. For {name} use \"before\" to perform the action first, or \"none\" to \
                     prevent it"
                ));
            }
        }
        let CommonFields { candidate_id, operation, times: remaining, .. } = target;
        Ok(Self { candidate_id, operation, act, kind, remaining, described })
    }

    fn matches(&self, candidate_id: &str, operation: Operation) -> bool {
        self.candidate_id == candidate_id && self.operation.is_none_or(|only| only == operation)
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut shown = self.described.clone();
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

/// The pending faults, in the order in which they were queued.
#[derive(Debug, Default)]
pub(crate) struct Faults(VecDeque<Fault>);

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) {
        self.0.push_back(fault);
    }

    /// The next fault for a request, if there is one.
    pub(crate) fn take(&mut self, candidate_id: &str, operation: Operation) -> Option<Fault> {
        let position = self.0.iter().position(|fault| fault.matches(candidate_id, operation))?;
        let fault = self.0.get_mut(position)?;
        match &mut fault.remaining {
            Some(remaining) if *remaining > 1 => {
                *remaining -= 1;
                Some(fault.clone())
            }
            Some(_) => self.0.remove(position),
            None => Some(fault.clone()),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        self.0.iter().map(Fault::to_json).collect()
    }

    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }
}

pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
