//! HTTPS with the test CA, and the forward proxy.

use std::sync::Arc;

use celper_sandbox::{DEFAULT_KEY, Options, ProxyOptions};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{Connection, Request, TestEnv, status, with_timeout};

fn connector(ca_certificate: Option<&str>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = ca_certificate {
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn tls_env() -> TestEnv {
    TestEnv::with(Options { tls: true, proxy: Some(ProxyOptions::default()), ..Options::default() }).await
}

async fn encrypt(env: &TestEnv, tcp: TcpStream, name: &str) -> Connection<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = connector(env.sandbox.ca_certificate());
    Connection::over(with_timeout(connector.connect(name, tcp)).await.unwrap())
}

async fn open(env: &TestEnv, name: &str) -> Connection<TlsStream<TcpStream>> {
    encrypt(env, TcpStream::connect(env.sandbox.address()).await.unwrap(), name).await
}

fn put_ada() -> Request {
    Request::bare("POST", "/_sandbox/candidates").json(&json!({"candidateId": "ada", "jobPositionId": "pos"}))
}

#[tokio::test]
async fn https_works_under_every_loopback_name() {
    let env = tls_env().await;
    assert_eq!(env.sandbox.base_url(), format!("https://127.0.0.1:{}", env.sandbox.address().port()));
    assert!(env.sandbox.ca_certificate().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    for name in ["localhost", "127.0.0.1", "::1"] {
        let mut connection = open(&env, name).await;
        assert_eq!(connection.call(&put_ada()).await.status, 201);
        assert_eq!(connection.call(&status("ada")).await.data()["status"], "new");
    }
}

#[tokio::test]
async fn server_names_are_in_the_certificate_and_accepted_as_host() {
    let server_names = ["sandbox.internal", "192.0.2.7", "2001:db8::7"].map(str::to_owned).to_vec();
    let env = TestEnv::with(Options { tls: true, server_names, ..Options::default() }).await;
    for (name, host) in [
        ("sandbox.internal", "sandbox.internal:8787"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "[2001:db8::7]:8787"),
        ("localhost", "localhost"),
    ] {
        let health = Request::bare("GET", "/_sandbox/health").host(host);
        assert_eq!(open(&env, name).await.call(&health).await.status, 200, "{name}");
    }
    for invalid in ["", " ", "a b", "sandbox:8787", "https://sandbox", "[::1]", "*.internal", "a..b"] {
        let options = Options { server_names: vec![invalid.to_owned()], ..Options::default() };
        let error = celper_sandbox::Sandbox::start(options).await.unwrap_err();
        assert!(error.to_string().contains("not a host name"), "{invalid:?}: {error}");
    }
}

#[tokio::test]
async fn the_certificate_is_trusted_only_with_its_ca_and_for_its_names() {
    let env = tls_env().await;
    let other = tls_env().await;
    for ca_certificate in [None, other.sandbox.ca_certificate()] {
        let tcp = TcpStream::connect(env.sandbox.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        assert!(with_timeout(connector(ca_certificate).connect(name, tcp)).await.is_err());
    }
    let tcp = TcpStream::connect(env.sandbox.address()).await.unwrap();
    let name = ServerName::try_from("elsewhere.example").unwrap();
    assert!(with_timeout(connector(env.sandbox.ca_certificate()).connect(name, tcp)).await.is_err());
}

#[tokio::test]
async fn faults_work_over_tls() {
    let env = tls_env().await;
    let mut control = open(&env, "localhost").await;
    control.call(&put_ada()).await;
    for fault in [
        json!({"candidateId": "ada", "kind": "close"}),
        json!({"candidateId": "ada", "kind": "cut", "afterBytes": 9}),
        json!({"candidateId": "ada", "kind": "close_idle"}),
        json!({"candidateId": "ada", "kind": "delay", "seconds": 3600}),
    ] {
        let queued = control.call(&Request::bare("POST", "/_sandbox/faults").json(&fault)).await;
        assert_eq!(queued.status, 201);
    }
    let mut closed = open(&env, "localhost").await;
    closed.send(&status("ada")).await;
    assert!(closed.until_closed().await.0.is_empty());

    let mut cut = open(&env, "localhost").await;
    cut.send(&status("ada")).await;
    assert!(cut.head().await.number("content-length") > 9);
    assert_eq!(cut.until_closed().await.0.len(), 9);

    let mut idle = open(&env, "localhost").await;
    assert_eq!(idle.call(&status("ada")).await.status, 200);
    assert!(idle.until_closed().await.0.is_empty());

    let mut left = open(&env, "localhost").await;
    left.send(&status("ada")).await;
    let mut last = async |wanted: &str, expected: Value| {
        with_timeout(async {
            loop {
                let all = control.call(&Request::bare("GET", "/_sandbox/requests")).await.json();
                if all[3][wanted] == expected {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        })
        .await;
    };
    last("fault", json!("delay")).await;
    drop(left);
    last("clientClosed", json!(true)).await;
}

async fn proxied_env(credentials: Option<&str>) -> (TestEnv, String) {
    let proxy = ProxyOptions { credentials: credentials.map(str::to_owned) };
    let env = TestEnv::with(Options { proxy: Some(proxy), ..Options::default() }).await;
    let address = env.sandbox.proxy_url().unwrap().strip_prefix("http://").unwrap().to_owned();
    (env, address)
}

async fn through(address: &str) -> Connection {
    Connection::over(TcpStream::connect(address).await.unwrap())
}

#[tokio::test]
async fn the_proxy_forwards_absolute_requests() {
    let (env, proxy) = proxied_env(None).await;
    env.candidate("a/b", "new", false).await;
    let path = "/v1/candidates/a%2fb/status?jobPositionId=%70os";
    let url = format!("{}{path}", env.sandbox.base_url());
    let response =
        through(&proxy).await.call(&Request::new("GET", &url).header("Proxy-Connection", "keep-alive")).await;
    assert_eq!(response.data()["status"], "new");
    let logged = env.last_request().await;
    assert_eq!(logged["target"], path, "byte for byte, in origin form");
    assert_eq!(logged["header"].get("proxy-connection"), None);

    let invite = Request::new("POST", &format!("{}/v1/candidates/a%2Fb/invite", env.sandbox.base_url()));
    let response = through(&proxy).await.call(&invite.json(&json!({"jobPositionId": "pos"}))).await;
    assert_eq!(response.data()["invited"], true);

    let went_through = env.get("proxy").await;
    assert_eq!(went_through.as_array().unwrap().len(), 2);
    assert_eq!((&went_through[0]["method"], &went_through[0]["target"]), (&json!("GET"), &json!(url)));
    assert_eq!((&went_through[0]["forwarded"], &went_through[0]["answered"]), (&json!(true), &Value::Null));
    assert_eq!(went_through[0]["header"]["x-api-key"], DEFAULT_KEY);
    assert_eq!(env.control("DELETE", "proxy", Value::Null).await, json!({"cleared": 2}));
}

#[tokio::test]
async fn the_proxy_supports_connect() {
    let env = tls_env().await;
    let proxy = env.sandbox.proxy_url().unwrap();
    let mut tunnel = TcpStream::connect(proxy.strip_prefix("http://").unwrap()).await.unwrap();
    let authority = format!("localhost:{}", env.sandbox.address().port());
    tunnel.write_all(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).await.unwrap();
    let mut opened = Connection::over(tunnel);
    assert_eq!(opened.head().await.status, 200);
    let mut inside = encrypt(&env, opened.stream, "localhost").await;
    assert_eq!(inside.call(&put_ada()).await.status, 201);
    assert_eq!(inside.call(&status("ada")).await.data()["status"], "new");
    let listed = inside.call(&Request::bare("GET", "/_sandbox/proxy")).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&listed[0]["method"], &listed[0]["target"]), (&json!("CONNECT"), &json!(authority)));
    // The proxy does not see the requests inside the tunnel.
    assert_eq!(listed[0]["header"].get("x-api-key"), None);
}

#[tokio::test]
async fn the_proxy_can_require_credentials() {
    let (env, proxy) = proxied_env(Some("user:pass")).await;
    let url = format!("{}/v1/candidates/ada/status?jobPositionId=pos", env.sandbox.base_url());
    for wrong in [None, Some("Basic dXNlcjp3cm9uZw=="), Some("Bearer user:pass")] {
        let mut request = Request::new("GET", &url);
        if let Some(wrong) = wrong {
            request = request.header("Proxy-Authorization", wrong);
        }
        let response = through(&proxy).await.call(&request).await;
        assert_eq!(response.status, 407);
        assert!(response.header("proxy-authenticate").unwrap().starts_with("Basic "));
    }
    assert_eq!(env.get("requests").await, json!([]));
    let request = Request::new("GET", &url).header("Proxy-Authorization", "Basic dXNlcjpwYXNz");
    assert_eq!(through(&proxy).await.call(&request).await.status, 404);
    assert_eq!(env.last_request().await["header"].get("proxy-authorization"), None);
    let answered: Vec<_> = env.get("proxy").await.as_array().unwrap().iter().map(|e| e["answered"].clone()).collect();
    assert_eq!(answered, [json!(407), json!(407), json!(407), Value::Null]);
}

#[tokio::test]
async fn the_proxy_connects_only_to_this_machine() {
    let (env, proxy) = proxied_env(None).await;
    for (method, target, status) in [
        ("GET", "http://192.0.2.1/", 403),
        ("CONNECT", "example.com:443", 403),
        ("GET", "/v1/candidates", 400),
        ("GET", "https://localhost/", 400),
    ] {
        assert_eq!(through(&proxy).await.call(&Request::bare(method, target)).await.status, status, "{target}");
    }
    // A reserved port without a server; another test could listen on a free one.
    let nobody = Request::bare("CONNECT", "127.0.0.1:1");
    assert_eq!(through(&proxy).await.call(&nobody).await.status, 502);
    assert_eq!(env.get("proxy").await.as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_disconnect_is_noticed_through_the_proxy() {
    let (env, proxy) = proxied_env(None).await;
    env.candidate("ada", "new", false).await;
    env.fault(json!({"candidateId": "ada", "kind": "delay", "seconds": 3600})).await;
    env.fault(json!({"candidateId": "ada", "kind": "cut", "afterBytes": 5})).await;
    let request =
        Request::new("GET", &format!("{}/v1/candidates/ada/status?jobPositionId=pos", env.sandbox.base_url()));
    let mut left = through(&proxy).await;
    left.send(&request).await;
    env.wait_for_last(|last| last["fault"] == "delay").await;
    drop(left);
    env.wait_for_last(|last| last["clientClosed"] == true).await;

    let mut cut = through(&proxy).await;
    cut.send(&request).await;
    assert_eq!(cut.head().await.status, 200);
    assert_eq!(cut.until_closed().await.0.len(), 5);
}
