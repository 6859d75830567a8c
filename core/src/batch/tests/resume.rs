//! A second run after a crash: each action is performed exactly once, and what was done costs no request.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::service::{Fault, SECOND, Service, SimulatedClient, invite};
use crate::batch::journal::faults;
use crate::batch::{BatchBuilder, BatchItem, CandidateRequest, RejectRequest, SelectRequest, StatusRequest};
use crate::error::ErrorKind;
use crate::operation::Operation;
use crate::pacing::RateLimits;
use crate::request::{JobPositionId, OperationOutput};

const HOUR: Duration = Duration::from_secs(60 * 60);
const ROWS: usize = 12;

/// SplitMix64: a failure is repeated by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_in(&mut self, several: u64) -> bool {
        self.below(several) == 0
    }
}

/// Six invitations, three selections, three rejections.
fn rows() -> Vec<CandidateRequest> {
    let position = || JobPositionId("p");
    (0..ROWS)
        .map(|nth| match nth {
            0..6 => invite(nth).email_subject("Come").into(),
            6..9 => SelectRequest::new(format!("c{nth}"), position()).into(),
            _ => RejectRequest::new(format!("c{nth}"), position()).into(),
        })
        .collect()
}

fn service() -> Arc<Service> {
    let service = Service::with(ROWS, "new");
    (6..ROWS).for_each(|nth| service.set_status(&format!("c{nth}"), "interviewed"));
    service.is_limited.store(false, Ordering::SeqCst);
    service
}

/// Runs a batch on a runtime of its own. `kill` ends it after so many requests and polls of the runtime.
fn run(service: &Arc<Service>, journal: Option<&Path>, kill: Option<(usize, &mut Random)>) -> Vec<BatchItem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let items = Arc::new(Mutex::new(Vec::new()));
    runtime.block_on(async {
        service.attach();
        // Some of the requests wait for the rate limit.
        let limits = RateLimits { actions: 5, window: 2 * SECOND, ..RateLimits::default() };
        let client = SimulatedClient::new(service, Some(limits));
        let mut builder: BatchBuilder = client.batch(rows()).batch_id("spring");
        if let Some(journal) = journal {
            builder = builder.journal(journal);
        }
        let mut batch = builder.start().await.unwrap();
        let taken = Arc::clone(&items);
        let take = async move {
            while let Some(item) = batch.next().await {
                taken.lock().unwrap().push(item);
            }
        };
        let Some((requests, random)) = kill else { return take.await };
        let taking = tokio::spawn(take);
        let before = service.requests();
        while service.requests() < before + requests && !taking.is_finished() {
            step(random).await;
        }
        for _ in 0..random.below(30) {
            step(random).await;
        }
    });
    // Here every task is dropped wherever it is.
    drop(runtime);
    std::mem::take(&mut items.lock().unwrap())
}

async fn step(random: &mut Random) {
    if random.one_in(8) {
        tokio::time::advance(Duration::from_millis(random.below(400))).await;
    }
    // The journal is written by other threads.
    if random.one_in(4) {
        std::thread::sleep(Duration::from_micros(random.below(200)));
    }
    tokio::task::yield_now().await;
}

