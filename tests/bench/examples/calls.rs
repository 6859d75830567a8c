//! Makes calls for a profiler: `calls celper|reqwest|hyper N`. The server runs in a thread.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use celper_bench::clients::{Calls, Celper, Operation};
use celper_bench::hyper_client::HyperClient;
use celper_bench::reqwest_client::ReqwestClient;
use celper_bench::server;
use tokio::runtime::Builder;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let count: usize = arguments.get(2).and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let url = server::start_in_thread();
    match arguments.get(1).map(String::as_str) {
        Some("hyper") => make_calls(&HyperClient::new(&url).unwrap(), count),
        Some("reqwest") => make_calls(&ReqwestClient::new(&url).unwrap(), count),
        _ => make_calls(&Celper::new(&url).unwrap(), count),
    }
    println!("{count} calls");
}

fn make_calls(client: &impl Calls, count: usize) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..count {
            client.call(Operation::Status).await.unwrap();
        }
    });
}
