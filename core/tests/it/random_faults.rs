//! Many calls to a server that fails at random: what callers are told must agree with what the server did.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use celper::{Client, ErrorKind, JobPositionId};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::raw_server::{builder, read_request, success};

const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(250);

/// What callers were told, compared with what the server did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: usize,
    pub(crate) requests: usize,
    pub(crate) responses_408: usize,
    pub(crate) successes: usize,
    pub(crate) errors: usize,
    /// Errors that say that the outcome is unknown, of candidates on whom the server did not act: allowed.
    pub(crate) unknown_without_action: usize,
    /// Errors that say that nothing happened, although the server acted.
    pub(crate) wrongly_known: usize,
    /// Successes, although the server did not act.
    pub(crate) wrongly_successful: usize,
    /// Candidates on whom the server acted under more than one idempotency key.
    pub(crate) double_actions: usize,
    /// Reads with an unknown outcome.
    pub(crate) unknown_reads: usize,
}

impl Tally {
    pub(crate) fn wrong(&self) -> usize {
        self.wrongly_known + self.wrongly_successful + self.double_actions + self.unknown_reads
    }
}

/// A small generator of random numbers (SplitMix64), so that a seed gives the same faults.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The service: acts once for each idempotency key.
#[derive(Default)]
struct Service {
    /// The idempotency keys under which each candidate was acted on.
    actions: Mutex<HashMap<String, HashSet<String>>>,
    requests: AtomicUsize,
    responses_408: AtomicUsize,
    /// Requests that are acted on after their client has stopped waiting.
    late: AtomicUsize,
}

impl Service {
    fn act(&self, request: &str) {
        let path = request.split(' ').nth(1).unwrap();
        let candidate = path.split('/').rev().nth(1).unwrap().to_owned();
        let key = request.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
        if let Some(key) = key {
            self.actions.lock().unwrap().entry(candidate).or_default().insert(key.to_owned());
        }
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream, mut random: Random) {
        if random.below(100) == 0 {
            // Closed before any request is read.
            reset_if(random.below(2) == 0, &stream);
            return;
        }
        while let Some(request) = read_request(&mut stream).await {
            self.requests.fetch_add(1, Ordering::Relaxed);
            let acts_first = random.below(2) == 0;
            if acts_first {
                self.act(&request);
            }
            let act_and = |response: String| {
                self.act(&request);
                response
            };
            let fault = random.below(100);
            let (response, closes) = match fault {
                0..50 => (act_and(success()), false),
                50..60 => {
                    // Nothing, or the beginning of a response.
                    let part = ["", "HTTP/1.", "HTTP/1.1 200 OK\r\nContent-Le"][random.below(3) as usize];
                    let _ = stream.write_all(part.as_bytes()).await;
                    reset_if(random.below(2) == 0, &stream);
                    return;
                }
                60..66 => {
                    self.responses_408.fetch_add(1, Ordering::Relaxed);
                    ("HTTP/1.0 408 Request Time-out\r\nConnection: close\r\n\r\n".to_owned(), true)
                }
                66..70 => {
                    self.responses_408.fetch_add(1, Ordering::Relaxed);
                    ("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n".to_owned(), random.below(2) == 0)
                }
                70..75 => {
                    let whole = act_and(success());
                    (whole[..whole.len() - 1 - random.below(40) as usize].to_owned(), true)
                }
                75..83 => {
                    let status = [500, 502, 503, 504][random.below(4) as usize];
                    (format!("HTTP/1.1 {status} Error\r\nContent-Length: 4\r\n\r\noops"), random.below(2) == 0)
                }
                83..89 => {
                    // The connection dies soon after the response, sometimes with a 408 of a load balancer.
                    if stream.write_all(act_and(success()).as_bytes()).await.is_err() {
                        return;
                    }
                    sleep(Duration::from_micros(random.below(1_500))).await;
                    if random.below(2) == 0 {
                        self.responses_408.fetch_add(1, Ordering::Relaxed);
                        ("HTTP/1.0 408 Request Time-out\r\nConnection: close\r\n\r\n".to_owned(), true)
                    } else {
                        reset_if(random.below(2) == 0, &stream);
                        return;
                    }
                }
                89..92 => {
                    // Acts after the client has stopped waiting.
                    self.late.fetch_add(1, Ordering::SeqCst);
                    sleep(ATTEMPT_TIMEOUT + Duration::from_millis(random.below(60))).await;
                    let response = act_and(success());
                    self.late.fetch_sub(1, Ordering::SeqCst);
                    (response, false)
                }
                92..94 => {
                    let whole = act_and(success());
                    let _ = stream.write_all(&whole.as_bytes()[..whole.len() - 9]).await;
                    sleep(2 * ATTEMPT_TIMEOUT).await;
                    return;
                }
                // What the service refuses it has not acted on, unless under this key before.
                94..96 if !acts_first => ("HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n".to_owned(), false),
                96..98 if !acts_first => ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(), true),
                98..99 if !acts_first => {
                    ("HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n".to_owned(), false)
                }
                _ => (act_and(success()), true),
            };
            if stream.write_all(response.as_bytes()).await.is_err() || closes {
                return;
            }
        }
    }
}