/// What a crash leaves of the end of a file.
fn tear(path: &Path, random: &mut Random) {
    let mut file = OpenOptions::new().read(true).append(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    let synced = faults::SYNCED.lock().unwrap().get(path).copied();
    match random.below(3) {
        // A power failure: what was not synced is lost, or zeros.
        0 => {
            // The header is synced when it is written.
            let header = fs::read(path).unwrap().iter().position(|byte| *byte == b'\n').unwrap() as u64 + 1;
            let synced = synced.unwrap_or(header);
            file.set_len(synced + random.below(length - synced + 1)).unwrap();
            if random.one_in(2) {
                file.write_all(&[0; 100]).unwrap();
            }
        }
        // A kill in the middle of a write.
        1 => {
            let text = fs::read(path).unwrap();
            let last = text[..text.len() - 1].split(|byte| *byte == b'\n').next_back().unwrap();
            file.write_all(&last[..usize::try_from(random.below(last.len() as u64)).unwrap()]).unwrap();
        }
        _ => {}
    }
}

#[test]
fn killed_at_any_point_and_run_again_everybody_is_acted_on_exactly_once() {
    // Thousands of `fsync`s take a minute on a busy disk.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    for seed in 0..200 {
        let mut random = Random(seed);
        let service = service();
        let path = folder.path().join(format!("{seed}.jsonl"));
        let dice = Mutex::new(Random(seed + 1_000));
        service.fails(move |_, operation| match dice.lock().unwrap().below(16) {
            0 if operation.is_action() => Fault::ActsAnd500,
            1 if operation.is_action() => Fault::ActsAndResets,
            2 => Fault::Responds(503),
            _ => Fault::None,
        });
        for _ in 0..=random.below(3) {
            let requests = usize::try_from(random.below(14)).unwrap();
            let delivered = run(&service, Some(&path), Some((requests, &mut random)));
            let pauses = [Duration::ZERO, HOUR, 22 * HOUR, 24 * HOUR, 30 * HOUR];
            service.detach(pauses[usize::try_from(random.below(5)).unwrap()]);
            let done: HashSet<_> = delivered.iter().filter(|item| item.result.is_ok()).map(candidate).collect();
            let is_done = |path: &Path| {
                let text = fs::read_to_string(path).unwrap_or_default();
                done.iter().all(|id| text.contains(&format!("{id}\",\"job_position_id\":\"p\",\"event\":\"done\"")))
            };
            assert!(is_done(&path), "seed {seed}: a delivered result is not in the journal");
            tear(&path, &mut random);
        }
        service.fails(|_, _| Fault::None);
        let items = run(&service, Some(&path), None);
        service.detach(Duration::ZERO);
        assert_eq!(items.len(), ROWS, "seed {seed}");
        for item in &items {
            assert!(item.result.is_ok(), "seed {seed}: {item:?}");
            assert_eq!(service.candidate(item.candidate_id()).acts, 1, "seed {seed}: {item:?}");
        }
        // Everything is done now: another run gives the same results without a request, years later as well.
        let requests = service.requests();
        service.detach(10_000 * HOUR);
        let again = run(&service, Some(&path), None);
        service.detach(Duration::ZERO);
        assert_eq!((again.len(), service.requests()), (ROWS, requests), "seed {seed}");
        for item in &again {
            let first = items.iter().find(|first| first.index == item.index).unwrap();
            assert!(item.resumed && item.idempotency_key == first.idempotency_key, "seed {seed}: {item:?}");
            assert_eq!(without_headers(item), without_headers(first), "seed {seed}");
        }
    }
}

fn candidate(item: &BatchItem) -> String {
    item.candidate_id().to_owned()
}

fn without_headers(item: &BatchItem) -> OperationOutput {
    let mut output = item.result.as_ref().unwrap().clone();
    match &mut output {
        OperationOutput::CandidateState(state) | OperationOutput::AlreadyDone(state) => state.rate_limit = None,
        OperationOutput::Invitation(invitation) => invitation.rate_limit = None,
        OperationOutput::Decision(decision) => decision.rate_limit = None,
    }
    output
}

#[test]
fn what_was_done_costs_no_request_in_the_next_run() {
    let crashed = Crashed::before(service());
    let first = crashed.on_runtime(async |client| {
        let mut batch = client.batch(rows()).batch_id("spring").journal(&crashed.path).start().await.unwrap();
        let mut items = Vec::new();
        while items.len() < 5 {
            items.push(batch.next().await.unwrap());
        }
        batch.cancel().await;
        items
    });
    crashed.service.log.lock().unwrap().clear();
    let second = run(&crashed.service, Some(&crashed.path), None);
    let asked: HashSet<_> = crashed.service.log.lock().unwrap().iter().map(|(id, _)| id.clone()).collect();
    for item in first {
        assert!(!asked.contains(item.candidate_id()));
        assert!(second.iter().any(|again| again.index == item.index && again.resumed));
    }
}

#[test]
fn without_a_journal_the_derived_keys_keep_a_second_run_from_acting_again() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let service = service();
        let requests = usize::try_from(random.below(14)).unwrap();
        run(&service, None, Some((requests, &mut random)));
        service.detach(22 * HOUR);
        let items = run(&service, None, None);
        assert!(items.iter().all(|item| item.result.is_ok() && !item.resumed), "seed {seed}");
        assert!((0..ROWS).all(|nth| service.candidate(&format!("c{nth}")).acts == 1), "seed {seed}");
    }
}

