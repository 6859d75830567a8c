//! What the sandbox keeps is bounded in bytes.

use celper_sandbox::{Options, ProxyOptions};
use serde_json::{Value, json};

use crate::support::{Connection, Request, TestEnv, status};

const MIB: usize = 1024 * 1024;

async fn env() -> TestEnv {
    TestEnv::with(Options { limits_enabled: false, ..Options::default() }).await
}

fn lengths(items: &[Value], field: &str) -> usize {
    items.iter().map(|item| item[field].as_str().unwrap().len()).sum()
}

#[tokio::test]
async fn a_logged_body_is_cut() {
    let env = env().await;
    let mut connection = env.open().await;
    for (length, logged) in [(65_536, 65_536), (65_537, 65_536), (8 * MIB, 65_536)] {
        connection.call(&Request::bare("POST", "/v1/candidates/ada/invite").body("x".repeat(length))).await;
        let last = env.last_request().await;
        assert_eq!(last["body"].as_str().unwrap().len(), logged);
        assert_eq!(last["bodyLength"], length);
    }
    // Between two characters.
    connection.call(&Request::bare("POST", "/").body(format!("x{}", "😀".repeat(20_000)))).await;
    let last = env.last_request().await;
    assert_eq!(last["body"].as_str().unwrap(), format!("x{}", "😀".repeat(16_383)));
    connection.call(&Request::bare("GET", "/")).await;
    let last = env.last_request().await;
    assert_eq!((&last["body"], &last["bodyLength"]), (&Value::Null, &json!(0)));
}

