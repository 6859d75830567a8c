//! Whom the client believes.

use celper::{Client, ErrorKind, JobPositionId};
use celper_sandbox::Options;

use crate::world::{POSITION, World};

#[tokio::test]
async fn a_ca_of_ones_own_is_trusted_when_given_and_only_then() {
    let world = World::with(Options { tls: true, ..Options::default() }, |builder| builder.max_retries(0)).await;
    let id = world.candidate("interviewed").await;
    world.status(&id).await.unwrap();

    let stranger = Client::builder().api_key(world.sandbox.api_key()).base_url(world.sandbox.base_url());
    let stranger = stranger.max_retries(0).build().unwrap();
    let error = stranger.reject_candidate(&*id, JobPositionId(POSITION)).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Connection, false));
    assert!(error.message().contains("certificate"), "{error}");
    assert_eq!(world.requests(&id).await.len(), 1);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let world = World::with(Options { tls: true, ..Options::default() }, |builder| builder).await;
    let url = world.sandbox.base_url().replace("127.0.0.1", "127.0.0.2");
    let pem = world.sandbox.ca_certificate().unwrap();
    let client = Client::builder().api_key("k").base_url(url).ca_certificates(pem).max_retries(0).build().unwrap();
    let error = client.get_candidate_status("c", JobPositionId("p")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
}
