//! The three sliding rate windows, on the sandbox's clock.

use celper_sandbox::Options;
use serde_json::{Value, json};

use crate::support::{Request, TestEnv, invite, status};

#[tokio::test]
async fn the_documented_limits_are_enforced() {
    for (request, limit) in [(status("ada"), 40), (invite("ada"), 30)] {
        let env = TestEnv::new().await;
        env.candidate("ada", "interviewed", false).await;
        let mut connection = env.open().await;
        for used in 1..=limit {
            let response = connection.call(&request).await;
            assert_ne!(response.status, 429, "request {used} of {limit}");
            assert_eq!(response.number("x-ratelimit-limit"), limit);
            assert_eq!(response.number("x-ratelimit-remaining"), limit - used);
            assert_eq!(response.header("retry-after"), None);
        }
        let refused = connection.call(&request).await;
        assert_eq!(refused.refused(), (429, "RATE_LIMITED".into()));
        assert_eq!(refused.number("x-ratelimit-limit"), limit);
        assert_eq!(refused.number("x-ratelimit-remaining"), 0);
        assert!(refused.header("x-request-id").is_some());
    }
}

#[tokio::test]
async fn reads_and_actions_together_have_a_total_limit() {
    let env = TestEnv::new().await;
    env.candidate("ada", "interviewed", false).await;
    let mut connection = env.open().await;
    for _ in 0..35 {
        assert_eq!(connection.call(&status("ada")).await.status, 200);
    }
    for used in 36..=60 {
        let response = connection.call(&invite("ada")).await;
        assert_eq!(response.status, 409);
        // 35 reads leave 25 of the total, and the actions' own 30 are never tighter.
        assert_eq!((response.number("x-ratelimit-limit"), response.number("x-ratelimit-remaining")), (60, 60 - used));
    }
    for request in [status("ada"), invite("ada")] {
        let refused = connection.call(&request).await;
        assert_eq!((refused.status, refused.number("x-ratelimit-limit")), (429, 60));
    }
    let windows = env.get("windows").await;
    assert_eq!(windows["refused"], 2);
    assert_eq!(windows["total"], json!({"limit": 60, "now": 60, "peak": 62, "refused": 2}));
    assert_eq!(windows["reads"], json!({"limit": 40, "now": 35, "peak": 36, "refused": 0}));
    assert_eq!(windows["actions"], json!({"limit": 30, "now": 25, "peak": 26, "refused": 0}));
}

/// A sandbox with a window longer than any test, so that only the advanced clock counts.
async fn slow_env(reads: usize) -> TestEnv {
    let window = std::time::Duration::from_secs(10_000);
    let env = TestEnv::with(Options { reads, window, ..Options::default() }).await;
    env.candidate("ada", "new", false).await;
    env
}

#[tokio::test]
async fn windows_slide_on_the_sandboxs_clock() {
    let env = slow_env(2).await;
    assert_eq!(env.call(&status("ada")).await.status, 200);
    env.advance(6_000.0).await;
    assert_eq!(env.call(&status("ada")).await.status, 200);
    assert_eq!(env.call(&status("ada")).await.status, 429);
    // The first leaves, the second stays.
    env.advance(4_000.0).await;
    assert_eq!(env.call(&status("ada")).await.status, 200);
    assert_eq!(env.call(&status("ada")).await.status, 429);
    env.advance(6_000.0).await;
    assert_eq!(env.call(&status("ada")).await.status, 200);
}

#[tokio::test]
async fn a_refused_request_does_not_count() {
    let env = slow_env(1).await;
    env.call(&status("ada")).await;
    env.advance(9_000.0).await;
    assert_eq!(env.call(&status("ada")).await.status, 429);
    env.advance(1_000.0).await;
    assert_eq!(env.call(&status("ada")).await.status, 200);
}

#[tokio::test]
async fn reset_and_retry_after_name_the_next_slot() {
    let env = slow_env(2).await;
    let first = env.call(&status("ada")).await;
    let reset = first.number("x-ratelimit-reset");
    // `Date` is cut off to the second, the reset rounded up.
    assert!((10_000..=10_002).contains(&(reset - first.date())), "{reset} against {}", first.date());
    env.advance(4_000.0).await;
    let second = env.call(&status("ada")).await;
    assert_eq!(second.number("x-ratelimit-reset"), reset, "still the first request's slot");

    let refused = env.call(&status("ada")).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.number("x-ratelimit-reset"), reset);
    let wait = refused.number("retry-after");
    // One is rounded down, the other up.
    assert!((-1..=1).contains(&(refused.date() + wait - reset)), "{refused:?}");

    // Waiting exactly that long is enough.
    env.advance(wait as f64).await;
    let third = env.call(&status("ada")).await;
    assert_eq!(third.status, 200);
    assert!(third.number("x-ratelimit-reset") > reset);
}

#[tokio::test]
async fn errors_before_the_rate_check_have_rate_limit_headers() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    env.call(&status("ada")).await;
    let unknown = env.call(&Request::new("GET", "/v1/nothing")).await;
    assert_eq!((unknown.number("x-ratelimit-limit"), unknown.number("x-ratelimit-remaining")), (60, 59));
    let wrong_method = env.call(&Request::new("PUT", "/v1/candidates/ada/status")).await;
    assert_eq!((wrong_method.number("x-ratelimit-limit"), wrong_method.number("x-ratelimit-remaining")), (40, 39));
    assert_eq!(env.get("windows").await["total"]["now"], 1);
}

#[tokio::test]
async fn all_keys_share_the_companys_windows() {
    let env = slow_env(1).await;
    env.control("POST", "keys", json!({"key": "second"})).await;
    assert_eq!(env.call(&status("ada")).await.status, 200);
    let second = Request::bare("GET", "/v1/candidates/ada/status?jobPositionId=pos").header("X-API-Key", "second");
    assert_eq!(env.call(&second).await.status, 429);
}

#[tokio::test]
async fn limits_can_be_changed_and_turned_off() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    let changed = env.control("POST", "limits", json!({"reads": 1, "window": 5_000.0})).await;
    assert_eq!(changed, json!({"reads": 1, "actions": 30, "total": 60, "window": 5_000.0, "enabled": true}));
    assert_eq!(env.call(&status("ada")).await.status, 200);
    assert_eq!(env.call(&status("ada")).await.status, 429);
    env.control("POST", "limits", json!({"enabled": false})).await;
    for _ in 0..3 {
        let response = env.call(&status("ada")).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("x-ratelimit-limit"), None);
    }
    env.control("POST", "reset", Value::Null).await;
    let windows = env.get("windows").await;
    assert_eq!(
        (&windows["enabled"], &windows["reads"]["limit"], &windows["window"]),
        (&json!(true), &json!(40), &json!(60.0))
    );
}
