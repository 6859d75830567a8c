//! What an Idempotency-Key promises.

use std::time::Duration;

use celper_sandbox::Options;
use serde_json::json;

use crate::support::{Request, Stage, action, invite, status};

#[tokio::test]
async fn the_same_request_again_gets_the_first_answer_without_acting() {
    let stage = Stage::new().await;
    stage.candidate("ada", "new", false).await;
    let first = stage.call(&invite("ada").key("k")).await;
    assert_eq!(first.status, 200);
    let again = stage.call(&invite("ada").key("k")).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("x-request-id"), first.header("x-request-id"));
    assert_eq!(stage.get("outbox").await.as_array().unwrap().len(), 1);
    let requests = stage.requests().await;
    assert_eq!((&requests[0]["acted"], &requests[0]["replayed"]), (&json!(true), &json!(false)));
    assert_eq!((&requests[1]["acted"], &requests[1]["replayed"]), (&json!(false), &json!(true)));
    // A replay is a request like any other to the windows.
    assert_eq!(again.number("x-ratelimit-remaining"), 28);
    let without = stage.call(&invite("ada")).await;
    assert_eq!(without.refused(), (409, "INVALID_STATUS".into()));
}

#[tokio::test]
async fn another_request_under_the_same_key_is_a_conflict() {
    let stage = Stage::new().await;
    for candidate in ["ada", "bob"] {
        stage.candidate(candidate, "new", false).await;
    }
    let first = stage.call(&invite("ada").key("k")).await;
    let invite_ada = |body: &str| Request::new("POST", "/v1/candidates/ada/invite").key("k").body(body);
    for other in [
        invite_ada(r#"{"jobPositionId":"pos","emailSubject":"Hello"}"#),
        invite_ada(r#"{"jobPositionId": "pos"}"#),
        invite("bob").key("k"),
        action("select", "ada").key("k"),
    ] {
        assert_eq!(stage.call(&other).await.refused(), (409, "IDEMPOTENCY_CONFLICT".into()), "{other:?}");
    }
    assert_eq!(stage.status_of("bob").await, "new");
    assert_eq!(stage.call(&invite("ada").key("k")).await.body, first.body);
}

#[tokio::test]
async fn keys_belong_to_the_company() {
    let stage = Stage::new().await;
    stage.candidate("ada", "new", false).await;
    stage.control("POST", "keys", json!({"key": "second"})).await;
    let first = stage.call(&invite("ada").key("k")).await;
    let second = Request::bare("POST", "/v1/candidates/ada/invite")
        .header("X-API-Key", "second")
        .key("k")
        .json(&json!({"jobPositionId": "pos"}));
    assert_eq!(stage.call(&second).await.body, first.body);
}

#[tokio::test]
async fn refusals_decided_on_the_request_are_remembered() {
    let stage = Stage::new().await;
    stage.candidate("ada", "interviewed", false).await;
    let invalid = Request::new("POST", "/v1/candidates/ada/select").json(&json!({})).key("invalid");
    let broken = Request::new("POST", "/v1/candidates/ada/select").body("{").key("broken");
    for (request, status, code) in [
        (action("select", "bob").key("missing"), 404, "NOT_FOUND"),
        (action("select", "ada").key("conflict"), 409, "ANALYSIS_NOT_VIEWED"),
        (invalid, 400, "VALIDATION_ERROR"),
        (broken, 400, "INVALID_BODY"),
    ] {
        let first = stage.call(&request).await;
        assert_eq!(first.refused(), (status, code.into()));
        // By now it would succeed; the key still stands for the first answer.
        for candidate in ["ada", "bob"] {
            stage.candidate(candidate, "interviewed", true).await;
        }
        let again = stage.call(&request).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(stage.status_of("ada").await, "interviewed");
        stage.candidate("ada", "interviewed", false).await;
    }
}

#[tokio::test]
async fn refusals_of_the_caller_are_not_remembered() {
    let stage = Stage::new().await;
    stage.candidate("ada", "new", false).await;
    stage.control("POST", "company", json!({"state": "api_disabled"})).await;
    assert_eq!(stage.call(&invite("ada").key("k")).await.status, 403);
    stage.control("POST", "company", json!({"state": "active"})).await;
    stage.control("POST", "limits", json!({"actions": 0})).await;
    assert_eq!(stage.call(&invite("ada").key("k")).await.status, 429);
    stage.control("POST", "limits", json!({"actions": 30})).await;
    assert_eq!(stage.call(&invite("ada").key("k")).await.status, 200);
}

#[tokio::test]
async fn breakdowns_are_not_remembered() {
    let stage = Stage::new().await;
    stage.candidate("ada", "new", false).await;
    for status in [500, 503, 429, 409] {
        stage.fault(json!({"candidateId": "ada", "kind": "status", "status": status})).await;
    }
    for expected in [500, 503, 429, 409, 200] {
        assert_eq!(stage.call(&invite("ada").key("k")).await.status, expected);
    }
}

#[tokio::test]
async fn a_key_is_kept_for_a_day() {
    let stage = Stage::new().await;
    stage.candidate("ada", "new", false).await;
    let first = stage.call(&invite("ada").key("k")).await;
    stage.advance(86_400.0 - 600.0).await;
    assert_eq!(stage.call(&invite("ada").key("k")).await.body, first.body);
    stage.advance(601.0).await;
    let after = stage.call(&invite("ada").key("k")).await;
    assert_eq!(after.refused(), (409, "INVALID_STATUS".into()));
    // The key now stands for the second answer, for a day of its own.
    stage.candidate("ada", "new", false).await;
    stage.advance(86_400.0 - 600.0).await;
    assert_eq!(stage.call(&invite("ada").key("k")).await.body, after.body);
}

#[tokio::test]
async fn status_does_not_know_keys() {
    let stage = Stage::new().await;
    stage.candidate("ada", "new", false).await;
    assert_eq!(stage.call(&status("ada").key("k")).await.data()["status"], "new");
    stage.candidate("ada", "failed", false).await;
    assert_eq!(stage.call(&status("ada").key("k")).await.data()["status"], "failed");
    assert_eq!(stage.call(&status("ada").key(&"k".repeat(256))).await.status, 200);
}

/// While the first is being delayed, the second must neither act nor be answered; afterwards both have one answer.
#[tokio::test]
async fn a_second_request_waits_for_the_first() {
    for act in ["before", "after"] {
        let stage = Stage::new().await;
        stage.candidate("ada", "new", false).await;
        stage.fault(json!({"candidateId": "ada", "kind": "delay", "seconds": 0.5, "act": act})).await;
        let mut first = stage.open().await;
        first.send(&invite("ada").key("k")).await;
        stage.wait_for_last(|last| last["fault"] == "delay").await;
        let mut second = stage.open().await;
        second.send(&invite("ada").key("k")).await;
        stage.wait_for_last(|last| last["seq"] == 2).await;

        let conflict = stage.call(&action("select", "ada").key("k")).await;
        assert_eq!(conflict.refused(), (409, "IDEMPOTENCY_CONFLICT".into()));
        let requests = stage.requests().await;
        let answered = |index: usize| !requests[index]["answered"].is_null();
        assert!(answered(0) || !answered(1), "{act}: the second was answered before the first");

        let (first, second) = (first.reply().await, second.reply().await);
        assert_eq!(first.status, 200);
        assert_eq!(first.body, second.body);
        let requests = stage.requests().await;
        assert_eq!((&requests[0]["acted"], &requests[1]["replayed"]), (&json!(true), &json!(true)));
        assert_eq!(stage.get("outbox").await.as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_second_request_takes_over_when_the_first_one_leaves() {
    let stage = Stage::with(Options::default()).await;
    stage.candidate("ada", "new", false).await;
    stage.fault(json!({"candidateId": "ada", "kind": "delay", "seconds": 3600, "act": "after"})).await;
    let mut first = stage.open().await;
    first.send(&invite("ada").key("k")).await;
    stage.wait_for_last(|last| last["fault"] == "delay").await;
    let mut second = stage.open().await;
    second.send(&invite("ada").key("k")).await;
    stage.wait_for_last(|last| last["seq"] == 2).await;
    drop(first);
    assert_eq!(second.reply().await.status, 200);
    let requests = stage.requests().await;
    assert_eq!((&requests[0]["acted"], &requests[0]["clientClosed"]), (&json!(false), &json!(true)));
    assert_eq!((&requests[1]["acted"], &requests[1]["replayed"]), (&json!(true), &json!(false)));
}

/// Many at once, on many threads: exactly one of them acts.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_one_of_many_acts() {
    let stage = Stage::with(Options { limits_enabled: false, ..Options::default() }).await;
    for round in 0..20 {
        let candidate = format!("c{round}");
        stage.candidate(&candidate, "new", false).await;
        let address = stage.sandbox.address();
        let calls: Vec<_> = (0..16)
            .map(|_| {
                let request = invite(&candidate).key(&candidate);
                tokio::spawn(async move { crate::support::Connection::open(address).await.call(&request).await })
            })
            .collect();
        let mut bodies = Vec::new();
        for call in calls {
            bodies.push(tokio::time::timeout(Duration::from_secs(30), call).await.unwrap().unwrap().body);
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]));
    }
    assert_eq!(stage.get("outbox").await.as_array().unwrap().len(), 20);
}
