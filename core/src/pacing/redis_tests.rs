//! The Redis store on a real Valkey server: the script against the algorithm in Rust, and failures of the server.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::oneshot;

use super::redis_store::{RedisStore, RedisUrl, ReplyValues, SCRIPT, StepJson, reply};
use super::shared_log::SharedLog;
use super::store::{ByCategory, HoldReport, RateLimitStore, Reply, SlotUpdate, Step, StoreError};
use crate::operation::Category;

/// A server of its own for each test.
struct Valkey {
    process: Child,
    port: u16,
    folder: PathBuf,
}

impl Valkey {
    fn start(options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("celper-valkey-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        Valkey { process: Valkey::spawn(port, &folder, options), port, folder }
    }

    fn spawn(port: u16, folder: &PathBuf, options: &[&str]) -> Child {
        let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/valkey/valkey-server");
        let program = std::env::var_os("CELPER_VALKEY_SERVER").map_or(installed, PathBuf::from);
        assert!(program.exists(), "{} is missing: run `make valkey`", program.display());
        let mut process = Command::new(program)
            .args(["--port", &port.to_string(), "--save", "", "--bind", "127.0.0.1"])
            .args(options)
            .current_dir(folder)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "the server ended at once");
            std::thread::sleep(Duration::from_millis(5));
        }
        process
    }

    fn restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = Valkey::spawn(self.port, &self.folder, &[]);
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap().success());
    }

    fn store(&self, credentials: &str) -> RedisStore {
        let url = format!("redis://{credentials}127.0.0.1:{}", self.port);
        RedisStore::new(RedisUrl::parse(&url, "rate_limit_store").unwrap(), "budget")
    }

    async fn connect(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    async fn command(&self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async::<redis::Value>(&mut self.connect().await).await.unwrap();
    }
}

impl Drop for Valkey {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn step(process: u64, actions: Vec<u64>) -> Step {
    Step {
        process,
        capacity: ByCategory { reads: 40, actions: 2 },
        total: 60,
        window: Duration::from_secs(60),
        known_epoch: None,
        new_epoch: process,
        updates: Vec::new(),
        ask: ByCategory { reads: Vec::new(), actions },
        lease: Duration::from_secs(90),
        holds: ByCategory::default(),
    }
}

async fn ask(store: &RedisStore, step: Step) -> Result<Reply, StoreError> {
    let (sender, receiver) = oneshot::channel();
    store.step(step, Box::new(move |result| drop(sender.send(result))));
    receiver.await.unwrap()
}

async fn granted(store: &RedisStore, number: u64) -> bool {
    ask(store, step(7, vec![number])).await.unwrap().granted.actions == [number]
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let durations = |most: u64| (0..most).prop_map(Duration::from_millis);
    let category = || prop_oneof![Just(Category::Reads), Just(Category::Actions)];
    let update = (category(), 0..40_u64, prop::option::of(durations(4_000)))
        .prop_map(|(category, slot, free_in)| SlotUpdate { category, slot, free_in });
    let hold = || {
        prop::option::weighted(0.1, (durations(5_000), any::<bool>()))
            .prop_map(|hold| hold.map(|(wait, only_if_room)| HoldReport { wait, only_if_room }))
    };
    let asked = || prop::collection::btree_set(0..1_000_u64, 0..5).prop_map(|numbers| numbers.into_iter().collect());
    let step = (
        1..5_u64,
        (1..8_u32, 1..6_u32, 1..10_u32),
        prop::collection::vec(update, 0..3),
        asked(),
        asked(),
        hold(),
        hold(),
        any::<bool>(),
    )
        .prop_map(
            |(process, (reads, actions, total), updates, ask_reads, ask_actions, held_reads, held_actions, foreign)| {
                Step {
                    process,
                    capacity: ByCategory { reads, actions },
                    total,
                    window: Duration::from_millis(3_001),
                    known_epoch: foreign.then_some(99).filter(|_| process == 4),
                    new_epoch: 1,
                    updates,
                    ask: ByCategory { reads: ask_reads, actions: ask_actions },
                    lease: Duration::from_millis(3_500),
                    holds: ByCategory { reads: held_reads, actions: held_actions },
                }
            },
        );
    // Mostly forward; a clock can be set back.
    let advance = prop_oneof![9 => 0..1_500_i64, 1 => -2_000..0_i64];
    prop::collection::vec((advance, step), 1..40).prop_map(|steps| {
        let mut now = 1_800_000_000_000_i64;
        steps
            .into_iter()
            .map(|(advance, step)| {
                now += advance;
                (u64::try_from(now).unwrap(), step)
            })
            .collect()
    })
}

#[test]
fn the_script_does_what_the_algorithm_in_rust_does() {
    let valkey = Valkey::start(&[]);
    let runtime = runtime();
    let connection = runtime.block_on(valkey.connect());
    let script = redis::Script::new(&format!("local now = tonumber(ARGV[2])\n{SCRIPT}"));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 150, ..ProptestConfig::default() });
    let result = runner.run(&steps(), |steps| {
        let (mut log, mut connection) = (SharedLog::new(1), connection.clone());
        runtime.block_on(async {
            redis::cmd("FLUSHDB").query_async::<()>(&mut connection).await.unwrap();
            for (now, step) in &steps {
                let json = serde_json::to_string(&StepJson::from(step)).unwrap();
                let values: ReplyValues =
                    script.key("log").arg(json).arg(now).invoke_async(&mut connection).await.unwrap();
                prop_assert_eq!(reply(values), log.step(*now, step));
            }
            Ok(())
        })
    });
    result.unwrap();
}

