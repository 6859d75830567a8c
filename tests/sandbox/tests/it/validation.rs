//! Validation of requests.

use serde_json::{Value, json};

use crate::support::{Request, TestEnv, invite, status};

const INVALID: (u16, &str) = (400, "VALIDATION_ERROR");

async fn assert_refused(env: &TestEnv, request: &Request, expected: (u16, &str)) {
    let response = env.call(request).await;
    assert_eq!(response.refused(), (expected.0, expected.1.to_owned()), "{request:?}");
}

async fn env() -> TestEnv {
    let env = TestEnv::with(celper_sandbox::Options { actions: 1000, total: 1000, ..Default::default() }).await;
    env.candidate("ada", "new", false).await;
    env
}

fn post(operation: &str, body: &Value) -> Request {
    Request::new("POST", &format!("/v1/candidates/ada/{operation}")).json(body)
}

#[tokio::test]
async fn the_job_position_is_required() {
    let env = env().await;
    for query in
        ["", "?", "?jobPositionId", "?jobPositionId=", "?jobpositionid=pos", "?jobPositionId=pos&jobPositionId=pos"]
    {
        let request = Request::new("GET", &format!("/v1/candidates/ada/status{query}"));
        assert_refused(&env, &request, INVALID).await;
    }
    for operation in ["invite", "select", "reject"] {
        for body in
            [json!({}), json!({"jobPositionId": ""}), json!({"jobPositionId": null}), json!({"jobPositionId": 7})]
        {
            assert_refused(&env, &post(operation, &body), INVALID).await;
        }
        // Actions do not read it from the query.
        let in_query =
            Request::new("POST", &format!("/v1/candidates/ada/{operation}?jobPositionId=pos")).json(&json!({}));
        assert_refused(&env, &in_query, INVALID).await;
    }
    assert_eq!(env.status_of("ada").await, "new");
}

#[tokio::test]
async fn the_body_must_be_a_json_object() {
    let env = env().await;
    for operation in ["invite", "select", "reject"] {
        let request = Request::new("POST", &format!("/v1/candidates/ada/{operation}"));
        for body in ["", "{", "{\"jobPositionId\": \"pos\",}", "jobPositionId=pos", "{} {}"] {
            assert_refused(&env, &request.clone().body(body), (400, "INVALID_BODY")).await;
        }
        assert_refused(&env, &request.clone().body(b"{\"jobPositionId\":\"\xff\"}"), (400, "INVALID_BODY")).await;
        for body in ["[]", "\"pos\"", "null", "7"] {
            assert_refused(&env, &request.clone().body(body), INVALID).await;
        }
    }
}

#[tokio::test]
async fn texts_are_counted_in_unicode_scalar_values() {
    let env = env().await;
    for (name, longest) in [("emailSubject", 200), ("emailBody", 5_000)] {
        // Each is one scalar value: four bytes, or two UTF-16 units.
        let fits = "😀".repeat(longest);
        let mut body = json!({"jobPositionId": "pos"});
        body[name] = format!("{fits}!").into();
        assert_refused(&env, &post("invite", &body), INVALID).await;
        assert_eq!(env.status_of("ada").await, "new");
        body[name] = fits.into();
        assert_eq!(env.call(&post("invite", &body)).await.status, 200);
        env.candidate("ada", "new", false).await;
    }
}

#[tokio::test]
async fn texts_must_be_strings() {
    let env = env().await;
    for name in ["emailSubject", "emailBody"] {
        for wrong in [json!(null), json!(1), json!(["a"]), json!({})] {
            let mut body = json!({"jobPositionId": "pos"});
            body[name] = wrong;
            assert_refused(&env, &post("invite", &body), INVALID).await;
        }
    }
    assert_eq!(env.status_of("ada").await, "new");
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let env = env().await;
    let body = json!({"jobPositionId": "pos", "note": 1});
    assert_eq!(env.call(&post("invite", &body)).await.status, 200);
}

#[tokio::test]
async fn the_length_of_idempotency_keys_is_checked() {
    let env = env().await;
    assert_refused(&env, &invite("ada").header("Idempotency-Key", ""), INVALID).await;
    assert_refused(&env, &invite("ada").key(&"k".repeat(256)), INVALID).await;
    assert_refused(&env, &invite("ada").key("a").key("b"), INVALID).await;
    assert_eq!(env.status_of("ada").await, "new");
    assert_eq!(env.call(&invite("ada").key(&"k".repeat(255))).await.status, 200);
}

#[tokio::test]
async fn unknown_candidates_and_positions_get_404() {
    let env = env().await;
    assert_refused(&env, &status("bob"), (404, "NOT_FOUND")).await;
    for operation in ["invite", "select", "reject"] {
        assert_refused(&env, &post(operation, &json!({"jobPositionId": "other"})), (404, "NOT_FOUND")).await;
    }
}

#[tokio::test]
async fn validation_comes_before_the_lookup() {
    let env = env().await;
    let request = Request::new("POST", "/v1/candidates/nobody/invite").json(&json!({}));
    assert_refused(&env, &request, INVALID).await;
}

#[tokio::test]
async fn unknown_routes_and_methods_get_the_same_envelope() {
    let env = env().await;
    for target in [
        "/",
        "/v1",
        "/v1/candidates/ada",
        "/v1/candidates//status",
        "/v1/candidates/ada/hire",
        "/v2/candidates/ada/status",
    ] {
        assert_refused(&env, &Request::new("GET", target), (404, "NOT_FOUND")).await;
    }
    for (method, target, allowed) in [
        ("POST", "/v1/candidates/ada/status", "GET"),
        ("GET", "/v1/candidates/ada/invite", "POST"),
        ("PUT", "/v1/candidates/ada/select", "POST"),
        ("DELETE", "/v1/candidates/ada/reject", "POST"),
    ] {
        let response = env.call(&Request::new(method, target)).await;
        assert_eq!(response.refused(), (405, "METHOD_NOT_ALLOWED".into()), "{method} {target}");
        assert_eq!(response.header("allow"), Some(allowed));
    }
}

#[tokio::test]
async fn an_id_that_is_not_utf_8_is_refused() {
    let env = env().await;
    assert_refused(&env, &status("%FF%FE"), INVALID).await;
}

#[tokio::test]
async fn a_body_over_8_mib_gets_413() {
    let env = env().await;
    let request = Request::new("POST", "/v1/candidates/ada/invite").header("Content-Length", "99999999");
    let mut connection = env.open().await;
    connection.send(&request).await;
    let response = connection.response().await;
    assert_eq!(response.refused(), (413, "VALIDATION_ERROR".into()));
}
