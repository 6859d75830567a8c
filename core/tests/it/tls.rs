//! Which certificates the client trusts.

use celper::{Client, ErrorKind, JobPositionId};
use celper_sandbox::Options;

use crate::test_env::{POSITION, TestEnv};

#[tokio::test]
async fn a_custom_ca_is_trusted_only_when_given() {
    let env = TestEnv::with(Options { tls: true, ..Options::default() }, |builder| builder.max_retries(0)).await;
    let id = env.candidate("interviewed").await;
    env.status(&id).await.unwrap();

    let without_ca = Client::builder().api_key(env.sandbox.api_key()).base_url(env.sandbox.base_url());
    let without_ca = without_ca.max_retries(0).build().unwrap();
    let error = without_ca.reject_candidate(&*id, JobPositionId(POSITION)).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Connection, false));
    assert!(error.message().contains("certificate"), "{error}");
    assert_eq!(env.requests(&id).await.len(), 1);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let env = TestEnv::with(Options { tls: true, ..Options::default() }, |builder| builder).await;
    let url = env.sandbox.base_url().replace("127.0.0.1", "127.0.0.2");
    let pem = env.sandbox.ca_certificate().unwrap();
    let client = Client::builder().api_key("k").base_url(url).ca_certificates(pem).max_retries(0).build().unwrap();
    let error = client.get_candidate_status("c", JobPositionId("p")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
}
