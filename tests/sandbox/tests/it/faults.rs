//! Every kind of fault, as a client sees it on the socket.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Connection, Reply, Stage, action, invite, status};

/// A stage with a new candidate `ada` who meets this fault next.
async fn stage(fault: Value) -> Stage {
    let stage = Stage::new().await;
    stage.candidate("ada", "new", false).await;
    queue(&stage, fault).await;
    stage
}

async fn queue(stage: &Stage, mut fault: Value) {
    fault["candidateId"] = "ada".into();
    stage.fault(fault).await;
}

/// Sends an invitation under the key `k`.
async fn send_invite(stage: &Stage) -> Connection {
    let mut connection = stage.open().await;
    connection.send(&invite("ada").key("k")).await;
    connection
}

async fn invited(stage: &Stage) -> bool {
    stage.status_of("ada").await == "invited"
}

/// After a fault that acted first: the same request again gets the answer that the fault spoiled.
async fn assert_replayed(stage: &Stage) -> Reply {
    assert!(invited(stage).await);
    let again = stage.call(&invite("ada").key("k")).await;
    assert_eq!(again.data()["invited"], true);
    let last = stage.last_request().await;
    assert_eq!((&last["replayed"], &last["fault"]), (&json!(true), &Value::Null));
    assert_eq!(stage.get("outbox").await.as_array().unwrap().len(), 1);
    again
}

#[tokio::test]
async fn status_answers_in_place_of_the_service() {
    for (status, code) in [(500, "INTERNAL_ERROR"), (503, "INTERNAL_ERROR"), (429, "RATE_LIMITED"), (404, "NOT_FOUND")]
    {
        let stage = stage(json!({"kind": "status", "status": status})).await;
        let reply = stage.call(&invite("ada").key("k")).await;
        assert_eq!(reply.refused(), (status, code.into()));
        let body = reply.json();
        assert_eq!(body["success"], false);
        assert_eq!(reply.header("x-request-id"), body["requestId"].as_str());
        assert_eq!(reply.number("x-ratelimit-limit"), 30);
        assert!(!invited(&stage).await);
        let logged = stage.last_request().await;
        assert_eq!(
            (&logged["answered"], &logged["fault"], &logged["acted"]),
            (&json!(status), &json!("status"), &json!(false))
        );
        assert_eq!(stage.call(&invite("ada").key("k")).await.status, 200);
    }
}

