//! Dropping a call's future, at each of its stages.

use std::time::Duration;

use celper::RateLimits;
use celper_sandbox::Options;
use serde_json::json;
use tokio::time::timeout;

use crate::world::World;

#[tokio::test]
async fn a_dropped_call_closes_its_socket_and_is_not_repeated() {
    let world = World::new().await;
    for fault in [json!({"kind": "delay", "seconds": 3600}), json!({"kind": "drip", "bytesPerSecond": 1})] {
        let id = world.faulty("interviewed", fault).await;
        let call = tokio::spawn(world.reject(&id).into_future());
        world.until_noted(&id, |_| true).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        world.until_noted(&id, |request| request["clientClosed"] == true).await;
        assert_eq!(world.requests(&id).await.len(), 1);
    }
}

#[tokio::test]
async fn a_call_dropped_while_it_waits_for_a_slot_sends_nothing() {
    let world = World::with(Options::default(), |builder| {
        builder.rate_limits(RateLimits { actions: 1, ..RateLimits::default() })
    })
    .await;
    let (first, second) = (world.candidate("interviewed").await, world.candidate("interviewed").await);
    world.reject(&first).await.unwrap();
    assert!(timeout(Duration::from_millis(100), world.reject(&second).into_future()).await.is_err());
    assert!(world.requests(&second).await.is_empty());
}

#[tokio::test]
async fn a_call_dropped_between_attempts_sends_no_retry() {
    let world = World::new().await;
    let id =
        world.faulty("interviewed", json!({"kind": "status", "status": 503, "headers": {"Retry-After": "1"}})).await;
    let call = tokio::spawn(world.reject(&id).into_future());
    world.until_noted(&id, |request| request["answered"] == 503).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // Longer than the wait that was asked for: a retry would have come.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    assert_eq!(world.requests(&id).await.len(), 1);
}
