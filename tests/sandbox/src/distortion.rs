//! What each kind of fault does to a request and to its answer.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, LOCATION};
use hyper::http::HeaderValue;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::answer::{Answer, to_bytes};
use crate::api::{Call, Outcome, Outlived, Reply};
use crate::body::Content;
use crate::faults::{Act, Fault, FaultKind, has_no_body, header_changes, seconds, status_code};

const NOT_JSON: &str = "<!doctype html>\n<html><head><title>Not here</title></head>\n\
                        <body><h1>This page is not an answer of the API</h1></body></html>\n";

pub(crate) async fn meet_fault(call: &Call<'_>, fault: Fault) -> Outlived<Outcome> {
    let Fault { act, kind, .. } = fault;
    if let (FaultKind::Delay { seconds: wait }, Act::After) = (&kind, act) {
        let standing = call.claim().await?;
        sleep(seconds(*wait)).await;
        let (answer, _in_flight) = call.finish(standing)?;
        return Some(Outcome::Reply(call.reply(answer)));
    }
    // Held to the end: to others with the same key this request is not over while it is being delayed.
    let (answer, _in_flight) = match act {
        Act::None => (call.rehearse()?, None),
        Act::Before | Act::After => call.perform().await?,
    };
    let reply = match kind {
        FaultKind::Close { reset } => return Some(Outcome::HangUp { reset }),
        FaultKind::Delay { seconds: wait } => {
            sleep(seconds(wait)).await;
            call.reply(answer)
        }
        FaultKind::CloseIdle {} => {
            let mut reply = call.reply(answer);
            reply.then_hang_up = true;
            reply
        }
        FaultKind::Status { status, headers, body, json } => {
            let mut reply = status_reply(call, code(status), body, json);
            // Checked when the fault was queued.
            for (name, values) in header_changes(&headers).unwrap_or_default() {
                reply.headers.remove(&name);
                for value in values {
                    reply.headers.append(&name, value);
                }
            }
            reply
        }
        FaultKind::Redirect { location, status } => {
            let mut reply = with_content(call.reply(answer), code(status), Content::Whole(Bytes::new()));
            reply.headers.remove(CONTENT_TYPE);
            if let Ok(location) = HeaderValue::try_from(location) {
                reply.headers.insert(LOCATION, location);
            }
            reply
        }
        FaultKind::NotJson { status, body } => {
            let html = body.map_or_else(|| Bytes::from_static(NOT_JSON.as_bytes()), Bytes::from);
            let mut reply = with_content(call.reply(answer), code(status), Content::Whole(html));
            reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            reply
        }
        FaultKind::Endless { status } => {
            let opening = format!(
                "{{\"success\":true,\"requestId\":\"{}\",\"data\":{{\"status\":\"new\",\"filling\":\"",
                answer.request_id
            );
            with_content(call.reply(answer), code(status), Content::Endless { opening: opening.into() })
        }
        FaultKind::Cut { after_bytes } => {
            let body = answer.body.clone();
            // At least the last byte has to be missing, or nothing would be cut.
            let sent = after_bytes.unwrap_or(body.len() / 2).min(body.len().saturating_sub(1));
            let content = Content::Cut { sent: body.slice(..sent), announced: body.len() as u64 };
            let status = answer.status;
            let mut reply = with_content(call.reply(answer), status, content);
            reply.then_hang_up = true;
            reply
        }
        FaultKind::Drip { bytes_per_second } => {
            let (status, bytes) = (answer.status, answer.body.clone());
            with_content(call.reply(answer), status, Content::Drip { bytes, per_second: bytes_per_second })
        }
        FaultKind::Huge { bytes } => {
            let (status, opening) = (answer.status, answer.body.clone());
            with_content(call.reply(answer), status, Content::Padded { opening, total: bytes })
        }
        FaultKind::Answer { data, envelope } => {
            let (status, request_id) = (answer.status, answer.request_id.clone());
            let reply = call.reply(answer);
            match (data, envelope) {
                // A refusal has no data to replace: it goes out as it is.
                _ if status != StatusCode::OK => reply,
                (Some(data), _) => {
                    let body = Answer::success(&request_id, &data).body;
                    with_content(reply, status, Content::Whole(body))
                }
                (None, Some(envelope)) => with_content(reply, status, Content::Whole(to_bytes(&envelope))),
                (None, None) => reply,
            }
        }
    };
    Some(Outcome::Reply(reply))
}

fn with_content(reply: Reply, status: StatusCode, content: Content) -> Reply {
    Reply { status, content, ..reply }
}

fn code(status: u16) -> StatusCode {
    // Checked when the fault was queued.
    status_code(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The answer that a fault puts in place of the real one, with the usual envelope unless it brings its own body.
fn status_reply(call: &Call<'_>, status: StatusCode, body: Option<String>, json: Option<Value>) -> Reply {
    let id = &call.request_id;
    let mut answer = if status.is_success() {
        Answer { status, ..Answer::success(id, &json!({})) }
    } else {
        Answer::failure(id, status, usual_code(status), "This answer was ordered by a test.")
    };
    if has_no_body(status) {
        answer.body = Bytes::new();
    } else if let Some(body) = body {
        answer.body = body.into();
    } else if let Some(json) = json {
        answer.body = to_bytes(&json);
    }
    call.reply(answer)
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
