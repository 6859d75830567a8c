//! A language's runner: a process that receives commands as lines of JSON and responds with lines of JSON.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use celper_sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;

/// Longer than any step of a case takes: a runner without a response after this time hangs.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(180);

/// The one host in the runner's `NO_PROXY`.
const HOST_WITHOUT_PROXY: &str = "celper.invalid";

/// In the first line of a runner whose toolchain is not available on this machine.
const SKIPPED_MARKER: &str = " was skipped: ";

pub(crate) enum Start {
    Ready(Box<Runner>),
    /// With the reason.
    Skipped(String),
}

/// The senders for responses that have not arrived yet, by command id.
type PendingResponses = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

pub(crate) struct Runner {
    process: Child,
    input: tokio::sync::Mutex<ChildStdin>,
    pending: PendingResponses,
    next_id: AtomicU64,
}

impl Runner {
    /// Starts the process and waits until it has loaded its package. Its environment variables name the sandbox and, as the
    /// proxy for all hosts but one, the sandbox's proxy.
    pub(crate) async fn start(mut command: Command, sandbox: &Sandbox) -> Result<Start> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        command.env("CELPER_BASE_URL", sandbox.base_url()).env("CELPER_API_KEY", sandbox.api_key());
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        if let Some(proxy) = sandbox.proxy_url() {
            command.env("HTTP_PROXY", &proxy).env("HTTPS_PROXY", &proxy).env("ALL_PROXY", &proxy);
            command.env("NO_PROXY", HOST_WITHOUT_PROXY);
        }
        let mut process = command.spawn().with_context(|| format!("cannot start {:?}", command.as_std()))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("the runner has no pipes");
        };
        let mut lines = BufReader::new(output).lines();
        let first_line = tokio::time::timeout(RESPONSE_TIMEOUT, lines.next_line())
            .await
            .context("the runner did not start in time")??;
        if let Some(line) = first_line.as_deref().filter(|line| line.contains(SKIPPED_MARKER)) {
            return Ok(Start::Skipped(line.to_owned()));
        }
        if !first_line.as_deref().is_some_and(|line| line.contains("\"ready\"")) {
            bail!("{:?} did not report that it is ready; its first line is {first_line:?}", command.as_std());
        }
        let pending = PendingResponses::default();
        tokio::spawn(dispatch_responses(lines, Arc::clone(&pending)));
        let input = tokio::sync::Mutex::new(input);
        Ok(Start::Ready(Box::new(Runner { process, input, pending, next_id: AtomicU64::new(1) })))
    }

    /// Sends a command without waiting for its response.
    pub(crate) async fn send(&self, mut command: Value) -> Result<PendingResponse> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        command["id"] = id.into();
        let (sender, receiver) = oneshot::channel();
        lock(&self.pending).insert(id, sender);
        self.write(&command).await?;
        Ok(PendingResponse { id, receiver })
    }

    /// Sends a command and waits for its response.
    pub(crate) async fn request(&self, command: Value) -> Result<Value> {
        self.send(command).await?.wait().await
    }

    /// Cancels the call of this pending response.
    pub(crate) async fn cancel(&self, call: &PendingResponse) -> Result<()> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.write(&json!({"id": id, "command": "cancel", "call_id": call.id})).await
    }

    async fn write(&self, command: &Value) -> Result<()> {
        let line = format!("{command}\n");
        let mut input = self.input.lock().await;
        input.write_all(line.as_bytes()).await.context("the runner has exited")?;
        input.flush().await.context("the runner has exited")
    }

    /// Closes the input and waits for the process, which must exit then.
    pub(crate) async fn finish(mut self) -> Result<()> {
        drop(self.input);
        let exited = tokio::time::timeout(RESPONSE_TIMEOUT, self.process.wait()).await;
        let status = exited.context("the runner did not exit when its input was closed")??;
        if !status.success() {
            bail!("the runner exited with {status}");
        }
        Ok(())
    }
}

/// A command whose response has not been read yet.
pub(crate) struct PendingResponse {
    id: u64,
    receiver: oneshot::Receiver<Value>,
}

impl PendingResponse {
    pub(crate) async fn wait(self) -> Result<Value> {
        let response = tokio::time::timeout(RESPONSE_TIMEOUT, self.receiver).await;
        response.context("the runner does not respond")?.context("the runner has exited")
    }
}

async fn dispatch_responses(mut lines: Lines<BufReader<ChildStdout>>, pending: PendingResponses) {
    while let Ok(Some(line)) = lines.next_line().await {
        let response: Value = serde_json::from_str(&line).unwrap_or_else(|_| json!({"crash": line}));
        let sender = response["id"].as_u64().and_then(|id| lock(&pending).remove(&id));
        if let Some(sender) = sender {
            // The receiver is gone if the case has been abandoned.
            let _ = sender.send(response);
        }
    }
    // Dropping the senders wakes the receivers with an error.
    lock(&pending).clear();
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
