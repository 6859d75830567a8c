//! Input that would break a careless client: it arrives as it is, or is refused before anything is sent.

use std::time::Duration;

use celper::{ErrorKind, JobPositionId};
use serde_json::{Value, json};

use crate::world::{POSITION, World};

#[tokio::test]
async fn ids_arrive_as_they_are() {
    let world = World::new().await;
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
        world.put(json!({"candidateId": id, "status": "new"})).await;
        world.status(id).await.unwrap();
        world.invite(id).await.unwrap();
        let requests = world.requests(id).await;
        assert_eq!(requests.len(), 2, "{id:?}");
        let target = requests[0]["path"].as_str().unwrap();
        assert_eq!(target.matches('/').count(), 4, "{target} is not one segment");
    }
}

#[tokio::test]
async fn job_position_ids_arrive_as_they_are() {
    let world = World::new().await;
    for position in ["p&q=r", "p q", "p+q", "p#q", "p%20", "日本", "\"quoted\"\\"] {
        world.control("POST", "candidates", json!({"candidateId": "c", "jobPositionId": position})).await;
        world.client.get_candidate_status("c", JobPositionId(position)).await.unwrap();
        world.client.invite_candidate("c", JobPositionId(position)).await.unwrap();
    }
}

#[tokio::test]
async fn e_mails_arrive_as_they_are() {
    let world = World::new().await;
    let id = world.candidate("new").await;
    let (subject, body) = ("é\"\\\u{1}🔑".repeat(40), "{interviewLink}\r\n\u{0}ok".repeat(200));
    world.invite(&id).email_subject(&subject).email_body(&body).await.unwrap();
    let sent: Value = serde_json::from_str(world.requests(&id).await[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!((sent["emailSubject"].as_str(), sent["emailBody"].as_str()), (Some(&*subject), Some(&*body)));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_anything_is() {
    let world = World::new().await;
    let client = &world.client;
    let refused = async |request: celper::Request<celper::Invitation>, word: &str| {
        let error = request.await.unwrap_err();
        assert_eq!((error.kind(), error.attempts(), error.operation()), (ErrorKind::InvalidArgument, 0, "invite"));
        assert!(error.message().contains(word) && !error.outcome_unknown(), "{error}");
    };
    let invite = || client.invite_candidate("c", JobPositionId(POSITION));
    for id in ["", ".", "..", "a\0", "a\r\nX-Evil: 1", &"x".repeat(5_000)] {
        refused(client.invite_candidate(id, JobPositionId(POSITION)), "candidate_id").await;
        refused(client.invite_candidate("c", JobPositionId(id)), "job_position_id").await;
    }
    refused(invite().email_subject("x".repeat(201)), "email_subject").await;
    refused(invite().email_body("x".repeat(5_001)), "email_body").await;
    refused(invite().timeout(Duration::ZERO), "timeout").await;
    for key in ["", "a\nb", "ü", " a", &"k".repeat(256)] {
        refused(invite().idempotency_key(key), "idempotency_key").await;
    }
    assert_eq!(world.control("GET", "requests", Value::Null).await, json!([]));
}
