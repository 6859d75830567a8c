//! Idempotency keys.

use std::time::Duration;

use celper_sandbox::Options;
use serde_json::json;

use crate::support::{Request, TestEnv, action, invite, status};

#[tokio::test]
async fn a_repeated_request_gets_the_first_response_and_does_not_act() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    let first = env.call(&invite("ada").key("k")).await;
    assert_eq!(first.status, 200);
    let again = env.call(&invite("ada").key("k")).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("x-request-id"), first.header("x-request-id"));
    assert_eq!(env.get("outbox").await.as_array().unwrap().len(), 1);
    let requests = env.requests().await;
    assert_eq!((&requests[0]["acted"], &requests[0]["replayed"]), (&json!(true), &json!(false)));
    assert_eq!((&requests[1]["acted"], &requests[1]["replayed"]), (&json!(false), &json!(true)));
    // A replay counts in the rate windows.
    assert_eq!(again.number("x-ratelimit-remaining"), 28);
    let without = env.call(&invite("ada")).await;
    assert_eq!(without.refused(), (409, "INVALID_STATUS".into()));
}

#[tokio::test]
async fn a_different_request_with_the_same_key_is_a_conflict() {
    let env = TestEnv::new().await;
    for candidate in ["ada", "bob"] {
        env.candidate(candidate, "new", false).await;
    }
    let first = env.call(&invite("ada").key("k")).await;
    let invite_ada = |body: &str| Request::new("POST", "/v1/candidates/ada/invite").key("k").body(body);
    for other in [
        invite_ada(r#"{"jobPositionId":"pos","emailSubject":"Hello"}"#),
        invite_ada(r#"{"jobPositionId": "pos"}"#),
        invite("bob").key("k"),
        action("select", "ada").key("k"),
    ] {
        assert_eq!(env.call(&other).await.refused(), (409, "IDEMPOTENCY_CONFLICT".into()), "{other:?}");
    }
    assert_eq!(env.status_of("bob").await, "new");
    assert_eq!(env.call(&invite("ada").key("k")).await.body, first.body);
}

#[tokio::test]
async fn idempotency_keys_are_shared_by_all_api_keys() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    env.control("POST", "keys", json!({"key": "second"})).await;
    let first = env.call(&invite("ada").key("k")).await;
    let second = Request::bare("POST", "/v1/candidates/ada/invite")
        .header("X-API-Key", "second")
        .key("k")
        .json(&json!({"jobPositionId": "pos"}));
    assert_eq!(env.call(&second).await.body, first.body);
}

#[tokio::test]
async fn errors_of_the_request_are_stored() {
    let env = TestEnv::new().await;
    env.candidate("ada", "interviewed", false).await;
    let invalid = Request::new("POST", "/v1/candidates/ada/select").json(&json!({})).key("invalid");
    let broken = Request::new("POST", "/v1/candidates/ada/select").body("{").key("broken");
    for (request, status, code) in [
        (action("select", "bob").key("missing"), 404, "NOT_FOUND"),
        (action("select", "ada").key("conflict"), 409, "ANALYSIS_NOT_VIEWED"),
        (invalid, 400, "VALIDATION_ERROR"),
        (broken, 400, "INVALID_BODY"),
    ] {
        let first = env.call(&request).await;
        assert_eq!(first.refused(), (status, code.into()));
        // By now it would succeed, but the first response is stored.
        for candidate in ["ada", "bob"] {
            env.candidate(candidate, "interviewed", true).await;
        }
        let again = env.call(&request).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(env.status_of("ada").await, "interviewed");
        env.candidate("ada", "interviewed", false).await;
    }
}

#[tokio::test]
async fn errors_of_the_access_checks_are_not_stored() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    env.control("POST", "company", json!({"state": "api_disabled"})).await;
    assert_eq!(env.call(&invite("ada").key("k")).await.status, 403);
    env.control("POST", "company", json!({"state": "active"})).await;
    env.control("POST", "limits", json!({"actions": 0})).await;
    assert_eq!(env.call(&invite("ada").key("k")).await.status, 429);
    env.control("POST", "limits", json!({"actions": 30})).await;
    assert_eq!(env.call(&invite("ada").key("k")).await.status, 200);
}

