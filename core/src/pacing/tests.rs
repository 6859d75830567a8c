//! The invariants of pacing, over minutes of virtual time against a simulated server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::RateLimits;
use super::pacer::{AcquireError, Pacer};
use crate::model::RateLimit;
use crate::operation::Category::{self, Actions, Reads};
use crate::response::ResponseMeta;

pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Longer than any attempt of these tests.
const LEASE: Duration = Duration::from_secs(60);
/// One window with the allowance for clock drift.
const GUARDED: Duration = Duration::from_millis(60_030);

pub(super) fn on_a_paused_clock<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}

fn pacer() -> Arc<Pacer> {
    Arc::new(Pacer::new(RateLimits::default()))
}

pub(super) fn in_a_day() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}

/// Acquires a permit, sends at once and gets the response at once.
async fn ping(pacer: &Arc<Pacer>, category: Category) {
    pacer.acquire(category, pacer.ticket(), LEASE, in_a_day(), |_| ()).await.unwrap().mark_sent();
}

/// Response headers that say how long there is no room: a 429's `Retry-After`, or the reset of a used-up window.
pub(super) fn retry_after(wait: Duration) -> ResponseMeta {
    ResponseMeta { retry_after: Some(wait), ..ResponseMeta::default() }
}

fn used_up(reset_in: Duration) -> ResponseMeta {
    let rate_limit = Some(RateLimit { limit: None, remaining: Some(0), reset_at: None });
    ResponseMeta { rate_limit, reset_in: Some(reset_in), ..ResponseMeta::default() }
}

/// The most arrivals in any window, the way a server with a sliding log counts.
pub(super) fn peak(arrivals: &[Instant], window: Duration) -> usize {
    let mut sorted = arrivals.to_vec();
    sorted.sort();
    let within = |end: usize| sorted[..=end].iter().filter(|at| sorted[end] - **at < window).count();
    (0..sorted.len()).map(within).max().unwrap_or(0)
}

#[derive(Clone, Debug)]
struct Planned {
    starts: Duration,
    category: Category,
    /// Latency of the request, and of the response.
    there: Duration,
    back: Duration,
    /// Dropped by the caller this long after it was made.
    dropped_after: Option<Duration>,
}

fn planned() -> impl Strategy<Value = Planned> {
    let millis = |most: u64| (0..=most).prop_map(Duration::from_millis);
    (
        millis(200_000),
        prop_oneof![Just(Reads), Just(Actions)],
        prop_oneof![Just(Duration::ZERO), millis(500), millis(20_000)],
        prop_oneof![Just(Duration::ZERO), millis(500), millis(20_000)],
        prop::option::weighted(0.2, millis(90_000)),
    )
        .prop_map(|(starts, category, there, back, dropped_after)| Planned {
            starts,
            category,
            there,
            back,
            dropped_after,
        })
}

/// What the simulated server and the callers observed.
#[derive(Default)]
struct Observed {
    reads: Vec<Instant>,
    actions: Vec<Instant>,
    /// Plan indices in the order in which calls asked for a slot, and when each was granted one.
    asked: Vec<(Category, usize)>,
    granted: HashMap<usize, Instant>,
}

impl Observed {
    fn arrive(&mut self, category: Category) {
        let arrivals = if category == Reads { &mut self.reads } else { &mut self.actions };
        arrivals.push(Instant::now());
    }
}

