//! Dropping a call's future at each of its stages.

use std::time::Duration;

use celper::RateLimits;
use celper_sandbox::Options;
use serde_json::json;
use tokio::time::timeout;

use crate::test_env::TestEnv;

#[tokio::test]
async fn a_dropped_call_closes_its_socket_and_is_not_retried() {
    let env = TestEnv::new().await;
    for fault in [json!({"kind": "delay", "seconds": 3600}), json!({"kind": "drip", "bytesPerSecond": 1})] {
        let id = env.faulty("interviewed", fault).await;
        let call = tokio::spawn(env.reject(&id).into_future());
        env.wait_for_request(&id, |_| true).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        env.wait_for_request(&id, |request| request["clientClosed"] == true).await;
        assert_eq!(env.requests(&id).await.len(), 1);
    }
}

#[tokio::test]
async fn a_call_dropped_while_it_waits_for_a_permit_sends_nothing() {
    let env = TestEnv::with(Options::default(), |builder| {
        builder.rate_limits(RateLimits { actions: 1, ..RateLimits::default() })
    })
    .await;
    let (first, second) = (env.candidate("interviewed").await, env.candidate("interviewed").await);
    env.reject(&first).await.unwrap();
    assert!(timeout(Duration::from_millis(100), env.reject(&second).into_future()).await.is_err());
    assert!(env.requests(&second).await.is_empty());
}

#[tokio::test]
async fn a_call_dropped_between_attempts_sends_no_retry() {
    let env = TestEnv::new().await;
    let id = env.faulty("interviewed", json!({"kind": "status", "status": 503, "headers": {"Retry-After": "1"}})).await;
    let call = tokio::spawn(env.reject(&id).into_future());
    env.wait_for_request(&id, |request| request["answered"] == 503).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // Longer than the Retry-After: a retry would have been sent.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    assert_eq!(env.requests(&id).await.len(), 1);
}
