//! Calls to a simulated server on a paused clock: what is sent when, and what the caller gets.

use std::collections::VecDeque;
use std::error::Error as _;
use std::sync::Mutex;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::timeout;

use super::*;
use crate::base_url::BaseUrl;
use crate::model::{CandidateState, Decision, Invitation};
use crate::pacing::{RateLimits, unshared};
use crate::request::OperationInput;
use crate::transport::SendError;

const SECOND: Duration = Duration::from_secs(1);
const DECIDED: &str = r#"{"success":true,"requestId":"r","data":{"status":"rejected"}}"#;
const STATE: &str = r#"{"success":true,"data":{"status":"new","analysisViewed":false}}"#;

/// How the simulated server handles one request.
#[derive(Clone)]
enum Behavior {
    /// Responds after some time.
    Responds(Duration, u16, Vec<(&'static str, String)>, &'static str),
    /// Sends the head at once, and never the end of the body.
    StallsBody(u16),
    /// Responds with a body over the limit.
    ExceedsLimit(u16),
    /// Refuses the connection: nothing is sent.
    Refuses,
    /// Receives the request and closes the connection.
    Resets,
    /// Receives the request and never responds.
    Hangs,
}

struct SimulatedServer {
    started: Instant,
    script: Mutex<VecDeque<Behavior>>,
    received: Mutex<Vec<ReceivedRequest>>,
}

/// A request that the simulated server received, and when, from the beginning of the test.
#[derive(Clone, Debug, PartialEq)]
struct ReceivedRequest {
    at: Duration,
    idempotency_key: Option<String>,
    body: Option<Bytes>,
}

enum SimulatedBody {
    Whole(&'static str),
    Endless,
    TooLarge,
}

impl Transport for SimulatedServer {
    type Body = SimulatedBody;
    type Connection = ();

    async fn acquire_connection(&self) {}

    async fn send(
        &self,
        request: &PreparedRequest,
        _: &ApiKey,
        state: &SendState,
        (): (),
    ) -> Result<ResponseHead<SimulatedBody>, SendError> {
        self.received.lock().unwrap().push(ReceivedRequest {
            at: self.started.elapsed(),
            idempotency_key: request.idempotency_key(),
            body: request.action.as_ref().map(|(_, body)| body.clone()),
        });
        let behavior = self.script.lock().unwrap().pop_front().expect("more requests than scripted");
        if !matches!(behavior, Behavior::Refuses) && request.action.is_some() {
            assert!(state.mark_sent());
        }
        let head = |status, headers: Vec<(&'static str, String)>, body| {
            let header = |(name, value): (&'static str, String)| {
                (HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap())
            };
            Ok(ResponseHead { status, headers: HeaderMap::from_iter(headers.into_iter().map(header)), body })
        };
        match behavior {
            Behavior::Responds(takes, status, headers, body) => {
                sleep(takes).await;
                head(status, headers, SimulatedBody::Whole(body))
            }
            Behavior::StallsBody(status) => head(status, vec![], SimulatedBody::Endless),
            Behavior::ExceedsLimit(status) => head(status, vec![], SimulatedBody::TooLarge),
            Behavior::Refuses => {
                Err(SendError { cause: "connection refused".into(), connected: false, timed_out: None })
            }
            Behavior::Resets => Err(SendError { cause: "connection reset".into(), connected: true, timed_out: None }),
            Behavior::Hangs => std::future::pending().await,
        }
    }

