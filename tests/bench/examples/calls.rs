//! A number of calls by one client, for a profiler: `calls celper|bare N`, with the server in a thread.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use celper::{Client, JobPositionId};
use celper_bench::{by_hand, server};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let count: usize = arguments.get(2).and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(server::start().await.unwrap()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let url = format!("http://{}", receiver.recv().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = "celp_0123456789abcdef0123456789abcdef";
    runtime.block_on(async {
        if arguments.get(1).map(String::as_str) == Some("bare") {
            let client = by_hand::client(key).unwrap();
            for _ in 0..count {
                by_hand::status(&client, &url, "cand_xyz789", "pos_abc123").await.unwrap();
            }
        } else {
            let client = Client::builder().api_key(key).base_url(&*url).rate_limits(None).build().unwrap();
            for _ in 0..count {
                client.get_candidate_status("cand_xyz789", JobPositionId("pos_abc123")).await.unwrap();
            }
        }
    });
    println!("{count} calls");
}
