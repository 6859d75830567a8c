//! Applies each kind of fault to a request and its response.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, LOCATION};
use hyper::http::HeaderValue;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::api::{Call, HttpResponse, Outcome, ResetMeanwhile};
use crate::body::Content;
use crate::faults::{Act, Fault, FaultKind, from_base64, has_no_body, header_changes, seconds, status_code};
use crate::response::{ApiResponse, to_bytes};

const NOT_JSON: &str = "<!doctype html>\n<html><head><title>Not here</title></head>\n\
                        <body><h1>This page is not a response of the API</h1></body></html>\n";

pub(crate) async fn apply_fault(call: &Call<'_>, fault: Fault) -> Result<Outcome, ResetMeanwhile> {
    let Fault { act, kind, .. } = fault;
    if let (FaultKind::Delay { seconds: wait }, Act::After) = (&kind, act) {
        let claim = call.claim().await?;
        sleep(seconds(*wait)).await;
        let (response, _in_flight) = call.finish(claim)?;
        return Ok(Outcome::Respond(call.with_headers(response)));
    }
    // Held until the end: other requests with the same key wait while this one is delayed.
    let (response, _in_flight) = match act {
        Act::None => (call.dry_run()?, None),
        Act::Before | Act::After => call.perform().await?,
    };
    let reply = match kind {
        FaultKind::Close { reset } => return Ok(Outcome::Close { reset }),
        FaultKind::Delay { seconds: wait } => {
            sleep(seconds(wait)).await;
            call.with_headers(response)
        }
        FaultKind::CloseIdle {} => {
            let mut reply = call.with_headers(response);
            reply.then_close = true;
            reply
        }
        FaultKind::Status { status, headers, body, body_base64, json } => {
            // Both were checked when the fault was queued.
            let encoded = body_base64.and_then(|text| from_base64(&text).ok()).map(Bytes::from);
            let mut reply = status_response(call, code(status), body.map(Bytes::from).or(encoded), json);
            for (name, values) in header_changes(&headers).unwrap_or_default() {
                reply.headers.remove(&name);
                for value in values {
                    reply.headers.append(&name, value);
                }
            }
            reply
        }
        FaultKind::Redirect { location, status } => {
            let mut reply = with_content(call.with_headers(response), code(status), Content::Whole(Bytes::new()));
            reply.headers.remove(CONTENT_TYPE);
            if let Ok(location) = HeaderValue::try_from(location) {
                reply.headers.insert(LOCATION, location);
            }
            reply
        }
        FaultKind::NotJson { status, body } => {
            let html = body.map_or_else(|| Bytes::from_static(NOT_JSON.as_bytes()), Bytes::from);
            let mut reply = with_content(call.with_headers(response), code(status), Content::Whole(html));
            reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            reply
        }
        FaultKind::Endless { status } => {
            let opening = format!(
                "{{\"success\":true,\"requestId\":\"{}\",\"data\":{{\"status\":\"new\",\"filling\":\"",
                response.request_id
            );
            with_content(call.with_headers(response), code(status), Content::Endless { opening: opening.into() })
        }
        FaultKind::Cut { after_bytes } => {
            let body = response.body.clone();
            // At least the last byte is left out.
            let sent = after_bytes.unwrap_or(body.len() / 2).min(body.len().saturating_sub(1));
            let content = Content::Cut { sent: body.slice(..sent), announced: body.len() as u64 };
            let status = response.status;
            let mut reply = with_content(call.with_headers(response), status, content);
            reply.then_close = true;
            reply
        }
        FaultKind::Drip { bytes_per_second } => {
            let (status, bytes) = (response.status, response.body.clone());
            with_content(call.with_headers(response), status, Content::Drip { bytes, per_second: bytes_per_second })
        }
        FaultKind::Huge { bytes } => {
            let (status, opening) = (response.status, response.body.clone());
            with_content(call.with_headers(response), status, Content::Padded { opening, total: bytes })
        }
        FaultKind::Response { data, envelope } => {
            let (status, request_id) = (response.status, response.request_id.clone());
            let reply = call.with_headers(response);
            match (data, envelope) {
                // An error response has no data to replace; send it unchanged.
                _ if status != StatusCode::OK => reply,
                (Some(data), _) => {
                    let body = ApiResponse::success(&request_id, &data).body;
                    with_content(reply, status, Content::Whole(body))
                }
                (None, Some(envelope)) => with_content(reply, status, Content::Whole(to_bytes(&envelope))),
                (None, None) => reply,
            }
        }
    };
    Ok(Outcome::Respond(reply))
}

fn with_content(reply: HttpResponse, status: StatusCode, content: Content) -> HttpResponse {
    HttpResponse { status, content, ..reply }
}

fn code(status: u16) -> StatusCode {
    // Checked when the fault was queued.
    status_code(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The response of a `status` fault: with the fault's own body, or the usual envelope.
fn status_response(call: &Call<'_>, status: StatusCode, body: Option<Bytes>, json: Option<Value>) -> HttpResponse {
    let id = &call.request_id;
    let mut response = if status.is_success() {
        ApiResponse { status, ..ApiResponse::success(id, &json!({})) }
    } else {
        ApiResponse::failure(id, status, usual_code(status), "A test requested this response.")
    };
    if has_no_body(status) {
        response.body = Bytes::new();
    } else if let Some(body) = body {
        response.body = body;
    } else if let Some(json) = json {
        response.body = to_bytes(&json);
    }
    call.with_headers(response)
}

fn usual_code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "VALIDATION_ERROR",
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        409 => "INVALID_STATUS",
        429 => "RATE_LIMITED",
        500.. => "INTERNAL_ERROR",
        _ => "ERROR",
    }
}
