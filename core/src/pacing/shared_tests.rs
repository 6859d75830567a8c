//! Several processes that share a budget, over minutes of virtual time: through a simulated store, against a simulated server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep, sleep_until, timeout};

use super::pacer::{AcquireError, Pacer};
use super::shared_log::SharedLog;
use super::store::{RateLimitStore, Step, StepDone, StoreError};
use super::tests::{WINDOW, in_a_day, on_a_paused_clock, peak};
use super::{RateLimits, WhenStoreDown};
use crate::operation::Category::{self, Actions, Reads};

const LEASE: Duration = Duration::from_secs(31);

/// The log that all processes of a test reach.
#[derive(Debug)]
struct SimulatedServer {
    started: Instant,
    log: Mutex<Option<SharedLog>>,
    down: AtomicBool,
    steps: AtomicUsize,
}

impl SimulatedServer {
    fn start() -> Arc<Self> {
        Arc::new(SimulatedServer {
            started: Instant::now(),
            log: Mutex::default(),
            down: AtomicBool::new(false),
            steps: AtomicUsize::new(0),
        })
    }

    fn lose_data(&self) {
        *self.log.lock().unwrap() = None;
    }

    fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }
}

/// One process's connection to it.
#[derive(Debug)]
struct Connection {
    server: Arc<SimulatedServer>,
    /// The latencies of each step and its reply; after the last pair, the first one follows.
    latencies: Vec<(Duration, Duration)>,
    made: AtomicUsize,
    crashed: AtomicBool,
}

impl RateLimitStore for Connection {
    fn step(&self, step: Step, done: StepDone) {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        if self.crashed.load(Ordering::Relaxed) {
            return;
        }
        let (there, back) = self.latencies.get(made % self.latencies.len().max(1)).copied().unwrap_or_default();
        let server = Arc::clone(&self.server);
        tokio::spawn(async move {
            sleep(there).await;
            if server.down.load(Ordering::Relaxed) {
                return done(Err(StoreError::Unavailable("connection refused".into())));
            }
            server.steps.fetch_add(1, Ordering::Relaxed);
            let now = u64::try_from(server.started.elapsed().as_millis()).unwrap();
            let reply = {
                let mut log = server.log.lock().unwrap();
                log.get_or_insert_with(|| SharedLog::new(step.new_epoch)).step(now, &step)
            };
            sleep(back).await;
            done(Ok(reply));
        });
    }

    fn location(&self) -> String {
        "simulated".into()
    }
}

struct Process {
    pacer: Arc<Pacer>,
    connection: Arc<Connection>,
}

fn process(server: &Arc<SimulatedServer>, limits: RateLimits, latencies: &[(Duration, Duration)]) -> Process {
    let connection = Arc::new(Connection {
        server: Arc::clone(server),
        latencies: latencies.to_vec(),
        made: AtomicUsize::new(0),
        crashed: AtomicBool::new(false),
    });
    let store: Arc<dyn RateLimitStore> = Arc::<Connection>::clone(&connection);
    Process { pacer: Arc::new(Pacer::with_store(limits, Some(store), WhenStoreDown::Share)), connection }
}

/// When requests arrived at the service.
type Arrivals = Arc<Mutex<HashMap<Category, Vec<Instant>>>>;

fn arrived(arrivals: &Arrivals, category: Category) -> Vec<Instant> {
    arrivals.lock().unwrap().get(&category).cloned().unwrap_or_default()
}

fn assert_within_limits(arrivals: &Arrivals, limits: RateLimits) {
    let (reads, actions) = (arrived(arrivals, Reads), arrived(arrivals, Actions));
    let peak_of = |arrivals: &[Instant]| u32::try_from(peak(arrivals, limits.window)).unwrap();
    assert!(peak_of(&reads) <= limits.reads, "{} reads in one window", peak_of(&reads));
    assert!(peak_of(&actions) <= limits.actions, "{} actions in one window", peak_of(&actions));
    let all = [reads, actions].concat();
    assert!(peak_of(&all) <= limits.total, "{} requests in one window", peak_of(&all));
}

/// One request: a slot, the way there, and the way back.
async fn request(pacer: &Arc<Pacer>, category: Category, arrivals: &Arrivals, there: Duration, back: Duration) {
    let mut permit = pacer.acquire(category, pacer.ticket(), LEASE, in_a_day(), |_| ()).await.unwrap();
    permit.mark_sent();
    sleep(there).await;
    arrivals.lock().unwrap().entry(category).or_default().push(Instant::now());
    sleep(back).await;
}

