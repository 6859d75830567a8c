//! Server faults on real sockets.

use std::time::{Duration, SystemTime};

use celper::ErrorKind;
use serde_json::json;

use crate::test_env::TestEnv;

#[tokio::test]
async fn a_lost_response_is_retried_and_the_action_happens_once() {
    for fault in [
        json!({"kind": "close", "act": "before"}),
        json!({"kind": "close", "act": "before", "reset": true}),
        json!({"kind": "cut"}),
        json!({"kind": "cut", "afterBytes": 0}),
    ] {
        let env = TestEnv::new().await;
        let id = env.faulty("new", fault.clone()).await;
        env.invite(&id).await.unwrap();
        let requests = env.requests(&id).await;
        assert_eq!(requests.len(), 2, "{fault}");
        assert_eq!(requests[0]["header"]["idempotency-key"], requests[1]["header"]["idempotency-key"]);
        assert_eq!(requests[0]["body"], requests[1]["body"]);
        assert!(requests[0]["acted"] == true && requests[1]["replayed"] == true, "{fault}");
        assert_eq!(env.control("GET", "outbox", json!(null)).await.as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_request_without_effect_is_retried() {
    for fault in [
        json!({"kind": "close"}),
        json!({"kind": "close", "reset": true}),
        json!({"kind": "status", "status": 503}),
        json!({"kind": "status", "status": 500, "body": "<h1>oops</h1>"}),
        json!({"kind": "not_json", "status": 502, "act": "none"}),
        json!({"kind": "status", "status": 429, "headers": {"Retry-After": "0"}}),
    ] {
        let env = TestEnv::new().await;
        let id = env.faulty("interviewed", fault.clone()).await;
        assert_eq!(env.reject(&id).await.unwrap().status.as_str(), "rejected", "{fault}");
        assert_eq!(env.requests(&id).await.len(), 2, "{fault}");
    }
}

#[tokio::test]
async fn without_retries_there_is_one_request_and_a_typed_error() {
    use ErrorKind::*;
    for (fault, kind, unknown) in [
        (json!({"kind": "close"}), Connection, true),
        (json!({"kind": "close", "reset": true, "act": "before"}), Connection, true),
        (json!({"kind": "cut", "afterBytes": 20}), Connection, true),
        (json!({"kind": "endless"}), UnexpectedResponse, true),
        (json!({"kind": "huge", "bytes": 1024 * 1024 + 1}), UnexpectedResponse, true),
        (json!({"kind": "not_json"}), UnexpectedResponse, true),
        (json!({"kind": "not_json", "status": 502}), Server, true),
        (json!({"kind": "not_json", "status": 404}), NotFound, false),
        (json!({"kind": "endless", "status": 404}), NotFound, false),
        (json!({"kind": "status", "status": 503}), Server, true),
        (json!({"kind": "status", "status": 409, "json": {"error": "BRAND_NEW"}}), Conflict, false),
        (json!({"kind": "status", "status": 204}), UnexpectedResponse, true),
        (json!({"kind": "answer", "data": {"status": 7}}), UnexpectedResponse, true),
        (json!({"kind": "answer", "envelope": {"success": false, "error": "ODD"}}), UnexpectedResponse, true),
    ] {
        let env = TestEnv::new().await;
        let id = env.faulty("interviewed", fault.clone()).await;
        let error = env.reject(&id).max_retries(0).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown(), error.attempts()), (kind, unknown, 1), "{fault}: {error}");
        assert!(error.idempotency_key().is_some());
        assert_eq!(env.requests(&id).await.len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn a_response_just_under_the_limit_is_read() {
    let env = TestEnv::new().await;
    let id = env.faulty("new", json!({"kind": "huge", "bytes": 1024 * 1024})).await;
    env.status(&id).await.unwrap();
}

#[tokio::test]
async fn a_slow_response_ends_with_attempt_timeout() {
    let env = TestEnv::with(celper_sandbox::Options::default(), |builder| {
        builder.attempt_timeout(Duration::from_millis(300)).max_retries(0)
    })
    .await;
    for fault in [json!({"kind": "drip", "bytesPerSecond": 2}), json!({"kind": "delay", "seconds": 3600})] {
        let id = env.faulty("interviewed", fault).await;
        let error = env.reject(&id).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Timeout, true));
        assert!(error.message().contains("0.3 s (attempt_timeout)"), "{error}");
    }
}

#[tokio::test]
async fn the_key_is_not_sent_to_a_redirect_target() {
    let env = TestEnv::new().await;
    let other = TestEnv::new().await;
    for status in [301, 302, 303, 307, 308] {
        let fault =
            json!({"kind": "redirect", "location": format!("{}/v1/x", other.sandbox.base_url()), "status": status});
        let id = env.faulty("interviewed", fault).await;
        let error = env.reject(&id).await.unwrap_err();
        assert_eq!((error.kind(), error.status(), error.attempts()), (ErrorKind::UnexpectedResponse, Some(status), 1));
        assert!(error.message().contains("redirect"), "{error}");
    }
    assert_eq!(other.control("GET", "requests", json!(null)).await, json!([]));
}

#[tokio::test]
async fn retry_after_is_parsed_in_every_form() {
    let env = TestEnv::new().await;
    let in_an_hour = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3_600));
    for (header, expected) in [(Some("3600".to_owned()), 3_600.0), (Some(in_an_hour), 3_600.0), (None, 0.0)] {
        let id = env
            .faulty("interviewed", json!({"kind": "status", "status": 429, "headers": {"Retry-After": header}}))
            .await;
        let error = env.reject(&id).max_retries(u32::from(expected > 0.0)).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::RateLimited, 1), "a wait of an hour does not fit");
        let reported = error.retry_after().map_or(0.0, |wait| wait.as_secs_f64());
        // HTTP dates have a resolution of a second.
        assert!((reported - expected).abs() <= 2.0, "{reported}");
    }
}

#[tokio::test]
async fn unknown_statuses_and_missing_scores_are_passed_through() {
    let env = TestEnv::new().await;
    for (candidate, score) in [
        (json!({"candidateId": "a", "status": "on_hold", "interviewScore": null, "extra": {"nested": "value"}}), None),
        (json!({"candidateId": "b", "status": "on_hold"}), None),
        (json!({"candidateId": "c", "status": "on_hold", "interviewScore": 0}), Some(0.0)),
    ] {
        env.put(candidate.clone()).await;
        let state = env.status(candidate["candidateId"].as_str().unwrap()).await.unwrap();
        assert_eq!((state.status.as_str(), state.interview_score), ("on_hold", score));
    }
}
