//! `celper-bench serve` is the server that all clients of all languages call; `celper-bench client NAME URL` is one of the
//! Rust clients, in a process of its own, that makes the calls which the runner asks for.
//!
//! `make bench-rust` runs it. See the README beside it for what is measured.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use celper_bench::clients::{Calls, Celper, Failed, Operation};
use celper_bench::protocol::{Request, Spent, forget_peak, resident_bytes, write};
use celper_bench::{by_hyper, by_reqwest, server};
use serde_json::json;
use tokio::runtime::{Builder, Handle, Runtime};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => runtime.block_on(async {
            println!("http://{}", server::start().await?);
            stdout().flush()?;
            std::future::pending().await
        }),
        ["client", "celper", url] => {
            Rounds { paced: Some(Celper::paced(url)?), ..Rounds::of(runtime, || Celper::new(url))? }.serve()
        }
        ["client", "reqwest", url] => Rounds::of(runtime, || by_reqwest::ByReqwest::new(url))?.serve(),
        ["client", "hyper", url] => Rounds::of(runtime, || by_hyper::ByHyper::new(url))?.serve(),
        _ => Err("usage: celper-bench serve | celper-bench client celper|reqwest|hyper URL".into()),
    }
}

/// A client that has made its first call.
struct Rounds<C> {
    runtime: Runtime,
    client: C,
    paced: Option<C>,
}

impl<C: Calls> Rounds<C> {
    fn of(runtime: Runtime, make: impl FnOnce() -> Outcome<C>) -> Outcome<Self> {
        let start = Instant::now();
        let client = make()?;
        let load_us = start.elapsed().as_secs_f64() * 1e6;
        runtime.block_on(client.call(Operation::Status))?;
        let started: f64 = std::env::var("BENCH_STARTED")?.parse()?;
        let first_us = (SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() - started) * 1e6;
        write(&json!({"load_us": load_us, "first_us": first_us}));
        Ok(Rounds { runtime, client, paced: None })
    }

    fn serve(self) -> Outcome<()> {
        // No lock on standard input is kept: `held` reads from it too.
        let mut line = String::new();
        while stdin().read_line(&mut line)? > 0 {
            let request: Request = serde_json::from_str(&line)?;
            line.clear();
            let client = if request.paced { self.paced.as_ref().unwrap_or(&self.client) } else { &self.client };
            if request.operation == Operation::Held {
                self.held(request.calls)?;
                continue;
            }
            forget_peak()?;
            let start = Spent::now();
            if request.threads > 1 {
                on_threads(self.runtime.handle(), client, &request)?;
            } else {
                self.runtime.block_on(in_flight(client, request.operation, request.calls, request.in_flight))?;
            }
            write(&start.answer(request.calls)?);
        }
        Ok(())
    }

    /// Has so many calls in flight that the server leaves unanswered, and says what memory each of them takes.
    fn held(&self, calls: usize) -> Outcome<()> {
        let before = resident_bytes()?;
        let client = self.client.clone();
        let all = self.runtime.spawn(async move { in_flight(&client, Operation::Held, calls, calls).await });
        // The runner says when all have arrived, and lets them go later.
        stdin().read_line(&mut String::new())?;
        write(&json!({"calls": calls, "bytes": resident_bytes()?.saturating_sub(before) as f64 / calls as f64}));
        self.runtime.block_on(all)??;
        write(&json!({"calls": calls}));
        Ok(())
    }
}

async fn in_flight<C: Calls>(client: &C, operation: Operation, calls: usize, callers: usize) -> Result<(), Failed> {
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let client = client.clone();
            let each = calls / callers;
            tokio::spawn(async move {
                for _ in 0..each {
                    client.call(operation).await?;
                }
                Ok::<(), Failed>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await.map_err(|error| error.to_string())??;
    }
    Ok(())
}

fn on_threads<C: Calls>(runtime: &Handle, client: &C, request: &Request) -> Result<(), Failed> {
    let each = request.calls / request.threads;
    thread::scope(|scope| {
        let caller = move || (0..each).try_for_each(|_| runtime.block_on(client.call(request.operation)));
        let threads: Vec<_> = (0..request.threads).map(|_| scope.spawn(caller)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
    })
}
