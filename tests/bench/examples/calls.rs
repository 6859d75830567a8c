//! A number of calls by one client, for a profiler: `calls celper|reqwest|hyper N`, with the server in a thread.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use celper_bench::by_hyper::ByHyper;
use celper_bench::by_reqwest::ByReqwest;
use celper_bench::clients::{Calls, Celper, Operation};
use celper_bench::server;
use tokio::runtime::Builder;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let count: usize = arguments.get(2).and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let url = server::in_a_thread();
    match arguments.get(1).map(String::as_str) {
        Some("hyper") => make(&ByHyper::new(&url).unwrap(), count),
        Some("reqwest") => make(&ByReqwest::new(&url).unwrap(), count),
        _ => make(&Celper::new(&url).unwrap(), count),
    }
    println!("{count} calls");
}

fn make(client: &impl Calls, count: usize) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..count {
            client.call(Operation::Status).await.unwrap();
        }
    });
}
