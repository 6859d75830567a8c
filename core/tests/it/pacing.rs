//! Pacing against the real windows of the sandbox.

use std::time::Duration;

use celper::{Client, JobPositionId, RateLimits};
use celper_sandbox::Options;
use serde_json::json;

use crate::test_env::{POSITION, TestEnv};

#[tokio::test]
async fn two_clients_of_one_key_stay_within_the_windows_together() {
    let window = Duration::from_secs(1);
    let limits = RateLimits { window, ..RateLimits::default() };
    let options = Options { window, ..Options::default() };
    let env = TestEnv::with(options, |builder| builder.rate_limits(limits).max_retries(0)).await;
    let other = Client::builder()
        .api_key(env.sandbox.api_key())
        .base_url(env.sandbox.base_url())
        .rate_limits(limits)
        .max_retries(0)
        .build()
        .unwrap();
    let id = env.candidate("new").await;
    let calls: Vec<_> = (0..100)
        .map(|turn| {
            let client = if turn % 2 == 0 { &env.client } else { &other };
            tokio::spawn(client.get_candidate_status(&*id, JobPositionId(POSITION)).into_future())
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let windows = env.control("GET", "windows", json!(null)).await;
    assert_eq!(windows["reads"]["refused"], 0, "{windows}");
    assert_eq!(windows["reads"]["peak"], 40, "{windows}");
}

#[tokio::test]
async fn a_new_client_for_each_call_stays_within_the_windows() {
    let window = Duration::from_secs(1);
    let env = TestEnv::with(Options { window, reads: 3, ..Options::default() }, |builder| builder).await;
    let id = env.candidate("new").await;
    for _ in 0..7 {
        let limits = RateLimits { reads: 3, window, ..RateLimits::default() };
        let builder = Client::builder().api_key(env.sandbox.api_key()).base_url(env.sandbox.base_url());
        let client = builder.rate_limits(limits).max_retries(0).build().unwrap();
        client.get_candidate_status(&*id, JobPositionId(POSITION)).await.unwrap();
    }
    let windows = env.control("GET", "windows", json!(null)).await;
    assert_eq!(windows["reads"]["refused"], 0, "{windows}");
}

#[tokio::test]
async fn without_pacing_a_429_is_retried() {
    let options = Options { window: Duration::from_secs(1), actions: 2, ..Options::default() };
    let env = TestEnv::with(options, |builder| builder.max_retries(5)).await;
    for _ in 0..3 {
        let id = env.candidate("interviewed").await;
        env.reject(&id).await.unwrap();
    }
    let windows = env.control("GET", "windows", json!(null)).await;
    assert!(windows["actions"]["refused"].as_u64().unwrap() >= 1, "{windows}");
}
