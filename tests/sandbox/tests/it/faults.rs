//! Every kind of fault, as a client sees it on the socket.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Connection, Response, TestEnv, action, invite, status};

/// A sandbox with a new candidate `ada` and this fault for the next request.
async fn env(fault: Value) -> TestEnv {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    queue(&env, fault).await;
    env
}

async fn queue(env: &TestEnv, mut fault: Value) {
    fault["candidateId"] = "ada".into();
    env.fault(fault).await;
}

/// Sends an invitation under the key `k`.
async fn send_invite(env: &TestEnv) -> Connection {
    let mut connection = env.open().await;
    connection.send(&invite("ada").key("k")).await;
    connection
}

async fn invited(env: &TestEnv) -> bool {
    env.status_of("ada").await == "invited"
}

/// After a fault that acted first: the same request gets the original response.
async fn assert_replayed(env: &TestEnv) -> Response {
    assert!(invited(env).await);
    let again = env.call(&invite("ada").key("k")).await;
    assert_eq!(again.data()["invited"], true);
    let last = env.last_request().await;
    assert_eq!((&last["replayed"], &last["fault"]), (&json!(true), &Value::Null));
    assert_eq!(env.get("outbox").await.as_array().unwrap().len(), 1);
    again
}

#[tokio::test]
async fn status_replaces_the_response() {
    for (status, code) in [(500, "INTERNAL_ERROR"), (503, "INTERNAL_ERROR"), (429, "RATE_LIMITED"), (404, "NOT_FOUND")]
    {
        let env = env(json!({"kind": "status", "status": status})).await;
        let response = env.call(&invite("ada").key("k")).await;
        assert_eq!(response.refused(), (status, code.into()));
        let body = response.json();
        assert_eq!(body["success"], false);
        assert_eq!(response.header("x-request-id"), body["requestId"].as_str());
        assert_eq!(response.number("x-ratelimit-limit"), 30);
        assert!(!invited(&env).await);
        let logged = env.last_request().await;
        assert_eq!(
            (&logged["answered"], &logged["fault"], &logged["acted"]),
            (&json!(status), &json!("status"), &json!(false))
        );
        assert_eq!(env.call(&invite("ada").key("k")).await.status, 200);
    }
}

#[tokio::test]
async fn status_can_act_first() {
    let env = env(json!({"kind": "status", "status": 500, "act": "before"})).await;
    assert_eq!(env.call(&invite("ada").key("k")).await.status, 500);
    assert_eq!(env.last_request().await["acted"], true);
    assert_replayed(&env).await;
}

#[tokio::test]
async fn status_sets_adds_and_removes_headers() {
    let fault = json!({"kind": "status", "status": 429, "headers": {
        "Retry-After": 7,
        "X-Request-Id": null,
        "X-RateLimit-Remaining": "0",
        "X-Many": ["a", "b"],
        "Date": "yesterday",
        "Content-Type": "text/plain",
    }});
    let env = env(fault).await;
    let response = env.call(&status("ada")).await;
    assert_eq!(response.status, 429);
    for (name, value) in [
        ("retry-after", Some("7")),
        ("x-request-id", None),
        ("x-ratelimit-remaining", Some("0")),
        ("x-ratelimit-limit", Some("40")),
        ("date", Some("yesterday")),
        ("content-type", Some("text/plain")),
    ] {
        assert_eq!(response.header(name), value, "{name}");
    }
    queue(&env, json!({"kind": "status", "status": 500, "headers": {"Date": null}})).await;
    assert_eq!(env.call(&status("ada")).await.header("date"), None);
    let many: Vec<_> =
        response.headers.iter().filter(|(name, _)| name == "x-many").map(|(_, value)| value.as_str()).collect();
    assert_eq!(many, ["a", "b"]);
}

#[tokio::test]
async fn status_accepts_any_body() {
    let env = env(json!({"kind": "status", "status": 502, "body": "Bad gateway"})).await;
    queue(&env, json!({"kind": "status", "status": 409, "json": {"success": false, "error": "SOMETHING_NEW"}})).await;
    queue(&env, json!({"kind": "status", "status": 400, "json": null})).await;
    queue(&env, json!({"kind": "status", "status": 500, "body": ""})).await;
    queue(&env, json!({"kind": "status", "status": 204})).await;
    queue(&env, json!({"kind": "status", "status": 201})).await;
    queue(&env, json!({"kind": "status", "status": 409, "bodyBase64": "/wA="})).await;
    let mut connection = env.open().await;
    let text = connection.call(&status("ada")).await;
    assert_eq!((text.status, text.body.as_slice()), (502, b"Bad gateway".as_slice()));
    assert_eq!(connection.call(&status("ada")).await.json(), json!({"success": false, "error": "SOMETHING_NEW"}));
    assert_eq!(connection.call(&status("ada")).await.json(), Value::Null);
    for expected in [500, 204] {
        let empty = connection.call(&status("ada")).await;
        assert_eq!((empty.status, empty.body.len()), (expected, 0));
    }
    let created = connection.call(&status("ada")).await;
    assert_eq!((created.status, &created.json()["success"]), (201, &json!(true)));
    assert_eq!(connection.call(&status("ada")).await.body, b"\xff\0");
    assert!(env.requests().await.iter().all(|request| request["clientClosed"] == false));
}

