//! The control endpoints refuse what a web page could send.

use celper_sandbox::Options;
use serde_json::json;

use crate::support::{Request, TestEnv, status};

/// Asserts that a control request with these changes is refused and has no effect.
async fn assert_refused(env: &TestEnv, change: impl Fn(Request) -> Request, hint: &str) {
    let body = json!({"candidateId": "eve", "jobPositionId": "pos"});
    for request in [
        Request::bare("GET", "/_sandbox/requests"),
        Request::bare("GET", "/_sandbox/nothing"),
        Request::bare("POST", "/_sandbox/candidates").json(&body),
        Request::bare("POST", "/_sandbox/reset"),
    ] {
        let request = change(request);
        let response = env.call(&request).await;
        assert_eq!(response.status, 403, "{request:?}");
        let error = response.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(hint), "{request:?}: {error}");
    }
    assert_eq!(env.get("candidates").await.as_array().unwrap().len(), 1);
}

async fn env(options: Options) -> TestEnv {
    let env = TestEnv::with(options).await;
    env.candidate("ada", "new", false).await;
    env
}

#[tokio::test]
async fn a_foreign_host_gets_403() {
    let env = env(Options::default()).await;
    let port = env.sandbox.address().port();
    for host in ["evil.example", &format!("evil.example:{port}"), "localhost.evil.example", "192.0.2.1", "", "a b"] {
        assert_refused(&env, |request| request.host(host), "--server-name").await;
    }
    assert_refused(&env, |request| request.header("Host", "localhost"), "exactly one Host").await;
}

#[tokio::test]
async fn a_foreign_host_in_the_target_gets_403() {
    let env = env(Options::default()).await;
    for (target, expected) in
        [("http://evil.example/_sandbox/requests", 403), ("http://localhost/_sandbox/requests", 200)]
    {
        assert_eq!(env.call(&Request::bare("GET", target)).await.status, expected, "{target}");
    }
}

#[tokio::test]
async fn loopback_names_and_the_bound_address_are_accepted() {
    let env = env(Options::default()).await;
    let address = env.sandbox.address();
    let port = address.port();
    for host in [
        "localhost",
        &format!("localhost:{port}"),
        &format!("x.localhost:{port}"),
        &address.to_string(),
        "[::1]",
        "127.1.2.3",
    ] {
        let response = env.call(&Request::bare("GET", "/_sandbox/health").host(host)).await;
        assert_eq!(response.status, 200, "{host}");
    }
}

#[tokio::test]
async fn any_origin_gets_403() {
    let env = env(Options::default()).await;
    for origin in ["https://evil.example", "null", "", "http://localhost", &env.sandbox.base_url()] {
        assert_refused(&env, |request| request.header("Origin", origin), "origin").await;
    }
    for site in ["cross-site", "same-site", "same-origin"] {
        assert_refused(&env, |request| request.header("Sec-Fetch-Site", site), "sec-fetch-site").await;
    }
    // The address typed into a browser.
    let opened = Request::bare("GET", "/_sandbox/health").header("Sec-Fetch-Site", "none");
    assert_eq!(env.call(&opened).await.status, 200);
}

#[tokio::test]
async fn the_api_accepts_any_host() {
    let env = env(Options::default()).await;
    let request = status("ada").host("api.example").header("Origin", "https://app.example");
    let response = env.call(&request).await;
    assert_eq!(response.status, 200);
    // Without this header a browser does not show the response to the page.
    assert_eq!(response.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn an_oversized_control_body_gets_413() {
    let env = env(Options::default()).await;
    let mut connection = env.open().await;
    connection.send(&Request::bare("POST", "/_sandbox/candidates").header("Content-Length", "99999999")).await;
    let response = connection.response().await;
    assert_eq!(response.status, 413);
    assert!(response.json()["error"].as_str().unwrap().contains("8 MiB"));
}

#[tokio::test]
async fn blank_keys_are_refused() {
    let env = env(Options::default()).await;
    for key in ["", " ", "\t", " celp_key", "celp_key ", "celp\nkey"] {
        let response = env.try_control("POST", "keys", json!({"key": key})).await;
        assert_eq!(response.status, 400, "{key:?}");
        assert!(response.json()["error"].as_str().unwrap().contains("API key"), "{key:?}");
    }
    for key in ["", " "] {
        let options = Options { keys: vec!["celp_first".to_owned(), key.to_owned()], ..Options::default() };
        let error = celper_sandbox::Sandbox::start(options).await.unwrap_err();
        assert!(error.to_string().contains("API key"), "{error}");
    }
}
