//! Calls through a proxy.

use celper::{Client, ErrorKind, JobPositionId};
use celper_sandbox::{Options, ProxyOptions};
use serde_json::json;

use crate::test_env::{POSITION, TestEnv};

fn options(tls: bool) -> Options {
    let credentials = Some("user:pa ss".to_owned());
    Options { tls, proxy: Some(ProxyOptions { credentials }), ..Options::default() }
}

fn client(env: &TestEnv, credentials: &str) -> Client {
    let proxy = env.sandbox.proxy_url().unwrap().replace("http://", &format!("http://{credentials}"));
    let builder = Client::builder().api_key(env.sandbox.api_key()).base_url(env.sandbox.base_url()).proxy(proxy);
    let builder = match env.sandbox.ca_certificate() {
        Some(pem) => builder.ca_certificates(pem),
        None => builder,
    };
    builder.max_retries(0).build().unwrap()
}

#[tokio::test]
async fn calls_go_through_the_proxy_with_and_without_tls() {
    for tls in [false, true] {
        let env = TestEnv::with(options(tls), |builder| builder).await;
        let id = env.candidate("new").await;
        let call = client(&env, "user:pa%20ss@").get_candidate_status(&*id, JobPositionId(POSITION));
        call.await.unwrap();
        let proxied = env.control("GET", "proxy", json!(null)).await;
        assert_eq!(proxied.as_array().unwrap().len(), 1, "{proxied}");
    }
}

#[tokio::test]
async fn a_proxy_error_is_distinguished_from_an_api_error() {
    let env = TestEnv::with(options(false), |builder| builder).await;
    let error = client(&env, "").reject_candidate("c", JobPositionId("p")).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidRequest, Some(407)));

    let env = TestEnv::with(options(true), |builder| builder).await;
    let error = client(&env, "user:wrong@").reject_candidate("c", JobPositionId("p")).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Connection, false));
    assert!(!format!("{error} {error:?}").contains("wrong"), "{error:?}");
    let proxy = env.sandbox.proxy_url().unwrap().replace("http://", "through the proxy at ");
    assert!(error.message().contains(&proxy) && error.message().contains("authorization required"), "{error}");
}

/// A SOCKS5 server (RFC 1928) without authentication. Gives the host names that it was asked to connect to.
async fn socks5_server() -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, hosts) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut greeting = [0; 2];
            client.read_exact(&mut greeting).await.unwrap();
            client.read_exact(&mut vec![0; greeting[1].into()]).await.unwrap();
            client.write_all(&[5, 0]).await.unwrap();
            let mut request = [0; 5];
            client.read_exact(&mut request).await.unwrap();
            assert_eq!(request[..4], [5, 1, 0, 3], "CONNECT to a host name");
            let mut address = vec![0; usize::from(request[4]) + 2];
            client.read_exact(&mut address).await.unwrap();
            let (host, port) = address.split_at(address.len() - 2);
            sender.send(String::from_utf8(host.to_vec()).unwrap()).unwrap();
            let server_port = u16::from_be_bytes([port[0], port[1]]);
            let mut server = tokio::net::TcpStream::connect(("127.0.0.1", server_port)).await.unwrap();
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (port, hosts)
}

#[tokio::test]
async fn calls_go_through_a_socks_proxy_which_resolves_the_host() {
    let env = TestEnv::new().await;
    let id = env.candidate("new").await;
    let (port, mut hosts) = socks5_server().await;
    let client = Client::builder()
        .api_key(env.sandbox.api_key())
        .base_url(env.sandbox.base_url().replace("127.0.0.1", "localhost"))
        .proxy(format!("socks5h://127.0.0.1:{port}"))
        .timeout(std::time::Duration::from_secs(5))
        .max_retries(0)
        .build()
        .unwrap();
    client.get_candidate_status(&*id, JobPositionId(POSITION)).await.unwrap();
    assert_eq!(hosts.try_recv().unwrap(), "localhost");
}