#[test]
fn a_log_survives_reconnects_and_a_flushed_script_and_is_begun_again_when_it_is_foreign_or_gone() {
    let mut valkey = Valkey::start(&[]);
    runtime().block_on(async {
        let store = valkey.store("");
        assert!(granted(&store, 1).await && granted(&store, 2).await && !granted(&store, 3).await);
        valkey.command(&["SCRIPT", "FLUSH"]).await;
        valkey.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        // The closed connection is noticed with the next step; the one after that connects again.
        let _ = ask(&store, step(7, vec![4])).await;
        assert!(!granted(&store, 4).await);
        let log = "celper:{budget}";
        for words in [vec!["FLUSHALL"], vec!["SET", log, "garbage"], vec!["DEL", log], vec!["LPUSH", log, "other"]] {
            valkey.command(&words).await;
        }
        assert!(granted(&store, 5).await && granted(&store, 6).await && !granted(&store, 7).await);
        valkey.restart();
        let _ = ask(&store, step(7, vec![8])).await;
        assert!(granted(&store, 8).await);
    });
}

#[test]
fn a_server_that_hangs_or_refuses_is_unavailable_within_half_a_second_and_no_secret_is_shown() {
    let valkey = Valkey::start(&["--requirepass", "hunter2"]);
    runtime().block_on(async {
        let store = valkey.store("default:hunter2@");
        assert!(granted(&store, 1).await);
        assert_eq!(store.location(), format!("redis://127.0.0.1:{}", valkey.port));
        assert!(!format!("{store:?}").contains("hunter2"), "{store:?}");
        let refused = ask(&valkey.store("default:hunter3@"), step(7, vec![2])).await.unwrap_err().to_string();
        assert!(!refused.contains("hunter"), "{refused}");

        valkey.signal("-STOP");
        let started = std::time::Instant::now();
        let hangs = ask(&store, step(7, vec![3])).await;
        let new_connection = ask(&valkey.store("default:hunter2@"), step(7, vec![3])).await;
        valkey.signal("-CONT");
        assert!(matches!(
            (&hangs, &new_connection),
            (Err(StoreError::Unavailable(_)), Err(StoreError::Unavailable(_)))
        ));
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert!(granted(&store, 3).await);
    });
}

#[test]
fn the_node_of_a_cluster_that_has_the_log_is_found() {
    let nodes: Vec<_> = (0..2).map(|_| Valkey::start(&["--cluster-enabled", "yes"])).collect();
    runtime().block_on(async {
        for (node, slots) in nodes.iter().zip([["0", "8191"], ["8192", "16383"]]) {
            node.command(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]).await;
        }
        nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &nodes[1].port.to_string()]).await;
        let stores: Vec<_> = nodes.iter().map(|node| node.store("")).collect();
        // The nodes need a moment to learn of each other.
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while ask(&stores[0], step(7, vec![1])).await.is_err() || ask(&stores[1], step(7, vec![1])).await.is_err() {
            assert!(std::time::Instant::now() < deadline, "the cluster did not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Both nodes lead to one log.
        assert!(granted(&stores[1], 2).await);
        assert!(!granted(&stores[0], 3).await && !granted(&stores[1], 3).await);
    });
}

#[test]
fn a_process_without_a_runtime_can_use_the_store() {
    let valkey = Valkey::start(&[]);
    let store: Arc<dyn RateLimitStore> = Arc::new(valkey.store(""));
    let (sender, receiver) = std::sync::mpsc::channel();
    store.step(step(7, vec![1]), Box::new(move |result| sender.send(result).unwrap()));
    assert_eq!(receiver.recv().unwrap().unwrap().granted.actions, [1]);
}
