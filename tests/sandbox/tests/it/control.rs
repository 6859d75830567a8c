//! The control endpoints.

use serde_json::{Value, json};

use crate::support::{Request, TestEnv, invite, status};

#[tokio::test]
async fn health() {
    assert_eq!(TestEnv::new().await.get("health").await, json!({"status": "ok"}));
}

#[tokio::test]
async fn candidates_can_be_put_listed_changed_and_replaced() {
    let env = TestEnv::new().await;
    let put = env.try_control("POST", "candidates", json!({"candidateId": "ada", "jobPositionId": "pos"})).await;
    assert_eq!(put.status, 201);
    let new = json!({"candidateId": "ada", "jobPositionId": "pos", "status": "new", "analysisViewed": false});
    assert_eq!(put.json(), new);

    let full = json!({"candidateId": "ada", "jobPositionId": "b", "status": "failed", "analysisViewed": true, "interviewScore": null, "extra": {"x": 1}});
    assert_eq!(env.control("POST", "candidates", full.clone()).await, full);
    assert_eq!(env.get("candidates").await, json!([full, new]));

    let change = json!({"candidateId": "ada", "jobPositionId": "b", "interviewScore": 12.5});
    let changed = env.control("PATCH", "candidates", change).await;
    assert_eq!((&changed["interviewScore"], &changed["status"]), (&json!(12.5), &json!("failed")));

    env.control("POST", "candidates", json!({"candidateId": "ada", "jobPositionId": "b"})).await;
    assert_eq!(env.get("candidates").await[0].get("interviewScore"), None);

    let unknown = json!({"candidateId": "ada", "jobPositionId": "c", "status": "new"});
    assert_eq!(env.try_control("PATCH", "candidates", unknown).await.status, 404);
}

#[tokio::test]
async fn an_invited_candidate_shows_the_session() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    let data = env.call(&invite("ada")).await.data();
    let shown = env.get("candidates").await[0].clone();
    assert_eq!((&shown["sessionId"], &shown["expiresAt"]), (&data["sessionId"], &data["expiresAt"]));
}

#[tokio::test]
async fn the_clock_can_only_be_advanced() {
    let env = TestEnv::new().await;
    let before = env.get("clock").await;
    let after = env.control("POST", "clock", json!({"advanceSeconds": 86_400.5})).await;
    let moved = after["unix"].as_f64().unwrap() - before["unix"].as_f64().unwrap();
    assert!((86_400.5..86_460.5).contains(&moved), "{moved}");
    let now = after["now"].as_str().unwrap();
    assert_eq!((now.len(), &now[23..]), (24, "Z"));
    // `Date` and the request log follow.
    let response = env.call(&status("ada")).await;
    assert!(response.date() >= after["unix"].as_f64().unwrap() as i64);
    assert!(env.last_request().await["receivedAt"].as_f64() >= after["unix"].as_f64());
    for wrong in
        [json!({"advanceSeconds": -1}), json!({"advanceSeconds": 1e12}), json!({"advanceSeconds": "1"}), json!({})]
    {
        assert_eq!(env.try_control("POST", "clock", wrong).await.status, 400);
    }
}

#[tokio::test]
async fn a_reset_clears_everything() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    env.control("POST", "keys", json!({"key": "second"})).await;
    let started = env.get("clock").await["unix"].as_f64().unwrap();
    env.advance(1_000_000.0).await;
    env.call(&invite("ada").key("k")).await;
    env.fault(json!({"candidateId": "ada", "kind": "close", "times": null})).await;
    env.control("POST", "limits", json!({"reads": 1, "actions": 1})).await;
    env.control("POST", "company", json!({"state": "api_disabled"})).await;
    env.control("POST", "keys", json!({"key": celper_sandbox::DEFAULT_KEY, "state": "revoked"})).await;

    env.control("POST", "reset", Value::Null).await;
    for list in ["candidates", "requests", "faults", "outbox", "proxy"] {
        assert_eq!(env.get(list).await, json!([]), "{list}");
    }
    assert!(env.get("clock").await["unix"].as_f64().unwrap() < started + 900_000.0);
    assert_eq!(
        env.get("windows").await,
        json!({
            "enabled": true,
            "window": 60.0,
            "refused": 0,
            "reads": {"limit": 40, "now": 0, "peak": 0, "refused": 0},
            "actions": {"limit": 30, "now": 0, "peak": 0, "refused": 0},
            "total": {"limit": 60, "now": 0, "peak": 0, "refused": 0},
        })
    );
    env.candidate("ada", "new", false).await;
    let again = env.call(&invite("ada").key("k")).await;
    assert_eq!(again.status, 200);
    assert_eq!((&env.last_request().await["acted"], &env.last_request().await["seq"]), (&json!(true), &json!(1)));
    let second = Request::bare("GET", "/v1/candidates/ada/status?jobPositionId=pos").header("X-API-Key", "second");
    assert_eq!(env.call(&second).await.status, 401);
}

