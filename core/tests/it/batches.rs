//! Batches against the sandbox.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use celper::{
    Batch, BatchItem, CandidateRequest, ErrorKind, InviteRequest, JobPositionId, OperationOutput, RateLimits,
    SelectRequest, StatusRequest,
};
use celper_sandbox::Options;
use futures_core::Stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::test_env::{POSITION, TestEnv};

async fn paced() -> TestEnv {
    let window = Duration::from_millis(500);
    let limits = RateLimits { window, ..RateLimits::default() };
    TestEnv::with(Options { window, ..Options::default() }, |builder| builder.rate_limits(limits)).await
}

async fn invitations(env: &TestEnv, count: usize) -> Vec<InviteRequest> {
    let mut rows = Vec::new();
    for _ in 0..count {
        rows.push(InviteRequest::new(env.candidate("new").await, JobPositionId(POSITION)).email_subject("Welcome"));
    }
    rows
}

async fn finish(mut batch: Batch) -> Vec<BatchItem> {
    let mut items = Vec::new();
    while let Some(item) = batch.next().await {
        items.push(item);
    }
    items
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_paced_and_its_second_run_sends_nothing() {
    let env = paced().await;
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("spring.jsonl");
    let rows = invitations(&env, 100).await;
    let run = async |rows: Vec<InviteRequest>| {
        let batch = env.client.batch(rows).batch_id("spring").journal(&journal).start().await.unwrap();
        assert_eq!((batch.batch_id(), batch.progress().total), (Some("spring"), Some(100)));
        finish(batch).await
    };
    let items = run(rows.clone()).await;
    assert_eq!(items.len(), 100);
    for item in &items {
        assert!(matches!(item.result, Ok(OperationOutput::Invitation(_))) && !item.resumed, "{item:?}");
        let requests = env.requests(item.candidate_id()).await;
        assert_eq!(requests.len(), 1);
        assert_eq!(
            requests[0]["header"]["idempotency-key"].as_str(),
            item.idempotency_key.as_deref(),
            "{}",
            requests[0]
        );
    }
    let windows = env.control("GET", "windows", Value::Null).await;
    assert_eq!((&windows["actions"]["refused"], &windows["actions"]["peak"]), (&json!(0), &json!(30)), "{windows}");
    assert!(run(rows.clone()).await.iter().all(|item| item.resumed && item.result.is_ok()));
    assert_eq!(env.requests(rows[0].candidate_id.as_str()).await.len(), 1);
}

/// The rows of a channel.
struct Rows(mpsc::Receiver<CandidateRequest>);

impl Stream for Rows {
    type Item = CandidateRequest;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<CandidateRequest>> {
        self.0.poll_recv(cx)
    }
}

#[tokio::test]
async fn requests_come_from_a_stream_and_the_batch_is_one() {
    let env = TestEnv::new().await;
    let (sender, receiver) = mpsc::channel(1);
    let mut batch = env.client.batch_stream(Rows(receiver)).start().await.unwrap();
    let (new, decided) = (env.candidate("new").await, env.candidate("interviewed").await);
    for request in [
        CandidateRequest::from(StatusRequest::new(&*new, JobPositionId(POSITION))),
        SelectRequest::new(&*decided, JobPositionId(POSITION)).into(),
        SelectRequest::new(&*new, JobPositionId(POSITION)).into(),
    ] {
        sender.send(request).await.unwrap();
        // Each comes as soon as it has ended, while the source is still open.
        let item = std::future::poll_fn(|cx| Pin::new(&mut batch).poll_next(cx)).await.unwrap();
        match item.index {
            0 => assert!(matches!(item.result, Ok(OperationOutput::CandidateState(_)))),
            1 => assert!(matches!(item.result, Ok(OperationOutput::Decision(_)))),
            _ => assert_eq!(item.result.unwrap_err().kind(), ErrorKind::InvalidStatus),
        }
    }
    assert_eq!(batch.progress().total, None);
    drop(sender);
    assert!(batch.next().await.is_none());
    assert_eq!((batch.progress().succeeded, batch.progress().failed, batch.progress().total), (2, 1, Some(3)));
}

#[tokio::test]
async fn closing_the_client_ends_its_batches() {
    let window = Duration::from_secs(60);
    let limits = RateLimits { actions: 2, window, ..RateLimits::default() };
    let env =
        TestEnv::with(Options { limits_enabled: false, ..Options::default() }, |builder| builder.rate_limits(limits));
    let env = env.await;
    let rows = invitations(&env, 5).await;
    let mut batch = env.client.batch(rows.clone()).start().await.unwrap();
    let mut items = vec![batch.next().await.unwrap(), batch.next().await.unwrap()];
    // The third waits for the rate limit, a minute long.
    env.client.close();
    items.extend(finish(batch).await);
    let not_attempted: Vec<_> = items.iter().filter(|item| item.not_attempted).collect();
    assert_eq!((items.len(), not_attempted.len()), (5, 3));
    let error = not_attempted[0].result.as_ref().unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.message().contains("closed"), "{error}");
    let error = env.client.batch(rows).start().await.unwrap_err();
    assert!(error.message().contains("closed"), "{error}");
}

#[tokio::test]
async fn a_dropped_batch_finishes_what_is_under_way() {
    let env = TestEnv::new().await;
    let id = env.faulty("new", json!({"kind": "delay", "seconds": 0.3})).await;
    let batch = env.client.batch([InviteRequest::new(&*id, JobPositionId(POSITION))]).start().await.unwrap();
    env.wait_for_request(&id, |_| true).await;
    drop(batch);
    let request = env.wait_for_request(&id, |request| !request["answered"].is_null()).await;
    assert_eq!((&request["acted"], &request["clientClosed"]), (&json!(true), &json!(false)), "{request}");
}
