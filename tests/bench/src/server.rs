//! The loopback server of the benchmarks: it finds the end of each request and sends a prepared response.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const STATE: &str = r#"{"success":true,"requestId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","data":{"status":"interviewed","analysisViewed":true,"interviewScore":85}}"#;
const INVITATION: &str = r#"{"success":true,"requestId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","data":{"invited":true,"sessionId":"sess_abc123","emailDelivery":"pending","expiresAt":"2026-04-18T08:00:00.000Z"}}"#;
const SELECTED: &str =
    r#"{"success":true,"requestId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","data":{"status":"selected"}}"#;
const REJECTED: &str =
    r#"{"success":true,"requestId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","data":{"status":"rejected"}}"#;
const NOT_FOUND: &str = r#"{"success":false,"error":"NOT_FOUND","message":"No such candidate.","requestId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890"}"#;

/// A candidate that the server does not know.
pub const UNKNOWN: &str = "unknown";

/// A candidate whose responses wait for a request to `/release`; `/waiting` returns how many are waiting.
pub const HELD: &str = "held";

static WAITING: AtomicUsize = AtomicUsize::new(0);
static RELEASED: Notify = Notify::const_new();

/// Serves the four routes on a free port until the runtime ends.
///
/// # Errors
///
/// If no port is available.
pub async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    Ok(address)
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let responses = [(STATE, 200), (INVITATION, 200), (SELECTED, 200), (REJECTED, 200), (NOT_FOUND, 404)]
        .map(|(body, status)| response(body, status));
    let mut read = Vec::with_capacity(16 * 1024);
    loop {
        while let Some(length) = whole_request(&read) {
            let request = read.get(..length).unwrap_or_default();
            let [state, invitation, selected, rejected, not_found] = &responses;
            let path = request.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
            if contains(path, HELD.as_bytes()) {
                let released = RELEASED.notified();
                WAITING.fetch_add(1, Ordering::Relaxed);
                released.await;
                WAITING.fetch_sub(1, Ordering::Relaxed);
            }
            let response = match path {
                b"/waiting" => &response(&WAITING.load(Ordering::Relaxed).to_string(), 200),
                b"/release" => {
                    RELEASED.notify_waiters();
                    &response("{}", 200)
                }
                path if contains(path, UNKNOWN.as_bytes()) => not_found,
                path if contains(path, b"/status") => state,
                path if path.ends_with(b"/invite") => invitation,
                path if path.ends_with(b"/reject") => rejected,
                _ => selected,
            };
            stream.write_all(response.as_bytes()).await?;
            read.drain(..length);
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
}

fn response(body: &str, status: u16) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nX-Request-Id: a1b2c3d4-e5f6-7890-abcd-ef1234567890\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The length of the first request, once it is complete.
fn whole_request(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(read.get(..head)?).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = head + length.unwrap_or(0);
    (read.len() >= whole).then_some(whole)
}

/// Starts the server in a new thread, where it runs until the process ends, and returns the base URL.
///
/// # Panics
///
/// If there is no port or the thread cannot be started.
#[allow(clippy::unwrap_used)]
pub fn start_in_thread() -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(start().await.unwrap()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    format!("http://{}", receiver.recv().unwrap())
}