#[tokio::test]
async fn invalid_control_requests_get_400_and_a_reason() {
    let env = TestEnv::new().await;
    let ada = json!({"candidateId": "ada", "jobPositionId": "pos"});
    let with = |name: &str, value: Value| {
        let mut described = ada.clone();
        described[name] = value;
        described
    };
    let fault = |fault: Value| {
        let mut described = json!({"candidateId": "ada"});
        described.as_object_mut().unwrap().extend(fault.as_object().unwrap().clone());
        described
    };
    for (method, name, body, hint) in [
        ("POST", "candidates", with("analysisviewed", json!(true)), "analysisviewed"),
        ("POST", "candidates", with("interviewScore", json!("85")), "number"),
        ("POST", "candidates", with("jobPositionId", json!("")), "empty"),
        ("POST", "candidates", json!({"candidateId": "ada"}), "jobPositionId"),
        ("PATCH", "candidates", with("extra", json!({})), "extra"),
        ("POST", "candidates", Value::Null, "body"),
        ("POST", "keys", json!({"key": "k", "scopes": ["read:everything"]}), "read:everything"),
        ("POST", "keys", json!({"key": "k", "state": "lost"}), "lost"),
        ("POST", "keys", json!({"key": "k", "allowlist": ["localhost"]}), "IP address"),
        ("POST", "keys", json!({"key": ""}), "blank"),
        ("POST", "company", json!({"state": "gone"}), "gone"),
        ("POST", "limits", json!({"read": 1}), "read"),
        ("POST", "limits", json!({"window": 0}), "window"),
        ("POST", "limits", json!({"window": -3}), "window"),
        ("POST", "faults", fault(json!({"kind": "explode"})), "explode"),
        ("POST", "faults", fault(json!({"kind": "close", "seconds": 1})), "seconds"),
        ("POST", "faults", fault(json!({"kind": "close_idle", "reset": true})), "reset"),
        ("POST", "faults", fault(json!({"kind": "close", "operation": "hire"})), "hire"),
        ("POST", "faults", fault(json!({"kind": "close", "times": 0})), "times"),
        ("POST", "faults", fault(json!({"kind": "close", "act": "after"})), "delay"),
        ("POST", "faults", fault(json!({"kind": "delay", "seconds": 1, "act": "none"})), "before"),
        ("POST", "faults", fault(json!({"kind": "delay", "seconds": -1})), "seconds"),
        ("POST", "faults", fault(json!({"kind": "status", "status": 409, "bodyBase64": "?"})), "bodyBase64"),
        ("POST", "faults", fault(json!({"kind": "drip", "bytesPerSecond": 0})), "bytesPerSecond"),
        ("POST", "faults", fault(json!({"kind": "status"})), "status"),
        ("POST", "faults", fault(json!({"kind": "status", "status": 100})), "status"),
        ("POST", "faults", fault(json!({"kind": "status", "status": 500, "body": "", "json": 1})), "only one"),
        ("POST", "faults", fault(json!({"kind": "status", "status": 500, "headers": {"a b": "c"}})), "a b"),
        ("POST", "faults", fault(json!({"kind": "status", "status": 500, "headers": {"a": "c\n"}})), "header"),
        ("POST", "faults", fault(json!({"kind": "status", "status": 500, "headers": {"Content-Length": 3}})), "cut"),
        ("POST", "faults", fault(json!({"kind": "redirect", "location": "/", "status": 200})), "redirect"),
        ("POST", "faults", fault(json!({"kind": "redirect"})), "location"),
        ("POST", "faults", fault(json!({"kind": "answer"})), "data"),
        ("POST", "faults", fault(json!({"kind": "answer", "data": 1, "envelope": 2})), "data"),
        ("POST", "faults", fault(json!({"kind": "endless", "status": 204})), "body"),
        ("POST", "faults", json!({"kind": "close"}), "candidateId"),
        ("GET", "requests?candidate=ada", Value::Null, "candidate"),
        ("DELETE", "requests?candidateId=ada", Value::Null, "candidateId"),
    ] {
        let response = env.try_control(method, name, body.clone()).await;
        assert_eq!(response.status, 400, "{method} {name} {body}");
        let advice = response.json()["error"].as_str().unwrap().to_owned();
        assert!(advice.contains(hint), "{method} {name} {body}: {advice}");
    }
    assert_eq!(env.get("candidates").await, json!([]));
    assert_eq!(env.get("faults").await, json!([]));
}

#[tokio::test]
async fn unknown_names_and_methods_are_refused() {
    let env = TestEnv::new().await;
    assert_eq!(env.try_control("GET", "nothing", Value::Null).await.status, 404);
    assert_eq!(env.try_control("DELETE", "candidates", Value::Null).await.status, 405);
    assert_eq!(env.try_control("GET", "reset", Value::Null).await.status, 405);
}

#[tokio::test]
async fn control_requests_are_not_api_requests() {
    let env = TestEnv::new().await;
    env.get("health").await;
    env.candidate("ada", "new", false).await;
    assert_eq!(env.get("requests").await, json!([]));
    assert_eq!(env.get("windows").await["total"]["peak"], 0);
}