#[tokio::test]
async fn delay_delays_the_response() {
    for act in [None, Some("before"), Some("after")] {
        let mut fault = json!({"kind": "delay", "seconds": 0.2});
        if let Some(act) = act {
            fault["act"] = act.into();
        }
        let env = env(fault).await;
        let begun = Instant::now();
        assert_eq!(env.call(&invite("ada").key("k")).await.status, 200);
        assert!(begun.elapsed() >= Duration::from_millis(200));
        assert_replayed(&env).await;
    }
}

/// The delay is longer than the test: the test sees the state during the wait.
#[tokio::test]
async fn delay_acts_before_or_after() {
    for (act, acted) in [("before", true), ("after", false)] {
        let env = env(json!({"kind": "delay", "seconds": 3600, "act": act})).await;
        let connection = send_invite(&env).await;
        let waiting = env.wait_for_last(|last| last["fault"] == "delay" && last["acted"] == acted).await;
        assert_eq!((&waiting["answered"], &waiting["clientClosed"]), (&Value::Null, &json!(false)));
        assert_eq!(invited(&env).await, acted);
        drop(connection);
        // A disconnect is logged at once, and ends the wait.
        let left = env.wait_for_last(|last| last["clientClosed"] == true).await;
        assert_eq!((&left["answered"], &left["acted"]), (&Value::Null, &json!(acted)));
        assert_eq!(invited(&env).await, acted);
        assert_eq!(env.call(&invite("ada").key("k")).await.data()["invited"], true);
        assert_eq!(env.get("outbox").await.as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn close_sends_no_response() {
    for (fault, acted) in [(json!({"kind": "close"}), false), (json!({"kind": "close", "act": "before"}), true)] {
        let env = env(fault).await;
        let mut connection = send_invite(&env).await;
        let (bytes, end) = connection.until_closed().await;
        assert!(bytes.is_empty());
        end.unwrap();
        assert_eq!(invited(&env).await, acted);
        let logged = env.last_request().await;
        assert_eq!(
            (&logged["answered"], &logged["fault"], &logged["acted"], &logged["clientClosed"]),
            (&Value::Null, &json!("close"), &json!(acted), &json!(false))
        );
        assert_eq!(env.call(&invite("ada").key("k")).await.status, 200);
        assert_eq!(env.last_request().await["replayed"], acted);
    }
}

#[tokio::test]
async fn close_can_reset_the_connection() {
    for act in ["none", "before"] {
        let env = env(json!({"kind": "close", "reset": true, "act": act})).await;
        let mut connection = send_invite(&env).await;
        let (bytes, end) = connection.until_closed().await;
        assert!(bytes.is_empty());
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(invited(&env).await, act == "before");
    }
}

#[tokio::test]
async fn cut_announces_more_than_it_sends() {
    for after in [Some(0), Some(1), Some(20), None] {
        let mut fault = json!({"kind": "cut"});
        if let Some(after) = after {
            fault["afterBytes"] = after.into();
        }
        let env = env(fault).await;
        let mut connection = send_invite(&env).await;
        let head = connection.head().await;
        assert_eq!(head.status, 200);
        let (bytes, end) = connection.until_closed().await;
        end.unwrap();
        let whole = assert_replayed(&env).await;
        assert_eq!(head.number("content-length"), whole.body.len() as i64);
        assert_eq!(bytes.len(), after.unwrap_or(whole.body.len() / 2));
        assert!(whole.body.starts_with(&bytes));
        let logged = env.requests().await[0].clone();
        assert_eq!(
            (&logged["answered"], &logged["acted"], &logged["clientClosed"]),
            (&json!(200), &json!(true), &json!(false))
        );
    }
}

#[tokio::test]
async fn cut_never_sends_the_whole_body() {
    let env = env(json!({"kind": "cut", "afterBytes": 1_000_000})).await;
    let mut connection = send_invite(&env).await;
    let promised = connection.head().await.number("content-length");
    assert_eq!(connection.until_closed().await.0.len() as i64, promised - 1);
}

#[tokio::test]
async fn drip_sends_the_whole_response_slowly() {
    let env = env(json!({"kind": "drip", "bytesPerSecond": 400})).await;
    let begun = Instant::now();
    let mut connection = send_invite(&env).await;
    let response = connection.response().await;
    let least = Duration::from_secs_f64(response.body.len() as f64 / 400.0);
    assert!(begun.elapsed() >= least, "{:?} for {} bytes", begun.elapsed(), response.body.len());
    assert_eq!(response.body, assert_replayed(&env).await.body);
    drop(connection);
    assert!(env.requests().await.iter().all(|request| request["clientClosed"] == false));
}

#[tokio::test]
async fn drip_notices_a_disconnect() {
    let env = env(json!({"kind": "drip", "bytesPerSecond": 20})).await;
    let mut connection = send_invite(&env).await;
    assert_eq!(connection.head().await.status, 200);
    assert!(connection.at_least(1).await.starts_with(b"{"));
    drop(connection);
    let logged = env.wait_for_last(|last| last["clientClosed"] == true).await;
    assert_eq!((&logged["answered"], &logged["acted"]), (&json!(200), &json!(true)));
}

#[tokio::test]
async fn endless_does_not_end() {
    let env = env(json!({"kind": "endless", "status": 201})).await;
    let mut connection = send_invite(&env).await;
    let head = connection.head().await;
    assert_eq!(head.status, 201);
    assert_eq!((head.header("transfer-encoding"), head.header("content-length")), (Some("chunked"), None));
    let much = connection.at_least(3 * 1024 * 1024).await;
    // After the size of the first chunk it starts like any other response.
    let start = String::from_utf8_lossy(&much[..100]).into_owned();
    assert!(start.contains("\r\n{\"success\":true,\"requestId\":\""), "{start}");
    drop(connection);
    env.wait_for_last(|last| last["clientClosed"] == true).await;
    assert_replayed(&env).await;
}

#[tokio::test]
async fn not_json_is_an_html_page() {
    let env = env(json!({"kind": "not_json"})).await;
    queue(&env, json!({"kind": "not_json", "status": 502, "body": "<p>down</p>"})).await;
    let page = env.call(&invite("ada").key("k")).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.starts_with(b"<!doctype html>"));
    let own = env.call(&invite("ada").key("k")).await;
    assert_eq!((own.status, own.body.as_slice()), (502, b"<p>down</p>".as_slice()));
    assert_replayed(&env).await;
}

#[tokio::test]
async fn huge_is_valid_json_of_the_requested_length() {
    for bytes in [3_000_000, 16_384, 300] {
        let env = env(json!({"kind": "huge", "bytes": bytes})).await;
        let mut connection = send_invite(&env).await;
        let response = connection.response().await;
        assert_eq!(response.body.len(), bytes);
        assert_eq!(response.data()["invited"], true);
        // The connection can be reused.
        assert_eq!(connection.call(&status("ada")).await.status, 200);
        assert_replayed(&env).await;
    }
}

#[tokio::test]
async fn redirect_sends_a_location() {
    let env = env(json!({"kind": "redirect", "location": "https://elsewhere.example/x?y=1"})).await;
    queue(&env, json!({"kind": "redirect", "location": "/v1", "status": 301})).await;
    for (status, location) in [(307, "https://elsewhere.example/x?y=1"), (301, "/v1")] {
        let response = env.call(&invite("ada").key("k")).await;
        assert_eq!((response.status, response.header("location"), response.body.len()), (status, Some(location), 0));
        assert!(!invited(&env).await);
    }
}

#[tokio::test]
async fn answer_replaces_the_data_or_the_envelope() {
    let env = env(json!({"kind": "answer", "data": {"invited": "yes"}})).await;
    queue(&env, json!({"kind": "answer", "data": null})).await;
    queue(
        &env,
        json!({"kind": "answer", "envelope": {"success": false, "error": "ODD", "message": "m", "requestId": "r"}}),
    )
    .await;
    queue(&env, json!({"kind": "answer", "envelope": [1]})).await;
    let mut connection = env.open().await;
    let replaced = connection.call(&invite("ada").key("k")).await;
    let body = replaced.json();
    assert_eq!((&body["success"], &body["data"]), (&json!(true), &json!({"invited": "yes"})));
    assert_eq!(replaced.header("x-request-id"), body["requestId"].as_str());
    let null = connection.call(&invite("ada").key("k")).await.json();
    assert_eq!(null.get("data"), Some(&Value::Null));
    let odd = connection.call(&invite("ada").key("k")).await;
    assert_eq!((odd.status, odd.code().as_str()), (200, "ODD"));
    assert_eq!(connection.call(&invite("ada").key("k")).await.json(), json!([1]));
    assert_replayed(&env).await;
}

#[tokio::test]
async fn answer_does_not_change_errors() {
    let env = env(json!({"kind": "answer", "data": {}})).await;
    assert_eq!(env.call(&action("select", "ada")).await.refused(), (409, "INVALID_STATUS_TRANSITION".into()));
}

#[tokio::test]
async fn close_idle_closes_after_a_complete_response() {
    let env = env(json!({"kind": "close_idle"})).await;
    let mut connection = send_invite(&env).await;
    let response = connection.response().await;
    assert_eq!(response.data()["invited"], true);
    assert_eq!(response.header("connection"), None);
    let (bytes, end) = connection.until_closed().await;
    assert!(bytes.is_empty());
    end.unwrap();
    let logged = env.last_request().await;
    assert_eq!((&logged["answered"], &logged["clientClosed"]), (&json!(200), &json!(false)));
    assert_replayed(&env).await;
}

/// With `none` the client sees the same, but the action did not happen and the idempotency key is unused.
#[tokio::test]
async fn act_none_prevents_the_action() {
    for mut fault in [
        json!({"kind": "cut"}),
        json!({"kind": "drip", "bytesPerSecond": 100_000}),
        json!({"kind": "endless"}),
        json!({"kind": "not_json"}),
        json!({"kind": "huge", "bytes": 1000}),
        json!({"kind": "answer", "data": 1}),
        json!({"kind": "close_idle"}),
    ] {
        fault["act"] = "none".into();
        let env = env(fault.clone()).await;
        let mut connection = send_invite(&env).await;
        assert_eq!(connection.head().await.status, 200, "{fault}");
        drop(connection);
        assert!(!invited(&env).await, "{fault}");
        assert_eq!(env.last_request().await["acted"], false);
        assert_eq!(env.call(&invite("ada").key("k")).await.status, 200);
        assert_eq!(env.last_request().await["acted"], true);
    }
}

#[tokio::test]
async fn faults_are_used_in_order_and_as_often_as_requested() {
    let env = env(json!({"kind": "status", "status": 500, "times": 2})).await;
    queue(&env, json!({"kind": "status", "status": 502})).await;
    env.candidate("bob", "new", false).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        assert_eq!(env.call(&status("bob")).await.status, 200);
        seen.push(env.call(&status("ada")).await.status);
    }
    assert_eq!(seen, [500, 500, 502, 200]);
}

#[tokio::test]
async fn a_fault_can_be_limited_to_one_operation() {
    let env = env(json!({"kind": "status", "status": 500, "operation": "invite"})).await;
    queue(&env, json!({"kind": "status", "status": 501})).await;
    assert_eq!(env.call(&status("ada")).await.status, 501);
    assert_eq!(env.call(&status("ada")).await.status, 200);
    assert_eq!(env.call(&invite("ada")).await.status, 500);
    assert_eq!(env.call(&invite("ada")).await.status, 200);
}

#[tokio::test]
async fn a_fault_can_repeat_without_limit() {
    let env = env(json!({"kind": "status", "status": 500, "times": null})).await;
    for _ in 0..5 {
        assert_eq!(env.call(&status("ada")).await.status, 500);
    }
    let pending = env.get("faults").await;
    assert_eq!(pending, json!([{"candidateId": "ada", "kind": "status", "status": 500, "times": null, "act": "none"}]));
    assert_eq!(env.control("DELETE", "faults", Value::Null).await, json!({"cleared": 1}));
    assert_eq!(env.call(&status("ada")).await.status, 200);
}

#[tokio::test]
async fn faults_are_not_used_by_refused_requests() {
    let env = env(json!({"kind": "status", "status": 500})).await;
    env.control("POST", "limits", json!({"reads": 0})).await;
    assert_eq!(env.call(&status("ada")).await.status, 429);
    env.control("POST", "limits", json!({"reads": 40})).await;
    env.control("POST", "company", json!({"state": "api_disabled"})).await;
    assert_eq!(env.call(&status("ada")).await.status, 403);
    env.control("POST", "company", json!({"state": "active"})).await;
    assert_eq!(env.call(&status("ada")).await.status, 500);
}

#[tokio::test]
async fn faults_come_before_a_replay() {
    let env = env(json!({"kind": "close", "operation": "select"})).await;
    env.call(&invite("ada").key("k")).await;
    queue(&env, json!({"kind": "status", "status": 503})).await;
    assert_eq!(env.call(&invite("ada").key("k")).await.status, 503);
    assert_replayed(&env).await;
}

#[tokio::test]
async fn a_delayed_request_does_not_act_after_a_reset() {
    let env = env(json!({"kind": "delay", "seconds": 0.3, "act": "after"})).await;
    let mut connection = send_invite(&env).await;
    env.wait_for_last(|last| last["fault"] == "delay").await;
    env.control("POST", "reset", Value::Null).await;
    env.candidate("ada", "new", false).await;
    let (bytes, _) = connection.until_closed().await;
    assert!(bytes.is_empty());
    assert!(!invited(&env).await);
}
