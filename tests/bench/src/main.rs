//! `celper-bench serve` runs the server that the clients of all languages call. `celper-bench client NAME URL` runs one of the
//! Rust clients, which makes the calls that the runner requests.
//!
//! `make bench-rust` runs it. See this crate's README for what is measured.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use celper_bench::clients::{CallError, Calls, Celper, Operation};
use celper_bench::hyper_client::HyperClient;
use celper_bench::protocol::{Request, Usage, reset_peak, resident_bytes, write};
use celper_bench::reqwest_client::ReqwestClient;
use celper_bench::server;
use serde_json::json;
use tokio::runtime::{Builder, Handle, Runtime};

type BoxResult<T> = Result<T, Box<dyn Error>>;

fn main() -> BoxResult<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => runtime.block_on(async {
            println!("http://{}", server::start().await?);
            stdout().flush()?;
            std::future::pending().await
        }),
        ["client", "celper", url] => {
            Worker { paced: Some(Celper::paced(url)?), ..Worker::start(runtime, || Celper::new(url))? }.serve()
        }
        ["client", "reqwest", url] => Worker::start(runtime, || ReqwestClient::new(url))?.serve(),
        ["client", "hyper", url] => Worker::start(runtime, || HyperClient::new(url))?.serve(),
        _ => Err("usage: celper-bench serve | celper-bench client celper|reqwest|hyper URL".into()),
    }
}

/// A client that has made its first call.
struct Worker<C> {
    runtime: Runtime,
    client: C,
    paced: Option<C>,
}

impl<C: Calls> Worker<C> {
    fn start(runtime: Runtime, make: impl FnOnce() -> BoxResult<C>) -> BoxResult<Self> {
        let start = Instant::now();
        let client = make()?;
        let load_us = start.elapsed().as_secs_f64() * 1e6;
        runtime.block_on(client.call(Operation::Status))?;
        let started: f64 = std::env::var("BENCH_STARTED")?.parse()?;
        let first_us = (SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() - started) * 1e6;
        write(&json!({"load_us": load_us, "first_us": first_us}));
        Ok(Worker { runtime, client, paced: None })
    }

    fn serve(self) -> BoxResult<()> {
        // Standard input is not locked, because `held` reads from it too.
        let mut line = String::new();
        while stdin().read_line(&mut line)? > 0 {
            let request: Request = serde_json::from_str(&line)?;
            line.clear();
            let client = if request.paced { self.paced.as_ref().unwrap_or(&self.client) } else { &self.client };
            if request.operation == Operation::Held {
                self.held(request.calls)?;
                continue;
            }
            reset_peak()?;
            let start = Usage::now();
            if request.threads > 1 {
                on_threads(self.runtime.handle(), client, &request)?;
            } else {
                self.runtime.block_on(in_flight(client, request.operation, request.calls, request.in_flight))?;
            }
            write(&start.per_call(request.calls)?);
        }
        Ok(())
    }

    /// Measures the memory of each of a number of calls for which the server withholds its responses.
    fn held(&self, calls: usize) -> BoxResult<()> {
        let before = resident_bytes()?;
        let client = self.client.clone();
        let all = self.runtime.spawn(async move { in_flight(&client, Operation::Held, calls, calls).await });
        // The runner writes a line when all calls have arrived, and releases them later.
        stdin().read_line(&mut String::new())?;
        write(&json!({"calls": calls, "bytes": resident_bytes()?.saturating_sub(before) as f64 / calls as f64}));
        self.runtime.block_on(all)??;
        write(&json!({"calls": calls}));
        Ok(())
    }
}

async fn in_flight<C: Calls>(client: &C, operation: Operation, calls: usize, callers: usize) -> Result<(), CallError> {
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let client = client.clone();
            let each = calls / callers;
            tokio::spawn(async move {
                for _ in 0..each {
                    client.call(operation).await?;
                }
                Ok::<(), CallError>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await.map_err(|error| error.to_string())??;
    }
    Ok(())
}

fn on_threads<C: Calls>(runtime: &Handle, client: &C, request: &Request) -> Result<(), CallError> {
    let each = request.calls / request.threads;
    thread::scope(|scope| {
        let caller = move || (0..each).try_for_each(|_| runtime.block_on(client.call(request.operation)));
        let threads: Vec<_> = (0..request.threads).map(|_| scope.spawn(caller)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
    })
}
