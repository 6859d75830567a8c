//! What the client logs, and what it never logs.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use celper_sandbox::Options;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::test_env::TestEnv;

/// Records every event of every crate and level as text.
#[derive(Clone, Default)]
struct RecordingSubscriber(Arc<Mutex<String>>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for RecordingSubscriber {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Fields(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        write!(text, "\n{}", event.metadata().target()).unwrap();
        event.record(&mut Fields(&mut text));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn attempts_and_waits_are_logged_without_secrets() {
    let env = TestEnv::with(Options { tls: true, ..Options::default() }, |builder| builder).await;
    let id = env.faulty("new", json!({"kind": "status", "status": 503, "json": {"requestId": "req-1"}})).await;
    // With a single subscriber, tracing caches a callsite's interest from the thread that hits it first, and the other tests'
    // threads have no subscriber; with two it asks both.
    let _second = tracing::Dispatch::new(RecordingSubscriber::default());
    let log = RecordingSubscriber::default();
    let call = env.invite(&id).email_subject("hush-subject").email_body("hush-body").into_future();
    call.with_subscriber(log.clone()).await.unwrap();
    // A secret that the server echoes must not reach the log.
    let echo = json!({"kind": "status", "status": 403, "headers": {"X-Request-Id": env.sandbox.api_key()}});
    let id = env.faulty("new", echo).await;
    let error = env.invite(&id).into_future().with_subscriber(log.clone()).await.unwrap_err();
    assert!(error.request_id().is_some());
    let log = log.0.lock().unwrap().clone();
    for fact in [
        "operation=\"invite\"",
        "status=503",
        "request_id=\"req-1\"",
        "attempt=2 status=200",
        "wait_ms=",
        "reason=\"server\"",
        // The spans of the call and its attempts.
        "otel.name=\"celper.invite\"",
        "/v1/candidates/REDACTED/invite\"",
        "http.request.resend_count=1",
        "http.response.status_code=503",
        "error.type=\"503\"",
    ] {
        assert!(log.contains(fact), "{fact} is not in {log}");
    }
    for secret in [env.sandbox.api_key(), "hush-subject", "hush-body"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn the_loss_of_a_rate_limit_store_is_logged_once_by_a_call_without_the_password() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let store = format!("redis://default:hunter2@{nobody}");
    let env = TestEnv::with(Options::default(), |builder| {
        builder.rate_limits(celper::RateLimits::default()).rate_limit_store(store.as_str())
    })
    .await;
    let _second = tracing::Dispatch::new(RecordingSubscriber::default());
    let log = RecordingSubscriber::default();
    for _ in 0..2 {
        let id = env.candidate("new").await;
        env.status(&id).into_future().with_subscriber(log.clone()).await.unwrap();
    }
    let log = log.0.lock().unwrap().clone();
    assert_eq!(log.matches("the rate-limit store cannot be reached").count(), 1, "{log}");
    assert!(log.contains(&format!("redis://{nobody}")) && !log.contains("hunter2"), "{log}");
}