    async fn read(&self, body: SimulatedBody, _: usize) -> Result<Bytes, BodyError> {
        match body {
            SimulatedBody::Whole(text) => Ok(Bytes::from_static(text.as_bytes())),
            SimulatedBody::Endless => std::future::pending().await,
            SimulatedBody::TooLarge => Err(BodyError::TooLarge),
        }
    }
}

fn responds(status: u16, body: &'static str) -> Behavior {
    Behavior::Responds(Duration::ZERO, status, vec![], body)
}

fn responds_retry_after(status: u16, retry_after: &str) -> Behavior {
    Behavior::Responds(Duration::ZERO, status, vec![("retry-after", retry_after.to_owned())], "")
}

fn engine(script: impl Into<VecDeque<Behavior>>) -> Engine<SimulatedServer> {
    Engine {
        transport: SimulatedServer {
            started: Instant::now(),
            script: Mutex::new(script.into()),
            received: Mutex::default(),
        },
        key_provider: Arc::new(ApiKey::new("celp_secret").unwrap()),
        pacer: None,
        random: || 1.0,
        names: NameStyle::Snake,
        redact: true,
    }
}

const LIMITS: Limits =
    Limits { timeout: Some(Duration::from_secs(120)), attempt_timeout: Duration::from_secs(30), max_retries: 2 };

impl Engine<SimulatedServer> {
    async fn make<R: FromResponse>(&self, operation: Operation, limits: Limits) -> Result<R, Error> {
        let request = OperationInput::new(operation, "cand_1", "pos_1")
            .prepare(&BaseUrl::parse("http://localhost", &[], NameStyle::Snake).unwrap(), NameStyle::Snake)
            .unwrap();
        self.call(&request, limits, None).await
    }

    async fn reject(&self) -> Result<Decision, Error> {
        self.make(Operation::Reject, LIMITS).await
    }

    async fn status(&self) -> Result<CandidateState, Error> {
        self.make(Operation::Status, LIMITS).await
    }

    fn received(&self) -> Vec<ReceivedRequest> {
        self.transport.received.lock().unwrap().clone()
    }

    /// When requests came, in seconds.
    fn times(&self) -> Vec<f64> {
        self.received().iter().map(|received| received.at.as_secs_f64()).collect()
    }

