//! Servers that are written byte by byte: for what no proper HTTP server does.

use std::future::Future;
use std::time::Duration;

use celper::{Client, ClientBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

const REJECTED: &str = r#"{"success":true,"data":{"status":"rejected","analysisViewed":true}}"#;

/// A success of a read or a rejection.
pub(crate) fn success() -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{REJECTED}", REJECTED.len())
}

/// A client without pacing.
pub(crate) fn builder(port: u16) -> ClientBuilder {
    Client::builder().api_key("k").base_url(format!("http://127.0.0.1:{port}")).rate_limits(None)
}

/// Serves each connection, the first of which has the number 0, until the test ends. Returns the port.
pub(crate) async fn serve<F>(handle: impl Fn(usize, TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(handle(number, stream));
        }
    });
    port
}

/// The next request's head and body; `None` when the connection ends before.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut received = Vec::new();
    loop {
        if let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if received.len() >= end + 4 + length {
                return Some(String::from_utf8(received).unwrap());
            }
        }
        if stream.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    }
}

/// Responds to every request of a connection.
pub(crate) async fn respond_to_all(mut stream: TcpStream) {
    while read_request(&mut stream).await.is_some() {
        if stream.write_all(success().as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads requests and never responds.
pub(crate) async fn ignore_all(mut stream: TcpStream) {
    while read_request(&mut stream).await.is_some() {}
}

/// A listener with a full backlog: the handshake of one more connection never completes.
pub(crate) struct FullListener {
    pub(crate) port: u16,
    _listener: TcpListener,
    _held: Vec<TcpStream>,
}

impl FullListener {
    pub(crate) async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut held = Vec::new();
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            held.push(stream);
        }
        FullListener { port: address.port(), _listener: listener, _held: held }
    }
}
