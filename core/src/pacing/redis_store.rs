//! The store of several machines: one value in Redis or Valkey. A script changes it, with times by the server's clock.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError, Script};
use serde::Serialize;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::session::{STEP_TIMEOUT, no_reply};
use super::store::{ByCategory, HoldReport, RateLimitStore, Reply, Room, Step, StepDone, StoreError, millis};
use crate::error::Error;
use crate::operation::Category;

pub(super) const SCRIPT: &str = include_str!("redis.lua");

/// By the server's clock: those of the processes' machines differ.
const SERVER_CLOCK: &str = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)\n";

/// How many redirects of a cluster one step follows.
const MAX_REDIRECTS: usize = 3;

/// A `redis://` or `rediss://` URL.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RedisUrl(Zeroizing<String>);

impl Hash for RedisUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

impl RedisUrl {
    pub(super) fn parse(url: &str, option: &str) -> Result<Self, Error> {
        if url.contains('#') {
            // The crate reads `#insecure` as an option that turns the verification of certificates off.
            return Err(Error::invalid_argument(format!("{option} must be a Redis URL without a fragment (#…)")));
        }
        let redis_url = RedisUrl(Zeroizing::new(url.to_owned()));
        redis_url.connection_info().map(|_| ()).map_err(|error| {
            // The crate's message names the part that is wrong, never a value.
            Error::invalid_argument(format!(
                "{option} is not a valid Redis URL ({error}); it must look like redis://user:password@host:6379/0"
            ))
        })?;
        Ok(redis_url)
    }

    fn connection_info(&self) -> Result<ConnectionInfo, RedisError> {
        self.0.as_str().into_connection_info()
    }