    fn now(&self) -> f64 {
        self.transport.started.elapsed().as_secs_f64()
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_retried_with_the_same_key_and_body_after_a_growing_wait() {
    let engine = engine([Behavior::Resets, responds(503, ""), responds(200, DECIDED)]);
    assert_eq!(engine.reject().await.unwrap().status.as_str(), "rejected");
    assert_eq!(engine.times(), [0.0, 0.5, 1.5]);
    let received = engine.received();
    assert!(
        received
            .iter()
            .all(|other| other.idempotency_key == received[0].idempotency_key && other.body == received[0].body)
    );
    let key = received[0].idempotency_key.as_deref().unwrap();
    assert!(key.len() == 36 && key.as_bytes()[14] == b'4', "{key} is not a UUID v4");
}

#[tokio::test(start_paused = true)]
async fn every_action_has_its_own_idempotency_key() {
    let engine = engine([responds(200, DECIDED), responds(200, DECIDED), responds(200, STATE)]);
    engine.reject().await.unwrap();
    engine.reject().await.unwrap();
    engine.status().await.unwrap();
    let keys: Vec<_> = engine.received().into_iter().map(|received| received.idempotency_key).collect();
    assert!(keys[0].is_some() && keys[1].is_some() && keys[0] != keys[1] && keys[2].is_none(), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn retries_end_after_max_retries() {
    let engine = engine(vec![responds(500, r#"{"error":"BROKEN","message":"m"}"#); 5]);
    let error = engine.reject().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.code()), (ErrorKind::Server, 3, Some("BROKEN")));
    let once = Limits { max_retries: 0, ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, once).await.unwrap_err();
    assert_eq!((error.attempts(), engine.received().len()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_not_transient_is_not_retried() {
    for status in [300, 307, 400, 401, 403, 404, 409, 410, 422] {
        let engine = engine([responds(status, "")]);
        let error = engine.reject().await.unwrap_err();
        assert_eq!((error.status(), error.attempts(), error.outcome_unknown()), (Some(status), 1, false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_as_long_as_the_server_asks() {
    let engine = engine([responds_retry_after(429, "7"), responds_retry_after(503, "20"), responds(200, STATE)]);
    engine.status().await.unwrap();
    // With the largest jitter: a tenth of the requested wait, at most a second.
    assert_eq!(engine.times(), [0.0, 7.7, 28.7]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_longer_than_the_timeout_fails_at_once() {
    let engine = engine([responds_retry_after(429, "3600")]);
    let error = engine.reject().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(SECOND * 3600)));
    assert_eq!((engine.now(), error.attempts(), error.outcome_unknown()), (0.0, 1, false));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_beyond_attempt_timeout_is_abandoned_and_retried() {
    let engine = engine([Behavior::Hangs, Behavior::StallsBody(200), responds(200, STATE)]);
    engine.status().await.unwrap();
    assert_eq!(engine.times(), [0.0, 30.5, 61.5]);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_its_timeout() {
    let engine = engine(vec![Behavior::Hangs; 5]);
    let limits = Limits { timeout: Some(SECOND * 40), ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, limits).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), engine.now()), (ErrorKind::Timeout, 2, 40.0));
    assert!(error.message().contains("(timeout)") && error.outcome_unknown(), "{error}");

    let limits = Limits { max_retries: 0, ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, limits).await.unwrap_err();
    assert!(error.message().contains("30 s (attempt_timeout)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn infinite_timeouts_are_allowed() {
    let limits = Limits { timeout: Some(Duration::MAX), attempt_timeout: Duration::MAX, max_retries: u32::MAX };
    let engine = engine([
        responds_retry_after(429, "99999999999999999999"),
        responds_retry_after(503, "86400"),
        responds(200, STATE),
    ]);
    engine.make::<CandidateState>(Operation::Status, limits).await.unwrap();
    assert!(engine.now() > 2.0 * 86_400.0, "{}", engine.now());
}

#[tokio::test(start_paused = true)]
async fn the_outcome_is_unknown_when_the_action_may_have_happened() {
    let once = Limits { max_retries: 0, ..LIMITS };
    for (behavior, kind, unknown) in [
        (Behavior::Refuses, ErrorKind::Connection, false),
        (Behavior::Resets, ErrorKind::Connection, true),
        (Behavior::Hangs, ErrorKind::Timeout, true),
        (Behavior::StallsBody(200), ErrorKind::Timeout, true),
        (Behavior::ExceedsLimit(200), ErrorKind::UnexpectedResponse, true),
        (responds(200, "<html>"), ErrorKind::UnexpectedResponse, true),
        (responds(200, r#"{"success":false,"error":"E"}"#), ErrorKind::UnexpectedResponse, true),
        (responds(204, ""), ErrorKind::UnexpectedResponse, true),
        (responds(500, ""), ErrorKind::Server, true),
        (responds(408, ""), ErrorKind::Connection, true),
        (responds_retry_after(429, "9999"), ErrorKind::RateLimited, false),
        (responds(409, r#"{"error":"INVALID_STATUS"}"#), ErrorKind::InvalidStatus, false),
        (responds(302, ""), ErrorKind::UnexpectedResponse, false),
        (responds(600, ""), ErrorKind::UnexpectedResponse, true),
    ] {
        let engine = engine([behavior.clone(), behavior]);
        let error = engine.make::<Invitation>(Operation::Invite, once).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown()), (kind, unknown), "{error:?}");
        assert!(error.idempotency_key().is_some());
        let error = engine.make::<CandidateState>(Operation::Status, once).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown(), error.idempotency_key()), (kind, false, None), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_response_does_not_make_an_unknown_outcome_known() {
    for last in [
        Behavior::Refuses,
        responds_retry_after(429, "9999"),
        responds(409, r#"{"error":"INVALID_STATUS"}"#),
        responds(401, ""),
    ] {
        let engine = engine([Behavior::Resets, last.clone(), last]);
        assert!(engine.reject().await.unwrap_err().outcome_unknown());
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_status_counts_even_when_its_body_never_ends() {
    let engine = engine([
        Behavior::StallsBody(409),
        Behavior::ExceedsLimit(404),
        Behavior::ExceedsLimit(503),
        responds(200, DECIDED),
    ]);
    let error = engine.reject().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Conflict, 1));
    assert_eq!(engine.reject().await.unwrap_err().kind(), ErrorKind::NotFound);
    engine.reject().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_sends_nothing_more() {
    let engine = engine([Behavior::Resets, responds(200, DECIDED)]);
    assert!(timeout(Duration::from_millis(100), engine.reject()).await.is_err());
    sleep(SECOND * 100).await;
    assert_eq!(engine.received().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn pacing_counts_against_the_timeout_and_fails_at_once() {
    let limits = RateLimits { actions: 1, ..RateLimits::default() };
    let mut engine = engine([responds(200, DECIDED), responds(200, DECIDED)]);
    engine.pacer = Some(unshared(limits));
    engine.reject().await.unwrap();
    let short = Limits { timeout: Some(SECOND * 20), ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, short).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.status()), (ErrorKind::RateLimited, 0, None));
    assert!(error.retry_after().unwrap() >= SECOND * 60 && engine.now() == 0.0 && !error.outcome_unknown());
    engine.reject().await.unwrap();
    assert!((60.0..60.1).contains(&engine.times()[1]), "{:?}", engine.times());
}

#[tokio::test(start_paused = true)]
async fn a_retry_without_a_permit_reports_the_failure_and_not_the_pacing() {
    let mut engine = engine([responds(502, "")]);
    engine.pacer = Some(unshared(RateLimits { actions: 1, ..RateLimits::default() }));
    let short = Limits { timeout: Some(SECOND * 20), ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, short).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.outcome_unknown()), (ErrorKind::Server, 1, true));
}

#[tokio::test(start_paused = true)]
async fn a_429_holds_every_call_of_the_category() {
    let mut engine =
        engine([responds_retry_after(429, "30"), responds(200, STATE), responds(200, DECIDED), responds(200, DECIDED)]);
    engine.pacer = Some(unshared(RateLimits::default()));
    let (first, second) = tokio::join!(engine.reject(), async {
        sleep(SECOND).await;
        engine.status().await.unwrap();
        engine.reject().await
    });
    first.unwrap();
    second.unwrap();
    assert_eq!(engine.times(), [0.0, 1.0, 30.0, 31.0], "actions are held, reads are not");
}

#[tokio::test(start_paused = true)]
async fn remaining_zero_holds_the_category_until_the_reset() {
    let headers = vec![
        ("date", "Tue, 24 Nov 2026 10:00:00 GMT".to_owned()),
        ("x-ratelimit-limit", "30".to_owned()),
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", "1795514412".to_owned()),
    ];
    let mut engine = engine([Behavior::Responds(Duration::ZERO, 200, headers, DECIDED), responds(200, DECIDED)]);
    engine.pacer = Some(unshared(RateLimits::default()));
    let first = engine.reject().await.unwrap().rate_limit.unwrap();
    assert_eq!((first.limit, first.remaining), (Some(30), Some(0)));
    assert_eq!(first.reset_at, Some(SystemTime::UNIX_EPOCH + SECOND * 1_795_514_412));
    engine.reject().await.unwrap();
    assert_eq!(engine.times(), [0.0, 12.0]);
}

/// Returns another key each time, and fails the third time.
struct Rotating(Mutex<u32>);

impl KeyProvider for Rotating {
    fn api_key(&self) -> crate::key::KeyFuture<'_> {
        Box::pin(async {
            sleep(SECOND).await;
            let mut asked = self.0.lock().unwrap();
            *asked += 1;
            if *asked == 3 { Err("the vault is locked".into()) } else { Ok(ApiKey::new(format!("key{asked}"))?) }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_provider_is_asked_before_each_attempt() {
    let mut engine = engine([responds(500, ""), responds(200, DECIDED)]);
    engine.key_provider = Arc::new(Rotating(Mutex::new(0)));
    engine.reject().await.unwrap();
    assert_eq!(engine.times(), [1.0, 2.5]);
    let error = engine.reject().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.outcome_unknown()), (ErrorKind::Authentication, 0, false));
    assert!(error.message().contains("the vault is locked") && error.source().is_some(), "{error}");

    let limits = Limits { timeout: Some(SECOND / 2), ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, limits).await.unwrap_err();
    assert_eq!((error.kind(), engine.received().len()), (ErrorKind::Timeout, 2));
    assert!(error.message().contains("key provider"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_key_provider_that_fails_before_a_retry_does_not_hide_the_first_failure() {
    let mut engine = engine([responds(503, "")]);
    engine.key_provider = Arc::new(Rotating(Mutex::new(1)));
    let error = engine.reject().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.outcome_unknown()), (ErrorKind::Server, 1, true));
}

/// Gives its key after two seconds.
struct SlowKey;

impl KeyProvider for SlowKey {
    fn api_key(&self) -> crate::KeyFuture<'_> {
        Box::pin(async {
            sleep(SECOND * 2).await;
            Ok(ApiKey::new("celp_secret")?)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn the_record_has_every_attempt_and_wait() {
    let request_id = vec![("x-request-id", "of-503".to_owned())];
    let mut engine = engine([
        responds(200, STATE),
        Behavior::Responds(SECOND, 503, request_id, ""),
        Behavior::Refuses,
        responds(200, r#"{"success":true,"requestId":"of-200","data":{}}"#),
    ]);
    engine.pacer = Some(unshared(RateLimits { total: 1, window: SECOND * 10, ..RateLimits::default() }));
    let first = engine.status().await.unwrap().record.unwrap();
    assert_eq!((first.attempts().len(), first.waits().len(), first.duration), (1, 0, Duration::ZERO));
    engine.key_provider = Arc::new(SlowKey);
    let no_limit = Limits { timeout: None, ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, no_limit).await.unwrap_err();
    let record = error.record().unwrap();
    let attempts: Vec<_> = record
        .attempts()
        .iter()
        .map(|it| (it.offset.as_secs(), it.status, it.error_kind, it.request_id.as_deref(), it.connection))
        .collect();
    let new = Some(ConnectionUse::New);
    assert_eq!(
        attempts,
        [
            (12, Some(503), Some(ErrorKind::Server), Some("of-503"), None),
            (25, None, Some(ErrorKind::Connection), None, new),
            (28, Some(200), Some(ErrorKind::UnexpectedResponse), Some("of-200"), None),
        ]
    );
    let waits: Vec<_> =
        record.waits().iter().map(|it| (it.offset.as_secs(), it.duration.as_secs(), it.reason)).collect();
    let (key, retry) = (WaitReason::KeyProvider, WaitReason::Retry);
    assert_eq!(
        waits,
        [
            (0, 10, WaitReason::RateLimit),
            (10, 2, key),
            (13, 0, retry),
            (13, 9, WaitReason::RateLimit),
            (23, 2, key),
            (25, 1, retry),
            (26, 2, key),
        ]
    );
    assert_eq!((record.operation, record.duration.as_secs()), (Operation::Reject, 28));
}

#[tokio::test(start_paused = true)]
async fn a_failed_connection_uses_no_slot() {
    let mut engine = engine([Behavior::Refuses, Behavior::Refuses, Behavior::Refuses, responds(200, DECIDED)]);
    engine.pacer = Some(unshared(RateLimits { actions: 1, ..RateLimits::default() }));
    assert_eq!(engine.reject().await.unwrap_err().attempts(), 3);
    let failed_at = engine.now();
    engine.reject().await.unwrap();
    assert_eq!(engine.now(), failed_at);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_cannot_have_a_permit_in_time_fails_at_once() {
    let mut engine = engine([responds_retry_after(503, "4")]);
    engine.pacer = Some(unshared(RateLimits { actions: 1, ..RateLimits::default() }));
    let short = Limits { timeout: Some(SECOND * 10), ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, short).await.unwrap_err();
    assert_eq!((error.kind(), engine.now()), (ErrorKind::Server, 0.0));
}

#[test]
fn an_abandoned_request_is_not_sent() {
    let state = SendState::default();
    assert!(!state.abandon() && !state.mark_sent());
    let state = SendState::default();
    assert!(state.mark_sent() && state.mark_sent() && state.abandon());
}

#[tokio::test(start_paused = true)]
async fn a_key_echoed_by_the_server_is_redacted() {
    let engine =
        engine([responds(400, r#"{"error":"celp_secret","message":"bad key celp_secret","requestId":"celp_secret"}"#)]);
    let error = engine.reject().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("celp_secret"), "{error:?}");
    assert_eq!(error.message(), "bad key [redacted]");
}

#[tokio::test(start_paused = true)]
async fn a_response_without_a_message_gets_a_default_one() {
    for (status, word) in [(302, "redirect"), (403, "reject needs the scope action:decide"), (404, "404"), (502, "502")]
    {
        let once = Limits { max_retries: 0, ..LIMITS };
        let error = engine([responds(status, "")]).make::<Decision>(Operation::Reject, once).await.unwrap_err();
        assert!(error.message().contains(word), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_a_call_waits_for_the_rate_limit_as_long_as_it_takes() {
    let mut engine = engine(vec![responds(200, DECIDED); 7]);
    engine.pacer = Some(unshared(RateLimits { actions: 1, ..RateLimits::default() }));
    let unset = Limits { timeout: None, ..LIMITS };
    let calls = (0..7).map(|_| engine.make::<Decision>(Operation::Reject, unset));
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    for call in &mut calls {
        call.await.unwrap();
    }
    assert!(engine.now() > 360.0, "{}", engine.now());
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_a_call_has_two_minutes_from_its_first_permit_on() {
    let mut engine = engine(vec![Behavior::Hangs; 9]);
    engine.pacer = Some(unshared(RateLimits { actions: 9, ..RateLimits::default() }));
    let unset = Limits { timeout: None, max_retries: 9, ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, unset).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Timeout && (100.0..=120.0).contains(&engine.now()), "{error} {}", engine.now());
}

#[tokio::test(start_paused = true)]
async fn no_attempt_starts_with_less_than_a_second_left() {
    let limits = RateLimits { actions: 1, window: SECOND * 10, ..RateLimits::default() };
    let mut engine = engine([responds(200, DECIDED), responds(200, DECIDED)]);
    engine.pacer = Some(unshared(limits));
    engine.reject().await.unwrap();
    // The next slot is free after 10.005 s.
    let call = |timeout| {
        let limits = Limits { timeout: Some(Duration::from_millis(timeout)), ..LIMITS };
        engine.make::<Decision>(Operation::Reject, limits)
    };
    let error = call(10_990).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.outcome_unknown()), (ErrorKind::RateLimited, 0, false));
    assert!(error.message().contains("timeout of 10.99 s") && engine.now() == 0.0, "{error}");
    call(11_010).await.unwrap();
    assert_eq!(engine.received().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_body_of_an_error_is_waited_for_two_seconds() {
    let engine = engine([
        Behavior::StallsBody(409),
        Behavior::StallsBody(503),
        Behavior::StallsBody(503),
        Behavior::StallsBody(503),
    ]);
    assert_eq!(engine.reject().await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(engine.now(), 2.0);
    assert_eq!(engine.reject().await.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(engine.times(), [0.0, 2.0, 4.5, 7.5]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_zero_waits_a_tenth_of_a_second() {
    let engine = engine([responds_retry_after(429, "0"), responds(200, STATE)]);
    engine.status().await.unwrap();
    assert!(engine.times()[1] >= 0.1, "{:?}", engine.times());
}

#[tokio::test(start_paused = true)]
async fn a_long_retry_after_fails_its_call_and_holds_the_others_for_a_window_only() {
    let mut engine = engine([responds_retry_after(429, "86400"), responds(200, DECIDED)]);
    engine.pacer = Some(unshared(RateLimits::default()));
    assert_eq!(engine.reject().await.unwrap_err().retry_after(), Some(SECOND * 86_400));
    engine.reject().await.unwrap();
    assert_eq!(engine.times(), [0.0, 61.0]);
}

#[tokio::test(start_paused = true)]
async fn a_close_delimited_response_that_ends_early_is_retried() {
    let truncated = r#"{"success":true,"data":{"status":"reje"#;
    let engine = engine([responds(200, truncated), responds(200, DECIDED)]);
    engine.reject().await.unwrap();
    let length = vec![("content-length", truncated.len().to_string())];
    let engine = self::engine([Behavior::Responds(Duration::ZERO, 200, length, truncated)]);
    assert_eq!(engine.reject().await.unwrap_err().kind(), ErrorKind::UnexpectedResponse);
}

#[tokio::test(start_paused = true)]
async fn an_encoding_that_was_not_requested_is_named() {
    for status in [409, 200] {
        let gzip = vec![("content-encoding", "gzip".to_owned())];
        let engine = engine([Behavior::Responds(Duration::ZERO, status, gzip, "\u{1f}")]);
        let error = engine.reject().await.unwrap_err();
        assert!(error.message().contains("gzip"), "{error}");
    }
}
