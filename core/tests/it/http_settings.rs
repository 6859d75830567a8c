//! Settings of the caller's for the reqwest client, and those that the client enforces.

use celper::reqwest::header::{HeaderMap, HeaderValue};
use celper::reqwest::redirect::Policy;
use celper::{Client, ErrorKind, JobPositionId};
use serde_json::json;

use crate::test_env::{POSITION, TestEnv};

#[tokio::test]
async fn the_callers_settings_are_used() {
    let env = TestEnv::new().await;
    let id = env.candidate("new").await;
    let address = env.sandbox.base_url().trim_start_matches("http://").parse().unwrap();
    let client = Client::builder()
        .api_key(env.sandbox.api_key())
        .base_url("http://resolved.localhost")
        .configure_http(move |http| {
            let headers = HeaderMap::from_iter([("x-gateway".parse().unwrap(), HeaderValue::from_static("1"))]);
            http.resolve("resolved.localhost", address).default_headers(headers)
        })
        .build()
        .unwrap();
    client.get_candidate_status(&*id, JobPositionId(POSITION)).await.unwrap();
    assert_eq!(env.requests(&id).await[0]["header"]["x-gateway"], "1");
}

#[tokio::test]
async fn redirects_and_retries_stay_off() {
    let other = TestEnv::new().await;
    let env = TestEnv::with(celper_sandbox::Options::default(), |builder| {
        builder.configure_http(|http| {
            let retry = reqwest::retry::for_host("127.0.0.1").classify_fn(|response| {
                if response.status().is_some_and(|status| status.is_server_error()) {
                    response.retryable()
                } else {
                    response.success()
                }
            });
            http.redirect(Policy::limited(5)).referer(true).retry(retry)
        })
    })
    .await;
    let id = env.faulty("new", json!({"kind": "redirect", "location": other.sandbox.base_url(), "status": 307})).await;
    assert_eq!(env.status(&id).await.unwrap_err().kind(), ErrorKind::UnexpectedResponse);
    assert_eq!(other.control("GET", "requests", json!(null)).await, json!([]));
    let id = env.faulty("new", json!({"kind": "status", "status": 503})).await;
    assert_eq!(env.status(&id).max_retries(0).await.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(env.requests(&id).await.len(), 1);
}
