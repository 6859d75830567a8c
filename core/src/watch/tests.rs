//! Waits and watches against a simulated service on a paused clock: what is read when, and what the caller gets.

use std::collections::HashMap;
use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{Pace, StatusWait, Watch, WatchInput, WatchItem};
use crate::batch::PacedClient;
use crate::batch::tests::service::{Fault, SECOND, Service, SimulatedClient};
use crate::call::Reservation;
use crate::error::{Error, ErrorKind};
use crate::model::CandidateStatus;
use crate::operation::Operation;
use crate::pacing::RateLimits;
use crate::request::OperationInput;

const LIMITS: RateLimits = RateLimits { reads: 40, actions: 30, total: 60, window: Duration::from_secs(60) };

fn service(count: usize, status: &'static str) -> Arc<Service> {
    let service = Service::with(count, status);
    service.attach();
    *service.latencies.lock().unwrap() = vec![0];
    service
}

fn wait(client: &Arc<SimulatedClient>, id: &str, until: &[&str]) -> StatusWait {
    let input = OperationInput::new(Operation::Status, id, "p");
    StatusWait::new(Arc::clone(client) as _, input, until.iter().map(|status| CandidateStatus::from(*status)).collect())
}

fn watch(client: &Arc<SimulatedClient>, ids: impl IntoIterator<Item = String>) -> Result<Watch, Error> {
    let input = WatchInput { candidate_ids: ids.into_iter().collect(), job_position_id: "p".to_owned() };
    Watch::start(Arc::clone(client) as _, input)
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|nth| format!("c{nth}")).collect()
}

/// When reads were sent, in seconds.
fn times(service: &Service, started: Instant) -> Vec<f64> {
    service.sent_reads.lock().unwrap().iter().map(|(_, at)| (*at - started).as_secs_f64()).collect()
}

