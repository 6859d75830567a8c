//! Reads what the server sent: its headers, its envelope, its data. Pure functions of bytes; any bytes give a value or a
//! sentence that says what is wrong with them.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::HeaderMap;
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, ErrorKind};
use crate::key::ApiKey;
use crate::model::{CandidateState, Decision, Invitation, RateLimit};
use crate::retry::parse_retry_after;

/// What the headers of an answer say beside its status.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct HeaderFacts {
    pub(crate) request_id: Option<String>,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) retry_after: Option<Duration>,
    /// The time to `X-RateLimit-Reset`, on the server's own clock.
    pub(crate) reset_in: Option<Duration>,
}

/// The beginning of the year 1 and the end of the year 9999 as Unix time. Several languages cannot hold other times.
const CALENDAR: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

impl HeaderFacts {
    /// `now` stands in for the server's clock where the answer has no `Date`; `key` is what must not come through.
    pub(crate) fn read(headers: &HeaderMap, now: SystemTime, key: &ApiKey) -> Self {
        let [mut id, mut limit, mut remaining, mut reset, mut retry_after, mut date] = [None; 6];
        // One walk over the few headers that there are costs less than looking six names up.
        for (name, value) in headers {
            let found = match name.as_str() {
                "x-request-id" => &mut id,
                "x-ratelimit-limit" => &mut limit,
                "x-ratelimit-remaining" => &mut remaining,
                "x-ratelimit-reset" => &mut reset,
                "retry-after" => &mut retry_after,
                "date" => &mut date,
                _ => continue,
            };
            // Of a header that comes more than once the first counts.
            *found = found.or_else(|| value.to_str().ok());
        }
        let number = |text: Option<&str>| text.and_then(|value| value.trim().parse::<u64>().ok());
        let date = date.and_then(|value| httpdate::parse_http_date(value).ok()).unwrap_or(now);
        let rate_limit = RateLimit {
            limit: number(limit),
            remaining: number(remaining),
            reset_at: number(reset)
                .filter(|unix| i64::try_from(*unix).is_ok_and(|unix| CALENDAR.contains(&unix)))
                .and_then(|unix| UNIX_EPOCH.checked_add(Duration::from_secs(unix))),
        };
        let any = rate_limit.limit.is_some() || rate_limit.remaining.is_some() || rate_limit.reset_at.is_some();
        HeaderFacts {
            request_id: id.map(|id| clean(id, 200, key)),
            retry_after: retry_after.and_then(|value| parse_retry_after(value, date)),
            reset_in: rate_limit.reset_at.map(|at| at.duration_since(date).unwrap_or_default()),
            rate_limit: any.then_some(rate_limit),
        }
    }
}

/// A result that is read from an answer's `data`; request id and rate limit come from around it.
pub trait FromAnswer: DeserializeOwned + Send + 'static {
    #[doc(hidden)]
    fn around(&mut self, request_id: Option<String>, rate_limit: Option<RateLimit>);
}

/// A result of an action, whose request can carry an idempotency key.
pub trait FromAction: FromAnswer {}

impl FromAction for Invitation {}
impl FromAction for Decision {}

macro_rules! from_answer {
    ($($result:ty),*) => {$(
        impl FromAnswer for $result {
            fn around(&mut self, request_id: Option<String>, rate_limit: Option<RateLimit>) {
                (self.request_id, self.rate_limit) = (request_id, rate_limit);
            }
        }
    )*};
}

from_answer!(CandidateState, Invitation, Decision);

/// Reads an ISO 8601 time.
pub(crate) fn iso_8601<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    let time = OffsetDateTime::parse(&text, &Rfc3339).ok().filter(|time| CALENDAR.contains(&time.unix_timestamp()));
    let time = time.and_then(|time| {
        // Not `SystemTime::from`, which panics where the system's clock does not reach that far back.
        let seconds = Duration::from_secs(time.unix_timestamp().unsigned_abs());
        let whole =
            if time.unix_timestamp() < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
        whole?.checked_add(Duration::from_nanos(time.nanosecond().into()))
    });
    time.ok_or_else(|| de::Error::custom("a time is not in ISO 8601 form, of the years 1 to 9999"))
}

/// A text where the server sent one; any other type reads as none, so that an oddity in a field that only informs does not
/// cost the rest of the answer.
#[derive(Deserialize)]
#[serde(transparent)]
struct Loose<'a>(#[serde(borrow)] &'a RawValue);

