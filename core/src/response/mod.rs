//! Parses a response: its headers, its envelope, its data. Pure functions of bytes: for any input they give a value, or an error
//! that says what is wrong with the response. They never panic.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderMap;
use serde::de::{self, DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, ErrorKind};
use crate::key::ApiKey;
use crate::model::{CandidateState, Decision, Invitation, RateLimit};
use crate::record::CallRecord;
use crate::retry::parse_retry_after;

/// What the headers of a response say, apart from its status.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ResponseMeta {
    pub(crate) request_id: Option<String>,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) retry_after: Option<Duration>,
    /// The time to `X-RateLimit-Reset`, on the server's own clock.
    pub(crate) reset_in: Option<Duration>,
    /// A `Content-Encoding`, none of which is ever requested.
    pub(crate) content_encoding: Option<String>,
    /// Only the end of the connection ends the body.
    pub(crate) close_delimited: bool,
}

/// The beginning of the year 1 and the end of the year 9999 as Unix time. Several languages cannot hold other times.
const CALENDAR: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

impl ResponseMeta {
    /// `now` replaces the server's clock where the response has no `Date`; `key` is redacted.
    pub(crate) fn parse(headers: &HeaderMap, now: SystemTime, key: &ApiKey) -> Self {
        let [mut id, mut limit, mut remaining, mut reset, mut retry_after, mut date] = [None; 6];
        let [mut length, mut transfer_encoding, mut content_encoding] = [None; 3];
        // One pass over the few headers costs less than nine lookups.
        for (name, value) in headers {
            let found = match name.as_str() {
                "x-request-id" => &mut id,
                "x-ratelimit-limit" => &mut limit,
                "x-ratelimit-remaining" => &mut remaining,
                "x-ratelimit-reset" => &mut reset,
                "retry-after" => &mut retry_after,
                "date" => &mut date,
                "content-length" => &mut length,
                "transfer-encoding" => &mut transfer_encoding,
                "content-encoding" => &mut content_encoding,
                _ => continue,
            };
            // The first of repeated headers counts.
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
        ResponseMeta {
            request_id: id.map(|id| sanitize(id, 200, key)),
            retry_after: retry_after.and_then(|value| parse_retry_after(value, date)),
            reset_in: rate_limit.reset_at.map(|at| at.duration_since(date).unwrap_or_default()),
            rate_limit: any.then_some(rate_limit),
            content_encoding: content_encoding
                .filter(|encoding| !encoding.eq_ignore_ascii_case("identity"))
                .map(|encoding| sanitize(encoding, 40, key)),
            close_delimited: length.is_none() && transfer_encoding.is_none(),
        }
    }
}

/// A result that is parsed from a response's `data`. Not exported: the results of the four operations implement it.
pub trait FromResponse: DeserializeOwned + Send + 'static {
    /// Adds what comes from outside of `data`.
    fn set_meta(&mut self, request_id: Option<String>, rate_limit: Option<RateLimit>);

    /// Adds how many requests the call made, and its record.
    fn set_call(&mut self, attempts: u32, record: CallRecord);
}

/// The result of an action, whose request has an idempotency key. Not exported.
pub trait FromAction: FromResponse {}

impl FromAction for Invitation {}
impl FromAction for Decision {}

macro_rules! from_response {
    ($($result:ty),*) => {$(
        impl FromResponse for $result {
            fn set_meta(&mut self, request_id: Option<String>, rate_limit: Option<RateLimit>) {
                (self.request_id, self.rate_limit) = (request_id, rate_limit);
            }

            fn set_call(&mut self, attempts: u32, record: CallRecord) {
                (self.attempts, self.record) = (attempts, Some(Box::new(record.or_request_id(self.request_id.as_deref()))));
            }
        }
    )*};
}

from_response!(CandidateState, Invitation, Decision);

/// Deserializes an ISO 8601 time.
pub(crate) fn iso_8601<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    let time = OffsetDateTime::parse(&text, &Rfc3339).ok().filter(|time| CALENDAR.contains(&time.unix_timestamp()));
    let time = time.and_then(|time| {
        // Not `SystemTime::from`, which panics on systems whose clock does not reach that far back.
        let seconds = Duration::from_secs(time.unix_timestamp().unsigned_abs());
        let whole =
            if time.unix_timestamp() < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
        whole?.checked_add(Duration::from_nanos(time.nanosecond().into()))
    });
    time.ok_or_else(|| de::Error::custom("a time is not in ISO 8601 form, of the years 1 to 9999"))
}

/// A string; any other JSON type reads as none, so that an unexpected type in an informative field does not make the rest of
/// the response unreadable.
#[derive(Deserialize)]
#[serde(transparent)]
struct LenientString<'a>(#[serde(borrow)] &'a RawValue);

