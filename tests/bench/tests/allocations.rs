//! What a call costs in heap allocations, and what one that waits for its answer holds: guards against slow decay that do
//! not depend on the machine. Each beside the same call by bare reqwest.
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use celper_bench::by_reqwest::ByReqwest;
use celper_bench::clients::{Calls, Celper, Operation};
use celper_bench::server;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

const CALLS: usize = 200;

/// A runtime of this thread alone, so that everything the client does is counted, and nothing that the server does.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Allocations of one call once connections and caches are warm.
fn per_call(client: &impl Calls, operation: Operation, calls: usize) -> f64 {
    let runtime = runtime();
    let run = |calls| {
        runtime.block_on(async {
            for _ in 0..calls {
                client.call(operation).await.unwrap();
            }
        })
    };
    run(20);
    measure(|| run(calls)).count_total as f64 / calls as f64
}

/// Allocations beyond bare reqwest's, of which there are fewer. The figures are what was measured when this was written, and
/// what may come on top before somebody has to look: hyper's own, which both have, vary from version to version.
#[test]
fn a_call_allocates_less_than_bare_reqwests() {
    let url = server::in_a_thread();
    let (bare, unpaced, paced) =
        (ByReqwest::new(&url).unwrap(), Celper::new(&url).unwrap(), Celper::paced(&url).unwrap());
    let mut wrong = Vec::new();
    for (operation, pacing, committed) in EXTRA {
        let client = if pacing { &paced } else { &unpaced };
        let extra = per_call(client, operation, CALLS) - per_call(&bare, operation, CALLS);
        println!("{operation:?}, pacing {pacing}: {extra:.1} allocations beyond bare reqwest");
        if extra > committed + MARGIN {
            wrong.push(format!("{operation:?}, pacing {pacing}: {extra:.1}, committed {committed}"));
        }
        assert!(committed + MARGIN < 40.0, "a call must stay under 40 allocations beyond bare reqwest");
    }
    assert!(wrong.is_empty(), "more allocations than committed: {wrong:?}");
}

const MARGIN: f64 = 2.0;
const EXTRA: [(Operation, bool, f64); 4] = [
    (Operation::Status, false, -24.0),
    (Operation::Invite, false, -22.0),
    (Operation::Missing, false, -21.0),
    (Operation::Status, true, -23.0),
];

/// What calls that wait for their answers hold, each with its connection.
fn held(client: &impl Calls, server: &ByReqwest) -> AllocationInfo {
    let (runtime, tasks) = (runtime(), LocalSet::new());
    let info = measure(|| {
        tasks.block_on(&runtime, async {
            for _ in 0..CALLS {
                let client = client.clone();
                tokio::task::spawn_local(async move { client.call(Operation::Held).await.unwrap() });
            }
            while server.ask("/waiting").await.unwrap() != CALLS.to_string() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    });
    runtime.block_on(server.ask("/release")).unwrap();
    runtime.block_on(tasks);
    info
}

/// hyper alone holds 25 KB for a connection: two buffers of 8 KB, and a queue with room for 32 requests of which there is
/// never more than one. None of the three can be made smaller without refusing longer headers than 4 KB.
#[test]
fn a_call_in_flight_holds_less_than_bare_reqwests() {
    let url = server::in_a_thread();
    let bytes = |info: AllocationInfo| info.bytes_current as f64 / CALLS as f64;
    let server = ByReqwest::new(&url).unwrap();
    let ours = bytes(held(&Celper::new(&url).unwrap(), &server));
    let bare = bytes(held(&ByReqwest::new(&url).unwrap(), &server));
    println!("{ours:.0} bytes a call in flight, {bare:.0} with bare reqwest");
    assert!(ours - bare < -2_200.0 + 1_000.0, "{ours} beside {bare}");
}

#[test]
fn a_call_costs_the_same_after_many_others_and_beside_many_clients() {
    let url = server::in_a_thread();
    let client = Celper::paced(&url).unwrap();
    let first = per_call(&client, Operation::Status, CALLS);
    per_call(&client, Operation::Status, 10 * CALLS);
    let after_many = per_call(&client, Operation::Status, CALLS);
    let others: Vec<_> = (0..1_000).map(|_| Celper::paced(&url).unwrap()).collect();
    let beside_many = per_call(&client, Operation::Status, CALLS);
    println!(
        "{first:.1} allocations, {after_many:.1} after many calls, {beside_many:.1} beside {} clients",
        others.len()
    );
    assert!((after_many - first).abs() <= 1.0 && (beside_many - first).abs() <= 1.0);
}