/// Callers that make one request after the other until `ends`, and how many they made.
fn busy(
    process: &Process,
    category: Category,
    callers: usize,
    arrivals: &Arrivals,
    ends: Instant,
) -> JoinHandle<usize> {
    let made = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let (pacer, arrivals, made) = (Arc::clone(&process.pacer), Arc::clone(arrivals), Arc::clone(&made));
            tokio::spawn(async move {
                let calls = async {
                    loop {
                        let millis = Duration::from_millis(5);
                        request(&pacer, category, &arrivals, millis, millis).await;
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                };
                let _ = timeout(ends - Instant::now(), calls).await;
            })
        })
        .collect();
    tokio::spawn(async move {
        for caller in callers {
            caller.await.unwrap();
        }
        made.load(Ordering::Relaxed)
    })
}

async fn counts(processes: Vec<JoinHandle<usize>>) -> Vec<usize> {
    let mut counts = Vec::new();
    for process in processes {
        counts.push(process.await.unwrap());
    }
    counts
}

/// 1 when all have the same.
#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn jain(counts: &[usize]) -> f64 {
    let (sum, squares) = counts.iter().fold((0.0, 0.0), |(sum, squares), count| {
        let count = *count as f64;
        (sum + count, count.mul_add(count, squares))
    });
    sum * sum / (squares * counts.len() as f64)
}

#[derive(Clone, Debug)]
struct Planned {
    process: usize,
    starts: Duration,
    category: Category,
    there: Duration,
    back: Duration,
    dropped_after: Option<Duration>,
}

fn millis(most: u64) -> impl Strategy<Value = Duration> {
    (0..=most).prop_map(Duration::from_millis)
}