#[tokio::test]
async fn faults_are_not_stored() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    for status in [500, 503, 429, 409] {
        env.fault(json!({"candidateId": "ada", "kind": "status", "status": status})).await;
    }
    for expected in [500, 503, 429, 409, 200] {
        assert_eq!(env.call(&invite("ada").key("k")).await.status, expected);
    }
}

#[tokio::test]
async fn a_key_is_kept_for_24_hours() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    let first = env.call(&invite("ada").key("k")).await;
    env.advance(86_400.0 - 600.0).await;
    assert_eq!(env.call(&invite("ada").key("k")).await.body, first.body);
    env.advance(601.0).await;
    let after = env.call(&invite("ada").key("k")).await;
    assert_eq!(after.refused(), (409, "INVALID_STATUS".into()));
    // The second response is now stored, for another 24 hours.
    env.candidate("ada", "new", false).await;
    env.advance(86_400.0 - 600.0).await;
    assert_eq!(env.call(&invite("ada").key("k")).await.body, after.body);
}

#[tokio::test]
async fn status_ignores_idempotency_keys() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    assert_eq!(env.call(&status("ada").key("k")).await.data()["status"], "new");
    env.candidate("ada", "failed", false).await;
    assert_eq!(env.call(&status("ada").key("k")).await.data()["status"], "failed");
    assert_eq!(env.call(&status("ada").key(&"k".repeat(256))).await.status, 200);
}

/// While the first is delayed, the second neither acts nor gets a response; then both get the same response.
#[tokio::test]
async fn a_second_request_waits_for_the_first() {
    for act in ["before", "after"] {
        let env = TestEnv::new().await;
        env.candidate("ada", "new", false).await;
        env.fault(json!({"candidateId": "ada", "kind": "delay", "seconds": 0.5, "act": act})).await;
        let mut first = env.open().await;
        first.send(&invite("ada").key("k")).await;
        env.wait_for_last(|last| last["fault"] == "delay").await;
        let mut second = env.open().await;
        second.send(&invite("ada").key("k")).await;
        env.wait_for_last(|last| last["seq"] == 2).await;

        let conflict = env.call(&action("select", "ada").key("k")).await;
        assert_eq!(conflict.refused(), (409, "IDEMPOTENCY_CONFLICT".into()));
        let requests = env.requests().await;
        let has_response = |index: usize| !requests[index]["answered"].is_null();
        assert!(has_response(0) || !has_response(1), "{act}: the second got a response before the first");

        let (first, second) = (first.response().await, second.response().await);
        assert_eq!(first.status, 200);
        assert_eq!(first.body, second.body);
        let requests = env.requests().await;
        assert_eq!((&requests[0]["acted"], &requests[1]["replayed"]), (&json!(true), &json!(true)));
        assert_eq!(env.get("outbox").await.as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_second_request_takes_over_when_the_first_client_disconnects() {
    let env = TestEnv::with(Options::default()).await;
    env.candidate("ada", "new", false).await;
    env.fault(json!({"candidateId": "ada", "kind": "delay", "seconds": 3600, "act": "after"})).await;
    let mut first = env.open().await;
    first.send(&invite("ada").key("k")).await;
    env.wait_for_last(|last| last["fault"] == "delay").await;
    let mut second = env.open().await;
    second.send(&invite("ada").key("k")).await;
    env.wait_for_last(|last| last["seq"] == 2).await;
    drop(first);
    assert_eq!(second.response().await.status, 200);
    let requests = env.requests().await;
    assert_eq!((&requests[0]["acted"], &requests[0]["clientClosed"]), (&json!(false), &json!(true)));
    assert_eq!((&requests[1]["acted"], &requests[1]["replayed"]), (&json!(true), &json!(false)));
}

/// Many at once, on several threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_one_of_many_concurrent_requests_acts() {
    let env = TestEnv::with(Options { limits_enabled: false, ..Options::default() }).await;
    for round in 0..20 {
        let candidate = format!("c{round}");
        env.candidate(&candidate, "new", false).await;
        let address = env.sandbox.address();
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
    assert_eq!(env.get("outbox").await.as_array().unwrap().len(), 20);
}