impl Loose<'_> {
    fn text(&self, most: usize, key: &ApiKey) -> Option<String> {
        let text: String = serde_json::from_str(self.0.get()).ok()?;
        (!text.is_empty()).then(|| clean(&text, most, key))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, D> {
    success: Option<bool>,
    #[serde(borrow)]
    request_id: Option<Loose<'a>>,
    data: Option<D>,
}

/// Reads the body of a 2xx answer.
pub(crate) fn read_success<T: FromAnswer>(body: &[u8], facts: &HeaderFacts, key: &ApiKey) -> Result<T, Error> {
    // Nearly every answer is as documented and is read in one go; what is wrong with another, the rest finds out.
    let (mut result, request_id): (T, _) = match serde_json::from_slice(body) {
        Ok(Envelope { success: Some(true), request_id, data: Some(result) }) => {
            (result, id_of(request_id.as_ref(), facts, key))
        }
        _ => {
            let (data, request_id) = read_envelope(body, facts, key)?;
            let read = serde_json::from_slice(data.get().as_bytes());
            (read.map_err(|error| not_as_documented(&error, request_id.clone(), key))?, request_id)
        }
    };
    result.around(request_id, facts.rate_limit.clone());
    Ok(result)
}

fn id_of(said: Option<&Loose<'_>>, facts: &HeaderFacts, key: &ApiKey) -> Option<String> {
    said.and_then(|id| id.text(200, key)).or_else(|| facts.request_id.clone())
}

/// The data and the request id of a success whose data is yet to be read, or what is wrong with the rest of it.
fn read_envelope<'a>(
    body: &'a [u8],
    facts: &HeaderFacts,
    key: &ApiKey,
) -> Result<(&'a RawValue, Option<String>), Error> {
    let envelope: Envelope<'_, &RawValue> = serde_json::from_slice(body).map_err(|error| {
        unexpected(format!("the answer is not the documented JSON: {}", clean(&error.to_string(), 200, key)))
            .with(|parts| parts.request_id.clone_from(&facts.request_id))
    })?;
    let request_id = id_of(envelope.request_id.as_ref(), facts, key);
    let error = match (envelope.success, envelope.data) {
        (Some(true), Some(data)) => return Ok((data, request_id)),
        (Some(true), None) => unexpected("the answer has no data".to_owned()),
        (Some(false), _) => {
            let said = read_error(body, key);
            let reason = said.message.as_deref().unwrap_or("no reason given");
            unexpected(format!("the answer says success: false under a status of success: {reason}"))
                .with(|parts| parts.code = said.code)
        }
        (None, _) => unexpected("the answer does not say whether it is a success".to_owned()),
    };
    Err(error.with(|parts| parts.request_id = request_id))
}

fn not_as_documented(error: &serde_json::Error, request_id: Option<String>, key: &ApiKey) -> Error {
    unexpected(format!("the answer's data is not as documented: {}", clean(&error.to_string(), 200, key)))
        .with(|parts| parts.request_id = request_id)
}

fn unexpected(message: String) -> Error {
    Error::new(ErrorKind::UnexpectedResponse, message)
}

/// What the body of an error answer says, as far as it can be read.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
}

/// Reads the body of an answer that is not a success. A body that is no JSON (a proxy's HTML page, nothing at all) says
/// nothing; the status decides then.
pub(crate) fn read_error(body: &[u8], key: &ApiKey) -> Said {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope<'a> {
        #[serde(borrow)]
        error: Option<Loose<'a>>,
        #[serde(borrow)]
        message: Option<Loose<'a>>,
        #[serde(borrow)]
        request_id: Option<Loose<'a>>,
    }
    let text = |field: Option<Loose<'_>>, most| field.and_then(|loose| loose.text(most, key));
    match serde_json::from_slice::<Envelope<'_>>(body) {
        Ok(envelope) => Said {
            code: text(envelope.error, 100),
            message: text(envelope.message, 1_000),
            request_id: text(envelope.request_id, 200),
        },
        Err(_) => Said::default(),
    }
}

/// Makes a text from the server fit for a message or a log line: without the key, should the server have echoed it, on one
/// line, and not too long.
fn clean(text: &str, most: usize, key: &ApiKey) -> String {
    let text = key.redact(text);
    if text.len() <= most && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.into_owned();
    }
    let mut clean: String = text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        clean.push('…');
    }
    clean
}
