//! Connections without a complete request head are closed, on tokio's paused clock.

use std::time::Duration;

use celper_sandbox::{Options, ProxyOptions, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the connection stays open, and what it sends.
async fn until_closed(stream: &mut TcpStream) -> (Duration, Vec<u8>) {
    let (begun, mut received) = (Instant::now(), Vec::new());
    // A close of a connection with unread bytes is a reset.
    let _ = timeout(Duration::from_secs(600), stream.read_to_end(&mut received)).await.expect("it stays open");
    (begun.elapsed(), received)
}

async fn assert_closed_after_timeout(address: std::net::SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let (elapsed, received) = until_closed(&mut stream).await;
    assert!((HEAD_TIMEOUT..HEAD_TIMEOUT * 2).contains(&elapsed), "{elapsed:?} after {bytes:?}");
    assert_eq!(received, b"");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_complete_head_is_closed() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    for bytes in ["", "GET /_sandbox/health HTTP/1.1\r\nHost: local", "GET / HTTP/1.1\r\nHost: localhost\r\n"] {
        assert_closed_after_timeout(sandbox.address(), bytes.as_bytes()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_tls_handshake_is_closed() {
    let sandbox = Sandbox::start(Options { tls: true, ..Options::default() }).await.unwrap();
    for bytes in [b"".as_slice(), b"\x16\x03\x01"] {
        assert_closed_after_timeout(sandbox.address(), bytes).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_to_the_proxy_without_a_complete_head_is_closed() {
    let options = Options { proxy: Some(ProxyOptions::default()), ..Options::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let address = sandbox.proxy_url().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    for bytes in ["", "CONNECT 127.0.0.1:80 HTTP/1.1\r\n"] {
        assert_closed_after_timeout(address, bytes.as_bytes()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let mut stream = TcpStream::connect(sandbox.address()).await.unwrap();
    stream.write_all(b"GET /_sandbox/health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let (elapsed, received) = until_closed(&mut stream).await;
    assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!((HEAD_TIMEOUT..HEAD_TIMEOUT * 2).contains(&elapsed), "{elapsed:?}");
}