    /// Without credentials.
    pub(super) fn redacted(&self) -> String {
        let scheme = self.0.split(':').next().unwrap_or("redis");
        let Ok(info) = self.connection_info() else { return format!("{scheme}://") };
        let database = info.redis_settings().db();
        let database = if database == 0 { String::new() } else { format!("/{database}") };
        format!("{scheme}://{}{database}", info.addr())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

/// Steps run one after the other on a separate thread. So the connection outlives the runtimes of the calls, and cancelling a
/// call does not interrupt a step.
#[derive(Debug)]
pub(super) struct RedisStore {
    url: RedisUrl,
    key: String,
    worker: OnceLock<Option<mpsc::UnboundedSender<(Step, StepDone)>>>,
}

impl RedisStore {
    pub(super) fn new(url: RedisUrl, budget: &str) -> Self {
        // The braces are a hash tag: in a cluster, all keys of a budget are on one node.
        RedisStore { url, key: format!("celper:{{{budget}}}"), worker: OnceLock::new() }
    }

    fn start(&self) -> Option<mpsc::UnboundedSender<(Step, StepDone)>> {
        let (sender, mut steps) = mpsc::unbounded_channel::<(Step, StepDone)>();
        // Hashed once, and not for each step.
        let script = Script::new(&format!("{SERVER_CLOCK}{SCRIPT}"));
        let mut connection = Connection { url: self.url.clone(), key: self.key.clone(), script, open: None };
        let runtime = Builder::new_current_thread().enable_all().build().ok()?;
        let work = async move {
            while let Some((step, done)) = steps.recv().await {
                done(connection.step(&step).await);
            }
        };
        let thread = thread::Builder::new().name("celper-redis".to_owned());
        thread.spawn(move || runtime.block_on(work)).ok()?;
        Some(sender)
    }
}

impl RateLimitStore for RedisStore {
    fn step(&self, step: Step, done: StepDone) {
        let unsent = match self.worker.get_or_init(|| self.start()) {
            Some(worker) => worker.send((step, done)).err().map(|unsent| unsent.0.1),
            None => Some(done),
        };
        if let Some(done) = unsent {
            done(Err(StoreError::Unavailable("the thread for Redis could not be started".to_owned())));
        }
    }

    fn location(&self) -> String {
        self.url.redacted()
    }
}

/// The connection to the node that has the log.
struct Connection {
    url: RedisUrl,
    key: String,
    script: Script,
    open: Option<MultiplexedConnection>,
}

impl Connection {
    async fn step(&mut self, step: &Step) -> Result<Reply, StoreError> {
        let unavailable = |message: String| StoreError::Unavailable(message);
        let json = serde_json::to_string(&StepJson::from(step)).map_err(|error| unavailable(error.to_string()))?;
        // A step that is dropped midway may have taken place, so the connection is dropped with it.
        let mut open = self.open.take();
        let reply = match timeout(STEP_TIMEOUT, self.run(&json, &mut open)).await {
            Ok(Ok(reply)) => reply,
            // A failure to connect, with its reason: refused, unknown host, a certificate that is not trusted.
            Ok(Err(error)) if error.is_io_error() => return Err(unavailable(error.to_string())),
            // Without the error's message, which may quote what was sent.
            Ok(Err(error)) => {
                let code = error.code().map(|code| format!(" ({code})")).unwrap_or_default();
                return Err(unavailable(format!("{}{code}", error.category())));
            }
            Err(_) => return Err(no_reply()),
        };
        self.open = open;
        Ok(reply)
    }

    async fn run(&self, json: &str, open: &mut Option<MultiplexedConnection>) -> Result<Reply, RedisError> {
        let mut redirects = 0;
        loop {
            let connection = match open {
                Some(connection) => connection,
                None => open.insert(self.connect(None).await?),
            };
            let replied: Result<ReplyValues, _> = self.script.key(&self.key).arg(json).invoke_async(connection).await;
            match replied {
                Ok(values) => return Ok(reply(values)),
                Err(error) => match error.redirect_node() {
                    Some((node, _)) if redirects < MAX_REDIRECTS => {
                        redirects += 1;
                        let mut moved = self.connect(Some(node)).await?;
                        if error.code() == Some("ASK") {
                            // For the next command only: the log is being moved to that node.
                            redis::cmd("ASKING").query_async::<()>(&mut moved).await?;
                        }
                        *open = Some(moved);
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// Connects to the URL's host, or to another node of its cluster.
    async fn connect(&self, node: Option<&str>) -> Result<MultiplexedConnection, RedisError> {
        let mut info = self.url.connection_info()?;
        if let Some((host, port)) = node.and_then(|node| node.rsplit_once(':'))
            && let Ok(port) = port.parse()
        {
            let address = node_address(info.addr(), host, port);
            info = info.set_addr(address);
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // The redis crate takes the process's provider. Fails only when another thread has set one.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(STEP_TIMEOUT))
            .set_response_timeout(Some(STEP_TIMEOUT));
        redis::Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await
    }
}

/// The address of a cluster's node. A redirect may leave out the host, which is then the URL's.
fn node_address(seed: &ConnectionAddr, host: &str, port: u16) -> ConnectionAddr {
    let same = |seed_host: &String| if host.is_empty() || host == "?" { seed_host.clone() } else { host.to_owned() };
    match seed {
        ConnectionAddr::Tcp(seed_host, _) => ConnectionAddr::Tcp(same(seed_host), port),
        ConnectionAddr::TcpTls { host: seed_host, insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host: same(seed_host), port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        other => other.clone(),
    }
}

/// A step as the script reads it; times in milliseconds.
#[derive(Serialize)]
pub(super) struct StepJson<'a> {
    process: u64,
    capacity: [u32; 2],
    total: u32,
    window: u64,
    /// 0: none.
    known_epoch: u64,
    new_epoch: u64,
    /// Category, number, and when it comes free: −1 when it was returned.
    updates: Vec<(u8, u64, i64)>,
    ask: [&'a [u64]; 2],
    lease: u64,
    /// The wait, 0 for none, and whether it applies only when the log has room.
    holds: [(u64, u8); 2],
}

impl<'a> From<&'a Step> for StepJson<'a> {
    fn from(step: &'a Step) -> Self {
        let hold = |hold: Option<HoldReport>| hold.map_or((0, 0), |hold| (millis(hold.wait), hold.only_if_room.into()));
        let updates = step.updates.iter().map(|update| {
            let category = if update.category == Category::Reads { 1 } else { 2 };
            let free_in = update.free_in.map_or(-1, |free_in| i64::try_from(millis(free_in)).unwrap_or(i64::MAX));
            (category, update.slot, free_in)
        });
        StepJson {
            process: step.process,
            capacity: [step.capacity.reads.max(1), step.capacity.actions.max(1)],
            total: step.total.max(1),
            window: millis(step.window),
            known_epoch: step.known_epoch.unwrap_or(0),
            new_epoch: step.new_epoch,
            updates: updates.collect(),
            ask: [&step.ask.reads, &step.ask.actions],
            lease: millis(step.lease),
            holds: [hold(step.holds.reads), hold(step.holds.actions)],
        }
    }
}

pub(super) type ReplyValues = (u64, u32, u64, u64, Vec<u64>, Vec<u64>, Vec<u64>, Vec<u64>, (u32, u32, u32));

pub(super) fn reply(values: ReplyValues) -> Reply {
    let (epoch, processes, reads_held, actions_held, reads, actions, next_reads, next_actions, room) = values;
    let durations = |values: Vec<u64>| values.into_iter().map(Duration::from_millis).collect();
    Reply {
        epoch,
        granted: ByCategory { reads, actions },
        next: ByCategory { reads: durations(next_reads), actions: durations(next_actions) },
        room: Room { reads: room.0, actions: room.1, total: room.2 },
        processes,
        holds: ByCategory { reads: Duration::from_millis(reads_held), actions: Duration::from_millis(actions_held) },
    }
}
