//! A sandbox, and a client that sends exact bytes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use celper_sandbox::{DEFAULT_KEY, Options, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// A test that hangs fails after this.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) async fn with_timeout<T>(future: impl Future<Output = T>) -> T {
    timeout(TIMEOUT, future).await.expect("timed out")
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request with the default key.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self::bare(method, target).header("X-API-Key", DEFAULT_KEY)
    }

    pub(crate) fn bare(method: &str, target: &str) -> Self {
        let headers = vec![("Host".to_owned(), "localhost".to_owned())];
        Self { method: method.to_owned(), target: target.to_owned(), headers, body: Vec::new() }
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.headers.retain(|(name, _)| name != "Host");
        self.header("Host", host)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    pub(crate) fn key(self, idempotency_key: &str) -> Self {
        self.header("Idempotency-Key", idempotency_key)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        if !self.body.is_empty() {
            bytes.extend(format!("Content-Length: {}\r\n", self.body.len()).bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

pub(crate) fn status(candidate: &str) -> Request {
    Request::new("GET", &format!("/v1/candidates/{candidate}/status?jobPositionId=pos"))
}

pub(crate) fn action(operation: &str, candidate: &str) -> Request {
    Request::new("POST", &format!("/v1/candidates/{candidate}/{operation}")).json(&json!({"jobPositionId": "pos"}))
}

pub(crate) fn invite(candidate: &str) -> Request {
    action("invite", candidate)
}

#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> i64 {
        self.header(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).parse().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()["data"].clone()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error code in {self:?}")).to_owned()
    }

    pub(crate) fn refused(&self) -> (u16, String) {
        (self.status, self.code())
    }

    /// The `Date` header as a Unix second.
    pub(crate) fn date(&self) -> i64 {
        let date = httpdate::parse_http_date(self.header("date").unwrap()).unwrap();
        date.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
    }
}

/// A connection that reads and writes exact bytes.
pub(crate) struct Connection<S = TcpStream> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, request: &Request) {
        self.stream.write_all(&request.bytes()).await.unwrap();
    }

    pub(crate) async fn call(&mut self, request: &Request) -> Response {
        self.send(request).await;
        self.response().await
    }

    async fn more(&mut self) -> io::Result<usize> {
        with_timeout(self.stream.read_buf(&mut self.buffer)).await
    }

    /// Status and headers of the next response.
    pub(crate) async fn head(&mut self) -> Response {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            assert_ne!(self.more().await.unwrap(), 0, "closed before a complete head: {:?}", self.buffer);
        };
        let rest = self.buffer.split_off(end + 4);
        let head = String::from_utf8(std::mem::replace(&mut self.buffer, rest)).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Response { status, headers, body: Vec::new() }
    }

    /// The next complete response, which must have a length.
    pub(crate) async fn response(&mut self) -> Response {
        let mut response = self.head().await;
        let length = response.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.buffer.len() < length {
            assert_ne!(self.more().await.unwrap(), 0, "closed before a complete body: {response:?}");
        }
        let rest = self.buffer.split_off(length);
        response.body = std::mem::replace(&mut self.buffer, rest);
        response
    }

    /// Everything until the other side closes, and the error if the connection was reset.
    pub(crate) async fn until_closed(&mut self) -> (Vec<u8>, io::Result<()>) {
        loop {
            match self.more().await {
                Ok(0) => return (std::mem::take(&mut self.buffer), Ok(())),
                Ok(_) => {}
                Err(error) => return (std::mem::take(&mut self.buffer), Err(error)),
            }
        }
    }

    /// At least this many of the next bytes.
    pub(crate) async fn at_least(&mut self, length: usize) -> &[u8] {
        while self.buffer.len() < length {
            assert_ne!(self.more().await.unwrap(), 0, "closed too early");
        }
        &self.buffer
    }
}

pub(crate) struct TestEnv {
    pub(crate) sandbox: Sandbox,
}

impl TestEnv {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        Self { sandbox: Sandbox::start(options).await.unwrap() }
    }

    pub(crate) async fn open(&self) -> Connection {
        Connection::open(self.sandbox.address()).await
    }

    pub(crate) async fn call(&self, request: &Request) -> Response {
        self.open().await.call(request).await
    }

    /// Sends a control request, which must succeed.
    pub(crate) async fn control(&self, method: &str, name: &str, body: Value) -> Value {
        let response = self.try_control(method, name, body).await;
        assert!(response.status < 300, "{method} {name}: {}", String::from_utf8_lossy(&response.body));
        response.json()
    }

    pub(crate) async fn try_control(&self, method: &str, name: &str, body: Value) -> Response {
        let request = Request::bare(method, &format!("/_sandbox/{name}"));
        self.call(&if body.is_null() { request } else { request.json(&body) }).await
    }

    pub(crate) async fn get(&self, name: &str) -> Value {
        self.control("GET", name, Value::Null).await
    }

    /// A candidate for the position `pos`.
    pub(crate) async fn candidate(&self, id: &str, status: &str, viewed: bool) {
        let described = json!({"candidateId": id, "jobPositionId": "pos", "status": status, "analysisViewed": viewed});
        self.control("POST", "candidates", described).await;
    }

    pub(crate) async fn fault(&self, fault: Value) {
        self.control("POST", "faults", fault).await;
    }

    pub(crate) async fn advance(&self, seconds: f64) {
        self.control("POST", "clock", json!({"advanceSeconds": seconds})).await;
    }

    /// The candidate's status, read from the control endpoint.
    pub(crate) async fn status_of(&self, id: &str) -> String {
        let all = self.get("candidates").await;
        let found = all.as_array().unwrap().iter().find(|shown| shown["candidateId"] == id).unwrap();
        found["status"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn requests(&self) -> Vec<Value> {
        self.get("requests").await.as_array().unwrap().clone()
    }

    pub(crate) async fn last_request(&self) -> Value {
        self.requests().await.pop().expect("no request was logged")
    }

    /// Waits until the last request meets the condition, which can be after its response.
    pub(crate) async fn wait_for_last(&self, condition: impl Fn(&Value) -> bool) -> Value {
        with_timeout(async {
            loop {
                if let Some(last) = self.requests().await.pop().filter(&condition) {
                    return last;
                }
                sleep(Duration::from_millis(2)).await;
            }
        })
        .await
    }
}
