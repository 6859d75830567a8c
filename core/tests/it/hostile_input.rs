//! Hostile input: it arrives unchanged, or is refused before anything is sent.

use std::time::Duration;

use celper::{ErrorKind, JobPositionId};
use serde_json::{Value, json};

use crate::test_env::{POSITION, TestEnv};

#[tokio::test]
async fn ids_arrive_unchanged() {
    let env = TestEnv::new().await;
    for id in [
        "a/../b",
        "../../admin",
        "a?b=c",
        "a#b",
        "a%2Fb",
        "a b+c",
        "a&jobPositionId=x",
        "ключ🔑",
        "%00",
        "a\\b",
        "...",
        "'; DROP TABLE",
        "e\u{301}",
        "\u{202e}rtl",
        ";v=1",
        "@:",
        "a//b",
    ] {
        env.put(json!({"candidateId": id, "status": "new"})).await;
        env.status(id).await.unwrap();
        env.invite(id).await.unwrap();
        let requests = env.requests(id).await;
        assert_eq!(requests.len(), 2, "{id:?}");
        let target = requests[0]["path"].as_str().unwrap();
        assert_eq!(target.matches('/').count(), 4, "the id in {target} is not one segment");
    }
}

#[tokio::test]
async fn job_position_ids_arrive_unchanged() {
    let env = TestEnv::new().await;
    for position in ["p&q=r", "p q", "p+q", "p#q", "p%20", "日本", "\"quoted\"\\"] {
        env.control("POST", "candidates", json!({"candidateId": "c", "jobPositionId": position})).await;
        env.client.get_candidate_status("c", JobPositionId(position)).await.unwrap();
        env.client.invite_candidate("c", JobPositionId(position)).await.unwrap();
    }
}

#[tokio::test]
async fn e_mails_arrive_unchanged() {
    let env = TestEnv::new().await;
    let id = env.candidate("new").await;
    let (subject, body) = ("é\"\\\u{a0}🔑".repeat(40), "{interviewLink}\r\n\u{1}ok".repeat(200));
    env.invite(&id).email_subject(&subject).email_body(&body).await.unwrap();
    let sent: Value = serde_json::from_str(env.requests(&id).await[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!((sent["emailSubject"].as_str(), sent["emailBody"].as_str()), (Some(&*subject), Some(&*body)));
}

#[tokio::test]
async fn invalid_arguments_are_refused_before_anything_is_sent() {
    let env = TestEnv::new().await;
    let client = &env.client;
    let assert_refused = async |request: celper::Request<celper::Invitation>, word: &str| {
        let error = request.await.unwrap_err();
        assert_eq!((error.kind(), error.attempts(), error.operation()), (ErrorKind::InvalidArgument, 0, "invite"));
        assert!(error.message().contains(word) && !error.outcome_unknown(), "{error}");
    };
    let invite = || client.invite_candidate("c", JobPositionId(POSITION));
    for id in ["", ".", "..", "a\0", "a\r\nX-Evil: 1", &"x".repeat(5_000)] {
        assert_refused(client.invite_candidate(id, JobPositionId(POSITION)), "candidate_id").await;
        assert_refused(client.invite_candidate("c", JobPositionId(id)), "job_position_id").await;
    }
    assert_refused(invite().email_subject("x".repeat(201)), "email_subject").await;
    assert_refused(invite().email_body("x".repeat(5_001)), "email_body").await;
    assert_refused(invite().email_subject("Welcome\r\nBcc: eve@example.com"), "email_subject").await;
    assert_refused(invite().email_body("a\0b"), "email_body").await;
    assert_refused(invite().timeout(Duration::ZERO), "timeout").await;
    for key in ["", "a\nb", "ü", " a", &"k".repeat(256)] {
        assert_refused(invite().idempotency_key(key), "idempotency_key").await;
    }
    assert_eq!(env.control("GET", "requests", Value::Null).await, json!([]));
}
