//! Calls through a proxy.

use celper::{Client, ErrorKind, JobPositionId};
use celper_sandbox::{Options, ProxyOptions};
use serde_json::json;

use crate::world::{POSITION, World};

fn options(tls: bool) -> Options {
    let credentials = Some("user:pa ss".to_owned());
    Options { tls, proxy: Some(ProxyOptions { credentials }), ..Options::default() }
}

fn client(world: &World, credentials: &str) -> Client {
    let proxy = world.sandbox.proxy_url().unwrap().replace("http://", &format!("http://{credentials}"));
    let builder = Client::builder().api_key(world.sandbox.api_key()).base_url(world.sandbox.base_url()).proxy(proxy);
    let builder = match world.sandbox.ca_certificate() {
        Some(pem) => builder.ca_certificates(pem),
        None => builder,
    };
    builder.max_retries(0).build().unwrap()
}

#[tokio::test]
async fn calls_go_through_the_proxy_with_and_without_tls() {
    for tls in [false, true] {
        let world = World::with(options(tls), |builder| builder).await;
        let id = world.candidate("new").await;
        let call = client(&world, "user:pa%20ss@").get_candidate_status(&*id, JobPositionId(POSITION));
        call.await.unwrap();
        let passed = world.control("GET", "proxy", json!(null)).await;
        assert_eq!(passed.as_array().unwrap().len(), 1, "{passed}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_apart_from_the_api() {
    let world = World::with(options(false), |builder| builder).await;
    let error = client(&world, "").reject_candidate("c", JobPositionId("p")).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidRequest, Some(407)));

    let world = World::with(options(true), |builder| builder).await;
    let error = client(&world, "user:wrong@").reject_candidate("c", JobPositionId("p")).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Connection, false));
    assert!(!format!("{error} {error:?}").contains("wrong"), "{error:?}");
    let proxy = world.sandbox.proxy_url().unwrap().replace("http://", "by the proxy at ");
    assert!(error.message().contains(&proxy) && error.message().contains("authorization required"), "{error}");
}
