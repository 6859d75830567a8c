//! Limits on the heap allocations of a call, and on the memory of a call that waits for its response, both compared with
//! reqwest. They detect gradual regressions and do not depend on the machine.
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use celper_bench::clients::{Calls, Celper, Operation};
use celper_bench::reqwest_client::ReqwestClient;
use celper_bench::server;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

const CALLS: usize = 200;

/// A single-threaded runtime, so that all allocations of the client are counted and none of the server.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Allocations per call after a warm-up.
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

#[derive(Clone, Copy, Debug)]
enum Pacing {
    Off,
    InTheProcess,
    ByFile,
}

/// The difference to reqwest's allocations, as recorded when this test was written. The margin allows for changes in hyper, which
/// both use.
#[test]
fn a_call_allocates_little_more_than_reqwest() {
    let url = server::start_in_thread();
    let reqwest = ReqwestClient::new(&url).unwrap();
    let mut exceeded = Vec::new();
    for (operation, pacing, recorded) in RECORDED {
        let client = match pacing {
            Pacing::Off => Celper::new(&url),
            Pacing::InTheProcess => Celper::paced(&url),
            Pacing::ByFile => Celper::paced_by_file(&url),
        };
        let extra = per_call(&client.unwrap(), operation, CALLS) - per_call(&reqwest, operation, CALLS);
        println!("{operation:?}, pacing {pacing:?}: {extra:.1} allocations beyond reqwest");
        if extra > recorded + MARGIN {
            exceeded.push(format!("{operation:?}, pacing {pacing:?}: {extra:.1}, recorded {recorded}"));
        }
        let by_file = matches!(pacing, Pacing::ByFile);
        assert!(recorded <= 10.0 || by_file, "at most 10 allocations beyond reqwest, without the steps of a store");
    }
    assert!(exceeded.is_empty(), "more allocations than recorded: {exceeded:?}");
}

const MARGIN: f64 = 2.0;
const RECORDED: [(Operation, Pacing, f64); 5] = [
    (Operation::Status, Pacing::Off, 8.0),
    (Operation::Invite, Pacing::Off, 7.0),
    (Operation::Missing, Pacing::Off, 10.0),
    (Operation::Status, Pacing::InTheProcess, 9.0),
    // Two steps of the store: the grant and the report of the response.
    (Operation::Status, Pacing::ByFile, 18.0),
];

/// Fewer than the 128 that a client sends at a time.
const IN_FLIGHT: usize = 100;

/// The memory of calls that wait for their responses, including their connections.
fn held(client: &impl Calls, server: &ReqwestClient) -> AllocationInfo {
    let (runtime, tasks) = (runtime(), LocalSet::new());
    let info = measure(|| {
        tasks.block_on(&runtime, async {
            for _ in 0..IN_FLIGHT {
                let client = client.clone();
                tokio::task::spawn_local(async move { client.call(Operation::Held).await.unwrap() });
            }
            while server.get("/waiting").await.unwrap() != IN_FLIGHT.to_string() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    });
    runtime.block_on(server.get("/release")).unwrap();
    runtime.block_on(tasks);
    info
}

/// hyper itself allocates 25 KB per connection: two buffers of 8 KB, and a queue for 32 requests, of which only one is used.
/// None of them can be smaller without rejecting headers over 4 KB.
#[test]
fn a_call_in_flight_holds_little_more_than_reqwest() {
    let url = server::start_in_thread();
    let bytes = |info: AllocationInfo| info.bytes_current as f64 / IN_FLIGHT as f64;
    let server = ReqwestClient::new(&url).unwrap();
    let ours = bytes(held(&Celper::new(&url).unwrap(), &server));
    let reqwest = bytes(held(&ReqwestClient::new(&url).unwrap(), &server));
    println!("{ours:.0} bytes a call in flight, {reqwest:.0} with reqwest");
    assert!(ours - reqwest < 1_500.0 + 1_000.0, "{ours} compared with {reqwest}");
}

#[test]
fn a_call_costs_the_same_after_many_others_and_with_many_clients() {
    let url = server::start_in_thread();
    let client = Celper::paced_by_file(&url).unwrap();
    let first = per_call(&client, Operation::Status, CALLS);
    per_call(&client, Operation::Status, 10 * CALLS);
    let after_many = per_call(&client, Operation::Status, CALLS);
    let others: Vec<_> = (0..1_000).map(|_| Celper::paced_by_file(&url).unwrap()).collect();
    let with_many = per_call(&client, Operation::Status, CALLS);
    println!("{first:.1} allocations, {after_many:.1} after many calls, {with_many:.1} with {} clients", others.len());
    assert!((after_many - first).abs() <= 1.0 && (with_many - first).abs() <= 1.0);
}