async fn take(watch: &mut Watch) -> WatchItem {
    watch.next().await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn polls_leave_half_of_the_reads_to_calls_and_candidates_take_turns() {
    let service = service(201, "invited");
    *service.latencies.lock().unwrap() = vec![20, 180, 90, 40, 250];
    let client = SimulatedClient::new(&service, Some(LIMITS));
    // All of one pacer: two watches of different sizes and a wait.
    for range in [0..10, 10..199] {
        let mut watch = watch(&client, ids(range)).unwrap();
        tokio::spawn(async move { while watch.next().await.unwrap().is_some() {} });
    }
    tokio::spawn(wait(&client, "c199", &["selected"]).timeout(Duration::MAX).into_future());
    let calls = Arc::clone(&client);
    tokio::spawn(async move {
        loop {
            calls.call(&OperationInput::new(Operation::Status, "c200", "p"), Reservation::default()).await.unwrap();
        }
    });
    sleep(3_600 * SECOND).await;
    let reads = service.sent_reads.lock().unwrap().clone();
    let polls: Vec<_> = reads.iter().filter(|(id, _)| id != "c200").collect();
    let most = polls.windows(21).filter(|polls| polls[20].1 - polls[0].1 < 60 * SECOND).count();
    assert_eq!((most, service.rejected.load(Ordering::SeqCst)), (0, 0));
    // Nearly all of their half, and calls have the other one.
    assert!(polls.len() > 1_150 && reads.len() - polls.len() > 1_150, "{} of {}", polls.len(), reads.len());
    let mut counts: HashMap<&str, usize> = HashMap::new();
    polls.iter().for_each(|(id, _)| *counts.entry(id).or_default() += 1);
    let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
    assert!(counts.len() == 200 && most - least <= 1, "{} candidates, {least} to {most} times", counts.len());
}

#[tokio::test(start_paused = true)]
async fn a_wait_polls_at_growing_intervals_and_once_more_before_its_deadline() {
    let service = service(1, "invited");
    let client = SimulatedClient::new(&service, Some(LIMITS));
    let started = Instant::now();
    let error = wait(&client, "c0", &["interviewed", "expired", "failed"]).timeout(2_000 * SECOND).await.unwrap_err();
    assert_eq!(started.elapsed(), 2_000 * SECOND);
    let expected = [0.0, 15.0, 37.5, 71.25, 121.875, 197.812, 311.718, 482.578, 738.867, 1_038.867, 1_338.867];
    let times = times(&service, started);
    assert_eq!(times.len(), 14, "{times:?}");
    times.iter().zip(expected).for_each(|(time, expected)| assert!((time - expected).abs() < 0.02, "{times:?}"));
    assert_eq!(times.last(), Some(&1_995.0));
    assert_eq!((error.kind(), error.attempts(), error.operation()), (ErrorKind::Timeout, 14, "status"));
    assert_eq!(error.last_state().unwrap().status, CandidateStatus::Invited);
    assert_eq!(
        error.message(),
        "the candidate's status is still \"invited\" after 2000 s (timeout), not \"interviewed\", \"expired\" or \"failed\"; \
         call again to go on waiting, or receive webhooks"
    );
}

#[test]
fn intervals_grow_to_five_minutes_with_jitter() {
    let mut pace = Pace::new();
    assert_eq!([pace.next(false, 0.0), pace.next(true, 1.0)], [13.5, 16.5].map(Duration::from_secs_f64));
    let longest = (0..20).map(|_| pace.next(false, 1.0)).max();
    assert_eq!(longest, Some(330 * SECOND));
    let asks = Error::new(ErrorKind::RateLimited, "").with(|parts| parts.retry_after = Some(900 * SECOND));
    assert_eq!(pace.after_failure(&asks, 0.5), 900 * SECOND);
    assert_eq!(pace.after_failure(&Error::new(ErrorKind::Server, ""), 0.5), 300 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_change_makes_the_next_poll_soon_and_a_status_that_nobody_knows_is_waited_for() {
    let service = service(1, "invited");
    let client = SimulatedClient::new(&service, Some(LIMITS));
    let started = Instant::now();
    let waiting = tokio::spawn(wait(&client, "c0", &["on_hold"]).into_future());
    sleep(75 * SECOND).await;
    service.set_status("c0", "interviewed");
    sleep(50 * SECOND).await;
    service.set_status("c0", "on_hold");
    let state = waiting.await.unwrap().unwrap();
    assert_eq!((state.status, state.attempts), (CandidateStatus::Unknown("on_hold".to_owned()), 6));
    let times = times(&service, started);
    assert!(times[4] - times[3] > 50.0 && (times[5] - times[4] - 15.0).abs() < 0.02, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_can_pass_does_not_end_a_wait_and_another_one_does() {
    let service = service(1, "invited");
    let client = SimulatedClient::new(&service, Some(LIMITS));
    service.fails({
        let started = Instant::now();
        move |_, _| match started.elapsed().as_secs() {
            0..10 => Fault::Responds(503),
            10..30 => Fault::Hangs,
            50..100 => Fault::Responds(404),
            _ => Fault::None,
        }
    });
    let started = Instant::now();
    let error = wait(&client, "c0", &["interviewed"]).await.unwrap_err();
    // 0 s: 503. 15 s: no response for 30 s. 67.5 s: 404.
    assert_eq!((error.kind(), error.attempts(), error.last_state()), (ErrorKind::NotFound, 3, None));
    assert!((started.elapsed().as_secs_f64() - 67.5).abs() < 0.1, "{:?}", started.elapsed());

    service.fails(|_, _| Fault::None);
    let waiting = tokio::spawn(wait(&client, "c0", &["interviewed"]).into_future());
    sleep(SECOND).await;
    service.fails(|_, _| Fault::Responds(401));
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Authentication, 2));
    assert_eq!(error.last_state().unwrap().status, CandidateStatus::Invited);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_deadline_whatever_it_waits_for() {
    let service = service(1, "invited");
    let client = SimulatedClient::new(&service, Some(RateLimits { reads: 2, ..LIMITS }));
    let message = async |seconds| {
        let started = Instant::now();
        let timeout = Duration::from_secs_f64(seconds);
        let error = wait(&client, "c0", &["interviewed"]).timeout(timeout).await.unwrap_err();
        assert_eq!((error.kind(), started.elapsed()), (ErrorKind::Timeout, timeout), "{error}");
        error.message().to_owned()
    };
    // A request without a response.
    service.fails(|_, _| Fault::Hangs);
    let hangs = message(8.0).await;
    assert!(hangs.contains("within 8 s (timeout); the last attempt failed: could not connect to localhost"), "{hangs}");
    // The slots of the polls.
    assert!(message(3.0).await.contains("rate limit"));
    assert_eq!(service.sent_reads.lock().unwrap().len(), 1);
    // The rate limit, which other calls use up.
    sleep(60 * SECOND).await;
    service.fails(|_, _| Fault::None);
    for _ in 0..2 {
        client.call(&OperationInput::new(Operation::Status, "c0", "p"), Reservation::default()).await.unwrap();
    }
    assert!(message(3.0).await.contains("rate limit"));
    // The response to a poll in the last second could hardly be received: the slot is free after 55.01 s.
    sleep(5 * SECOND).await;
    assert!(message(52.8).await.contains("rate limit"));
    assert_eq!(service.sent_reads.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_keeps_no_slot() {
    let service = service(1, "invited");
    let client = SimulatedClient::new(&service, Some(RateLimits { reads: 3, ..LIMITS }));
    let (polls, now) = (client.polls().unwrap(), Instant::now());
    let soon = |due| timeout(SECOND, polls.acquire(due));
    // Not sent: free at once.
    drop(soon(now).await.unwrap());
    let mut slot = soon(now).await.unwrap();
    // While it is taken, one that leaves makes room for the next in the queue, and the one that is due first is first.
    assert!(soon(now).await.is_err());
    let order = async |due, name| {
        drop(polls.acquire(due).await);
        name
    };
    let (mut later, mut earlier) = (Box::pin(order(now + SECOND, "later")), Box::pin(order(now, "earlier")));
    let first =
        tokio::select! { biased; name = &mut later => name, name = &mut earlier => name, () = sleep(SECOND) => "" };
    assert_eq!(first, "");
    slot.set_sent(true);
    drop(slot);
    let sent = Instant::now();
    // Sent: free one window later.
    let first = tokio::select! { name = &mut later => name, name = &mut earlier => name };
    assert!(first == "earlier" && sent.elapsed() >= 60 * SECOND, "{first} {:?}", sent.elapsed());
    drop((later, earlier));
    drop(soon(now).await.unwrap());

    // A wait that is cancelled while the rate limit is used up by calls.
    for _ in 0..3 {
        client.call(&OperationInput::new(Operation::Status, "c0", "p"), Reservation::default()).await.unwrap();
    }
    assert!(timeout(SECOND, wait(&client, "c0", &["interviewed"])).await.is_err());
    drop(soon(now).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_watch_gives_states_then_changes_and_drops_candidates_that_fail() {
    let service = service(2, "invited");
    let client = SimulatedClient::new(&service, Some(LIMITS));
    let mut watch = watch(&client, ["c0", "c1", "c0", "gone"].map(str::to_owned)).unwrap();
    for id in ["c0", "c1"] {
        let item = take(&mut watch).await;
        let state = item.result.unwrap();
        assert_eq!((&*item.candidate_id, state.status, item.previous_status), (id, CandidateStatus::Invited, None));
    }
    let item = take(&mut watch).await;
    assert_eq!((&*item.candidate_id, item.result.unwrap_err().kind()), ("gone", ErrorKind::NotFound));
    service.set_status("c1", "on_hold");
    let item = take(&mut watch).await;
    let state = item.result.unwrap();
    assert_eq!((&*item.candidate_id, state.status.as_str()), ("c1", "on_hold"));
    assert_eq!(item.previous_status, Some(CandidateStatus::Invited));
    // Its status is the same, but the analysis was viewed.
    service.candidates.lock().unwrap().get_mut("c1").unwrap().viewed = false;
    let item = take(&mut watch).await;
    assert!(!item.result.unwrap().analysis_viewed);
    assert_eq!(item.previous_status.unwrap().as_str(), "on_hold");
    // Polls that fail for a time are not seen.
    service.fails(|_, _| Fault::Responds(503));
    assert!(timeout(300 * SECOND, watch.next()).await.is_err());
    service.fails(|_, _| Fault::Responds(404));
    let failed = [take(&mut watch).await, take(&mut watch).await];
    assert!(failed.iter().all(|item| item.result.is_err() && item.previous_status.is_some()), "{failed:?}");
    assert!(watch.next().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_concerns_all_candidates_ends_a_watch() {
    let service = service(30, "invited");
    let client = SimulatedClient::new(&service, Some(LIMITS));
    for (fault, kind) in [
        (Fault::Responds(401), ErrorKind::Authentication),
        (Fault::Responds(403), ErrorKind::PermissionDenied),
        (Fault::Panics, ErrorKind::Internal),
        (Fault::None, ErrorKind::InvalidArgument),
    ] {
        let mut watch = watch(&client, ids(0..30)).unwrap();
        // The error comes after the items, and not in their place.
        take(&mut watch).await;
        sleep(SECOND).await;
        service.fails(move |_, _| fault);
        if fault == Fault::None {
            client.closed.notify_waiters();
        }
        let error = loop {
            match watch.next().await {
                Ok(item) => assert!(item.unwrap().result.is_ok()),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.operation()), (kind, "status"), "{error}");
        assert!(watch.next().await.unwrap().is_none());
        service.fails(|_, _| Fault::None);
        sleep(200 * SECOND).await;
    }
    let waiting = tokio::spawn(wait(&client, "c0", &["interviewed"]).into_future());
    sleep(SECOND).await;
    client.closed.notify_waiters();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.last_state().is_some(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_whose_items_are_not_taken_reads_nothing_more() {
    let service = service(200, "invited");
    let client = SimulatedClient::new(&service, None);
    let mut watch = watch(&client, ids(0..200)).unwrap();
    let started = Instant::now();
    sleep(3_600 * SECOND).await;
    let reads = times(&service, started);
    assert_eq!(reads.len(), 64);
    // Without pacing it keeps to half of the documented limit.
    assert!(reads.windows(21).all(|reads| reads[20] - reads[0] >= 60.0), "{reads:?}");
    take(&mut watch).await;
    sleep(60 * SECOND).await;
    assert_eq!(service.sent_reads.lock().unwrap().len(), 65);
    drop(watch);
    sleep(600 * SECOND).await;
    assert_eq!(service.sent_reads.lock().unwrap().len(), 65);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_candidates_are_watched() {
    let service = service(10_000, "invited");
    let client = SimulatedClient::new(&service, Some(LIMITS));
    let mut watch = watch(&client, ids(0..10_000)).unwrap();
    for nth in 0..10_000 {
        assert_eq!(take(&mut watch).await.candidate_id, format!("c{nth}"));
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_arguments_are_refused_before_anything_is_sent() {
    let service = service(1, "invited");
    let client = SimulatedClient::new(&service, Some(LIMITS));
    let refused = async |wait: StatusWait, name: &str| {
        let error = wait.await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidArgument, "status"), "{error}");
        assert!(error.message().starts_with(name), "{error}");
    };
    refused(wait(&client, "", &["new"]), "candidate_id ").await;
    refused(wait(&client, "c0", &[]), "until ").await;
    refused(wait(&client, "c0", &["new", ""]), "until ").await;
    refused(wait(&client, "c0", &["new\n"]), "until ").await;
    refused(wait(&client, "c0", &["new"]).timeout(Duration::ZERO), "timeout ").await;
    let error = watch(&client, ["c0", ".."].map(str::to_owned)).unwrap_err();
    assert!(error.message().starts_with("candidate_id ") && error.operation() == "status", "{error}");
    assert!(watch(&client, []).unwrap().next().await.unwrap().is_none());
    assert_eq!(service.requests(), 0);
}

#[test]
fn a_watch_whose_runtime_has_ended_gives_an_error() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let mut watch = first.block_on(async {
        let service = Service::with(1, "invited");
        watch(&SimulatedClient::new(&service, None), ids(0..1)).unwrap()
    });
    drop(first);
    let error = runtime().block_on(watch.next()).unwrap_err();
    assert!(error.message().contains("runtime"), "{error}");
    assert!(runtime().block_on(watch.next()).unwrap().is_none());
}
