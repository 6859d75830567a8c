//! A language's runner: a process that is told what to call, and says what came of it.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;

/// Longer than anything in a case takes; a runner that says nothing for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a runner says whose toolchain this machine cannot have.
const SKIPPED: &str = " was skipped: ";

pub(crate) enum Start {
    Ready(Box<Runner>),
    /// With the reason.
    Skipped(String),
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

pub(crate) struct Runner {
    process: Child,
    input: tokio::sync::Mutex<ChildStdin>,
    waiting: Waiting,
    next: AtomicU64,
}

impl Runner {
    /// Starts the program, and waits until it has loaded its package.
    pub(crate) async fn start(mut command: Command, base_url: &str, api_key: &str) -> Result<Start> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        command.env("CELPER_BASE_URL", base_url).env("CELPER_API_KEY", api_key);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        let mut process = command.spawn().with_context(|| format!("cannot start {:?}", command.as_std()))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("the runner has no pipes");
        };
        let mut lines = BufReader::new(output).lines();
        let ready =
            tokio::time::timeout(PATIENCE, lines.next_line()).await.context("the runner did not get ready")??;
        if let Some(line) = ready.as_deref().filter(|line| line.contains(SKIPPED)) {
            return Ok(Start::Skipped(line.to_owned()));
        }
        if !ready.as_deref().is_some_and(|line| line.contains("\"ready\"")) {
            bail!("{:?} did not get ready; it said {ready:?}", command.as_std());
        }
        let waiting = Waiting::default();
        tokio::spawn(deliver(lines, Arc::clone(&waiting)));
        let input = tokio::sync::Mutex::new(input);
        Ok(Start::Ready(Box::new(Runner { process, input, waiting, next: AtomicU64::new(1) })))
    }

    /// Sends a request, to be answered under the id that it gets.
    pub(crate) async fn begin(&self, mut request: Value) -> Result<Pending> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        request["id"] = id.into();
        let (sender, receiver) = oneshot::channel();
        lock(&self.waiting).insert(id, sender);
        self.write(&request).await?;
        Ok(Pending { id, receiver })
    }

    pub(crate) async fn ask(&self, request: Value) -> Result<Value> {
        self.begin(request).await?.answer().await
    }

    pub(crate) async fn cancel(&self, call: &Pending) -> Result<()> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.write(&json!({"id": id, "do": "cancel", "call": call.id})).await
    }

    async fn write(&self, request: &Value) -> Result<()> {
        let line = format!("{request}\n");
        let mut input = self.input.lock().await;
        input.write_all(line.as_bytes()).await.context("the runner has gone")?;
        input.flush().await.context("the runner has gone")
    }

    /// Lets the program end, as it must when nobody tells it more.
    pub(crate) async fn finish(mut self) -> Result<()> {
        drop(self.input);
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        let status = ended.context("the runner did not end with its input")??;
        if !status.success() {
            bail!("the runner ended with {status}");
        }
        Ok(())
    }
}

/// A request under way.
pub(crate) struct Pending {
    id: u64,
    receiver: oneshot::Receiver<Value>,
}

impl Pending {
    pub(crate) async fn answer(self) -> Result<Value> {
        let answer = tokio::time::timeout(PATIENCE, self.receiver).await.context("the runner gives no answer")?;
        answer.context("the runner has died")
    }
}

async fn deliver(mut lines: Lines<BufReader<ChildStdout>>, waiting: Waiting) {
    while let Ok(Some(line)) = lines.next_line().await {
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| json!({"crash": line}));
        let receiver = answer["id"].as_u64().and_then(|id| lock(&waiting).remove(&id));
        if let Some(receiver) = receiver {
            // The case may have been given up.
            let _ = receiver.send(answer);
        }
    }
    // Whoever still waits is told by the drop of the senders.
    lock(&waiting).clear();
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