impl LenientString<'_> {
    fn text(&self, most: usize, key: &ApiKey) -> Option<String> {
        let text: String = serde_json::from_str(self.0.get()).ok()?;
        (!text.is_empty()).then(|| sanitize(&text, most, key))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, D> {
    success: Option<bool>,
    #[serde(borrow)]
    request_id: Option<LenientString<'a>>,
    data: Option<D>,
}

/// Whether a body is the beginning of JSON text that does not end.
pub(crate) fn is_truncated(body: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(body).is_err_and(|error| error.is_eof())
}

/// Parses the body of a 2xx response.
pub(crate) fn parse_success<T: FromResponse>(body: &[u8], meta: &ResponseMeta, key: &ApiKey) -> Result<T, Error> {
    // Nearly every response is as documented and is parsed in one pass; a second pass finds out what is wrong with another.
    let (mut result, request_id): (T, _) = match serde_json::from_slice(body) {
        Ok(Envelope { success: Some(true), request_id, data: Some(result) }) => {
            (result, id_of(request_id.as_ref(), meta, key))
        }
        _ => {
            let (data, request_id) = parse_envelope(body, meta, key)?;
            let parsed = serde_json::from_slice(data.get().as_bytes());
            (
                parsed.map_err(|error| ParseError::BadData(reason(&error, key)).into_error(request_id.clone()))?,
                request_id,
            )
        }
    };
    result.set_meta(request_id, meta.rate_limit.clone());
    Ok(result)
}

fn id_of(in_body: Option<&LenientString<'_>>, meta: &ResponseMeta, key: &ApiKey) -> Option<String> {
    in_body.and_then(|id| id.text(200, key)).or_else(|| meta.request_id.clone())
}

/// Why a 2xx response gives no result.
#[derive(Debug, thiserror::Error)]
enum ParseError {
    #[error("the response is not the documented JSON: {0}")]
    NotJson(String),
    #[error("the response has the Content-Encoding {0}, which was not requested")]
    Encoded(String),
    #[error("the response has no `success` field")]
    NoSuccess,
    #[error("the response has a 2xx status and `success: false`: {0}")]
    NotSuccess(String),
    #[error("the response has no `data`")]
    NoData,
    #[error("the response's `data` is not as documented: {0}")]
    BadData(String),
}

impl ParseError {
    fn into_error(self, request_id: Option<String>) -> Error {
        Error::new(ErrorKind::UnexpectedResponse, self.to_string()).with(|parts| parts.request_id = request_id)
    }
}

fn reason(error: &serde_json::Error, key: &ApiKey) -> String {
    sanitize(&error.to_string(), 200, key)
}

/// The data and the request id of a success whose data is yet to be parsed, or what is wrong with the envelope.
fn parse_envelope<'a>(
    body: &'a [u8],
    meta: &ResponseMeta,
    key: &ApiKey,
) -> Result<(&'a RawValue, Option<String>), Error> {
    let envelope: Envelope<'_, &RawValue> = serde_json::from_slice(body).map_err(|error| {
        let encoding = meta.content_encoding.clone();
        let error = encoding.map_or_else(|| ParseError::NotJson(reason(&error, key)), ParseError::Encoded);
        error.into_error(meta.request_id.clone())
    })?;
    let request_id = id_of(envelope.request_id.as_ref(), meta, key);
    match (envelope.success, envelope.data) {
        (Some(true), Some(data)) => Ok((data, request_id)),
        (Some(true), None) => Err(ParseError::NoData.into_error(request_id)),
        (Some(false), _) => {
            let error = parse_error_body(body, key);
            let message = error.message.unwrap_or_else(|| "no message".to_owned());
            Err(ParseError::NotSuccess(message).into_error(request_id).with(|parts| parts.code = error.code))
        }
        (None, _) => Err(ParseError::NoSuccess.into_error(request_id)),
    }
}

/// The body of an error response, as far as it can be parsed.
#[derive(Debug, Default)]
pub(crate) struct ErrorBody {
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
}

/// Parses the body of a response that is not a success. A body that is not JSON (a proxy's HTML page, an empty body) gives no
/// fields; the status decides then.
pub(crate) fn parse_error_body(body: &[u8], key: &ApiKey) -> ErrorBody {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope<'a> {
        #[serde(borrow)]
        error: Option<LenientString<'a>>,
        #[serde(borrow)]
        message: Option<LenientString<'a>>,
        #[serde(borrow)]
        request_id: Option<LenientString<'a>>,
    }
    // A proxy may rewrite the body in Latin-1, with a BOM or with raw line breaks in its strings; JSON allows none of them,
    // and white space outside of strings does not matter.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut body = String::from_utf8_lossy(body);
    if body.bytes().any(|byte| byte.is_ascii_control()) {
        body = body.replace(|c: char| c.is_ascii_control(), " ").into();
    }
    let text = |field: Option<LenientString<'_>>, most| field.and_then(|text| text.text(most, key));
    match serde_json::from_str::<Envelope<'_>>(&body) {
        Ok(envelope) => ErrorBody {
            code: text(envelope.error, 100),
            message: text(envelope.message, 1_000),
            request_id: text(envelope.request_id, 200),
        },
        Err(_) => ErrorBody::default(),
    }
}

/// Makes a text from the server fit for a message or a log line: the key redacted, on one line, at most `most` characters.
fn sanitize(text: &str, most: usize, key: &ApiKey) -> String {
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
