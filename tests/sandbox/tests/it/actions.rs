//! The four operations on candidates.

use serde_json::{Value, json};

use crate::support::{Request, Response, TestEnv, action, invite, status};

fn is_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// The keys and the types of their values, to compare a body with a sample that has other values.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(_) => "array".into(),
    }
}

fn assert_like(response: &Response, sample: &str) {
    assert_eq!(response.status, 200);
    let body = response.json();
    assert_eq!(shape(&body), shape(&serde_json::from_str(sample).unwrap()));
    assert_eq!(body["success"], true);
    let id = body["requestId"].as_str().unwrap();
    assert!(is_uuid(id), "{id}");
    assert_eq!(response.header("x-request-id"), Some(id));
    assert_eq!(response.header("content-type"), Some("application/json; charset=utf-8"));
}

#[tokio::test]
async fn a_status_response_matches_the_documented_sample() {
    let env = TestEnv::new().await;
    env
        .control(
            "POST",
            "candidates",
            json!({"candidateId": "ada", "jobPositionId": "pos", "status": "interviewed", "analysisViewed": true, "interviewScore": 85}),
        )
        .await;
    let response = env.call(&status("ada")).await;
    assert_like(
        &response,
        r#"{"success":true,"requestId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","data":{"status":"interviewed","analysisViewed":true,"interviewScore":85}}"#,
    );
    assert_eq!(response.data(), json!({"status": "interviewed", "analysisViewed": true, "interviewScore": 85}));
}

#[tokio::test]
async fn a_score_can_be_null_absent_or_a_fraction() {
    let env = TestEnv::new().await;
    let base = json!({"candidateId": "ada", "jobPositionId": "pos"});
    for (score, expected) in
        [(None, None), (Some(Value::Null), Some(Value::Null)), (Some(json!(61.5)), Some(json!(61.5)))]
    {
        let mut described = base.clone();
        if let Some(score) = score {
            described["interviewScore"] = score;
        }
        env.control("POST", "candidates", described).await;
        let data = env.call(&status("ada")).await.data();
        assert_eq!(data.get("interviewScore").cloned(), expected);
    }
}

#[tokio::test]
async fn unknown_statuses_and_fields_are_sent_unchanged() {
    let env = TestEnv::new().await;
    env
        .control(
            "POST",
            "candidates",
            json!({"candidateId": "ada", "jobPositionId": "pos", "status": "on_hold", "extra": {"stage": {"n": 2}, "analysisViewed": "maybe"}}),
        )
        .await;
    let data = env.call(&status("ada")).await.data();
    assert_eq!(data, json!({"status": "on_hold", "analysisViewed": "maybe", "stage": {"n": 2}}));
}

#[tokio::test]
async fn an_invitation_is_valid_for_seven_days() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    let response = env.call(&invite("ada")).await;
    assert_like(
        &response,
        r#"{"success":true,"requestId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","data":{"invited":true,"sessionId":"sess_abc123","emailDelivery":"pending","expiresAt":"2026-04-18T08:00:00.000Z"}}"#,
    );
    let data = response.data();
    assert_eq!(data["invited"], true);
    assert_eq!(data["emailDelivery"], "pending");
    assert!(data["sessionId"].as_str().unwrap().starts_with("sess_"));
    assert_eq!(env.status_of("ada").await, "invited");

    let expires_at = data["expiresAt"].as_str().unwrap();
    assert_eq!((expires_at.len(), &expires_at[19..20], &expires_at[23..]), (24, ".", "Z"));
    let parsed = time::OffsetDateTime::parse(expires_at, &time::format_description::well_known::Rfc3339).unwrap();
    // `Date` is set a moment later.
    let ahead = 7 * 24 * 60 * 60 - (parsed.unix_timestamp() - response.date());
    assert!((0..30).contains(&ahead), "{ahead}");
}

#[tokio::test]
async fn an_unused_invitation_expires() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    env.call(&invite("ada")).await;
    env.advance(7.0 * 86_400.0 - 60.0).await;
    assert_eq!(env.call(&status("ada")).await.data()["status"], "invited");
    env.advance(120.0).await;
    assert_eq!(env.call(&status("ada")).await.data()["status"], "expired");
    assert_eq!(env.call(&invite("ada")).await.refused(), (409, "INVALID_STATUS".into()));
}

#[tokio::test]
async fn an_interviewed_candidate_does_not_expire() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    env.call(&invite("ada")).await;
    let moved = json!({"candidateId": "ada", "jobPositionId": "pos", "status": "interviewed"});
    env.control("PATCH", "candidates", moved).await;
    env.advance(8.0 * 86_400.0).await;
    assert_eq!(env.call(&status("ada")).await.data()["status"], "interviewed");
}

#[tokio::test]
async fn select_and_reject_change_the_status() {
    let env = TestEnv::new().await;
    for (operation, decision) in [("select", "selected"), ("reject", "rejected")] {
        env.candidate("ada", "interviewed", true).await;
        let response = env.call(&action(operation, "ada")).await;
        assert_like(
            &response,
            r#"{"success":true,"requestId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","data":{"status":"selected"}}"#,
        );
        assert_eq!(response.data(), json!({"status": decision}));
        assert_eq!(env.status_of("ada").await, decision);
    }
}

