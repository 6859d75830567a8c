//! The four operations, as a user calls them.

use std::time::{Duration, SystemTime};

use celper::{CandidateStatus, Client, ErrorKind, Operation, OperationInput, OperationOutput};
use celper_sandbox::Options;
use serde_json::json;

use crate::test_env::{POSITION, TestEnv};

#[tokio::test]
async fn a_candidate_passes_through_the_whole_process() {
    let env = TestEnv::new().await;
    let id = env.candidate("new").await;
    assert_eq!(env.status(&id).await.unwrap().status, CandidateStatus::New);

    let invitation = env.invite(&id).email_subject("Welcome").email_body("Come: {interviewLink}").await.unwrap();
    assert!(invitation.invited && !invitation.session_id.is_empty() && invitation.request_id.is_some());
    assert_eq!(invitation.email_delivery, "pending");
    let days = invitation.expires_at.duration_since(SystemTime::now()).unwrap().as_secs_f64() / 86_400.0;
    assert!((6.9..=7.0).contains(&days), "{days}");
    let outbox = env.control("GET", "outbox", json!(null)).await;
    assert_eq!(outbox[0]["subject"], "Welcome");

    let error = env.reject(&id).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidStatus, Some(409)));
    let interviewed =
        json!({"candidateId": id, "jobPositionId": POSITION, "status": "interviewed", "interviewScore": 91.5});
    env.control("PATCH", "candidates", interviewed).await;
    let state = env.status(&id).await.unwrap();
    assert_eq!((state.status, state.interview_score), (CandidateStatus::Interviewed, Some(91.5)));
    assert_eq!(env.reject(&id).await.unwrap().status, CandidateStatus::Rejected);
}