fn planned() -> impl Strategy<Value = Planned> {
    (
        0..4_usize,
        millis(150_000),
        prop_oneof![Just(Reads), Just(Actions)],
        prop_oneof![Just(Duration::ZERO), millis(500), millis(15_000)],
        prop_oneof![Just(Duration::ZERO), millis(500), millis(15_000)],
        prop::option::weighted(0.2, millis(90_000)),
    )
        .prop_map(|(process, starts, category, there, back, dropped_after)| Planned {
            process,
            starts,
            category,
            there,
            back,
            dropped_after,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn no_window_is_exceeded_and_no_slot_is_lost_whatever_the_latencies_and_crashes(
        plan in prop::collection::vec(planned(), 1..250),
        latencies in prop::collection::vec((millis(240), millis(240)), 1..8),
        crash in prop::option::of((0..4_usize, millis(150_000))),
    ) {
        on_a_paused_clock(async {
            let limits = RateLimits::default();
            let server = SimulatedServer::start();
            let processes: Vec<_> = (0..4).map(|_| process(&server, limits, &latencies)).collect();
            let arrivals = Arrivals::default();
            let begun = Instant::now();
            let calls: Vec<_> = plan
                .iter()
                .cloned()
                .map(|planned| {
                    let (pacer, arrivals) = (Arc::clone(&processes[planned.process].pacer), Arc::clone(&arrivals));
                    let call = tokio::spawn(async move {
                        sleep_until(begun + planned.starts).await;
                        // The server counts a request that was sent even when its caller drops it.
                        let there = if planned.dropped_after.is_some() { Duration::ZERO } else { planned.there };
                        let call = request(&pacer, planned.category, &arrivals, there, planned.back);
                        match planned.dropped_after {
                            Some(limit) => drop(timeout(limit, call).await),
                            None => call.await,
                        }
                    });
                    (planned.process, call)
                })
                .collect();
            if let Some((crashed, at)) = crash {
                sleep_until(begun + at).await;
                processes[crashed].connection.crashed.store(true, Ordering::Relaxed);
                calls.iter().filter(|(process, _)| *process == crashed).for_each(|(_, call)| call.abort());
            }
            for (_, call) in calls {
                let _ = call.await;
            }
            assert_within_limits(&arrivals, limits);

            // A lease and a window after the last call every slot is free again.
            sleep(LEASE + WINDOW * 2).await;
            let now = Instant::now();
            let fresh = process(&server, limits, &[]);
            for _ in 0..30 {
                request(&fresh.pacer, Reads, &arrivals, Duration::ZERO, Duration::ZERO).await;
                request(&fresh.pacer, Actions, &arrivals, Duration::ZERO, Duration::ZERO).await;
            }
            prop_assert_eq!(Instant::now(), now);
            Ok(())
        })?;
    }

    /// An outage costs throughput, never the limits: each process has its share.
    #[test]
    fn outages_of_the_store_never_exceed_a_window(
        busy_callers in prop::collection::vec(1..40_usize, 4),
        outages in prop::collection::vec((millis(40_000), millis(20_000)), 1..4),
    ) {
        on_a_paused_clock(async {
            let limits = RateLimits { reads: 40, actions: 32, total: 60, window: Duration::from_secs(10) };
            let server = SimulatedServer::start();
            let arrivals = Arrivals::default();
            let ends = Instant::now() + Duration::from_secs(250);
            let millisecond = Duration::from_millis(1);
            let processes: Vec<_> =
                (0..4).map(|_| process(&server, limits, &[(millisecond, millisecond)])).collect();
            // The processes know of each other before the first outage.
            let calls: Vec<_> = processes
                .iter()
                .zip(busy_callers)
                .map(|(process, callers)| busy(process, Actions, callers, &arrivals, ends))
                .collect();
            sleep(Duration::from_secs(12)).await;
            for (pause, outage) in outages {
                // By then every process is back from the last one, and that one's slots are free.
                sleep(limits.window * 3 + pause).await;
                server.set_down(true);
                // Long enough for every process to notice it.
                sleep(limits.window + outage).await;
                server.set_down(false);
            }
            let counts = counts(calls).await;
            assert_within_limits(&arrivals, limits);
            prop_assert!(counts.iter().all(|count| *count >= 10), "{counts:?}");
            Ok(())
        })?;
    }
}

#[test]
fn busy_processes_take_turns_and_use_the_whole_rate_with_few_steps() {
    for count in [1, 2, 4, 8] {
        on_a_paused_clock(async {
            let limits = RateLimits { window: Duration::from_secs(3), ..RateLimits::default() };
            let server = SimulatedServer::start();
            let arrivals = Arrivals::default();
            let begun = Instant::now();
            // From the first round to the twenty-first.
            let ends = begun + limits.window * 20 + Duration::from_millis(500);
            let millisecond = Duration::from_millis(1);
            let processes: Vec<_> =
                (0..count).map(|_| process(&server, limits, &[(millisecond, millisecond)])).collect();
            let calls: Vec<_> = processes.iter().map(|process| busy(process, Actions, 40, &arrivals, ends)).collect();
            let counts = counts(calls).await;
            assert_within_limits(&arrivals, limits);
            let made: usize = counts.iter().sum();
            assert!(made >= 30 * 20, "{made} of {} by {count} processes", 30 * 20);
            assert!(jain(&counts) >= 0.98, "{counts:?}");
            let steps = server.steps.load(Ordering::Relaxed);
            assert!(steps * 10 <= made * 25, "{steps} steps for {made} grants to {count} processes");
        });
    }
}

#[test]
fn a_process_with_one_call_gets_the_next_slot_beside_one_with_many() {
    on_a_paused_clock(async {
        let limits = RateLimits::default();
        let server = SimulatedServer::start();
        let arrivals = Arrivals::default();
        let ends = Instant::now() + WINDOW * 5;
        let job = process(&server, limits, &[]);
        let worker = process(&server, limits, &[]);
        let job = busy(&job, Actions, 500, &arrivals, ends);
        sleep(Duration::from_secs(5)).await;
        let begun = Instant::now();
        request(&worker.pacer, Actions, &arrivals, Duration::ZERO, Duration::ZERO).await;
        // The job's slots come free a window after the beginning.
        assert!(begun.elapsed() < Duration::from_secs(56), "{:?}", begun.elapsed());
        job.await.unwrap();
        assert_within_limits(&arrivals, limits);
    });
}

#[test]
fn a_dead_process_that_waited_does_not_keep_its_turn() {
    on_a_paused_clock(async {
        let limits = RateLimits { actions: 1, ..RateLimits::default() };
        let server = SimulatedServer::start();
        let arrivals = Arrivals::default();
        let (dead, alive) = (process(&server, limits, &[]), process(&server, limits, &[]));
        request(&alive.pacer, Actions, &arrivals, Duration::ZERO, Duration::ZERO).await;
        let waiting = busy(&dead, Actions, 1, &arrivals, in_a_day());
        sleep(Duration::from_secs(1)).await;
        dead.connection.crashed.store(true, Ordering::Relaxed);
        waiting.abort();
        // The store told it to ask again two windows later. Then it finds the slot of the first window unused.
        request(&alive.pacer, Actions, &arrivals, Duration::ZERO, Duration::ZERO).await;
        let begun = Instant::now();
        request(&alive.pacer, Actions, &arrivals, Duration::ZERO, Duration::ZERO).await;
        assert!(begun.elapsed() < Duration::from_secs(61), "{:?}", begun.elapsed());
    });
}

#[test]
fn slots_are_put_in_again_when_the_store_lost_its_data() {
    on_a_paused_clock(async {
        let limits = RateLimits { actions: 32, ..RateLimits::default() };
        let server = SimulatedServer::start();
        let arrivals = Arrivals::default();
        let ends = Instant::now() + WINDOW * 6;
        let processes: Vec<_> = (0..4).map(|_| process(&server, limits, &[])).collect();
        let calls: Vec<_> = processes.iter().map(|process| busy(process, Actions, 20, &arrivals, ends)).collect();
        for seconds in [70, 30, 95] {
            sleep(Duration::from_secs(seconds)).await;
            server.lose_data();
        }
        let counts = counts(calls).await;
        assert_within_limits(&arrivals, limits);
        assert!(counts.iter().sum::<usize>() >= 32 * 5, "{counts:?}");
    });
}

/// A process that is stopped while its first step is under way.
async fn resumed(server: &Arc<SimulatedServer>, reply: u64, pause: Duration) -> JoinHandle<()> {
    let latencies = [vec![(Duration::ZERO, Duration::from_millis(reply))], vec![Default::default(); 50]].concat();
    let Process { pacer, .. } = process(server, RateLimits::default(), &latencies);
    let call = tokio::spawn(async move {
        request(&pacer, Actions, &Arrivals::default(), Duration::ZERO, Duration::ZERO).await;
    });
    sleep(Duration::from_millis(100)).await;
    advance(pause).await;
    call
}

#[test]
fn a_process_that_was_stopped_does_not_take_the_store_for_lost() {
    on_a_paused_clock(async {
        let server = SimulatedServer::start();
        let other = process(&server, RateLimits::default(), &[]);
        let mut permits = Vec::new();
        for _ in 0..RateLimits::default().actions {
            let ticket = other.pacer.ticket();
            permits.push(other.pacer.acquire(Actions, ticket, LEASE, in_a_day(), |_| ()).await.unwrap());
        }
        // When it goes on, it sees that the time for the reply has passed before it sees the reply.
        let call = resumed(&server, 700, Duration::from_secs(10)).await;
        sleep(Duration::from_secs(5)).await;
        assert!(!call.is_finished(), "the other process has all slots");
        drop(permits);
        call.await.unwrap();
    });
}

#[test]
fn a_process_that_was_stopped_asks_again_for_slots_whose_leases_have_ended() {
    on_a_paused_clock(async {
        let server = SimulatedServer::start();
        let call = resumed(&server, 300, WINDOW * 10).await;
        call.await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(server.steps.load(Ordering::Relaxed), 3, "asked, asked again, reported the response");
    });
}

#[test]
fn a_hold_is_for_every_process() {
    on_a_paused_clock(async {
        let server = SimulatedServer::start();
        let limits = RateLimits::default();
        let arrivals = Arrivals::default();
        let (one, two) = (process(&server, limits, &[]), process(&server, limits, &[]));
        let refused = super::tests::retry_after(Duration::from_secs(20));
        one.pacer.apply_response(Actions, 429, &refused);
        let begun = Instant::now();
        request(&two.pacer, Actions, &arrivals, Duration::ZERO, Duration::ZERO).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(20));
    });
}

#[test]
fn calls_fail_without_the_store_where_that_is_asked_for() {
    on_a_paused_clock(async {
        let server = SimulatedServer::start();
        server.set_down(true);
        let connection = process(&server, RateLimits::default(), &[]).connection;
        let pacer = Arc::new(Pacer::with_store(RateLimits::default(), Some(connection), WhenStoreDown::Fail));
        let refused = pacer.acquire(Reads, pacer.ticket(), LEASE, in_a_day(), |_| ()).await.unwrap_err();
        assert_eq!(refused, AcquireError::StoreDown { location: "simulated".into() });
        server.set_down(false);
        sleep(Duration::from_secs(2)).await;
        pacer.acquire(Reads, pacer.ticket(), LEASE, in_a_day(), |_| ()).await.unwrap();
    });
}
