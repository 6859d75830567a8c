//! The three sliding windows, on the sandbox's own clock.

use celper_sandbox::Options;
use serde_json::{Value, json};

use crate::support::{Request, Stage, invite, status};

#[tokio::test]
async fn the_documented_limits_hold() {
    for (request, limit) in [(status("ada"), 40), (invite("ada"), 30)] {
        let stage = Stage::new().await;
        stage.candidate("ada", "interviewed", false).await;
        let mut connection = stage.open().await;
        for used in 1..=limit {
            let reply = connection.call(&request).await;
            assert_ne!(reply.status, 429, "request {used} of {limit}");
            assert_eq!(reply.number("x-ratelimit-limit"), limit);
            assert_eq!(reply.number("x-ratelimit-remaining"), limit - used);
            assert_eq!(reply.header("retry-after"), None);
        }
        let refused = connection.call(&request).await;
        assert_eq!(refused.refused(), (429, "RATE_LIMITED".into()));
        assert_eq!(refused.number("x-ratelimit-limit"), limit);
        assert_eq!(refused.number("x-ratelimit-remaining"), 0);
        assert!(refused.header("x-request-id").is_some());
    }
}

#[tokio::test]
async fn both_sorts_together_have_a_limit_of_their_own() {
    let stage = Stage::new().await;
    stage.candidate("ada", "interviewed", false).await;
    let mut connection = stage.open().await;
    for _ in 0..35 {
        assert_eq!(connection.call(&status("ada")).await.status, 200);
    }
    for used in 36..=60 {
        let reply = connection.call(&invite("ada")).await;
        assert_eq!(reply.status, 409);
        // 35 reads leave 25 of the total, and the actions' own 30 are never tighter.
        assert_eq!((reply.number("x-ratelimit-limit"), reply.number("x-ratelimit-remaining")), (60, 60 - used));
    }
    for request in [status("ada"), invite("ada")] {
        let refused = connection.call(&request).await;
        assert_eq!((refused.status, refused.number("x-ratelimit-limit")), (429, 60));
    }
    let windows = stage.get("windows").await;
    assert_eq!(windows["refused"], 2);
    assert_eq!(windows["total"], json!({"limit": 60, "now": 60, "peak": 62, "refused": 2}));
    assert_eq!(windows["reads"], json!({"limit": 40, "now": 35, "peak": 36, "refused": 0}));
    assert_eq!(windows["actions"], json!({"limit": 30, "now": 25, "peak": 26, "refused": 0}));
}

/// A stage whose window no test outlasts in real time, so that only the moved clock counts.
async fn slow_stage(reads: usize) -> Stage {
    let window = std::time::Duration::from_secs(10_000);
    let stage = Stage::with(Options { reads, window, ..Options::default() }).await;
    stage.candidate("ada", "new", false).await;
    stage
}

#[tokio::test]
async fn windows_slide_on_the_sandboxs_clock() {
    let stage = slow_stage(2).await;
    assert_eq!(stage.call(&status("ada")).await.status, 200);
    stage.advance(6_000.0).await;
    assert_eq!(stage.call(&status("ada")).await.status, 200);
    assert_eq!(stage.call(&status("ada")).await.status, 429);
    // The first leaves, the second stays.
    stage.advance(4_000.0).await;
    assert_eq!(stage.call(&status("ada")).await.status, 200);
    assert_eq!(stage.call(&status("ada")).await.status, 429);
    stage.advance(6_000.0).await;
    assert_eq!(stage.call(&status("ada")).await.status, 200);
}

#[tokio::test]
async fn a_refused_request_does_not_count() {
    let stage = slow_stage(1).await;
    stage.call(&status("ada")).await;
    stage.advance(9_000.0).await;
    assert_eq!(stage.call(&status("ada")).await.status, 429);
    stage.advance(1_000.0).await;
    assert_eq!(stage.call(&status("ada")).await.status, 200);
}

#[tokio::test]
async fn reset_and_retry_after_name_the_next_slot() {
    let stage = slow_stage(2).await;
    let first = stage.call(&status("ada")).await;
    let reset = first.number("x-ratelimit-reset");
    // `Date` is cut off to the second, the reset rounded up.
    assert!((10_000..=10_002).contains(&(reset - first.date())), "{reset} against {}", first.date());
    stage.advance(4_000.0).await;
    let second = stage.call(&status("ada")).await;
    assert_eq!(second.number("x-ratelimit-reset"), reset, "still the first request's slot");

    let refused = stage.call(&status("ada")).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.number("x-ratelimit-reset"), reset);
    let wait = refused.number("retry-after");
    // One is rounded down, the other up.
    assert!((-1..=1).contains(&(refused.date() + wait - reset)), "{refused:?}");

    // Waiting exactly that long is enough.
    stage.advance(wait as f64).await;
    let third = stage.call(&status("ada")).await;
    assert_eq!(third.status, 200);
    assert!(third.number("x-ratelimit-reset") > reset);
}

#[tokio::test]
async fn what_never_reaches_the_windows_still_sees_them() {
    let stage = Stage::new().await;
    stage.candidate("ada", "new", false).await;
    stage.call(&status("ada")).await;
    let unknown = stage.call(&Request::new("GET", "/v1/nothing")).await;
    assert_eq!((unknown.number("x-ratelimit-limit"), unknown.number("x-ratelimit-remaining")), (60, 59));
    let wrong_method = stage.call(&Request::new("PUT", "/v1/candidates/ada/status")).await;
    assert_eq!((wrong_method.number("x-ratelimit-limit"), wrong_method.number("x-ratelimit-remaining")), (40, 39));
    assert_eq!(stage.get("windows").await["total"]["now"], 1);
}

#[tokio::test]
async fn all_keys_share_the_companys_windows() {
    let stage = slow_stage(1).await;
    stage.control("POST", "keys", json!({"key": "second"})).await;
    assert_eq!(stage.call(&status("ada")).await.status, 200);
    let second = Request::bare("GET", "/v1/candidates/ada/status?jobPositionId=pos").header("X-API-Key", "second");
    assert_eq!(stage.call(&second).await.status, 429);
}

#[tokio::test]
async fn limits_can_be_changed_and_turned_off() {
    let stage = Stage::new().await;
    stage.candidate("ada", "new", false).await;
    let changed = stage.control("POST", "limits", json!({"reads": 1, "window": 5_000.0})).await;
    assert_eq!(changed, json!({"reads": 1, "actions": 30, "total": 60, "window": 5_000.0, "enabled": true}));
    assert_eq!(stage.call(&status("ada")).await.status, 200);
    assert_eq!(stage.call(&status("ada")).await.status, 429);
    stage.control("POST", "limits", json!({"enabled": false})).await;
    for _ in 0..3 {
        let reply = stage.call(&status("ada")).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("x-ratelimit-limit"), None);
    }
    stage.control("POST", "reset", Value::Null).await;
    let windows = stage.get("windows").await;
    assert_eq!(
        (&windows["enabled"], &windows["reads"]["limit"], &windows["window"]),
        (&json!(true), &json!(40), &json!(60.0))
    );
}
