//! Keys, scopes, allowlists, the company's state, and the order in which they are checked.

use serde_json::json;

use crate::support::{Request, TestEnv, action, status};

fn with_key(key: &str, method: &str, target: &str) -> Request {
    Request::bare(method, target).header("X-API-Key", key)
}

fn operations() -> [(&'static str, &'static str, &'static str); 4] {
    [
        ("GET", "/v1/candidates/ada/status?jobPositionId=pos", "read:candidates"),
        ("POST", "/v1/candidates/ada/invite", "action:invite"),
        ("POST", "/v1/candidates/ada/select", "action:decide"),
        ("POST", "/v1/candidates/ada/reject", "action:decide"),
    ]
}

#[tokio::test]
async fn a_request_without_a_valid_key_gets_401() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    for state in ["revoked", "expired"] {
        env.control("POST", "keys", json!({"key": state, "state": state})).await;
    }
    for (method, target, _) in operations() {
        for request in [
            Request::bare(method, target),
            with_key("", method, target),
            with_key("celp_ffffffffffffffffffffffffffffffff", method, target),
            with_key("revoked", method, target),
            with_key("expired", method, target),
            Request::new(method, target).header("X-API-Key", "second"),
            Request::bare(method, target).header("Authorization", "Bearer celp_0123456789abcdef0123456789abcdef"),
        ] {
            let response = env.call(&request).await;
            assert_eq!(response.refused(), (401, "UNAUTHORIZED".into()), "{request:?}");
            assert!(response.header("x-request-id").is_some());
            assert_eq!(response.header("x-ratelimit-limit"), None);
        }
    }
    assert_eq!(env.get("windows").await["total"]["now"], 0);
}

#[tokio::test]
async fn a_key_in_the_query_gets_401() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    let target = "/v1/candidates/ada/status?jobPositionId=pos&X-API-Key=celp_0123456789abcdef0123456789abcdef";
    assert_eq!(env.call(&Request::bare("GET", target)).await.status, 401);
}

#[tokio::test]
async fn each_endpoint_requires_its_scope() {
    let env = TestEnv::new().await;
    let all = ["read:jobs", "read:candidates", "write:candidates", "action:invite", "action:decide", "manage:webhooks"];
    for (method, target, needed) in operations() {
        let others: Vec<_> = all.into_iter().filter(|scope| *scope != needed).collect();
        env.control("POST", "keys", json!({"key": "others", "scopes": others})).await;
        let refused = env.call(&with_key("others", method, target)).await;
        assert_eq!(refused.refused(), (403, "SCOPE_INSUFFICIENT".into()), "{target}");
        assert!(refused.number("x-ratelimit-limit") > 0);
        env.control("POST", "keys", json!({"key": "only", "scopes": [needed]})).await;
        assert_ne!(env.call(&with_key("only", method, target)).await.status, 403, "{target}");
    }
}

#[tokio::test]
async fn an_allowlist_allows_only_its_addresses() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    env.control("POST", "keys", json!({"key": "abroad", "allowlist": ["203.0.113.7", "2001:db8::1"]})).await;
    env.control("POST", "keys", json!({"key": "home", "allowlist": ["203.0.113.7", "127.0.0.1"]})).await;
    let target = "/v1/candidates/ada/status?jobPositionId=pos";
    let refused = env.call(&with_key("abroad", "GET", target)).await;
    assert_eq!(refused.refused(), (403, "IP_NOT_ALLOWED".into()));
    assert_eq!(env.call(&with_key("home", "GET", target)).await.status, 200);
}

#[tokio::test]
async fn a_key_whose_creator_lost_access_gets_403() {
    let env = TestEnv::new().await;
    env.control("POST", "keys", json!({"key": "orphan", "state": "creator_lost_access"})).await;
    for (method, target, _) in operations() {
        let response = env.call(&with_key("orphan", method, target)).await;
        assert_eq!(response.refused(), (403, "FORBIDDEN".into()));
    }
}

#[tokio::test]
async fn a_disabled_or_suspended_company_gets_403() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    for (state, code) in [("api_disabled", "API_DISABLED"), ("account_suspended", "ACCOUNT_SUSPENDED")] {
        env.control("POST", "company", json!({"state": state})).await;
        for (method, target, _) in operations() {
            let response = env.call(&Request::new(method, target)).await;
            assert_eq!(response.refused(), (403, code.into()));
        }
    }
    env.control("POST", "company", json!({"state": "active"})).await;
    assert_eq!(env.call(&status("ada")).await.status, 200);
}

/// Each step removes one cause of an error; the next one must show.
#[tokio::test]
async fn the_checks_run_in_the_documented_order() {
    let env = TestEnv::new().await;
    env.candidate("ada", "interviewed", false).await;
    env.control("POST", "limits", json!({"actions": 0})).await;
    env.fault(json!({"candidateId": "ada", "kind": "status", "status": 503})).await;
    let key = |described| env.control("POST", "keys", described);
    let company = |state| env.control("POST", "company", json!({"state": state}));
    let code_of = async |key: &str, target: &str| {
        let request = with_key(key, "POST", target).key(&"k".repeat(256)).json(&json!({}));
        env.call(&request).await.code()
    };
    let select = "/v1/candidates/ada/select";

    company("account_suspended").await;
    key(json!({"key": "k", "state": "revoked", "scopes": [], "allowlist": []})).await;
    assert_eq!(code_of("k", "/nowhere").await, "UNAUTHORIZED");
    key(json!({"key": "k", "state": "creator_lost_access", "scopes": [], "allowlist": []})).await;
    assert_eq!(code_of("k", "/nowhere").await, "FORBIDDEN");
    key(json!({"key": "k", "scopes": [], "allowlist": []})).await;
    assert_eq!(code_of("k", "/nowhere").await, "IP_NOT_ALLOWED");
    key(json!({"key": "k", "scopes": []})).await;
    assert_eq!(code_of("k", "/nowhere").await, "ACCOUNT_SUSPENDED");
    company("active").await;
    assert_eq!(code_of("k", "/nowhere").await, "NOT_FOUND");
    assert_eq!(code_of("k", select).await, "SCOPE_INSUFFICIENT");
    key(json!({"key": "k"})).await;
    assert_eq!(code_of("k", select).await, "RATE_LIMITED");
    env.control("POST", "limits", json!({"actions": 30})).await;
    assert_eq!(code_of("k", select).await, "INTERNAL_ERROR", "the fault that was waiting behind the limit");
    assert_eq!(code_of("k", select).await, "VALIDATION_ERROR");
    assert_eq!(env.call(&action("select", "ada")).await.code(), "ANALYSIS_NOT_VIEWED");
}