/// The request is handled with its whole body.
#[tokio::test]
async fn a_long_body_is_read_and_compared_as_a_whole() {
    let env = env().await;
    env.candidate("ada", "new", false).await;
    let request = |padding: &str| {
        let body = format!(r#"{{"padding":"{}{padding}","jobPositionId":"pos"}}"#, "x".repeat(100_000));
        Request::new("POST", "/v1/candidates/ada/invite").key("k").body(body)
    };
    assert_eq!(env.call(&request("a")).await.status, 200);
    assert_eq!(env.call(&request("b")).await.refused(), (409, "IDEMPOTENCY_CONFLICT".into()));
    assert_eq!(env.call(&request("a")).await.status, 200);
}

#[tokio::test]
async fn the_log_drops_its_oldest_requests() {
    let env = TestEnv::with(Options { log_capacity: 1_000, ..Options::default() }).await;
    let mut connection = env.open().await;
    let request = Request::bare("POST", "/v1/candidates/ada/invite").body("x".repeat(100_000));
    for _ in 0..60 {
        assert_eq!(connection.call(&request).await.status, 401);
    }
    let requests = env.requests().await;
    let kept = lengths(&requests, "body");
    assert!((MIB..2 * MIB).contains(&kept), "{kept} bytes in {} requests", requests.len());
    let seqs: Vec<_> = requests.iter().map(|request| request["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (61 - requests.len() as u64..=60).collect::<Vec<_>>());
    // Ordinary requests are kept up to the capacity.
    for _ in 0..1_000 {
        connection
            .call(&status("ada").header("User-Agent", "celper/1.0 rust").header("Accept", "application/json"))
            .await;
    }
    assert_eq!(env.requests().await.len(), 1_000);
}

#[tokio::test]
async fn the_outbox_drops_its_oldest_emails() {
    let env = env().await;
    let mut connection = env.open().await;
    let text = "😀".repeat(5_000);
    let invite =
        Request::new("POST", "/v1/candidates/ada/invite").json(&json!({"jobPositionId": "pos", "emailBody": text}));
    let count = 16 * MIB / text.len() + 20;
    for _ in 0..count {
        let new = json!({"candidateId": "ada", "jobPositionId": "pos"});
        connection.call(&Request::bare("POST", "/_sandbox/candidates").json(&new)).await;
        assert_eq!(connection.call(&invite).await.status, 200);
    }
    let emails = env.get("outbox").await.as_array().unwrap().clone();
    let kept = lengths(&emails, "body");
    assert!((15 * MIB..=16 * MIB).contains(&kept), "{kept}");
    let last = env.get("candidates").await[0]["sessionId"].clone();
    assert_eq!(emails.last().unwrap()["sessionId"], last);
    assert_eq!(env.control("DELETE", "outbox", Value::Null).await["cleared"], emails.len());
}

#[tokio::test]
async fn the_oldest_idempotency_keys_are_forgotten() {
    let env = env().await;
    let mut connection = env.open().await;
    let body = format!(r#"{{"jobPositionId":"pos","padding":"{}"}}"#, "x".repeat(7 * MIB));
    let request =
        |key: usize| Request::new("POST", "/v1/candidates/nobody/invite").key(&format!("k{key}")).body(body.clone());
    for key in 0..8 {
        assert_eq!(connection.call(&request(key)).await.status, 404);
    }
    for (key, replayed) in [(7, true), (6, true), (0, false)] {
        connection.call(&request(key)).await;
        assert_eq!(env.last_request().await["replayed"], replayed, "{key}");
    }
}

#[tokio::test]
async fn a_test_cannot_set_up_more_than_the_sandbox_keeps() {
    let env = env().await;
    // Small as text, but each number takes 32 bytes: 7 MiB of memory.
    let list = vec![0; 220_000];
    for (name, body) in [
        ("candidates", json!({"jobPositionId": "pos", "extra": {"list": list}})),
        ("faults", json!({"kind": "answer", "data": list})),
    ] {
        let mut accepted = 0;
        let refused = loop {
            let mut body = body.clone();
            body["candidateId"] = format!("cand_{accepted}").into();
            let response = env.try_control("POST", name, body).await;
            if response.status != 201 {
                break response;
            }
            accepted += 1;
            assert!(accepted < 20, "{name}");
        };
        assert!((8..10).contains(&accepted), "{name}: {accepted}");
        assert_eq!(refused.status, 413);
        assert!(refused.json()["error"].as_str().unwrap().contains("reset"));
        if name == "candidates" {
            // A candidate can be replaced by a smaller one, and changed within the bound.
            env.candidate("cand_0", "new", false).await;
            let change = json!({"candidateId": "cand_0", "jobPositionId": "pos", "status": "x".repeat(7 * MIB)});
            env.control("PATCH", "candidates", change).await;
            let change = json!({"candidateId": "cand_0", "jobPositionId": "pos", "status": "new"});
            env.control("PATCH", "candidates", change).await;
        } else {
            env.control("DELETE", "faults", Value::Null).await;
        }
        env.candidate("small", "new", false).await;
        env.fault(json!({"candidateId": "small", "kind": "close"})).await;
        env.control("POST", "reset", Value::Null).await;
    }
    // A fault that was used is no longer counted.
    for _ in 0..12 {
        env.fault(json!({"candidateId": "ada", "kind": "answer", "data": list})).await;
        assert_eq!(env.call(&status("ada")).await.status, 404);
    }
    assert_eq!(env.get("faults").await, json!([]));
}

#[tokio::test]
async fn a_test_cannot_add_more_keys_than_the_sandbox_keeps() {
    let env = env().await;
    let mut connection = env.open().await;
    let mut add = async |key: String| {
        connection.call(&Request::bare("POST", "/_sandbox/keys").json(&json!({"key": key}))).await.status
    };
    let key = |number: usize| format!("celp_{number}_{}", "x".repeat(2_000_000));
    let mut accepted = 0;
    while add(key(accepted)).await == 201 {
        accepted += 1;
        assert!(accepted < 20);
    }
    assert!(accepted >= 3, "{accepted}");
    // The same key again is no more.
    for _ in 0..4 {
        assert_eq!(add(key(0)).await, 201);
    }
}

#[tokio::test]
async fn the_proxy_drops_its_oldest_entries() {
    let env = TestEnv::with(Options { proxy: Some(ProxyOptions::default()), ..Options::default() }).await;
    let proxy = env.sandbox.proxy_url().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    let padding = "x".repeat(60_000);
    for number in 0..200 {
        let request = Request::bare("GET", &format!("/{number}")).header("Padding", &padding);
        assert_eq!(Connection::open(proxy).await.call(&request).await.status, 400);
    }
    let entries = env.get("proxy").await.as_array().unwrap().clone();
    let kept = entries.len() * padding.len();
    assert!((7 * MIB..=8 * MIB).contains(&kept), "{kept}");
    assert_eq!(entries.last().unwrap()["target"], "/199");
}
