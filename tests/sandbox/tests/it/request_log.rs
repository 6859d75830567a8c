//! The request log.

use celper_sandbox::{DEFAULT_KEY, Options};
use serde_json::{Value, json};

use crate::support::{Request, TestEnv, invite, status};

#[tokio::test]
async fn a_request_is_logged_as_it_was_received() {
    let env = TestEnv::new().await;
    let target = "/v1/candidates/a%2fb%20+..%C3%A9/invite?x=%41&x=+b&&empty=";
    let body = "{ \"jobPositionId\" : \"é\" }";
    let request = Request::new("POST", target).header("X-Twice", "1").header("x-twice", "2").key("k").body(body);
    env.call(&request).await;
    let logged = env.last_request().await;
    let (path, query) = target.split_once('?').unwrap();
    for (name, expected) in [
        ("seq", json!(1)),
        ("method", json!("POST")),
        ("target", json!(target)),
        ("path", json!(path)),
        ("query", json!(query)),
        ("candidateId", json!("a/b +..é")),
        ("body", json!(body)),
        ("answered", json!(404)),
        ("fault", Value::Null),
        ("acted", json!(false)),
        ("replayed", json!(false)),
        ("clientClosed", json!(false)),
    ] {
        assert_eq!(logged[name], expected, "{name}");
    }
    assert_eq!(
        logged["headers"],
        json!([
            ["host", "localhost"],
            ["x-api-key", DEFAULT_KEY],
            ["x-twice", "1"],
            ["x-twice", "2"],
            ["idempotency-key", "k"],
            ["content-length", body.len().to_string()],
        ])
    );
    assert_eq!(logged["header"]["x-twice"], "1, 2");
    assert_eq!(logged["header"]["idempotency-key"], "k");
    let clock = env.get("clock").await["unix"].as_f64().unwrap();
    let received = logged["receivedAt"].as_f64().unwrap();
    assert!(received <= clock && received > clock - 60.0);
    assert!(logged["monotonicMs"].as_f64().unwrap() >= 0.0);
}

#[tokio::test]
async fn refused_requests_are_logged() {
    let env = TestEnv::new().await;
    env.call(&Request::bare("GET", "/v1/candidates/ada/status")).await;
    env.call(&Request::new("GET", "/elsewhere")).await;
    env.control("POST", "limits", json!({"total": 0})).await;
    env.call(&status("ada")).await;
    let requests = env.requests().await;
    let seen: Vec<_> =
        requests.iter().map(|r| (r["answered"].clone(), r["candidateId"].clone(), r["body"].clone())).collect();
    assert_eq!(
        seen,
        [
            (json!(401), json!("ada"), Value::Null),
            (json!(404), Value::Null, Value::Null),
            (json!(429), json!("ada"), Value::Null)
        ]
    );
}

#[tokio::test]
async fn connections_are_numbered() {
    let env = TestEnv::new().await;
    let mut kept = env.open().await;
    kept.call(&status("ada")).await;
    kept.call(&status("ada")).await;
    env.call(&status("ada")).await;
    let requests = env.requests().await;
    assert_eq!(requests[0]["connection"], requests[1]["connection"]);
    assert_ne!(requests[1]["connection"], requests[2]["connection"]);
}

#[tokio::test]
async fn the_log_can_be_filtered_and_cleared() {
    let env = TestEnv::new().await;
    for candidate in ["a%2Fb", "other", "a%2fb"] {
        env.call(&status(candidate)).await;
    }
    let found = env.get("requests?candidateId=a%2Fb").await;
    let seqs: Vec<_> = found.as_array().unwrap().iter().map(|r| r["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [1, 3]);
    assert_eq!(env.control("DELETE", "requests", Value::Null).await, json!({"cleared": 3}));
    assert_eq!(env.get("requests").await, json!([]));
    env.call(&status("ada")).await;
    assert_eq!(env.last_request().await["seq"], 4);
}

#[tokio::test]
async fn only_the_latest_requests_are_kept() {
    let env = TestEnv::with(Options { log_capacity: 3, ..Options::default() }).await;
    for _ in 0..5 {
        env.call(&status("ada")).await;
    }
    let seqs: Vec<_> = env.requests().await.iter().map(|r| r["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [3, 4, 5]);
    let env = TestEnv::with(Options { log_capacity: 0, ..Options::default() }).await;
    assert_eq!(env.call(&status("ada")).await.status, 404);
    assert_eq!(env.get("requests").await, json!([]));
}

#[tokio::test]
async fn a_client_that_gets_its_response_did_not_leave_early() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    for request in
        [invite("ada"), status("ada"), status("ada").header("Connection", "close"), Request::new("HEAD", "/v1")]
    {
        let mut connection = env.open().await;
        connection.send(&request).await;
        connection.head().await;
        drop(connection);
    }
    // On this runtime the sandbox has seen the connections end before it responds to this.
    for _ in 0..20 {
        let requests = env.requests().await;
        assert_eq!(requests.len(), 4);
        assert!(requests.iter().all(|request| request["clientClosed"] == false), "{requests:?}");
    }
}

#[tokio::test]
async fn a_disconnect_is_noticed_with_and_without_keep_alive() {
    for connection_header in ["keep-alive", "close"] {
        let env = TestEnv::new().await;
        env.candidate("ada", "new", false).await;
        env.fault(json!({"candidateId": "ada", "kind": "delay", "seconds": 3600})).await;
        let mut connection = env.open().await;
        connection.send(&status("ada").header("Connection", connection_header)).await;
        env.wait_for_last(|last| last["fault"] == "delay").await;
        drop(connection);
        env.wait_for_last(|last| last["clientClosed"] == true).await;
    }
}

#[tokio::test]
async fn an_incomplete_request_is_not_logged() {
    let env = TestEnv::new().await;
    let mut connection = env.open().await;
    let half = Request::new("POST", "/v1/candidates/ada/invite").header("Content-Length", "100");
    connection.send(&half).await;
    drop(connection);
    env.call(&status("ada")).await;
    assert_eq!(env.requests().await.len(), 1);
}
