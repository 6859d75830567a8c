//! A small HTTP forward proxy, so that clients can be tested through one: absolute-form requests and `CONNECT`.
//!
//! It parses only the head of the first request on a connection and copies all other bytes, so that faults pass through
//! unchanged. It connects to this machine only.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::Uri;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::bounded::BoundedQueue;
use crate::options::ProxyOptions;
use crate::server::HEAD_TIMEOUT;

const MAX_HEAD: usize = 64 * 1024;
const MAX_ENTRIES: usize = 10_000;
const MAX_LOG_BYTES: usize = 8 * 1024 * 1024;
/// An estimate of what an entry and each of its headers need beyond their texts.
const OVERHEAD: usize = 128;

/// One request that reached the proxy.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ProxyEntry {
    method: String,
    /// `host:port` of a CONNECT, else the absolute URL.
    target: String,
    header: BTreeMap<String, String>,
    /// Whether the proxy forwarded it.
    forwarded: bool,
    /// The status that the proxy itself sent, if any: 200 to a CONNECT, or an error.
    answered: Option<u16>,
}

/// The latest requests that reached the proxy; the oldest are dropped beyond either bound.
#[derive(Debug)]
pub(crate) struct ProxyLog(Mutex<BoundedQueue<ProxyEntry>>);

impl Default for ProxyLog {
    fn default() -> Self {
        Self(Mutex::new(BoundedQueue::new(MAX_ENTRIES, MAX_LOG_BYTES)))
    }
}

impl ProxyLog {
    fn entries(&self) -> MutexGuard<'_, BoundedQueue<ProxyEntry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, head: &Head, forwarded: bool, answered: Option<u16>) {
        let headers: usize = head.headers.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum();
        let size = OVERHEAD + head.method.len() + head.target.len() + headers;
        let header = head.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let (method, target) = (head.method.clone(), head.target.clone());
        self.entries().push(size, ProxyEntry { method, target, header, forwarded, answered });
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!(self.entries().iter().collect::<Vec<_>>())
    }

    pub(crate) fn clear(&self) -> usize {
        self.entries().clear()
    }
}

struct Head {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    /// What was read beyond the head.
    rest: Vec<u8>,
}

pub(crate) async fn serve(mut client: TcpStream, options: &ProxyOptions, log: &ProxyLog) -> io::Result<()> {
    let Some(head) = timeout(HEAD_TIMEOUT, read_head(&mut client)).await?? else { return Ok(()) };
    if !is_authorized(&head, options) {
        log.push(&head, false, Some(407));
        return refuse(
            &mut client,
            "407 Proxy Authentication Required",
            "the proxy requires credentials in Proxy-Authorization",
        )
        .await;
    }
    let connect = head.method == "CONNECT";
    let Some((host, port, origin_form)) = destination(&head) else {
        log.push(&head, false, Some(400));
        return refuse(&mut client, "400 Bad Request", "the target must be an absolute http URL or host:port").await;
    };
    if !is_this_machine(&host) {
        log.push(&head, false, Some(403));
        return refuse(&mut client, "403 Forbidden", "this proxy connects to the local machine only").await;
    }
    let Ok(mut server) = TcpStream::connect((host.as_str(), port)).await else {
        log.push(&head, false, Some(502));
        return refuse(&mut client, "502 Bad Gateway", "the proxy cannot connect to the target").await;
    };
    server.set_nodelay(true)?;
    if connect {
        log.push(&head, true, Some(200));
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        log.push(&head, true, None);
        server.write_all(rewrite(&head, &origin_form).as_bytes()).await?;
    }
    server.write_all(&head.rest).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn read_head(client: &mut TcpStream) -> io::Result<Option<Head>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > MAX_HEAD || client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let rest = bytes.split_off(end + 4);
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
    let mut lines = text.split("\r\n");
    let mut request_line = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (request_line.next(), request_line.next()) else { return Ok(None) };
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Ok(Some(Head { method: method.to_owned(), target: target.to_owned(), headers, rest }))
}

fn is_authorized(head: &Head, options: &ProxyOptions) -> bool {
    let Some(credentials) = &options.credentials else { return true };
    let wanted = format!("Basic {}", BASE64_STANDARD.encode(credentials));
    head.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && *value == wanted)
}

/// The target's host and port, and the request target in origin form.
fn destination(head: &Head) -> Option<(String, u16, String)> {
    let uri: Uri = head.target.parse().ok()?;
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    if head.method == "CONNECT" {
        return Some((host, uri.port_u16()?, String::new()));
    }
    // Path and query are forwarded byte for byte.
    let after_scheme = head.target.strip_prefix("http://")?;
    let origin_form = after_scheme.find(['/', '?']).and_then(|start| after_scheme.get(start..)).unwrap_or("/");
    Some((host, uri.port_u16().unwrap_or(80), origin_form.to_owned()))
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The head for the server: in origin form, without the headers for the proxy. One request per connection, since only the
/// first head is parsed.
fn rewrite(head: &Head, origin_form: &str) -> String {
    let mut text = format!("{} {origin_form} HTTP/1.1\r\n", head.method);
    for (name, value) in &head.headers {
        let hop_by_hop = ["proxy-authorization", "proxy-connection", "connection"];
        if !hop_by_hop.iter().any(|header| name.eq_ignore_ascii_case(header)) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    text.push_str("Connection: close\r\n\r\n");
    text
}

async fn refuse(client: &mut TcpStream, status: &str, why: &str) -> io::Result<()> {
    let challenge =
        if status.starts_with("407") { "Proxy-Authenticate: Basic realm=\"celper-sandbox\"\r\n" } else { "" };
    let length = why.len();
    let response = format!(
        "HTTP/1.1 {status}\r\n{challenge}Content-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{why}"
    );
    client.write_all(response.as_bytes()).await?;
    client.shutdown().await
}
