//! What a failure's message says: the stage, the host and what to do; and which failures are not retried.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use celper::{Client, ClientBuilder, Error, ErrorKind, JobPositionId};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use time::OffsetDateTime;
use tokio::io::AsyncWriteExt;

use crate::raw_server::{FullListener, builder, ignore_all, read_request, serve};

const POSITION: JobPositionId<&str> = JobPositionId("p");

/// The errors of a read and of an action.
async fn fail_both(client: &Client) -> [Error; 2] {
    let (read, action) = tokio::join!(
        client.get_candidate_status("c", POSITION).into_future(),
        client.reject_candidate("c", POSITION).into_future()
    );
    [read.unwrap_err(), action.unwrap_err()]
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let client = Client::builder().api_key("k").base_url("https://nowhere.invalid").max_retries(0).build().unwrap();
    for error in fail_both(&client).await {
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Connection, false));
        assert!(error.message().starts_with("could not resolve nowhere.invalid: "), "{error}");
    }
}

#[tokio::test]
async fn a_refused_connection() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for error in fail_both(&builder(port).max_retries(0).build().unwrap()).await {
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Connection, false));
        let expected = format!("could not connect to 127.0.0.1:{port}: ");
        assert!(error.message().starts_with(&expected) && error.message().contains("refused"), "{error}");
    }
}

#[tokio::test]
async fn a_connection_that_takes_too_long() {
    let full = FullListener::new().await;
    let port = full.port;
    let client = |builder: ClientBuilder| builder.max_retries(0).build().unwrap();
    let expected = format!("could not connect to 127.0.0.1:{port} (TCP or TLS handshake) within 0.3 s (timeout)");
    for error in fail_both(&client(builder(port).timeout(Duration::from_millis(300)))).await {
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Timeout, false), "{error}");
        assert_eq!(error.message(), expected);
    }
    for error in fail_both(&client(builder(port).attempt_timeout(Duration::from_millis(300)))).await {
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Timeout, false), "{error}");
        assert_eq!(error.message(), expected.replace("(timeout)", "(attempt_timeout)"));
    }
}

#[tokio::test]
async fn a_tls_handshake_that_takes_too_long() {
    let port = serve(|_, stream| ignore_all(stream)).await;
    let client = Client::builder().api_key("k").base_url(format!("https://127.0.0.1:{port}")).max_retries(0);
    for error in fail_both(&client.timeout(Duration::from_millis(300)).build().unwrap()).await {
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Timeout, false), "{error}");
        let expected = format!("could not connect to 127.0.0.1:{port} (TCP or TLS handshake) within 0.3 s (timeout)");
        assert_eq!(error.message(), expected);
    }
}

#[tokio::test]
async fn a_response_that_takes_too_long() {
    let silent = serve(|_, stream| ignore_all(stream)).await;
    let stalled = serve(|_, mut stream| async move {
        assert!(read_request(&mut stream).await.is_some());
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{").await.unwrap();
        ignore_all(stream).await;
    })
    .await;
    for port in [silent, stalled] {
        let client = builder(port).max_retries(0).attempt_timeout(Duration::from_millis(300)).build().unwrap();
        let [read, action] = fail_both(&client).await;
        for (error, unknown) in [(read, false), (action, true)] {
            assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Timeout, unknown), "{error}");
            let expected = format!("no complete response from 127.0.0.1:{port} within 0.3 s (attempt_timeout)");
            assert_eq!(error.message(), expected);
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_before_the_response() {
    let port = serve(|_, mut stream| async move { drop(read_request(&mut stream).await) }).await;
    let [read, action] = fail_both(&builder(port).max_retries(0).build().unwrap()).await;
    for (error, unknown) in [(read, false), (action, true)] {
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Connection, unknown), "{error}");
        assert!(error.message().starts_with(&format!("no response from 127.0.0.1:{port}: ")), "{error}");
    }
}

#[tokio::test]
async fn a_response_that_is_cut_short() {
    let port = serve(|_, mut stream| async move {
        assert!(read_request(&mut stream).await.is_some());
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{").await.unwrap();
    })
    .await;
    let [read, action] = fail_both(&builder(port).max_retries(0).build().unwrap()).await;
    for (error, unknown) in [(read, false), (action, true)] {
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Connection, unknown), "{error}");
        assert_eq!(error.message(), format!("the response from 127.0.0.1:{port} was cut short"));
    }
}

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    /// A chain and its key: a certificate for `name`, valid for these days from now.
    fn issue(&self, name: &str, days: std::ops::Range<i64>) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        let now = OffsetDateTime::now_utc();
        params.not_before = now + time::Duration::days(days.start);
        params.not_after = now + time::Duration::days(days.end);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }
}

type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

fn server_config((certificate, key): Identity, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        }
    };
    config.with_single_cert(vec![certificate], key).unwrap()
}

