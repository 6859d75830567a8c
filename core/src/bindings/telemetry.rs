//! Calls for OpenTelemetry: the spans and the metrics of a call's record as JSON, for languages whose tracer is the host's.
//!
//! A facade writes what it gets, below the span of its caller, and decides nothing. Times of spans are in whole microseconds since
//! 1970, durations in seconds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use crate::client::Client;
use crate::operation::Operation;
use crate::record::{AttemptRecord, CallRecord};
use crate::request::OperationInput;
use crate::spans;

/// The boundaries of `http.client.request.duration`: those that OpenTelemetry's conventions advise.
pub const REQUEST_BOUNDARIES: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The boundaries of `celper.wait.duration`. Waits for the rate limit take up to minutes.
pub const WAIT_BOUNDARIES: [f64; 14] =
    [0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0];

/// A histogram.
#[derive(Serialize)]
struct Histogram {
    name: &'static str,
    description: &'static str,
    unit: &'static str,
    boundaries: &'static [f64],
}

#[derive(Serialize)]
struct Definitions {
    requests: Histogram,
    waits: Histogram,
    /// The names of spans, by operation.
    calls: BTreeMap<&'static str, &'static str>,
    wait: &'static str,
}

/// A call: an INTERNAL span.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallSpan<'a> {
    name: &'static str,
    start: u64,
    end: u64,
    /// Of a call that failed: also its status is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
    /// Events of the span, and values of the histogram of waits.
    waits: Vec<WaitEvent>,
    /// Its children, CLIENT spans, and values of the histogram of requests.
    requests: Vec<RequestSpan>,
}

#[derive(Serialize)]
struct WaitEvent {
    name: &'static str,
    time: u64,
    duration: f64,
    reason: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestSpan {
    name: &'static str,
    start: u64,
    end: u64,
    duration: f64,
    failed: bool,
    /// Of the span and of the histogram.
    attributes: Attributes,
    /// Of the span alone.
    span_attributes: SpanAttributes,
}

#[derive(Serialize)]
struct Attributes {
    #[serde(rename = "http.request.method")]
    method: &'static str,
    #[serde(rename = "server.address")]
    address: String,
    #[serde(rename = "server.port", skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(rename = "http.response.status_code", skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(rename = "error.type", skip_serializing_if = "Option::is_none")]
    error_type: Option<Cow<'static, str>>,
}

#[derive(Serialize)]
struct SpanAttributes {
    #[serde(rename = "url.full")]
    url: String,
    #[serde(rename = "http.request.resend_count", skip_serializing_if = "Option::is_none")]
    resend_count: Option<usize>,
}

/// The two histograms `requests` and `waits`, and the names of the spans of `calls` and of a `wait` for a status, as JSON.
pub fn definitions_json() -> String {
    let definitions = Definitions {
        requests: Histogram {
            name: "http.client.request.duration",
            description: "Duration of HTTP client requests.",
            unit: "s",
            boundaries: &REQUEST_BOUNDARIES,
        },
        waits: Histogram {
            name: "celper.wait.duration",
            description: "Duration of the waits of calls.",
            unit: "s",
            boundaries: &WAIT_BOUNDARIES,
        },
        calls: Operation::ALL.map(|operation| (operation.name(), spans::call_name(operation))).into(),
        wait: spans::WAIT,
    };
    serde_json::to_string(&definitions).unwrap_or_default()
}

/// The spans and the values of the histograms of a call that has ended, as JSON. `error_kind` is the name of its error's kind; `ids`
/// are those of candidate and job position, if URLs are to have them.
pub fn call_json(client: &Client, record: &CallRecord, error_kind: Option<&str>, ids: Option<(&str, &str)>) -> String {
    let (candidate_id, job_position_id) = ids.unwrap_or(("REDACTED", "REDACTED"));
    let url = client.url_of(&OperationInput::new(record.operation, candidate_id, job_position_id));
    let started = record.started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = |offset: Duration| u64::try_from((started + offset).as_micros()).unwrap_or(u64::MAX);
    let request = |(nth, attempt): (usize, &AttemptRecord)| RequestSpan {
        name: record.operation.http_method(),
        start: at(attempt.offset),
        end: at(attempt.offset + attempt.duration),
        duration: attempt.duration.as_secs_f64(),
        failed: attempt.error_kind.is_some(),
        attributes: Attributes {
            method: record.operation.http_method(),
            address: url.as_ref().map(|url| spans::server_address(url).to_owned()).unwrap_or_default(),
            port: url.as_ref().and_then(|url| url.port_or_known_default()),
            status: attempt.status,
            error_type: attempt.error_kind.map(|kind| spans::error_type(attempt.status, kind)),
        },
        span_attributes: SpanAttributes {
            url: url.as_ref().map_or(client.base_url(), |url| url.as_str()).to_owned(),
            resend_count: (nth > 0).then_some(nth),
        },
    };
    let waits = record.waits().iter().map(|wait| WaitEvent {
        name: "celper.wait",
        time: at(wait.offset),
        duration: wait.duration.as_secs_f64(),
        reason: wait.reason.name(),
    });
    let call = CallSpan {
        name: spans::call_name(record.operation),
        start: at(Duration::ZERO),
        end: at(record.duration),
        error_type: error_kind,
        waits: waits.collect(),
        requests: record.attempts().iter().enumerate().map(request).collect(),
    };
    // Strings and finite numbers only: it cannot fail.
    serde_json::to_string(&call).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::record::from_json;

    #[test]
    fn a_record_becomes_spans() {
        let client = Client::builder().api_key("celp_secret").base_url("https://[::1]/v").build().unwrap();
        let record = r#"{"operation":"status","startedAt":1000.5,"duration":9,"attempts":[{"offset":1,"duration":2},
            {"offset":5,"duration":3,"status":200,"errorKind":"unexpected_response"}],
            "waits":[{"offset":3,"duration":2,"reason":"retry"}]}"#;
        let record = from_json(record).unwrap();
        let call: serde_json::Value =
            serde_json::from_str(&call_json(&client, &record, Some("unexpected_response"), Some(("c 1", "p"))))
                .unwrap();
        let attributes = |more: serde_json::Value| {
            let mut all =
                serde_json::json!({"http.request.method": "GET", "server.address": "::1", "server.port": 443});
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        let url = "https://[::1]/v/v1/candidates/c%201/status?jobPositionId=p";
        let expected = serde_json::json!({
            "name": "celper.status", "start": 1_000_500, "end": 1_009_500, "errorType": "unexpected_response",
            "waits": [{"name": "celper.wait", "time": 1_003_500, "duration": 0.002, "reason": "retry"}],
            "requests": [
                {"name": "GET", "start": 1_001_500, "end": 1_003_500, "duration": 0.002, "failed": false,
                 "attributes": attributes(serde_json::json!({})), "spanAttributes": {"url.full": url}},
                {"name": "GET", "start": 1_005_500, "end": 1_008_500, "duration": 0.003, "failed": true,
                 "attributes": attributes(serde_json::json!({
                     "http.response.status_code": 200, "error.type": "unexpected_response"
                 })),
                 "spanAttributes": {"url.full": url, "http.request.resend_count": 1}},
            ],
        });
        assert_eq!(call, expected);
    }
}
