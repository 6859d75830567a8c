//! Unreachable servers and dead connections.

use std::time::Duration;

use celper::{Client, ErrorKind, JobPositionId};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::test_env::TestEnv;

const BODY: &str = r#"{"success":true,"data":{"status":"rejected"}}"#;

fn response() -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len())
}

fn client(port: u16) -> Client {
    Client::builder().api_key("k").base_url(format!("http://127.0.0.1:{port}")).build().unwrap()
}

#[tokio::test]
async fn a_refused_connection_has_a_known_outcome() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = client(port).reject_candidate("c", JobPositionId("p")).max_retries(1).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.outcome_unknown()), (ErrorKind::Connection, 2, false));
    assert!(error.message().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_host_without_an_address_is_a_connection_error() {
    let client = Client::builder().api_key("k").base_url("https://nowhere.invalid").build().unwrap();
    let error = client.reject_candidate("c", JobPositionId("p")).max_retries(0).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Connection, false), "{error}");
}

#[tokio::test]
async fn a_connection_that_is_never_accepted_has_a_known_outcome() {
    // A full backlog: the handshake of one more connection never completes, or completes but is never read.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        held.push(stream);
    }
    let call = client(address.port()).reject_candidate("c", JobPositionId("p")).max_retries(0);
    let error = call.timeout(Duration::from_millis(300)).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Timeout, false), "{error}");
}

#[tokio::test]
async fn a_closed_idle_connection_does_not_fail_the_call() {
    let env = TestEnv::new().await;
    let id = env.faulty("interviewed", json!({"kind": "close_idle"})).await;
    env.status(&id).await.unwrap();
    env.reject(&id).await.unwrap();
    let requests = env.requests(&id).await;
    assert_ne!(requests[0]["connection"], requests[1]["connection"]);
}

#[tokio::test]
async fn an_idle_connection_that_dies_during_a_request_is_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let mut received = Vec::new();
        // One response on the first connection, which then dies during the second request; one more on the next.
        let (mut first, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        assert!(first.read(&mut buffer).await.unwrap() > 0);
        first.write_all(response().as_bytes()).await.unwrap();
        let read = first.read(&mut buffer).await.unwrap();
        received.push(String::from_utf8_lossy(&buffer[..read]).into_owned());
        drop(first);
        let (mut second, _) = listener.accept().await.unwrap();
        let read = second.read(&mut buffer).await.unwrap();
        received.push(String::from_utf8_lossy(&buffer[..read]).into_owned());
        second.write_all(response().as_bytes()).await.unwrap();
        received
    });
    let client = client(port);
    client.reject_candidate("a", JobPositionId("p")).await.unwrap();
    client.reject_candidate("b", JobPositionId("p")).await.unwrap();
    let received = server.await.unwrap();
    let key =
        |request: &String| request.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).map(str::to_owned);
    assert!(key(&received[0]).is_some() && key(&received[0]) == key(&received[1]), "{received:?}");
}

#[tokio::test]
async fn a_response_that_is_not_http_is_a_connection_error() {
    for garbage in
        ["", "\0\0\0", "HTTP/1.1 abc\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            assert!(stream.read(&mut buffer).await.unwrap() > 0);
            stream.write_all(garbage.as_bytes()).await.unwrap();
        });
        let error = client(port).reject_candidate("c", JobPositionId("p")).max_retries(0).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Connection, true), "{garbage:?}: {error}");
        server.await.unwrap();
    }
}