async fn run(pacer: &Arc<Pacer>, plan: &[Planned]) -> Observed {
    let observed = Arc::new(Mutex::new(Observed::default()));
    let begun = Instant::now();
    let mut calls = Vec::new();
    for (index, planned) in plan.iter().cloned().enumerate() {
        let (pacer, observed) = (Arc::clone(pacer), Arc::clone(&observed));
        calls.push(tokio::spawn(async move {
            sleep_until(begun + planned.starts).await;
            let call = async {
                let ticket = pacer.ticket();
                observed.lock().unwrap().asked.push((planned.category, index));
                let mut permit = pacer.acquire(planned.category, ticket, LEASE, in_a_day(), |_| ()).await.unwrap();
                observed.lock().unwrap().granted.insert(index, Instant::now());
                permit.mark_sent();
                // The server counts a request that was sent even when the caller drops it; a dropped call is simulated
                // as one whose request had just arrived.
                if planned.dropped_after.is_none() {
                    sleep(planned.there).await;
                }
                observed.lock().unwrap().arrive(planned.category);
                sleep(planned.back).await;
            };
            match planned.dropped_after {
                Some(limit) => drop(timeout(limit, call).await),
                None => call.await,
            }
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    Arc::into_inner(observed).unwrap().into_inner().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn no_window_at_the_server_is_ever_exceeded_and_no_slot_is_lost(plan in prop::collection::vec(planned(), 1..250)) {
        on_a_paused_clock(async {
            let pacer = pacer();
            let observed = run(&pacer, &plan).await;
            prop_assert!(peak(&observed.reads, WINDOW) <= 40, "{} reads in one window", peak(&observed.reads, WINDOW));
            prop_assert!(peak(&observed.actions, WINDOW) <= 30, "{} actions in one window", peak(&observed.actions, WINDOW));
            let all = [observed.reads, observed.actions].concat();
            prop_assert!(peak(&all, WINDOW) <= 60, "{} requests in one window", peak(&all, WINDOW));

            // Each category is first come, first served.
            for category in [Reads, Actions] {
                let asked = observed.asked.iter().filter(|(of, _)| *of == category);
                let granted: Vec<_> = asked.filter_map(|(_, index)| observed.granted.get(index)).collect();
                prop_assert!(granted.is_sorted());
            }

            // One window after the last call all slots are free again, whichever calls were dropped.
            sleep(GUARDED).await;
            let now = Instant::now();
            for _ in 0..30 {
                ping(&pacer, Reads).await;
                ping(&pacer, Actions).await;
            }
            prop_assert_eq!(Instant::now(), now);
            Ok(())
        })?;
    }
}

#[test]
fn at_least_99_and_a_half_percent_of_the_allowed_rate_is_used_over_ten_windows() {
    on_a_paused_clock(async {
        let pacer = pacer();
        let begun = Instant::now();
        // More callers than slots at any time, and responses that take a quarter of a second.
        let callers: Vec<_> = (0..200)
            .map(|_| {
                let pacer = Arc::clone(&pacer);
                tokio::spawn(async move {
                    let mut made = 0_u32;
                    loop {
                        let mut permit =
                            pacer.acquire(Actions, pacer.ticket(), LEASE, in_a_day(), |_| ()).await.unwrap();
                        // From the first slots' responses to the eleventh round, ten windows and their latency.
                        if begun.elapsed() > WINDOW * 10 {
                            return made;
                        }
                        permit.mark_sent();
                        sleep(Duration::from_millis(250)).await;
                        drop(permit);
                        made += 1;
                    }
                })
            })
            .collect();
        let mut made = 0;
        for caller in callers {
            made += caller.await.unwrap();
        }
        // 30 a window for ten windows.
        assert!(f64::from(made) >= 0.995 * 300.0, "{made}");
        // The same for the pace: ten rounds may not take half a percent longer than ten windows.
        let pace = (GUARDED + Duration::from_millis(250)).as_secs_f64() / WINDOW.as_secs_f64();
        assert!(pace <= 1.0 / 0.995, "{pace}");
    });
}

#[test]
fn a_read_overtakes_an_action_that_waits_for_its_category_but_not_one_that_waits_for_the_total() {
    on_a_paused_clock(async {
        let pacer = Arc::new(Pacer::new(RateLimits { reads: 2, actions: 1, total: 2, window: WINDOW }));
        let begun = Instant::now();
        let waiting = |category| {
            let pacer = Arc::clone(&pacer);
            tokio::spawn(async move {
                ping(&pacer, category).await;
                begun.elapsed()
            })
        };
        ping(&pacer, Actions).await;
        let action = waiting(Actions);
        sleep(Duration::from_secs(10)).await;
        ping(&pacer, Reads).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(10), "the action waits for its category, the read has room");
        let read = waiting(Reads);
        // The first slot to come free suits both, and the action was first.
        assert_eq!(action.await.unwrap(), GUARDED);
        assert_eq!(read.await.unwrap(), GUARDED + Duration::from_secs(10));
    });
}

#[test]
fn a_wait_beyond_the_deadline_fails_at_once() {
    on_a_paused_clock(async {
        let pacer = pacer();
        for _ in 0..30 {
            ping(&pacer, Actions).await;
        }
        let now = Instant::now();
        let refused =
            pacer.acquire(Actions, pacer.ticket(), LEASE, now + Duration::from_secs(59), |_| ()).await.unwrap_err();
        assert_eq!(refused, AcquireError::DeadlineExceeded { retry_after: GUARDED });
        assert_eq!(Instant::now(), now);

        // Thirty calls may wait for the next round; the thirty-first would have to wait for the one after.
        let waiting: Vec<_> = (0..30)
            .map(|_| {
                let pacer = Arc::clone(&pacer);
                tokio::spawn(async move {
                    pacer
                        .acquire(Actions, pacer.ticket(), LEASE, now + Duration::from_secs(119), |_| ())
                        .await
                        .unwrap()
                        .mark_sent();
                })
            })
            .collect();
        tokio::task::yield_now().await;
        let refused =
            pacer.acquire(Actions, pacer.ticket(), LEASE, now + Duration::from_secs(119), |_| ()).await.unwrap_err();
        assert_eq!(refused, AcquireError::DeadlineExceeded { retry_after: GUARDED * 2 });
        assert_eq!(Instant::now(), now);
        for call in waiting {
            call.await.unwrap();
        }
    });
}

#[test]
fn earlier_calls_of_both_categories_are_counted() {
    on_a_paused_clock(async {
        // Eight requests of any kind in a window: of sixty calls that can wait for two windows, the first 24 fit.
        let pacer = Arc::new(Pacer::new(RateLimits { total: 8, ..RateLimits::default() }));
        let begun = Instant::now();
        let calls: Vec<_> = (0..60)
            .map(|turn| {
                let (pacer, category) = (Arc::clone(&pacer), if turn % 2 == 0 { Reads } else { Actions });
                tokio::spawn(async move {
                    let deadline = begun + Duration::from_secs(150);
                    let outcome = pacer.acquire(category, pacer.ticket(), LEASE, deadline, |_| ()).await;
                    outcome.map(|mut permit| permit.mark_sent()).map_err(|_| begun.elapsed())
                })
            })
            .collect();
        let (mut granted, mut refused) = (0, Vec::new());
        for call in calls {
            match call.await.unwrap() {
                Ok(()) => granted += 1,
                Err(at) => refused.push(at),
            }
        }
        assert_eq!((granted, refused.len()), (24, 36));
        assert!(refused.iter().all(Duration::is_zero), "{refused:?}");
    });
}

#[test]
fn a_hold_stops_the_category_and_fails_calls_with_an_earlier_deadline() {
    on_a_paused_clock(async {
        let pacer = pacer();
        let begun = Instant::now();
        pacer.apply_response(Actions, 429, &retry_after(Duration::from_secs(20)));
        let impatient = tokio::spawn({
            let pacer = Arc::clone(&pacer);
            async move {
                pacer.acquire(Actions, pacer.ticket(), LEASE, begun + Duration::from_secs(30), |_| ()).await.map(drop)
            }
        });
        tokio::task::yield_now().await;
        pacer.apply_response(Actions, 429, &retry_after(Duration::from_secs(40)));
        let refused = impatient.await.unwrap().unwrap_err();
        assert_eq!(refused, AcquireError::DeadlineExceeded { retry_after: Duration::from_secs(40) });
        assert_eq!(begun.elapsed(), Duration::ZERO);

        ping(&pacer, Reads).await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "the other category is not held");
        ping(&pacer, Actions).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(40));
    });
}

#[test]
fn remaining_zero_holds_only_when_other_clients_used_the_rest() {
    on_a_paused_clock(async {
        let pacer = pacer();
        for _ in 0..30 {
            ping(&pacer, Actions).await;
        }
        let begun = Instant::now();
        // This client used all thirty: its own log is more exact than a reset time rounded to a second.
        pacer.apply_response(Actions, 200, &used_up(Duration::from_secs(61)));
        ping(&pacer, Actions).await;
        assert_eq!(begun.elapsed(), GUARDED);

        // Here another client used them.
        let begun = Instant::now();
        ping(&pacer, Reads).await;
        pacer.apply_response(Reads, 200, &used_up(Duration::from_secs(7)));
        ping(&pacer, Reads).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(7));
    });
}

