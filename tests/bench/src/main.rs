//! The Rust client beside bare reqwest, on one loopback server, alternating, in one run.
//!
//! `make bench-rust` runs it. Figures are per call; ratios are of medians over the rounds, celper to bare reqwest. CPU time
//! is this process's: the server has a process of its own.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use celper::{Client, ErrorKind, JobPositionId, RateLimits};
use celper_bench::{by_hand, server};
use rustix::time::{ClockId, clock_gettime};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 9;
const CALLS: usize = 6_000;
const POSITION: &str = "pos_abc123";
const KEY: &str = "celp_0123456789abcdef0123456789abcdef";

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return runtime.block_on(async {
            println!("http://{}", server::start().await?);
            stdout().flush()?;
            std::future::pending().await
        });
    }
    let server = Server::start()?;
    runtime.block_on(compare(&server.base_url))
}

/// The server, in a process of its own, until it is dropped.
struct Server {
    process: Child,
    base_url: String,
}

impl Server {
    fn start() -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?).arg("serve").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or("the server has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        Ok(Server { process, base_url: line.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Clone, Copy)]
enum Load {
    Status,
    Invite,
    NotFound,
}

/// One of the two clients that are compared.
#[derive(Clone)]
enum Peer {
    Celper(Client),
    Bare(reqwest::Client, String),
}

impl Peer {
    async fn call(&self, load: Load, body: &str) -> Result<(), String> {
        let id = if matches!(load, Load::NotFound) { server::UNKNOWN } else { "cand_xyz789" };
        match (self, load) {
            (Peer::Celper(client), Load::Status) => {
                let state = client.get_candidate_status(id, JobPositionId(POSITION)).await;
                (state.map_err(|error| error.to_string())?.interview_score == Some(85.0)).then_some(())
            }
            (Peer::Celper(client), Load::Invite) => {
                let invitation = client.invite_candidate(id, JobPositionId(POSITION)).email_body(body).await;
                invitation.map_err(|error| error.to_string())?.invited.then_some(())
            }
            (Peer::Celper(client), Load::NotFound) => {
                let state = client.get_candidate_status(id, JobPositionId(POSITION)).await;
                matches!(state, Err(error) if error.kind() == ErrorKind::NotFound).then_some(())
            }
            (Peer::Bare(client, url), Load::Status) => {
                let state = by_hand::status(client, url, id, POSITION).await.map_err(|error| error.to_string())?;
                (state.success && state.data.interview_score == Some(85.0)).then_some(())
            }
            (Peer::Bare(client, url), Load::Invite) => {
                let sent = by_hand::invite(client, url, id, POSITION, body).await.map_err(|error| error.to_string())?;
                sent.data.invited.then_some(())
            }
            (Peer::Bare(client, url), Load::NotFound) => {
                let status = by_hand::status(client, url, id, POSITION).await;
                status.is_err().then_some(())
            }
        }
        .ok_or_else(|| "the answer is not the expected one".to_owned())
    }
}

/// Wall and CPU time of one call.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or_default());
    seconds + Duration::from_nanos(u64::try_from(now.tv_nsec).unwrap_or_default())
}

async fn round(peer: &Peer, load: Load, in_flight: usize, body: &str) -> Outcome<Cost> {
    let (wall, cpu) = (Instant::now(), cpu_time());
    let callers: Vec<_> = (0..in_flight)
        .map(|_| {
            let (peer, body) = (peer.clone(), body.to_owned());
            tokio::spawn(async move {
                for _ in 0..CALLS / in_flight {
                    peer.call(load, &body).await?;
                }
                Ok::<(), String>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    let per_call = |time: Duration| time.as_secs_f64() * 1e6 / CALLS as f64;
    Ok(Cost { wall: per_call(wall.elapsed()), cpu: per_call(cpu_time() - cpu) })
}

fn median(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<f64> = costs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

async fn compare(base_url: &str) -> Outcome<()> {
    let body = "x".repeat(1_000);
    let celper = |limits: Option<RateLimits>| -> Outcome<Peer> {
        Ok(Peer::Celper(Client::builder().api_key(KEY).base_url(base_url).rate_limits(limits).build()?))
    };
    let bare = Peer::Bare(by_hand::client(KEY)?, base_url.to_owned());
    let unpaced = celper(None)?;
    let most = RateLimits { reads: 100_000_000, actions: 100_000_000, total: 200_000_000, ..RateLimits::default() };
    let other_url = base_url.replace("127.0.0.1", "localhost");
    let paced = Peer::Celper(Client::builder().api_key(KEY).base_url(other_url).rate_limits(most).build()?);
    println!(
        "{:42} {:>10} {:>10} {:>10} {:>10} {:>7} {:>7}",
        "µs a call", "wall", "cpu", "bare wall", "bare cpu", "wall ×", "cpu ×"
    );
    for (name, peer, load, in_flight) in [
        ("status, one after another", &unpaced, Load::Status, 1),
        ("status, 64 in flight", &unpaced, Load::Status, 64),
        ("invite with 1 KB, one after another", &unpaced, Load::Invite, 1),
        ("invite with 1 KB, 64 in flight", &unpaced, Load::Invite, 64),
        ("404 into a typed error, 64 in flight", &unpaced, Load::NotFound, 64),
        ("status, 64 in flight, pacing on", &paced, Load::Status, 64),
    ] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for turn in 0..=ROUNDS {
            let (our, their) =
                (round(peer, load, in_flight, &body).await?, round(&bare, load, in_flight, &body).await?);
            // The first round warms connections and caches up.
            if turn > 0 {
                ours.push(our);
                theirs.push(their);
            }
        }
        let [wall, cpu] = [median(&ours, |cost| cost.wall), median(&ours, |cost| cost.cpu)];
        let [bare_wall, bare_cpu] = [median(&theirs, |cost| cost.wall), median(&theirs, |cost| cost.cpu)];
        println!(
            "{name:42} {wall:10.1} {cpu:10.1} {bare_wall:10.1} {bare_cpu:10.1} {:7.2} {:7.2}",
            wall / bare_wall,
            cpu / bare_cpu
        );
    }
    Ok(())
}
