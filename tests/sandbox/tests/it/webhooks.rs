//! Deliveries of the company's webhook, to a receiver on a real socket.

use std::time::Duration;

use ring::hmac;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{TestEnv, invite, with_timeout};

const SECRET: &str = "whsec_1";

struct Receiver(TcpListener);

/// A delivery as it arrived.
struct Received {
    head: String,
    body: String,
}

impl Received {
    fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(name)).unwrap();
        line.split_once(": ").unwrap().1
    }

    fn is_signed(&self) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let expected = hmac::sign(&key, format!("{}.{}", self.header("x-celper-timestamp"), self.body).as_bytes());
        let digits: String = expected.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        self.header("x-celper-signature") == format!("sha256={digits}")
    }
}

impl Receiver {
    async fn start(env: &TestEnv) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?a=1", listener.local_addr().unwrap());
        env.control("POST", "webhook", json!({"url": url, "secret": SECRET})).await;
        Receiver(listener)
    }

    /// Takes the next delivery and responds to it.
    async fn next(&self, status: u16) -> Received {
        with_timeout(async {
            let (mut stream, _) = self.0.accept().await.unwrap();
            let mut bytes = Vec::new();
            loop {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let received = Received { head: head.to_owned(), body: body.to_owned() };
                    if received.header("content-length").parse::<usize>().unwrap() == body.len() {
                        let response = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                        stream.write_all(response.as_bytes()).await.unwrap();
                        return received;
                    }
                }
                assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
            }
        })
        .await
    }
}

