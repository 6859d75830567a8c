//! Calls against a simulated server on a paused clock: what is sent when, and what the caller is told.

use std::collections::VecDeque;
use std::sync::Mutex;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::timeout;

use super::*;
use crate::base_url::BaseUrl;
use crate::model::{CandidateState, Decision, Invitation};
use crate::pacing::RateLimits;
use crate::request::OperationInput;
use crate::transport::NoAnswer;

const SECOND: Duration = Duration::from_secs(1);
const DECIDED: &str = r#"{"success":true,"requestId":"r","data":{"status":"rejected"}}"#;
const STATE: &str = r#"{"success":true,"data":{"status":"new","analysisViewed":false}}"#;

/// What the simulated server does with one request.
#[derive(Clone)]
enum Does {
    /// Answers after some time.
    Answers(Duration, u16, Vec<(&'static str, String)>, &'static str),
    /// Sends the head at once, and never the end of the body.
    Drips(u16),
    /// Answers with a body over the limit.
    Floods(u16),
    /// Cannot be reached: nothing goes out.
    Refuses,
    /// Takes the request and closes the connection.
    Resets,
    /// Takes the request and says nothing.
    Hangs,
}

struct Simulated {
    began: Instant,
    script: Mutex<VecDeque<Does>>,
    seen: Mutex<Vec<Seen>>,
}

/// A request as the simulated server saw it, and when, from the beginning of the test.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    at: Duration,
    idempotency_key: Option<String>,
    body: Option<Bytes>,
}

enum SimulatedBody {
    Whole(&'static str),
    Endless,
    TooLarge,
}

impl Transport for Simulated {
    type Body = SimulatedBody;

    async fn send(
        &self,
        request: &Prepared,
        _: &ApiKey,
        departure: &Departure,
    ) -> Result<Head<SimulatedBody>, NoAnswer> {
        self.seen.lock().unwrap().push(Seen {
            at: self.began.elapsed(),
            idempotency_key: request.idempotency_key(),
            body: request.action.as_ref().map(|(_, body)| body.clone()),
        });
        let does = self.script.lock().unwrap().pop_front().expect("one request more than scripted");
        if !matches!(does, Does::Refuses) && request.action.is_some() {
            assert!(departure.go_out());
        }
        let head = |status, headers: Vec<(&'static str, String)>, body| {
            let header = |(name, value): (&'static str, String)| {
                (HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap())
            };
            Ok(Head { status, headers: HeaderMap::from_iter(headers.into_iter().map(header)), body })
        };
        match does {
            Does::Answers(takes, status, headers, body) => {
                sleep(takes).await;
                head(status, headers, SimulatedBody::Whole(body))
            }
            Does::Drips(status) => head(status, vec![], SimulatedBody::Endless),
            Does::Floods(status) => head(status, vec![], SimulatedBody::TooLarge),
            Does::Refuses => Err(NoAnswer { cause: "connection refused".into(), connected: false }),
            Does::Resets => Err(NoAnswer { cause: "connection reset".into(), connected: true }),
            Does::Hangs => std::future::pending().await,
        }
    }

    async fn read(&self, body: SimulatedBody, _: usize) -> Result<Bytes, BodyFailure> {
        match body {
            SimulatedBody::Whole(text) => Ok(Bytes::from_static(text.as_bytes())),
            SimulatedBody::Endless => std::future::pending().await,
            SimulatedBody::TooLarge => Err(BodyFailure::TooLarge),
        }
    }
}

fn answers(status: u16, body: &'static str) -> Does {
    Does::Answers(Duration::ZERO, status, vec![], body)
}

fn refuses(status: u16, retry_after: &str) -> Does {
    Does::Answers(Duration::ZERO, status, vec![("retry-after", retry_after.to_owned())], "")
}

fn engine(script: impl Into<VecDeque<Does>>) -> Engine<Simulated> {
    Engine {
        transport: Simulated { began: Instant::now(), script: Mutex::new(script.into()), seen: Mutex::default() },
        key_provider: Arc::new(ApiKey::new("celp_secret").unwrap()),
        pacer: None,
        random: || 1.0,
    }
}

const LIMITS: Limits =
    Limits { timeout: Duration::from_secs(120), attempt_timeout: Duration::from_secs(30), max_retries: 2 };

impl Engine<Simulated> {
    async fn make<R: FromAnswer>(&self, operation: Operation, limits: Limits) -> Result<R, Error> {
        let request = OperationInput::new(operation, "cand_1", "pos_1")
            .prepare(&BaseUrl::check("http://localhost", false).unwrap())
            .unwrap();
        self.call(&request, limits).await
    }

