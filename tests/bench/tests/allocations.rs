//! What a call costs in heap allocations, beside the same call by bare reqwest: a guard against slow decay that does not
//! depend on the machine.
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::thread;

use allocation_counter::measure;
use celper::{Client, JobPositionId, RateLimits};
use celper_bench::{by_hand, server};
use tokio::runtime::{Builder, Runtime};

const CALLS: u64 = 200;

/// Allocations of one call, on a runtime of this thread alone: everything that the client does is counted, and nothing
/// that the server does.
fn per_call(runtime: &Runtime, mut call: impl AsyncFnMut()) -> f64 {
    let mut run = |calls| {
        runtime.block_on(async {
            for _ in 0..calls {
                call().await
            }
        })
    };
    run(20);
    measure(|| run(CALLS)).count_total as f64 / CALLS as f64
}

#[test]
fn a_call_allocates_at_most_forty_times_more_than_bare_reqwest() {
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(server::start().await.unwrap()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let base_url = format!("http://{}", receiver.recv().unwrap());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let key = "celp_0123456789abcdef0123456789abcdef";
    let body = "x".repeat(1_000);

    let bare = by_hand::client(key).unwrap();
    let bare_status = per_call(&runtime, async || {
        by_hand::status(&bare, &base_url, "cand_xyz789", "pos_abc123").await.unwrap();
    });
    let bare_invite = per_call(&runtime, async || {
        by_hand::invite(&bare, &base_url, "cand_xyz789", "pos_abc123", &body).await.unwrap();
    });

    for (pacing, limits) in [
        ("off", None),
        ("on", Some(RateLimits { reads: 10_000, actions: 10_000, total: 20_000, ..RateLimits::default() })),
    ] {
        let client = Client::builder().api_key(key).base_url(&*base_url).rate_limits(limits).build().unwrap();
        let status = per_call(&runtime, async || {
            client.get_candidate_status("cand_xyz789", JobPositionId("pos_abc123")).await.unwrap();
        });
        let invite = per_call(&runtime, async || {
            client.invite_candidate("cand_xyz789", JobPositionId("pos_abc123")).email_body(&*body).await.unwrap();
        });
        println!(
            "pacing {pacing}: status {status:.1} (bare {bare_status:.1}), invite {invite:.1} (bare {bare_invite:.1})"
        );
        assert!(status - bare_status < 40.0 && invite - bare_invite < 40.0);
    }
}
