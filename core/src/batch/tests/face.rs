//! Speed, progress, items, and leaving.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::service::{Fault, SECOND, Service, SimulatedClient, invite};
use crate::batch::{Batch, BatchItem, CandidateRequest, Input, InviteRequest, SelectRequest, StatusRequest};
use crate::error::{Error, ErrorKind};
use crate::operation::{Category, Operation};
use crate::pacing::RateLimits;
use crate::request::{JobPositionId, OperationInput, OperationOutput};

const LIMITS: Option<RateLimits> =
    Some(RateLimits { reads: 40, actions: 30, total: 60, window: Duration::from_secs(60) });

async fn all(mut batch: Batch) -> Vec<BatchItem> {
    let mut items = Vec::new();
    while let Some(item) = batch.next().await {
        items.push(item);
    }
    items
}

fn indexes(items: &[BatchItem]) -> Vec<u64> {
    let mut indexes: Vec<_> = items.iter().map(|item| item.index).collect();
    indexes.sort_unstable();
    indexes
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_invitations_use_the_permitted_rate_in_flat_memory() {
    const ROWS: usize = 10_000;
    let service = Service::with(ROWS, "new");
    service.attach();
    *service.latencies.lock().unwrap() = vec![20, 180, 90, 40, 250];
    let client = SimulatedClient::new(&service, LIMITS);
    let pulled = Arc::new(AtomicUsize::new(0));
    let rows = (0..ROWS).map({
        let pulled = Arc::clone(&pulled);
        move |nth| {
            pulled.fetch_add(1, Ordering::SeqCst);
            invite(nth)
        }
    });
    let started = Instant::now();
    let mut batch = client.batch(rows).start().await.unwrap();
    let (mut items, mut etas) = (0, Vec::new());
    while let Some(item) = batch.next().await {
        assert!(item.result.is_ok(), "{item:?}");
        items += 1;
        if items % 500 == 1 {
            etas.push((started.elapsed(), batch.progress().eta.unwrap()));
        }
        assert!(pulled.load(Ordering::SeqCst) - items < 64 + 30 + 30);
        assert!(batch.progress().in_flight <= 30);
    }
    let took = started.elapsed().as_secs_f64();
    // 30 at once, and then 30 in each further minute.
    let least = 60.0 * ((ROWS - 1) / 30) as f64;
    assert!(took * 0.995 <= least, "{took} s, {least} s is possible");
    assert_eq!((items, service.rejected.load(Ordering::SeqCst)), (ROWS, 0));
    for (at, eta) in etas {
        let actual = took - at.as_secs_f64();
        assert!((eta.as_secs_f64() - actual).abs() <= 1.0 + 0.005 * actual, "{eta:?} at {at:?}, {actual} s were left");
    }
    let progress = batch.progress();
    assert_eq!((progress.done, progress.total, progress.eta), (10_000, Some(10_000), Some(Duration::ZERO)));
}

#[tokio::test(start_paused = true)]
async fn five_hundred_invitations_take_sixteen_minutes_and_say_so() {
    let service = Service::with(500, "new");
    service.attach();
    let client = SimulatedClient::new(&service, LIMITS);
    let mut batch = client.batch((0..500).map(invite)).start().await.unwrap();
    sleep(SECOND).await;
    let progress = batch.progress();
    assert!((950..=975).contains(&progress.eta.unwrap().as_secs()), "{progress:?}");
    assert!((58..=60).contains(&progress.rate_limit_wait.unwrap().as_secs()), "{progress:?}");
    assert_eq!((progress.done, progress.in_flight, progress.total), (30, 0, Some(500)));
    batch.next().await.unwrap();
    // Without a number of requests there is no time.
    let mut batch = client.batch((0..500).filter(|_| true).map(invite)).start().await.unwrap();
    batch.next().await.unwrap();
    assert_eq!((batch.progress().eta, batch.progress().total), (None, None));
}

#[tokio::test(start_paused = true)]
async fn the_windows_of_both_categories_are_used() {
    let service = Service::with(100, "new");
    service.attach();
    let client = SimulatedClient::new(&service, LIMITS);
    // More actions than the first window has, then reads that need not wait for them.
    let reads = (0..29).map(|nth| StatusRequest::new(format!("c{nth}"), JobPositionId("p")).into());
    let rows: Vec<CandidateRequest> = (0..60).map(|nth| invite(nth).into()).chain(reads).collect();
    let batch = client.batch(rows).start().await.unwrap();
    sleep(SECOND).await;
    assert_eq!((batch.progress().done, service.reads.load(Ordering::SeqCst)), (59, 29));
    assert_eq!(all(batch).await.len(), 89);
}

#[tokio::test(start_paused = true)]
async fn retries_leave_no_slot_unused() {
    let service = Service::with(600, "new");
    service.attach();
    // Every third candidate's first request fails.
    let failed = std::sync::Mutex::new(std::collections::HashSet::new());
    service.fails(move |id, _| {
        let third = id[1..].parse::<usize>().unwrap().is_multiple_of(3);
        if third && failed.lock().unwrap().insert(id.to_owned()) { Fault::Responds(503) } else { Fault::None }
    });
    let client = SimulatedClient::new(&service, LIMITS);
    let started = Instant::now();
    let items = all(client.batch((0..600).map(invite)).start().await.unwrap()).await;
    assert!(items.iter().all(|item| item.result.is_ok()));
    // 800 requests, 30 a minute.
    let (took, least) = (started.elapsed().as_secs_f64(), 60.0 * f64::from(799 / 30));
    assert!(took * 0.99 <= least, "{took} s, {least} s is possible");
}

#[tokio::test(start_paused = true)]
async fn a_call_beside_a_batch_waits_for_one_slot() {
    let service = Service::with(200, "new");
    service.attach();
    let client = SimulatedClient::new(&service, LIMITS);
    let _batch = client.batch((0..199).map(invite)).start().await.unwrap();
    sleep(SECOND).await;
    let started = Instant::now();
    drop(client.engine.reserve(Category::Actions, Duration::from_secs(30), "test", None).await);
    assert!(started.elapsed() < 60 * SECOND, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_the_rate_limit_counts_against_no_timeout() {
    let service = Service::with(100, "new");
    service.attach();
    let client = SimulatedClient::new(&service, LIMITS);
    let rows = (0..100).map(|nth| invite(nth).timeout(2 * SECOND));
    let items = all(client.batch(rows).start().await.unwrap()).await;
    assert!(items.len() == 100 && items.iter().all(|item| item.result.is_ok()));
    // But everything after it does.
    service.fails(|_, _| Fault::Hangs);
    let slow = all(client.batch([invite(0).timeout(2 * SECOND)]).start().await.unwrap()).await;
    assert_eq!(slow[0].result.as_ref().unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn without_pacing_sixteen_requests_are_under_way() {
    let service = Service::with(25, "new");
    service.attach();
    let client = SimulatedClient::new(&service, None);
    let items = all(client.batch((0..25).map(invite)).start().await.unwrap()).await;
    assert_eq!((items.len(), service.most_on_wire.load(Ordering::SeqCst)), (25, 16));
}

#[tokio::test(start_paused = true)]
async fn errors_are_items_and_a_401_ends_the_batch_with_an_item_for_each_request() {
    const ROWS: u64 = 5_000;
    let service = Service::with(60, "new");
    service.attach();
    service.set_status("c3", "rejected");
    service.fails(|id, _| if id == "c40" { Fault::Responds(401) } else { Fault::None });
    let client = SimulatedClient::new(&service, LIMITS);
    let items = all(client.batch((0..ROWS as usize).map(invite)).start().await.unwrap()).await;
    assert_eq!(indexes(&items), (0..ROWS).collect::<Vec<_>>());
    let error = |index: u64| items.iter().find(|item| item.index == index).unwrap().result.as_ref().unwrap_err();
    assert_eq!((error(3).kind(), error(40).kind()), (ErrorKind::InvalidStatus, ErrorKind::Authentication));
    let not_attempted: Vec<_> = items.iter().filter(|item| item.not_attempted).collect();
    // What was sent together with the one that ended it has its own result.
    assert_eq!(not_attempted.len() as u64, ROWS - 60);
    let last = not_attempted[0].result.as_ref().unwrap_err();
    assert_eq!((last.kind(), last.attempts(), last.operation()), (ErrorKind::Authentication, 0, "invite"));
    assert!(last.message().contains("not attempted") && last.message().contains("index 40"), "{last}");
    assert!(!last.outcome_unknown() && not_attempted.iter().all(|item| item.idempotency_key.is_none()));
    assert_eq!(service.requests(), 60);
}

#[tokio::test(start_paused = true)]
async fn invalid_and_repeated_requests_are_items_and_are_not_sent() {
    let service = Service::with(3, "new");
    service.attach();
    let client = SimulatedClient::new(&service, LIMITS);
    let rows: Vec<CandidateRequest> = vec![
        invite(0).into(),
        InviteRequest::new("", JobPositionId("p")).into(),
        invite(0).idempotency_key("another").max_retries(9).into(),
        invite(0).email_subject("Other").into(),
        SelectRequest::new("c0", JobPositionId("p")).into(),
    ];
    let mut items = all(client.batch(rows).start().await.unwrap()).await;
    items.sort_by_key(|item| item.index);
    let message = |index: usize| items[index].result.as_ref().unwrap_err().message().to_owned();
    assert!(message(1).starts_with("candidate_id is empty"), "{}", message(1));
    assert!(message(2).contains("index 0 of this batch"), "{}", message(2));
    // Another e-mail, another operation: other requests, which the service refuses.
    assert_eq!((service.requests(), items.len()), (3, 5));
    assert!(items.iter().all(|item| !item.not_attempted));
}

#[tokio::test(start_paused = true)]
async fn each_action_has_a_key_of_its_own_a_derived_one_or_the_callers() {
    let service = Service::with(3, "new");
    service.attach();
    let client = SimulatedClient::new(&service, LIMITS);
    let rows = || vec![invite(0), invite(1).idempotency_key("mine")];
    let keys = async |batch: crate::batch::BatchBuilder| {
        let mut items = all(batch.start().await.unwrap()).await;
        items.sort_by_key(|item| item.index);
        items.into_iter().map(|item| (item.idempotency_key.unwrap(), item.result)).collect::<Vec<_>>()
    };
    let first = keys(client.batch(rows()).batch_id("spring")).await;
    let again = keys(client.batch(rows()).batch_id("spring")).await;
    // The service repeats its responses.
    assert_eq!((again[0].0.as_str(), again[1].0.as_str()), (first[0].0.as_str(), "mine"));
    assert!(again.iter().all(|(_, result)| result.is_ok()));
    assert_eq!((service.candidate("c0").acts, service.candidate("c1").acts), (1, 1));
    let random = keys(client.batch([invite(2)])).await;
    assert_eq!(random[0].0.as_bytes()[14], b'4');
}

#[tokio::test(start_paused = true)]
async fn leaving_starts_nothing_more_and_lets_the_rest_finish() {
    let service = Service::with(500, "new");
    service.attach();
    *service.latencies.lock().unwrap() = vec![10_000];
    let client = SimulatedClient::new(&service, LIMITS);
    let started = |nth: usize| client.batch((nth * 100..nth * 100 + 90).map(invite)).start();

    let batch = started(0).await.unwrap();
    sleep(SECOND).await;
    let items = batch.leave().await;
    assert!(items.len() == 30 && items.iter().all(|item| item.result.is_ok()));
    assert_eq!(service.requests(), 30);

    // Stopping keeps the items coming.
    sleep(120 * SECOND).await;
    let batch = started(1).await.unwrap();
    sleep(SECOND).await;
    batch.stop();
    assert_eq!((all(batch).await.len(), service.requests()), (30, 60));

    sleep(120 * SECOND).await;
    let batch = started(2).await.unwrap();
    sleep(SECOND).await;
    drop(batch);
    sleep(120 * SECOND).await;
    assert_eq!((service.requests(), service.candidate("c229").acts), (90, 1));

    let batch = started(3).await.unwrap();
    sleep(SECOND).await;
    timeout(SECOND, batch.cancel()).await.unwrap();
    assert_eq!(service.on_wire.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn items_that_nobody_takes_stop_the_batch() {
    let service = Service::with(1_000, "new");
    service.attach();
    let client = SimulatedClient::new(&service, None);
    let mut batch = client.batch((0..1_000).map(|nth| StatusRequest::new(format!("c{nth}"), JobPositionId("p"))));
    batch = batch.total(1_000);
    let batch = batch.start().await.unwrap();
    sleep(3_600 * SECOND).await;
    assert!((64..=256).contains(&batch.progress().done), "{batch:?}");
    assert_eq!(all(batch).await.len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_the_item_of_its_request() {
    let service = Service::with(3, "new");
    service.attach();
    service.fails(|id, _| if id == "c1" { Fault::Panics } else { Fault::None });
    let client = SimulatedClient::new(&service, LIMITS);
    let mut items = all(client.batch((0..3).map(invite)).start().await.unwrap()).await;
    items.sort_by_key(|item| item.index);
    let error = items[1].result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown(), items.len()), (ErrorKind::Internal, true, 3));
    assert!(items[0].result.is_ok() && items[2].result.is_ok());

    let rows = (0..3)
        .inspect(|nth| assert!(*nth < 2, "the iterator is broken"))
        .map(|nth| StatusRequest::new(format!("c{nth}"), JobPositionId("p")));
    let items = all(client.batch(rows).start().await.unwrap()).await;
    assert_eq!(items.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_ends_the_batch() {
    let service = Service::with(90, "new");
    service.attach();
    let client = SimulatedClient::new(&service, LIMITS);
    let rows = (0..40).map(|nth| Input::Row(OperationInput::new(Operation::Invite, format!("c{nth}"), "p")));
    let end = [Input::Invalid(Error::invalid_argument("no")), Input::Failed(Error::invalid_argument("the iterable"))];
    let batch = client.batch_of_inputs(rows.chain(end).collect()).start().await.unwrap();
    let items = all(batch).await;
    // The failure is noticed before the first wait.
    assert!(items.len() == 40 && items.iter().any(|item| item.not_attempted), "{}", items.len());
    assert_eq!(items.iter().filter(|item| item.result.is_ok()).count(), service.requests());
}

#[tokio::test(start_paused = true)]
async fn an_error_that_can_be_the_effect_of_our_own_action_is_looked_into() {
    let service = Service::with(2, "new");
    service.attach();
    let failed = AtomicUsize::new(0);
    service.fails(move |_, operation| {
        let first = operation.is_action() && failed.fetch_add(1, Ordering::SeqCst) == 0;
        if first { Fault::ActsAnd500 } else { Fault::None }
    });
    let client = SimulatedClient::new(&service, LIMITS);
    let items = all(client.batch([invite(0)]).start().await.unwrap()).await;
    let Ok(OperationOutput::AlreadyDone(state)) = &items[0].result else { panic!("{items:?}") };
    assert_eq!((state.status.as_str(), items[0].resumed), ("invited", false));
    assert!(items[0].idempotency_key.is_some());
}

#[test]
#[should_panic(expected = "the tokio runtime")]
fn a_batch_whose_runtime_has_ended_does_not_seem_to_be_complete() {
    let service = Service::with(9, "new");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let started = runtime();
    let client = SimulatedClient::new(&service, LIMITS);
    let batch = started.block_on(client.batch((0..9).map(invite)).start()).unwrap();
    drop(started);
    runtime().block_on(all(batch));
}