#[tokio::test]
async fn only_a_new_candidate_can_be_invited() {
    let env = TestEnv::new().await;
    for state in ["invited", "interviewed", "selected", "rejected", "expired", "failed", "unevaluable", "on_hold"] {
        env.candidate("ada", state, true).await;
        assert_eq!(env.call(&invite("ada")).await.refused(), (409, "INVALID_STATUS".into()), "{state}");
        assert_eq!(env.status_of("ada").await, state);
    }
    assert_eq!(env.get("outbox").await, json!([]));
}

#[tokio::test]
async fn only_an_interviewed_candidate_can_be_decided_on() {
    let env = TestEnv::with(celper_sandbox::Options { limits_enabled: false, ..Default::default() }).await;
    for state in ["new", "invited", "selected", "rejected", "expired", "failed", "unevaluable", "on_hold"] {
        for operation in ["select", "reject"] {
            for viewed in [true, false] {
                env.candidate("ada", state, viewed).await;
                let response = env.call(&action(operation, "ada")).await;
                assert_eq!(response.refused(), (409, "INVALID_STATUS_TRANSITION".into()), "{operation} {state}");
                assert_eq!(env.status_of("ada").await, state);
            }
        }
    }
}

#[tokio::test]
async fn a_decision_requires_a_viewed_analysis() {
    let env = TestEnv::new().await;
    for (operation, decision) in [("select", "selected"), ("reject", "rejected")] {
        env.candidate("ada", "interviewed", false).await;
        let refused = env.call(&action(operation, "ada")).await;
        assert_eq!(refused.refused(), (409, "ANALYSIS_NOT_VIEWED".into()));
        let viewed = json!({"candidateId": "ada", "jobPositionId": "pos", "analysisViewed": true});
        env.control("PATCH", "candidates", viewed).await;
        assert_eq!(env.call(&action(operation, "ada")).await.data(), json!({"status": decision}));
    }
}

#[tokio::test]
async fn an_error_has_the_documented_envelope() {
    let env = TestEnv::new().await;
    let response = env.call(&status("nobody")).await;
    assert_eq!(response.refused(), (404, "NOT_FOUND".into()));
    let body = response.json();
    assert_eq!(shape(&body), json!({"success": "bool", "error": "string", "message": "string", "requestId": "string"}));
    assert_eq!(body["success"], false);
    assert_eq!(response.header("x-request-id"), body["requestId"].as_str());
    assert!(is_uuid(body["requestId"].as_str().unwrap()));
}

#[tokio::test]
async fn job_positions_of_a_candidate_are_independent() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    let other =
        json!({"candidateId": "ada", "jobPositionId": "other", "status": "interviewed", "analysisViewed": true});
    env.control("POST", "candidates", other).await;
    let select = Request::new("POST", "/v1/candidates/ada/select").json(&json!({"jobPositionId": "other"}));
    assert_eq!(env.call(&select).await.data()["status"], "selected");
    assert_eq!(env.call(&status("ada")).await.data()["status"], "new");
    let third = Request::new("GET", "/v1/candidates/ada/status?jobPositionId=third");
    assert_eq!(env.call(&third).await.refused(), (404, "NOT_FOUND".into()));
}

#[tokio::test]
async fn ids_are_percent_decoded() {
    let env = TestEnv::new().await;
    let id = "a/b?c#d é€😀 ..%2F+";
    env.control("POST", "candidates", json!({"candidateId": id, "jobPositionId": "p&=+ é"})).await;
    let path = "/v1/candidates/a%2Fb%3Fc%23d%20%C3%A9%E2%82%AC%F0%9F%98%80%20..%252F+/status";
    for query in ["p%26%3D%2B%20%C3%A9", "p%26%3D%2B+%C3%A9"] {
        let request = Request::new("GET", &format!("{path}?jobPositionId={query}"));
        assert_eq!(env.call(&request).await.data()["status"], "new");
    }
}

#[tokio::test]
async fn an_invitation_is_in_the_outbox() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    let request = Request::new("POST", "/v1/candidates/ada/invite").json(&json!({
        "jobPositionId": "pos",
        "emailSubject": "Grüße 😀",
        "emailBody": "Here: {interviewLink} and again {interviewLink}.",
    }));
    let session = env.call(&request).await.data()["sessionId"].as_str().unwrap().to_owned();
    let mail = env.get("outbox").await[0].clone();
    let link = mail["interviewLink"].as_str().unwrap();
    assert!(link.starts_with("https://") && link.ends_with(&session), "{link}");
    assert_eq!(mail["candidateId"], "ada");
    assert_eq!(mail["jobPositionId"], "pos");
    assert_eq!(mail["sessionId"], session.as_str());
    assert_eq!(mail["subject"], "Grüße 😀");
    assert_eq!(mail["body"], format!("Here: {link} and again {link}."));
    assert_eq!((&mail["defaultSubject"], &mail["defaultBody"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn an_invitation_without_text_gets_the_default_text() {
    let env = TestEnv::new().await;
    env.candidate("ada", "new", false).await;
    env.call(&invite("ada")).await;
    let mail = env.get("outbox").await[0].clone();
    let body = mail["body"].as_str().unwrap();
    assert!(body.contains(mail["interviewLink"].as_str().unwrap()));
    assert!(!body.contains("{interviewLink}"));
    assert!(!mail["subject"].as_str().unwrap().is_empty());
    assert_eq!((&mail["defaultSubject"], &mail["defaultBody"]), (&json!(true), &json!(true)));
    assert_eq!(env.control("DELETE", "outbox", Value::Null).await, json!({"cleared": 1}));
    assert_eq!(env.get("outbox").await, json!([]));
}