/// A server that makes TLS handshakes and nothing else, on a thread that ends with the process. Returns its port and the
/// number of connections so far.
fn tls_server(config: ServerConfig) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let (config, count) = (Arc::new(config), Arc::clone(&connections));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            let mut stream = stream.unwrap();
            let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            // Until the client closes the connection, or the handshake fails.
            while tls.complete_io(&mut stream).is_ok_and(|(read, _)| read > 0) {}
        }
    });
    (port, connections)
}

/// The error's words after the host, of calls with the default retries. Checks that nothing was retried and that the outcome
/// is known.
async fn tls_failure(config: ServerConfig, trusted: Option<&Certificate>) -> String {
    let (port, connections) = tls_server(config);
    let mut builder = Client::builder().api_key("k").base_url(format!("https://127.0.0.1:{port}")).rate_limits(None);
    if let Some(certificate) = trusted {
        builder = builder.ca_certificates(certificate.pem());
    }
    let client = builder.build().unwrap();
    let [read, action] = fail_both(&client).await;
    for error in [&read, &action] {
        let facts = (error.kind(), error.attempts(), error.outcome_unknown());
        assert_eq!(facts, (ErrorKind::Connection, 1, false), "{error}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    assert_eq!(read.message(), action.message());
    let reason = read.message().strip_prefix(&format!("TLS handshake with 127.0.0.1:{port} failed: "));
    reason.unwrap_or_else(|| panic!("{read}")).to_owned()
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted() {
    let authority = Authority::new();
    let trusted = Some(&authority.certificate);

    let untrusted = server_config(authority.issue("127.0.0.1", -1..9), None);
    let reason = tls_failure(untrusted, None).await;
    assert!(reason.contains("issuer is not trusted") && reason.contains("ca_certificates"), "{reason}");

    let expired = server_config(authority.issue("127.0.0.1", -9..-1), None);
    let reason = tls_failure(expired, trusted).await;
    assert!(reason.contains("expired") && reason.contains("clock"), "{reason}");

    let future = server_config(authority.issue("127.0.0.1", 1..9), None);
    let reason = tls_failure(future, trusted).await;
    assert!(reason.contains("not valid yet") && reason.contains("clock"), "{reason}");

    let misnamed = server_config(authority.issue("other.test", -1..9), None);
    let reason = tls_failure(misnamed, trusted).await;
    assert!(reason.contains("not valid for 127.0.0.1") && reason.contains("base_url"), "{reason}");

    // The server uses a CA certificate as its own; trusting it does not help.
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let identity = (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap());
    let reason = tls_failure(server_config(identity, None), Some(&certificate)).await;
    assert!(reason.contains("self-signed") && reason.contains("ca_certificates"), "{reason}");
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate() {
    let authority = Authority::new();
    let (port, connections) = tls_server(server_config(authority.issue("127.0.0.1", -1..9), Some(&authority)));
    let builder = Client::builder().api_key("k").base_url(format!("https://127.0.0.1:{port}"));
    let client = builder.ca_certificates(authority.certificate.pem()).build().unwrap();
    for error in fail_both(&client).await {
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connection, 1), "{error}");
        assert!(error.message().starts_with(&format!("TLS handshake with 127.0.0.1:{port} failed: ")), "{error}");
        assert!(error.message().contains("client certificate"), "{error}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_proxy_that_refuses_the_tunnel_is_asked_once() {
    for (status, word) in
        [("407 Proxy Authentication Required", "user:password@"), ("403 Forbidden", "allow this host")]
    {
        let asked = Arc::new(AtomicUsize::new(0));
        let port = {
            let asked = Arc::clone(&asked);
            serve(move |_, mut stream| {
                let asked = Arc::clone(&asked);
                async move {
                    while read_request(&mut stream).await.is_some_and(|request| request.starts_with("CONNECT ")) {
                        asked.fetch_add(1, Ordering::SeqCst);
                        let response = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                        stream.write_all(response.as_bytes()).await.unwrap();
                    }
                }
            })
            .await
        };
        let builder = Client::builder().api_key("k").base_url("https://127.0.0.1:9");
        let client = builder.proxy(format!("http://127.0.0.1:{port}")).build().unwrap();
        for error in fail_both(&client).await {
            let facts = (error.kind(), error.attempts(), error.outcome_unknown());
            assert_eq!(facts, (ErrorKind::Connection, 1, false), "{error}");
            let expected = format!("could not connect to 127.0.0.1:9 through the proxy at 127.0.0.1:{port}: ");
            assert!(error.message().starts_with(&expected) && error.message().contains(word), "{error}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let builder = Client::builder().api_key("k").base_url("https://127.0.0.1:9").max_retries(0);
    for error in fail_both(&builder.proxy(format!("http://127.0.0.1:{port}")).build().unwrap()).await {
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Connection, false), "{error}");
        let expected = format!("could not connect to 127.0.0.1:9 through the proxy at 127.0.0.1:{port}: ");
        assert!(error.message().starts_with(&expected) && error.message().contains("refused"), "{error}");
    }
}