#[tokio::test]
async fn requests_are_as_documented() {
    let env = TestEnv::with(Options::default(), |builder| builder.app_info("acme/1.0")).await;
    let id = env.candidate("new").await;
    let state = env.status(&id).await.unwrap();
    let limit = state.rate_limit.unwrap();
    assert_eq!((limit.limit, limit.remaining), (Some(40), Some(39)));
    assert!(limit.reset_at.is_some());
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    env.invite(&id).idempotency_key("once").traceparent(traceparent).await.unwrap();
    let requests = env.requests(&id).await;
    let [status, invite] = &requests[..] else { panic!("{requests:?}") };

    assert_eq!(status["method"], "GET");
    assert_eq!(status["target"], format!("/v1/candidates/{id}/status?jobPositionId={POSITION}"));
    assert!(status["body"].is_null() && status["header"]["idempotency-key"].is_null());
    assert!(status["header"]["traceparent"].is_null());
    assert_eq!(invite["method"], "POST");
    assert_eq!(invite["target"], format!("/v1/candidates/{id}/invite"));
    assert_eq!(invite["body"], format!(r#"{{"jobPositionId":"{POSITION}"}}"#));
    assert_eq!(invite["header"]["idempotency-key"], "once");
    assert_eq!(invite["header"]["traceparent"], traceparent);
    assert_eq!(invite["header"]["content-type"], "application/json");
    for request in [status, invite] {
        assert_eq!(request["header"]["x-api-key"], env.sandbox.api_key());
        let agent = request["header"]["user-agent"].as_str().unwrap();
        assert!(agent.starts_with("celper-rust/") && agent.ends_with(" acme/1.0"), "{agent}");
        assert_eq!(request["connection"], status["connection"], "the connection is kept alive");
    }
}

#[tokio::test]
async fn every_documented_error_has_its_kind() {
    let env = TestEnv::new().await;
    let kind = |error: celper::Error| (error.kind(), error.code().map(str::to_owned), error.status());
    let of = |kind, code: &str, status| (kind, Some(code.to_owned()), Some(status));

    let error = env.status("nobody").await.unwrap_err();
    assert!(error.request_id().is_some() && error.to_string().contains("swapped"), "{error}");
    assert_eq!(kind(error), of(ErrorKind::NotFound, "NOT_FOUND", 404));
    let invited = env.candidate("invited").await;
    let error = kind(env.invite(&invited).await.unwrap_err());
    assert_eq!(error, of(ErrorKind::InvalidStatus, "INVALID_STATUS", 409));
    let error = kind(env.reject(&invited).await.unwrap_err());
    assert_eq!(error, of(ErrorKind::InvalidStatus, "INVALID_STATUS_TRANSITION", 409));
    env.put(json!({"candidateId": "unseen", "status": "interviewed"})).await;
    let error = kind(env.reject("unseen").await.unwrap_err());
    assert_eq!(error, of(ErrorKind::AnalysisNotViewed, "ANALYSIS_NOT_VIEWED", 409));
    let new = env.candidate("new").await;
    env.invite(&new).idempotency_key("same").await.unwrap();
    let error = env.invite(&new).idempotency_key("same").email_subject("other").await.unwrap_err();
    assert_eq!(kind(error), of(ErrorKind::IdempotencyConflict, "IDEMPOTENCY_CONFLICT", 409));

    env.control("POST", "keys", json!({"key": "narrow", "scopes": ["read:candidates"]})).await;
    let client = |key: &str| Client::builder().api_key(key).base_url(env.sandbox.base_url()).build().unwrap();
    let call = async |key: &str| {
        let input = OperationInput::new(Operation::Reject, &*new, POSITION);
        kind(client(key).send(&input).await.unwrap_err())
    };
    assert_eq!(call("narrow").await, of(ErrorKind::PermissionDenied, "SCOPE_INSUFFICIENT", 403));
    assert_eq!(call("unheard-of").await, of(ErrorKind::Authentication, "UNAUTHORIZED", 401));
    env.control("POST", "company", json!({"state": "account_suspended"})).await;
    assert_eq!(call("narrow").await, of(ErrorKind::PermissionDenied, "ACCOUNT_SUSPENDED", 403));
}

#[tokio::test]
async fn the_same_key_twice_acts_once() {
    let env = TestEnv::new().await;
    let id = env.candidate("new").await;
    let first = env.invite(&id).idempotency_key("k").await.unwrap();
    let second = env.invite(&id).idempotency_key("k").await.unwrap();
    assert_eq!(first.session_id, second.session_id);
    assert_eq!(env.control("GET", "outbox", json!(null)).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_path_in_the_base_url_is_kept() {
    let env = TestEnv::new().await;
    let url = format!("{}/gateway/celper/", env.sandbox.base_url());
    let client = Client::builder().api_key(env.sandbox.api_key()).base_url(url).build().unwrap();
    let error = client.get_candidate_status("c", celper::JobPositionId("p")).max_retries(0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let all = env.control("GET", "requests", json!(null)).await;
    assert_eq!(all[0]["target"], "/gateway/celper/v1/candidates/c/status?jobPositionId=p");
}

#[tokio::test]
async fn calls_can_be_given_as_data() {
    let env = TestEnv::new().await;
    let id = env.candidate("interviewed").await;
    for (operation, expected) in [(Operation::Status, "interviewed"), (Operation::Select, "selected")] {
        let mut input = OperationInput::new(operation, &*id, POSITION);
        input.timeout = Some(Duration::from_secs(20));
        let status = match env.client.send(&input).await.unwrap() {
            OperationOutput::CandidateState(state) => state.status,
            OperationOutput::Decision(decision) => decision.status,
            other => panic!("{other:?}"),
        };
        assert_eq!(status.as_str(), expected);
    }
}

#[tokio::test]
async fn a_closed_client_fails_with_invalid_argument() {
    let env = TestEnv::new().await;
    let id = env.candidate("new").await;
    env.status(&id).await.unwrap();
    env.client.clone().close();
    env.client.close();
    let error = env.status(&id).await.unwrap_err();
    assert_eq!((error.kind(), error.operation(), error.attempts()), (ErrorKind::InvalidArgument, "status", 0));
    assert!(error.message().contains("closed"));
}

#[test]
fn one_client_serves_several_runtimes_one_after_another() {
    let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let env = server.block_on(TestEnv::new());
    let id = server.block_on(env.candidate("new"));
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { env.status(&id).await.unwrap() });
    }
}

#[test]
fn one_client_serves_several_runtimes_in_turn() {
    let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let env = server.block_on(TestEnv::new());
    let id = server.block_on(env.candidate("new"));
    let runtimes: Vec<_> =
        (0..3).map(|_| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()).collect();
    // A current-thread runtime stands still between two `block_on`, and so do its connections: no other runtime may use them.
    for runtime in runtimes.iter().cycle().take(9) {
        runtime.block_on(async { env.status(&id).max_retries(0).await.unwrap() });
    }
    let requests = server.block_on(env.requests(&id));
    let mut connections: Vec<_> = requests.iter().map(|request| request["connection"].as_u64()).collect();
    connections.sort();
    connections.dedup();
    assert_eq!((requests.len(), connections.len()), (9, 3));
}

#[test]
fn without_a_runtime_a_call_is_refused() {
    let call = Client::new("k").unwrap().get_candidate_status("c", celper::JobPositionId("p")).into_future();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut call = std::pin::pin!(call);
    let std::task::Poll::Ready(Err(error)) = call.as_mut().poll(&mut context) else { panic!("not refused") };
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("tokio runtime"), "{error}");
}

#[test]
fn clients_and_calls_can_cross_threads() {
    fn sendable<T: Send + Sync>() {}
    fn future<T: Send>(_: T) {}
    sendable::<Client>();
    sendable::<celper::Error>();
    let client = Client::new("k").unwrap();
    future(client.invite_candidate("c", celper::JobPositionId("p")).into_future());
    assert!(!format!("{:?}", Client::new("celp_hunter2").unwrap()).contains("hunter2"));
}

#[tokio::test]
async fn closing_a_client_drops_its_key_although_clones_live() {
    struct Provider(#[expect(dead_code, reason = "counts the provider's owners")] std::sync::Arc<()>);
    impl celper::KeyProvider for Provider {
        fn api_key(&self) -> celper::KeyFuture<'_> {
            Box::pin(async { Ok(celper::ApiKey::new("k")?) })
        }
    }
    let key = std::sync::Arc::new(());
    let client = Client::builder().key_provider(Provider(key.clone())).build().unwrap();
    let clone = client.clone();
    assert_eq!(std::sync::Arc::strong_count(&key), 2);
    client.close();
    assert_eq!(std::sync::Arc::strong_count(&key), 1);
    drop(clone);
}