#[tokio::test]
async fn status_may_act_first() {
    let stage = stage(json!({"kind": "status", "status": 500, "act": "before"})).await;
    assert_eq!(stage.call(&invite("ada").key("k")).await.status, 500);
    assert_eq!(stage.last_request().await["acted"], true);
    assert_replayed(&stage).await;
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
    let stage = stage(fault).await;
    let reply = stage.call(&status("ada")).await;
    assert_eq!(reply.status, 429);
    for (name, value) in [
        ("retry-after", Some("7")),
        ("x-request-id", None),
        ("x-ratelimit-remaining", Some("0")),
        ("x-ratelimit-limit", Some("40")),
        ("date", Some("yesterday")),
        ("content-type", Some("text/plain")),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
    queue(&stage, json!({"kind": "status", "status": 500, "headers": {"Date": null}})).await;
    assert_eq!(stage.call(&status("ada")).await.header("date"), None);
    let many: Vec<_> =
        reply.headers.iter().filter(|(name, _)| name == "x-many").map(|(_, value)| value.as_str()).collect();
    assert_eq!(many, ["a", "b"]);
}

#[tokio::test]
async fn status_takes_any_body() {
    let stage = stage(json!({"kind": "status", "status": 502, "body": "Bad gateway"})).await;
    queue(&stage, json!({"kind": "status", "status": 409, "json": {"success": false, "error": "SOMETHING_NEW"}})).await;
    queue(&stage, json!({"kind": "status", "status": 400, "json": null})).await;
    queue(&stage, json!({"kind": "status", "status": 500, "body": ""})).await;
    queue(&stage, json!({"kind": "status", "status": 204})).await;
    queue(&stage, json!({"kind": "status", "status": 201})).await;
    let mut connection = stage.open().await;
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
    assert!(stage.requests().await.iter().all(|request| request["clientClosed"] == false));
}

#[tokio::test]
async fn delay_takes_its_time() {
    for act in [None, Some("before"), Some("after")] {
        let mut fault = json!({"kind": "delay", "seconds": 0.2});
        if let Some(act) = act {
            fault["act"] = act.into();
        }
        let stage = stage(fault).await;
        let begun = Instant::now();
        assert_eq!(stage.call(&invite("ada").key("k")).await.status, 200);
        assert!(begun.elapsed() >= Duration::from_millis(200));
        assert_replayed(&stage).await;
    }
}

/// Hours of delay: what is seen of the world is what there is during the wait.
#[tokio::test]
async fn delay_acts_before_or_after() {
    for (act, acted) in [("before", true), ("after", false)] {
        let stage = stage(json!({"kind": "delay", "seconds": 3600, "act": act})).await;
        let connection = send_invite(&stage).await;
        let waiting = stage.wait_for_last(|last| last["fault"] == "delay" && last["acted"] == acted).await;
        assert_eq!((&waiting["answered"], &waiting["clientClosed"]), (&Value::Null, &json!(false)));
        assert_eq!(invited(&stage).await, acted);
        drop(connection);
        // The client's leaving shows at once, and ends the wait for good.
        let left = stage.wait_for_last(|last| last["clientClosed"] == true).await;
        assert_eq!((&left["answered"], &left["acted"]), (&Value::Null, &json!(acted)));
        assert_eq!(invited(&stage).await, acted);
        assert_eq!(stage.call(&invite("ada").key("k")).await.data()["invited"], true);
        assert_eq!(stage.get("outbox").await.as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn close_says_nothing() {
    for (fault, acted) in [(json!({"kind": "close"}), false), (json!({"kind": "close", "act": "before"}), true)] {
        let stage = stage(fault).await;
        let mut connection = send_invite(&stage).await;
        let (bytes, end) = connection.until_closed().await;
        assert!(bytes.is_empty());
        end.unwrap();
        assert_eq!(invited(&stage).await, acted);
        let logged = stage.last_request().await;
        assert_eq!(
            (&logged["answered"], &logged["fault"], &logged["acted"], &logged["clientClosed"]),
            (&Value::Null, &json!("close"), &json!(acted), &json!(false))
        );
        assert_eq!(stage.call(&invite("ada").key("k")).await.status, 200);
        assert_eq!(stage.last_request().await["replayed"], acted);
    }
}

#[tokio::test]
async fn close_may_be_a_reset() {
    for act in ["none", "before"] {
        let stage = stage(json!({"kind": "close", "reset": true, "act": act})).await;
        let mut connection = send_invite(&stage).await;
        let (bytes, end) = connection.until_closed().await;
        assert!(bytes.is_empty());
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(invited(&stage).await, act == "before");
    }
}

#[tokio::test]
async fn cut_promises_more_than_it_sends() {
    for after in [Some(0), Some(1), Some(20), None] {
        let mut fault = json!({"kind": "cut"});
        if let Some(after) = after {
            fault["afterBytes"] = after.into();
        }
        let stage = stage(fault).await;
        let mut connection = send_invite(&stage).await;
        let head = connection.head().await;
        assert_eq!(head.status, 200);
        let (bytes, end) = connection.until_closed().await;
        end.unwrap();
        let whole = assert_replayed(&stage).await;
        assert_eq!(head.number("content-length"), whole.body.len() as i64);
        assert_eq!(bytes.len(), after.unwrap_or(whole.body.len() / 2));
        assert!(whole.body.starts_with(&bytes));
        let logged = stage.requests().await[0].clone();
        assert_eq!(
            (&logged["answered"], &logged["acted"], &logged["clientClosed"]),
            (&json!(200), &json!(true), &json!(false))
        );
    }
}

#[tokio::test]
async fn cut_always_leaves_something_out() {
    let stage = stage(json!({"kind": "cut", "afterBytes": 1_000_000})).await;
    let mut connection = send_invite(&stage).await;
    let promised = connection.head().await.number("content-length");
    assert_eq!(connection.until_closed().await.0.len() as i64, promised - 1);
}

#[tokio::test]
async fn drip_sends_the_whole_answer_slowly() {
    let stage = stage(json!({"kind": "drip", "bytesPerSecond": 400})).await;
    let begun = Instant::now();
    let mut connection = send_invite(&stage).await;
    let reply = connection.reply().await;
    let least = Duration::from_secs_f64(reply.body.len() as f64 / 400.0);
    assert!(begun.elapsed() >= least, "{:?} for {} bytes", begun.elapsed(), reply.body.len());
    assert_eq!(reply.body, assert_replayed(&stage).await.body);
    drop(connection);
    assert!(stage.requests().await.iter().all(|request| request["clientClosed"] == false));
}

#[tokio::test]
async fn drip_notices_that_nobody_waits_any_more() {
    let stage = stage(json!({"kind": "drip", "bytesPerSecond": 20})).await;
    let mut connection = send_invite(&stage).await;
    assert_eq!(connection.head().await.status, 200);
    assert!(connection.at_least(1).await.starts_with(b"{"));
    drop(connection);
    let logged = stage.wait_for_last(|last| last["clientClosed"] == true).await;
    assert_eq!((&logged["answered"], &logged["acted"]), (&json!(200), &json!(true)));
}

#[tokio::test]
async fn endless_never_ends() {
    let stage = stage(json!({"kind": "endless", "status": 201})).await;
    let mut connection = send_invite(&stage).await;
    let head = connection.head().await;
    assert_eq!(head.status, 201);
    assert_eq!((head.header("transfer-encoding"), head.header("content-length")), (Some("chunked"), None));
    let much = connection.at_least(3 * 1024 * 1024).await;
    // After the length of the first chunk it starts like any other answer.
    let start = String::from_utf8_lossy(&much[..100]).into_owned();
    assert!(start.contains("\r\n{\"success\":true,\"requestId\":\""), "{start}");
    drop(connection);
    stage.wait_for_last(|last| last["clientClosed"] == true).await;
    assert_replayed(&stage).await;
}

#[tokio::test]
async fn not_json_is_a_web_page() {
    let stage = stage(json!({"kind": "not_json"})).await;
    queue(&stage, json!({"kind": "not_json", "status": 502, "body": "<p>down</p>"})).await;
    let page = stage.call(&invite("ada").key("k")).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.starts_with(b"<!doctype html>"));
    let own = stage.call(&invite("ada").key("k")).await;
    assert_eq!((own.status, own.body.as_slice()), (502, b"<p>down</p>".as_slice()));
    assert_replayed(&stage).await;
}

#[tokio::test]
async fn huge_is_valid_and_exactly_as_long_as_ordered() {
    for bytes in [3_000_000, 16_384, 300] {
        let stage = stage(json!({"kind": "huge", "bytes": bytes})).await;
        let mut connection = send_invite(&stage).await;
        let reply = connection.reply().await;
        assert_eq!(reply.body.len(), bytes);
        assert_eq!(reply.data()["invited"], true);
        // The connection is still good for another.
        assert_eq!(connection.call(&status("ada")).await.status, 200);
        assert_replayed(&stage).await;
    }
}

#[tokio::test]
async fn redirect_points_elsewhere() {
    let stage = stage(json!({"kind": "redirect", "location": "https://elsewhere.example/x?y=1"})).await;
    queue(&stage, json!({"kind": "redirect", "location": "/v1", "status": 301})).await;
    for (status, location) in [(307, "https://elsewhere.example/x?y=1"), (301, "/v1")] {
        let reply = stage.call(&invite("ada").key("k")).await;
        assert_eq!((reply.status, reply.header("location"), reply.body.len()), (status, Some(location), 0));
        assert!(!invited(&stage).await);
    }
}

#[tokio::test]
async fn answer_replaces_the_data_or_the_envelope() {
    let stage = stage(json!({"kind": "answer", "data": {"invited": "yes"}})).await;
    queue(&stage, json!({"kind": "answer", "data": null})).await;
    queue(
        &stage,
        json!({"kind": "answer", "envelope": {"success": false, "error": "ODD", "message": "m", "requestId": "r"}}),
    )
    .await;
    queue(&stage, json!({"kind": "answer", "envelope": [1]})).await;
    let mut connection = stage.open().await;
    let replaced = connection.call(&invite("ada").key("k")).await;
    let body = replaced.json();
    assert_eq!((&body["success"], &body["data"]), (&json!(true), &json!({"invited": "yes"})));
    assert_eq!(replaced.header("x-request-id"), body["requestId"].as_str());
    let null = connection.call(&invite("ada").key("k")).await.json();
    assert_eq!(null.get("data"), Some(&Value::Null));
    let odd = connection.call(&invite("ada").key("k")).await;
    assert_eq!((odd.status, odd.code().as_str()), (200, "ODD"));
    assert_eq!(connection.call(&invite("ada").key("k")).await.json(), json!([1]));
    assert_replayed(&stage).await;
}

#[tokio::test]
async fn answer_leaves_refusals_alone() {
    let stage = stage(json!({"kind": "answer", "data": {}})).await;
    assert_eq!(stage.call(&action("select", "ada")).await.refused(), (409, "INVALID_STATUS_TRANSITION".into()));
}

#[tokio::test]
async fn close_idle_closes_behind_a_whole_answer() {
    let stage = stage(json!({"kind": "close_idle"})).await;
    let mut connection = send_invite(&stage).await;
    let reply = connection.reply().await;
    assert_eq!(reply.data()["invited"], true);
    assert_eq!(reply.header("connection"), None);
    let (bytes, end) = connection.until_closed().await;
    assert!(bytes.is_empty());
    end.unwrap();
    let logged = stage.last_request().await;
    assert_eq!((&logged["answered"], &logged["clientClosed"]), (&json!(200), &json!(false)));
    assert_replayed(&stage).await;
}

/// `none` shows the client the same thing without the action having happened, and without touching the key.
#[tokio::test]
async fn acting_can_be_left_out() {
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
        let stage = stage(fault.clone()).await;
        let mut connection = send_invite(&stage).await;
        assert_eq!(connection.head().await.status, 200, "{fault}");
        drop(connection);
        assert!(!invited(&stage).await, "{fault}");
        assert_eq!(stage.last_request().await["acted"], false);
        assert_eq!(stage.call(&invite("ada").key("k")).await.status, 200);
        assert_eq!(stage.last_request().await["acted"], true);
    }
}

#[tokio::test]
async fn faults_come_in_order_and_as_often_as_ordered() {
    let stage = stage(json!({"kind": "status", "status": 500, "times": 2})).await;
    queue(&stage, json!({"kind": "status", "status": 502})).await;
    stage.candidate("bob", "new", false).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        assert_eq!(stage.call(&status("bob")).await.status, 200);
        seen.push(stage.call(&status("ada")).await.status);
    }
    assert_eq!(seen, [500, 500, 502, 200]);
}

#[tokio::test]
async fn a_fault_may_wait_for_one_operation() {
    let stage = stage(json!({"kind": "status", "status": 500, "operation": "invite"})).await;
    queue(&stage, json!({"kind": "status", "status": 501})).await;
    assert_eq!(stage.call(&status("ada")).await.status, 501);
    assert_eq!(stage.call(&status("ada")).await.status, 200);
    assert_eq!(stage.call(&invite("ada")).await.status, 500);
    assert_eq!(stage.call(&invite("ada")).await.status, 200);
}

#[tokio::test]
async fn a_fault_may_stay() {
    let stage = stage(json!({"kind": "status", "status": 500, "times": null})).await;
    for _ in 0..5 {
        assert_eq!(stage.call(&status("ada")).await.status, 500);
    }
    let pending = stage.get("faults").await;
    assert_eq!(pending, json!([{"candidateId": "ada", "kind": "status", "status": 500, "times": null, "act": "none"}]));
    assert_eq!(stage.control("DELETE", "faults", Value::Null).await, json!({"cleared": 1}));
    assert_eq!(stage.call(&status("ada")).await.status, 200);
}

#[tokio::test]
async fn faults_wait_for_requests_that_are_let_in() {
    let stage = stage(json!({"kind": "status", "status": 500})).await;
    stage.control("POST", "limits", json!({"reads": 0})).await;
    assert_eq!(stage.call(&status("ada")).await.status, 429);
    stage.control("POST", "limits", json!({"reads": 40})).await;
    stage.control("POST", "company", json!({"state": "api_disabled"})).await;
    assert_eq!(stage.call(&status("ada")).await.status, 403);
    stage.control("POST", "company", json!({"state": "active"})).await;
    assert_eq!(stage.call(&status("ada")).await.status, 500);
}

#[tokio::test]
async fn faults_come_before_a_replay() {
    let stage = stage(json!({"kind": "close", "operation": "select"})).await;
    stage.call(&invite("ada").key("k")).await;
    queue(&stage, json!({"kind": "status", "status": 503})).await;
    assert_eq!(stage.call(&invite("ada").key("k")).await.status, 503);
    assert_replayed(&stage).await;
}

#[tokio::test]
async fn a_reset_leaves_nothing_to_act_on() {
    let stage = stage(json!({"kind": "delay", "seconds": 0.3, "act": "after"})).await;
    let mut connection = send_invite(&stage).await;
    stage.wait_for_last(|last| last["fault"] == "delay").await;
    stage.control("POST", "reset", Value::Null).await;
    stage.candidate("ada", "new", false).await;
    let (bytes, _) = connection.until_closed().await;
    assert!(bytes.is_empty());
    assert!(!invited(&stage).await);
}