async fn deliveries(env: &TestEnv, count: usize) -> Vec<Value> {
    with_timeout(async {
        loop {
            let found = env.get("deliveries").await.as_array().unwrap().clone();
            if found.len() >= count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

#[tokio::test]
async fn every_change_of_a_status_is_delivered_and_signed() {
    let env = TestEnv::new().await;
    let receiver = Receiver::start(&env).await;
    env.candidate("ada", "new", false).await;
    assert_eq!(env.call(&invite("ada")).await.status, 200);
    let invited = receiver.next(204).await;
    assert!(invited.is_signed() && invited.head.starts_with("POST /hook?a=1 HTTP/1.1\r\n"), "{}", invited.head);
    let event = invited.event();
    assert_eq!(event["event"], "candidate_status_changed");
    let data = json!({"candidateId": "ada", "jobPositionId": "pos", "status": "invited", "previousStatus": "new"});
    assert_eq!(event["data"], data);
    for name in ["webhookId", "companyId", "timestamp"] {
        assert!(event[name].is_string(), "{event}");
    }
    let change = json!({"candidateId": "ada", "jobPositionId": "pos", "status": "interviewed"});
    env.control("PATCH", "candidates", change.clone()).await;
    assert_eq!(receiver.next(200).await.event()["data"]["previousStatus"], "invited");
    // The same status again is no change.
    env.control("PATCH", "candidates", change).await;
    let found = deliveries(&env, 2).await;
    assert_eq!((found.len(), &found[0]["answered"], &found[0]["attempt"]), (2, &json!(204), &json!(1)));
    assert_eq!(env.control("DELETE", "deliveries", Value::Null).await, json!({"cleared": 2}));
}

#[tokio::test]
async fn a_delivery_without_a_2xx_is_tried_again_with_the_same_body() {
    let env = TestEnv::new().await;
    let receiver = Receiver::start(&env).await;
    env.candidate("ada", "new", false).await;
    env.call(&invite("ada")).await;
    let first = receiver.next(500).await;
    let second = receiver.next(204).await;
    assert!(first.body == second.body && second.is_signed());
    let found = deliveries(&env, 2).await;
    let shown: Vec<_> = found.iter().map(|each| (&each["attempt"], &each["answered"])).collect();
    assert_eq!(shown, [(&json!(1), &json!(500)), (&json!(2), &json!(204))]);
}

#[tokio::test]
async fn faults_of_deliveries() {
    let env = TestEnv::new().await;
    let receiver = Receiver::start(&env).await;
    for fault in [json!({"kind": "late", "seconds": 0.3}), json!({"kind": "twice"}), json!({"kind": "wrong_signature"})]
    {
        assert_eq!(env.control("POST", "webhook-faults", fault.clone()).await, fault);
    }
    for id in ["late", "twice", "wrong"] {
        env.candidate(id, "new", false).await;
    }
    env.call(&invite("late")).await;
    env.call(&invite("twice")).await;
    let (first, second) = (receiver.next(204).await, receiver.next(204).await);
    assert!(first.body == second.body && first.event()["data"]["candidateId"] == "twice");
    assert_eq!(receiver.next(204).await.event()["data"]["candidateId"], "late");
    env.call(&invite("wrong")).await;
    assert!(!receiver.next(400).await.is_signed());
    assert_eq!(deliveries(&env, 4).await[3]["fault"], json!({"kind": "wrong_signature"}));
    assert_eq!(env.get("webhook-faults").await, json!([]));
}

#[tokio::test]
async fn unusable_webhooks_are_refused() {
    let env = TestEnv::new().await;
    for wrong in [
        json!({"url": "https://127.0.0.1:1", "secret": "s"}),
        json!({"url": "/hook", "secret": "s"}),
        json!({"url": "http://127.0.0.1:1", "secret": ""}),
    ] {
        assert_eq!(env.try_control("POST", "webhook", wrong).await.status, 400);
    }
    let late = json!({"kind": "late", "seconds": -1});
    assert_eq!(env.try_control("POST", "webhook-faults", late).await.status, 400);
}

const WEEK: f64 = 7.0 * 86_400.0;

#[tokio::test]
async fn an_invitation_that_expires_is_a_change() {
    let env = TestEnv::new().await;
    let receiver = Receiver::start(&env).await;
    for id in ["ada", "bob"] {
        env.candidate(id, "new", false).await;
        assert_eq!(env.call(&invite(id)).await.status, 200);
        receiver.next(204).await;
    }
    env.control("PATCH", "candidates", json!({"candidateId": "bob", "jobPositionId": "pos", "status": "interviewed"}))
        .await;
    receiver.next(204).await;
    // The clock passes the time by itself, and nobody asks.
    env.control("POST", "clock", json!({"advanceSeconds": WEEK - 0.2})).await;
    let event = receiver.next(204).await.event();
    let data = json!({"candidateId": "ada", "jobPositionId": "pos", "status": "expired", "previousStatus": "invited"});
    assert_eq!(event["data"], data);
    let candidates = env.get("candidates").await;
    assert_eq!(event["timestamp"], candidates[0]["expiresAt"]);
    assert_eq!(candidates[1]["status"], "interviewed");
    // Invited again: only the new session counts.
    env.control("PATCH", "candidates", json!({"candidateId": "ada", "jobPositionId": "pos", "status": "new"})).await;
    assert_eq!(env.call(&invite("ada")).await.status, 200);
    env.control("POST", "clock", json!({"advanceSeconds": WEEK})).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(receiver.next(204).await.event()["data"]["status"].clone());
    }
    statuses.sort_by_key(Value::to_string);
    assert_eq!(statuses, ["expired", "invited", "new"]);
}

#[tokio::test]
async fn after_a_reset_nothing_of_before_is_sent() {
    let env = TestEnv::new().await;
    let receiver = Receiver::start(&env).await;
    let url = format!("http://{}/", receiver.0.local_addr().unwrap());
    // One waits for its time, one for its second attempt.
    env.control("POST", "webhook-faults", json!({"kind": "late", "seconds": 0.2})).await;
    for id in ["late", "again"] {
        env.candidate(id, "new", false).await;
        env.call(&invite(id)).await;
    }
    receiver.next(500).await;
    env.control("POST", "reset", Value::Null).await;
    env.control("POST", "webhook", json!({"url": url, "secret": SECRET})).await;
    env.control("POST", "webhook-faults", json!({"kind": "late", "seconds": 0.5})).await;
    env.candidate("after", "new", false).await;
    env.call(&invite("after")).await;
    assert_eq!(receiver.next(204).await.event()["data"]["candidateId"], "after");
    assert_eq!(deliveries(&env, 1).await.len(), 1);
}

#[tokio::test]
async fn waiting_deliveries_are_bounded_in_bytes() {
    let env = TestEnv::new().await;
    let receiver = Receiver::start(&env).await;
    env.candidate("ada", "new", false).await;
    let status = |number: usize| number.to_string().repeat(1024 * 1024);
    for number in 1..9 {
        env.control("POST", "webhook-faults", json!({"kind": "late", "seconds": 600})).await;
        let change = json!({"candidateId": "ada", "jobPositionId": "pos", "status": status(number)});
        env.control("PATCH", "candidates", change).await;
    }
    // The status, the event with it and with the one before: 2 MiB, and then 3 MiB each.
    let refused = deliveries(&env, 1).await;
    let error = refused[0]["error"].as_str().unwrap();
    assert!(refused.len() == 3 && error.starts_with("not sent: 16777216 bytes"), "{} {error}", refused.len());
    // A reset gives all of them up.
    env.control("POST", "reset", Value::Null).await;
    let url = format!("http://{}/", receiver.0.local_addr().unwrap());
    env.control("POST", "webhook", json!({"url": url, "secret": SECRET})).await;
    env.candidate("ada", &status(1), false).await;
    env.control("PATCH", "candidates", json!({"candidateId": "ada", "jobPositionId": "pos", "status": status(2)}))
        .await;
    assert!(receiver.next(204).await.event()["data"]["status"] == status(2));
}