/// A journal in which one request was under way when the process ended.
struct Crashed {
    service: Arc<Service>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Crashed {
    /// A service and a journal to be.
    fn before(service: Arc<Service>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Crashed { service, path: folder.path().join("journal.jsonl"), _folder: folder }
    }

    /// The request of candidate `c0` was sent, and nothing more is known.
    fn new(request: impl Into<CandidateRequest>, status: &'static str) -> Self {
        let crashed = Crashed::before(Service::with(1, status));
        crashed.service.fails(|_, _| Fault::Hangs);
        crashed.on_runtime(async |client| {
            let batch = client.batch([request.into()]).journal(&crashed.path).start().await.unwrap();
            tokio::time::sleep(SECOND).await;
            batch.cancel().await;
        });
        crashed.service.fails(|_, _| Fault::None);
        crashed.service.log.lock().unwrap().clear();
        crashed
    }

    fn on_runtime<T>(&self, work: impl AsyncFnOnce(Arc<SimulatedClient>) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let result = runtime.block_on(async {
            self.service.attach();
            work(SimulatedClient::new(&self.service, Some(RateLimits::default()))).await
        });
        self.service.detach(Duration::ZERO);
        result
    }

    /// Runs the batch again after a time.
    fn run_again(&self, request: impl Into<CandidateRequest>, after: Duration) -> BatchItem {
        self.service.detach(after);
        self.on_runtime(async |client| {
            let mut batch = client.batch([request.into()]).journal(&self.path).start().await.unwrap();
            let item = batch.next().await.unwrap();
            assert!(batch.next().await.is_none());
            item
        })
    }

    /// The key under which the lost request was sent.
    fn key(&self) -> String {
        let text = fs::read_to_string(&self.path).unwrap();
        let started: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        assert_eq!(started["event"], "started");
        started["idempotency_key"].as_str().unwrap().to_owned()
    }

    /// What the service was asked since the crash.
    fn asked(&self) -> Vec<Operation> {
        self.service.log.lock().unwrap().iter().map(|(_, operation)| *operation).collect()
    }

    fn acts(&self) -> u32 {
        self.service.candidate("c0").acts
    }
}

#[test]
fn within_a_day_a_request_under_way_is_sent_again_under_its_key() {
    let crashed = Crashed::new(invite(0), "new");
    assert_eq!(crashed.acts(), 1);
    let item = crashed.run_again(invite(0), 22 * HOUR);
    assert!(matches!(item.result, Ok(OperationOutput::Invitation(_))) && !item.resumed, "{item:?}");
    assert_eq!((crashed.asked(), crashed.acts()), (vec![Operation::Invite], 1));
}

#[test]
fn a_second_failure_leaves_the_first_runs_outcome_unknown() {
    let crashed = Crashed::new(invite(0), "new");
    // A 401 and a 429 say nothing of the first request.
    for status in [401, 429] {
        crashed.service.fails(move |_, _| Fault::Responds(status));
        let item = crashed.run_again(invite(0), HOUR);
        let error = item.result.unwrap_err();
        assert!(error.status() == Some(status) && error.outcome_unknown(), "{error}");
        assert_eq!(item.idempotency_key, Some(crashed.key()));
    }
    crashed.service.fails(|_, _| Fault::None);
    let item = crashed.run_again(invite(0), HOUR);
    assert!(item.result.is_ok() && item.idempotency_key == Some(crashed.key()) && crashed.acts() == 1, "{item:?}");
}

#[test]
fn later_the_status_decides() {
    let position = || JobPositionId("p");
    let invitation = || CandidateRequest::from(invite(0));
    let selection = || CandidateRequest::from(SelectRequest::new("c0", position()));
    let rejection = || CandidateRequest::from(RejectRequest::new("c0", position()));
    let (status, action) = (Operation::Status, true);

    // The request, the status a day later, whether the action is performed, and the result.
    let cases: [(CandidateRequest, &'static str, bool, Result<&str, ErrorKind>); 11] = [
        (invitation(), "invited", false, Ok("invited")),
        (invitation(), "interviewed", false, Ok("interviewed")),
        (invitation(), "expired", false, Ok("expired")),
        (invitation(), "new", action, Ok("")),
        (invitation(), "rejected", false, Err(ErrorKind::InvalidStatus)),
        (invitation(), "on_hold", false, Err(ErrorKind::InvalidStatus)),
        (selection(), "selected", false, Ok("selected")),
        (selection(), "interviewed", action, Ok("")),
        (selection(), "rejected", false, Err(ErrorKind::InvalidStatus)),
        (rejection(), "rejected", false, Ok("rejected")),
        (rejection(), "selected", false, Err(ErrorKind::InvalidStatus)),
    ];
    for (request, later, acts, expected) in cases {
        // The lost request did not take effect, so that the status alone decides.
        let crashed = Crashed::new(request.clone(), "unevaluable");
        crashed.service.set_status("c0", later);
        let operation = request.operation();
        let item = crashed.run_again(request.clone(), 25 * HOUR);
        let case = format!("{operation:?} and {later}: {item:?}");
        let asked = if acts { vec![status, operation] } else { vec![status] };
        assert_eq!((crashed.asked(), crashed.acts()), (asked, u32::from(acts)), "{case}");
        match (&item.result, expected) {
            (Ok(OperationOutput::AlreadyDone(state)), Ok(status)) => {
                assert!(state.status.as_str() == status && item.resumed && item.idempotency_key.is_some(), "{case}");
            }
            (Ok(_), Ok("")) => assert!(!item.resumed && item.idempotency_key != Some(crashed.key()), "{case}"),
            (Err(error), Err(kind)) => {
                assert!(error.kind() == kind && error.message().contains(later) && !error.outcome_unknown(), "{case}");
            }
            _ => panic!("{case}"),
        }
        // It is settled now: nothing is read again, whatever the result was.
        let again = crashed.run_again(request, HOUR);
        assert_eq!(again.resumed, expected.is_ok(), "{case}");
    }
}

#[test]
fn a_status_that_cannot_be_read_leaves_the_outcome_unknown() {
    let crashed = Crashed::new(invite(0), "unevaluable");
    crashed.service.fails(|_, _| Fault::Responds(500));
    let error = crashed.run_again(invite(0), 25 * HOUR).result.unwrap_err();
    assert_eq!((error.kind(), error.operation(), error.outcome_unknown()), (ErrorKind::Server, "invite", true));
    crashed.service.fails(|_, _| Fault::None);
    crashed.service.set_status("c0", "invited");
    assert!(crashed.run_again(invite(0), HOUR).result.is_ok());
    assert_eq!(crashed.acts(), 0);
}

#[test]
fn a_clock_that_was_turned_back_makes_a_request_count_as_old() {
    let crashed = Crashed::new(invite(0), "unevaluable");
    crashed.service.turn_back(2 * HOUR);
    crashed.service.set_status("c0", "invited");
    let item = crashed.run_again(invite(0), Duration::ZERO);
    assert!(item.resumed, "{item:?}");
    assert_eq!(crashed.asked(), [Operation::Status]);
}

#[test]
fn a_refused_request_is_tried_again_under_a_new_key() {
    let crashed = Crashed::before(Service::with(1, "interviewed"));
    crashed.service.candidates.lock().unwrap().get_mut("c0").unwrap().viewed = false;
    let request = || SelectRequest::new("c0", JobPositionId("p"));
    let refused = crashed.run_again(request(), Duration::ZERO);
    assert_eq!(refused.result.unwrap_err().kind(), ErrorKind::AnalysisNotViewed);
    crashed.service.candidates.lock().unwrap().get_mut("c0").unwrap().viewed = true;
    let item = crashed.run_again(request(), HOUR);
    assert!(item.result.is_ok() && item.idempotency_key != refused.idempotency_key, "{item:?}");
}

#[test]
fn the_result_of_a_read_is_resumed_as_well() {
    let crashed = Crashed::before(Service::with(1, "new"));
    let request = || StatusRequest::new("c0", JobPositionId("p"));
    let first = crashed.run_again(request(), Duration::ZERO);
    let again = crashed.run_again(request(), HOUR);
    assert!(!first.resumed && again.resumed && crashed.asked().len() == 1);
    assert_eq!(without_headers(&again), without_headers(&first));
}