    async fn reject(&self) -> Result<Decision, Error> {
        self.make(Operation::Reject, LIMITS).await
    }

    async fn status(&self) -> Result<CandidateState, Error> {
        self.make(Operation::Status, LIMITS).await
    }

    fn seen(&self) -> Vec<Seen> {
        self.transport.seen.lock().unwrap().clone()
    }

    /// When requests came, in seconds.
    fn times(&self) -> Vec<f64> {
        self.seen().iter().map(|seen| seen.at.as_secs_f64()).collect()
    }

    fn now(&self) -> f64 {
        self.transport.began.elapsed().as_secs_f64()
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_repeated_with_the_same_key_and_bytes_after_a_growing_wait() {
    let engine = engine([Does::Resets, answers(503, ""), answers(200, DECIDED)]);
    assert_eq!(engine.reject().await.unwrap().status.as_str(), "rejected");
    assert_eq!(engine.times(), [0.0, 0.5, 1.5]);
    let seen = engine.seen();
    assert!(seen.iter().all(|other| other.idempotency_key == seen[0].idempotency_key && other.body == seen[0].body));
    let key = seen[0].idempotency_key.as_deref().unwrap();
    assert!(key.len() == 36 && key.as_bytes()[14] == b'4', "{key} is no UUID v4");
}

#[tokio::test(start_paused = true)]
async fn every_call_has_a_key_of_its_own() {
    let engine = engine([answers(200, DECIDED), answers(200, DECIDED), answers(200, STATE)]);
    engine.reject().await.unwrap();
    engine.reject().await.unwrap();
    engine.status().await.unwrap();
    let keys: Vec<_> = engine.seen().into_iter().map(|seen| seen.idempotency_key).collect();
    assert!(keys[0].is_some() && keys[1].is_some() && keys[0] != keys[1] && keys[2].is_none(), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn retries_end_after_max_retries() {
    let engine = engine(vec![answers(500, r#"{"error":"BROKEN","message":"m"}"#); 5]);
    let error = engine.reject().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.code()), (ErrorKind::Server, 3, Some("BROKEN")));
    let once = Limits { max_retries: 0, ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, once).await.unwrap_err();
    assert_eq!((error.attempts(), engine.seen().len()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_transient_is_not_repeated() {
    for status in [300, 307, 400, 401, 403, 404, 408, 409, 410, 422] {
        let engine = engine([answers(status, "")]);
        let error = engine.reject().await.unwrap_err();
        assert_eq!((error.status(), error.attempts(), error.outcome_unknown()), (Some(status), 1, false));
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_may_say_how_long_to_wait() {
    let engine = engine([refuses(429, "7"), refuses(503, "20"), answers(200, STATE)]);
    engine.status().await.unwrap();
    // The jitter at its most: a tenth of what was asked, at most a second.
    assert_eq!(engine.times(), [0.0, 7.7, 28.7]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_timeout_is_not_begun() {
    let engine = engine([refuses(429, "3600")]);
    let error = engine.reject().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(SECOND * 3600)));
    assert_eq!((engine.now(), error.attempts(), error.outcome_unknown()), (0.0, 1, false));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_given_up_and_repeated() {
    let engine = engine([Does::Hangs, Does::Drips(200), answers(200, STATE)]);
    engine.status().await.unwrap();
    assert_eq!(engine.times(), [0.0, 30.5, 61.5]);
}

#[tokio::test(start_paused = true)]
async fn the_whole_call_ends_with_its_timeout() {
    let engine = engine(vec![Does::Hangs; 5]);
    let limits = Limits { timeout: SECOND * 40, ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, limits).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), engine.now()), (ErrorKind::Timeout, 2, 40.0));
    assert!(error.message().contains("(timeout)") && error.outcome_unknown(), "{error}");

    let limits = Limits { max_retries: 0, ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, limits).await.unwrap_err();
    assert!(error.message().contains("30 s (attempt_timeout)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn endless_timeouts_are_allowed() {
    let limits = Limits { timeout: Duration::MAX, attempt_timeout: Duration::MAX, max_retries: u32::MAX };
    let engine = engine([refuses(429, "99999999999999999999"), refuses(503, "86400"), answers(200, STATE)]);
    engine.make::<CandidateState>(Operation::Status, limits).await.unwrap();
    assert!(engine.now() > 2.0 * 86_400.0, "{}", engine.now());
}

#[tokio::test(start_paused = true)]
async fn the_outcome_is_unknown_when_the_action_may_have_taken_place() {
    let once = Limits { max_retries: 0, ..LIMITS };
    for (does, kind, unknown) in [
        (Does::Refuses, ErrorKind::Connection, false),
        (Does::Resets, ErrorKind::Connection, true),
        (Does::Hangs, ErrorKind::Timeout, true),
        (Does::Drips(200), ErrorKind::Timeout, true),
        (Does::Floods(200), ErrorKind::UnexpectedResponse, true),
        (answers(200, "<html>"), ErrorKind::UnexpectedResponse, true),
        (answers(200, r#"{"success":false,"error":"E"}"#), ErrorKind::UnexpectedResponse, true),
        (answers(204, ""), ErrorKind::UnexpectedResponse, true),
        (answers(500, ""), ErrorKind::Server, true),
        (refuses(429, "9999"), ErrorKind::RateLimited, false),
        (answers(409, r#"{"error":"INVALID_STATUS"}"#), ErrorKind::InvalidStatus, false),
        (answers(302, ""), ErrorKind::UnexpectedResponse, false),
        (answers(600, ""), ErrorKind::UnexpectedResponse, true),
    ] {
        let engine = engine([does.clone(), does]);
        let error = engine.make::<Invitation>(Operation::Invite, once).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown()), (kind, unknown), "{error:?}");
        assert!(error.idempotency_key().is_some());
        let error = engine.make::<CandidateState>(Operation::Status, once).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown(), error.idempotency_key()), (kind, false, None), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_answer_does_not_make_an_unknown_outcome_known() {
    for last in [Does::Refuses, refuses(429, "9999"), answers(409, r#"{"error":"INVALID_STATUS"}"#), answers(401, "")] {
        let engine = engine([Does::Resets, last.clone(), last]);
        assert!(engine.reject().await.unwrap_err().outcome_unknown());
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_line_of_a_refusal_counts_even_when_its_body_never_ends() {
    let engine = engine([Does::Drips(409), Does::Floods(404), Does::Floods(503), answers(200, DECIDED)]);
    let error = engine.reject().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Conflict, 1));
    assert_eq!(engine.reject().await.unwrap_err().kind(), ErrorKind::NotFound);
    engine.reject().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_sends_nothing_more() {
    let engine = engine([Does::Resets, answers(200, DECIDED)]);
    assert!(timeout(Duration::from_millis(100), engine.reject()).await.is_err());
    sleep(SECOND * 100).await;
    assert_eq!(engine.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn pacing_counts_against_the_timeout_and_refuses_at_once() {
    let limits = RateLimits { actions: 1, ..RateLimits::default() };
    let mut engine = engine([answers(200, DECIDED), answers(200, DECIDED)]);
    engine.pacer = Some(Arc::new(Pacer::new(limits)));
    engine.reject().await.unwrap();
    let short = Limits { timeout: SECOND * 20, ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, short).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.status()), (ErrorKind::RateLimited, 0, None));
    assert!(error.retry_after().unwrap() >= SECOND * 60 && engine.now() == 0.0 && !error.outcome_unknown());
    engine.reject().await.unwrap();
    assert!((60.0..60.1).contains(&engine.times()[1]), "{:?}", engine.times());
}

#[tokio::test(start_paused = true)]
async fn a_retry_without_a_slot_tells_the_failure_rather_than_the_pacing() {
    let mut engine = engine([answers(502, "")]);
    engine.pacer = Some(Arc::new(Pacer::new(RateLimits { actions: 1, ..RateLimits::default() })));
    let short = Limits { timeout: SECOND * 20, ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, short).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.outcome_unknown()), (ErrorKind::Server, 1, true));
}

#[tokio::test(start_paused = true)]
async fn a_429_holds_every_call_of_the_category() {
    let mut engine = engine([refuses(429, "30"), answers(200, STATE), answers(200, DECIDED), answers(200, DECIDED)]);
    engine.pacer = Some(Arc::new(Pacer::new(RateLimits::default())));
    let (first, second) = tokio::join!(engine.reject(), async {
        sleep(SECOND).await;
        engine.status().await.unwrap();
        engine.reject().await
    });
    first.unwrap();
    second.unwrap();
    assert_eq!(engine.times(), [0.0, 1.0, 30.0, 31.0], "the read was not held, the actions were");
}

#[tokio::test(start_paused = true)]
async fn a_server_without_room_left_is_given_time() {
    let headers = vec![
        ("date", "Tue, 24 Nov 2026 10:00:00 GMT".to_owned()),
        ("x-ratelimit-limit", "30".to_owned()),
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", "1795514412".to_owned()),
    ];
    let mut engine = engine([Does::Answers(Duration::ZERO, 200, headers, DECIDED), answers(200, DECIDED)]);
    engine.pacer = Some(Arc::new(Pacer::new(RateLimits::default())));
    let first = engine.reject().await.unwrap().rate_limit.unwrap();
    assert_eq!((first.limit, first.remaining), (Some(30), Some(0)));
    assert_eq!(first.reset_at, Some(SystemTime::UNIX_EPOCH + SECOND * 1_795_514_412));
    engine.reject().await.unwrap();
    assert_eq!(engine.times(), [0.0, 12.0]);
}

/// Gives another key each time, and none the third time.
struct Rotating(Mutex<u32>);

impl KeyProvider for Rotating {
    fn api_key(&self) -> crate::key::KeyFuture<'_> {
        Box::pin(async {
            sleep(SECOND).await;
            let mut asked = self.0.lock().unwrap();
            *asked += 1;
            if *asked == 3 { Err("the vault is shut".into()) } else { Ok(ApiKey::new(format!("key{asked}"))?) }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_provider_is_asked_before_each_attempt() {
    let mut engine = engine([answers(500, ""), answers(200, DECIDED)]);
    engine.key_provider = Arc::new(Rotating(Mutex::new(0)));
    engine.reject().await.unwrap();
    assert_eq!(engine.times(), [1.0, 2.5]);
    let error = engine.reject().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.outcome_unknown()), (ErrorKind::Authentication, 0, false));
    assert!(error.message().contains("the vault is shut") && error.source().is_some(), "{error}");

    let limits = Limits { timeout: SECOND / 2, ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, limits).await.unwrap_err();
    assert_eq!((error.kind(), engine.seen().len()), (ErrorKind::Timeout, 2));
    assert!(error.message().contains("key provider"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_key_provider_that_fails_before_a_retry_does_not_hide_why_there_was_one() {
    let mut engine = engine([answers(503, "")]);
    engine.key_provider = Arc::new(Rotating(Mutex::new(1)));
    let error = engine.reject().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.outcome_unknown()), (ErrorKind::Server, 1, true));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_not_made_uses_no_slot() {
    let mut engine = engine([Does::Refuses, Does::Refuses, Does::Refuses, answers(200, DECIDED)]);
    engine.pacer = Some(Arc::new(Pacer::new(RateLimits { actions: 1, ..RateLimits::default() })));
    assert_eq!(engine.reject().await.unwrap_err().attempts(), 3);
    let failed_at = engine.now();
    engine.reject().await.unwrap();
    assert_eq!(engine.now(), failed_at);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_can_have_no_slot_in_time_is_not_waited_for() {
    let mut engine = engine([refuses(503, "4")]);
    engine.pacer = Some(Arc::new(Pacer::new(RateLimits { actions: 1, ..RateLimits::default() })));
    let short = Limits { timeout: SECOND * 10, ..LIMITS };
    let error = engine.make::<Decision>(Operation::Reject, short).await.unwrap_err();
    assert_eq!((error.kind(), engine.now()), (ErrorKind::Server, 0.0));
}

#[test]
fn a_request_that_was_given_up_does_not_go_out_any_more() {
    let departure = Departure::default();
    assert!(!departure.give_up() && !departure.go_out());
    let departure = Departure::default();
    assert!(departure.go_out() && departure.go_out() && departure.give_up());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_echoes_the_key_does_not_get_it_into_an_error() {
    let engine =
        engine([answers(400, r#"{"error":"celp_secret","message":"bad key celp_secret","requestId":"celp_secret"}"#)]);
    let error = engine.reject().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("celp_secret"), "{error:?}");
    assert_eq!(error.message(), "bad key [redacted]");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_reason_gets_one() {
    for (status, word) in [(302, "redirect"), (403, "reject needs the scope action:decide"), (404, "404"), (502, "502")]
    {
        let once = Limits { max_retries: 0, ..LIMITS };
        let error = engine([answers(status, "")]).make::<Decision>(Operation::Reject, once).await.unwrap_err();
        assert!(error.message().contains(word), "{error}");
    }
}