#[test]
fn on_wait_is_called_when_a_wait_starts() {
    on_a_paused_clock(async {
        let pacer = Arc::new(Pacer::new(RateLimits { actions: 1, ..RateLimits::default() }));
        let mut told = None;
        for _ in 0..2 {
            assert_eq!(told, None, "the first call does not wait");
            pacer
                .acquire(Actions, pacer.ticket(), LEASE, in_a_day(), |wait| told = Some(wait))
                .await
                .unwrap()
                .mark_sent();
        }
        assert_eq!(told, Some(GUARDED));
    });
}

#[test]
fn a_reset_time_beyond_the_window_is_capped() {
    on_a_paused_clock(async {
        let pacer = pacer();
        let begun = Instant::now();
        pacer.apply_response(Reads, 200, &used_up(Duration::from_secs(1_000_000)));
        pacer.apply_response(Actions, 429, &used_up(Duration::from_secs(1_000_000)));
        ping(&pacer, Reads).await;
        ping(&pacer, Actions).await;
        assert_eq!(begun.elapsed(), WINDOW + Duration::from_secs(1));
    });
}

#[test]
fn a_retry_keeps_its_place() {
    on_a_paused_clock(async {
        let pacer = Arc::new(Pacer::new(RateLimits { actions: 1, ..RateLimits::default() }));
        let first = pacer.ticket();
        ping(&pacer, Actions).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiting = |ticket, name: &'static str| {
            let (pacer, order) = (Arc::clone(&pacer), Arc::clone(&order));
            tokio::spawn(async move {
                pacer.acquire(Actions, ticket, LEASE, in_a_day(), |_| ()).await.unwrap().mark_sent();
                order.lock().unwrap().push(name);
            })
        };
        let later = waiting(pacer.ticket(), "later");
        tokio::task::yield_now().await;
        let retry = waiting(first, "retry");
        tokio::task::yield_now().await;
        later.await.unwrap();
        retry.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["retry", "later"]);
    });
}

#[test]
fn a_thousand_dropped_waiters_leave_no_state() {
    on_a_paused_clock(async {
        let pacer = pacer();
        for _ in 0..30 {
            ping(&pacer, Actions).await;
        }
        let begun = Instant::now();
        let waiting: Vec<_> = (0..1_000)
            .map(|_| {
                let pacer = Arc::clone(&pacer);
                tokio::spawn(async move {
                    pacer.acquire(Actions, pacer.ticket(), LEASE, in_a_day(), |_| ()).await.map(drop)
                })
            })
            .collect();
        tokio::task::yield_now().await;
        let last = tokio::spawn({
            let pacer = Arc::clone(&pacer);
            async move { ping(&pacer, Actions).await }
        });
        tokio::task::yield_now().await;
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
        last.await.unwrap();
        assert_eq!(begun.elapsed(), GUARDED, "the last one moved up to the first place");
    });
}