/// Closing the stream sends a RST instead of a FIN.
fn reset_if(reset: bool, stream: &TcpStream) {
    if reset {
        stream.set_zero_linger().unwrap();
    }
}

/// Makes this many calls, a tenth of them reads, of which so many at a time.
pub(crate) async fn run(calls: usize, at_a_time: usize, seed: u64) -> Tally {
    let service = Arc::new(Service::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn({
        let service = Arc::clone(&service);
        async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(Arc::clone(&service).serve(stream, Random(seed + number * 1_000_003)));
            }
        }
    });
    let client = builder(port).attempt_timeout(ATTEMPT_TIMEOUT).build().unwrap();
    let running = Arc::new(Semaphore::new(at_a_time));
    let tasks: Vec<_> = (0..calls)
        .map(|number| {
            let (client, running) = (client.clone(), Arc::clone(&running));
            tokio::spawn(async move {
                let _running = running.acquire_owned().await.unwrap();
                call(&client, number).await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    while service.late.load(Ordering::SeqCst) > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    server.abort();
    let mut tally = Tally {
        calls,
        requests: service.requests.load(Ordering::Relaxed),
        responses_408: service.responses_408.load(Ordering::Relaxed),
        ..Tally::default()
    };
    let actions = service.actions.lock().unwrap();
    for (number, result) in results.into_iter().enumerate() {
        let keys = actions.get(&candidate(number)).map_or(0, HashSet::len);
        tally.double_actions += usize::from(keys > 1);
        match result {
            Ok(()) => {
                tally.successes += 1;
                tally.wrongly_successful += usize::from(!is_read(number) && keys == 0);
            }
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::Internal, "{error}");
                tally.errors += 1;
                if is_read(number) {
                    tally.unknown_reads += usize::from(error.outcome_unknown());
                } else {
                    tally.wrongly_known += usize::from(!error.outcome_unknown() && keys > 0);
                    tally.unknown_without_action += usize::from(error.outcome_unknown() && keys == 0);
                }
            }
        }
    }
    tally
}

fn is_read(number: usize) -> bool {
    number.is_multiple_of(10)
}

fn candidate(number: usize) -> String {
    format!("c{number}")
}

async fn call(client: &Client, number: usize) -> Result<(), celper::Error> {
    let (candidate, position) = (candidate(number), JobPositionId("p"));
    // Without retries, every failure is told.
    let max_retries = if number.is_multiple_of(3) { 0 } else { 2 };
    if is_read(number) {
        client.get_candidate_status(candidate, position).max_retries(max_retries).await.map(drop)
    } else {
        client.reject_candidate(candidate, position).max_retries(max_retries).await.map(drop)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_callers_are_told_agrees_with_what_the_server_did() {
    let tally = run(1_000, 300, 1).await;
    assert!(tally.wrong() == 0 && tally.successes > 300 && tally.errors > 100, "{tally:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half a minute"]
async fn what_callers_are_told_agrees_with_what_the_server_did_in_many_calls() {
    let tally = run(24_000, 300, 2).await;
    assert!(tally.wrong() == 0 && tally.successes > 7_200 && tally.errors > 2_400, "{tally:#?}");
    assert!(tally.responses_408 > 2_000 && tally.requests > tally.calls, "{tally:#?}");
    println!("{tally:#?}");
}
