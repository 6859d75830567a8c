//! The native client and its calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use celper::bindings::{Argument, panic_error, record, rejected_call, runtime, seconds, send};
use celper::{Client, Error, Operation, OperationInput, OperationOutput};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use crate::NAMES;
use crate::direct;
use crate::failure::Failure;
use crate::logs::{LogSink, Logs, within, within_polls};
use crate::options::{ClientOptions, OptionValues, count};
use crate::output::{Interruption, Outcome};

/// The result of [`open`].
#[allow(clippy::large_enum_variant, reason = "created once per client and serialized at once")]
#[derive(uniffi::Enum)]
pub enum OpenResult {
    /// The client was created.
    Opened {
        /// The new client.
        client: Arc<NativeClient>,
    },
    /// The client could not be created.
    Failed {
        /// The error.
        failure: Failure,
    },
}

/// Creates a client. It does not connect until the first call.
#[uniffi::export]
pub fn open(options: ClientOptions) -> OpenResult {
    // In Swift, a panic in a function that does not throw ends the process.
    let logs = Logs::new(options.log_callback);
    let sink = logs.to_level(options.log_level);
    match catch_unwind(AssertUnwindSafe(|| within(sink, || options.build_client()))) {
        Ok(Ok(client)) => {
            let id = direct::register(client.clone(), logs);
            OpenResult::Opened { client: Arc::new(NativeClient { client, logs, id }) }
        }
        Ok(Err(error)) => OpenResult::Failed { failure: error.into() },
        Err(panic) => OpenResult::Failed { failure: panic_error(&*panic).into() },
    }
}

/// A handle to the core's client.
#[derive(uniffi::Object)]
pub struct NativeClient {
    client: Client,
    logs: Logs,
    id: u64,
}

impl Drop for NativeClient {
    fn drop(&mut self) {
        direct::unregister(self.id);
    }
}

/// The arguments of one call.
#[derive(uniffi::Record)]
pub struct CallInput {
    /// The operation's name: `status`, `invite`, `select` or `reject`.
    pub operation: String,
    /// The candidate's id.
    pub candidate_id: String,
    /// The job position's id.
    pub job_position_id: String,
    /// The e-mail's subject; `invite` only.
    pub email_subject: Option<String>,
    /// The e-mail's body; `invite` only.
    pub email_body: Option<String>,
    /// The idempotency key; actions only.
    pub idempotency_key: Option<String>,
    /// Overrides the client's timeout, in seconds.
    pub timeout: Option<f64>,
    /// Overrides the client's retry limit.
    pub max_retries: Option<i64>,
    /// A `traceparent` header for the requests.
    pub traceparent: Option<String>,
    /// Up to which level the call logs: 0 nothing, 1 warnings, 2 information, 3 debugging.
    pub log_level: u8,
}

impl CallInput {
    pub(crate) fn into_operation_input(self) -> Result<OperationInput, Error> {
        let operation = Operation::from_name(&self.operation)
            .ok_or_else(|| Error::invalid_argument(format!("unknown operation {:?}", self.operation)))?;
        let mut input = OperationInput::new(operation, self.candidate_id, self.job_position_id);
        input.email_subject = self.email_subject;
        input.email_body = self.email_body;
        input.idempotency_key = self.idempotency_key;
        input.traceparent = self.traceparent;
        let timeout = self.timeout.map(|timeout| seconds(Argument::Timeout, NAMES, timeout)).transpose();
        input.timeout = timeout.map_err(|error| rejected_call(&input, error))?;
        let max_retries = self.max_retries.map(|retries| count(Argument::MaxRetries, retries)).transpose();
        input.max_retries = max_retries.map_err(|error| rejected_call(&input, error))?;
        Ok(input)
    }
}

impl NativeClient {
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn logs(&self) -> Logs {
        self.logs
    }
}

#[uniffi::export]
impl NativeClient {
    /// Runs a call on the runtime's threads; used by Swift. `cancel` drops the request that is on the wire.
    pub async fn call(&self, input: CallInput, cancel: Arc<CancelToken>) -> Outcome {
        let (done, result) = oneshot::channel();
        let finish = move |result| drop(done.send(result));
        let sink = self.logs.to_level(input.log_level);
        let started = input.into_operation_input().and_then(|input| {
            let interruption = Interruption::new(&input);
            Ok((interruption, spawn(&runtime()?, self.client.clone(), input, sink, finish)))
        });
        let (interruption, _task) = match started {
            Ok((interruption, task)) => (interruption, AbortOnDrop(task)),
            Err(error) => return Outcome::Failed { failure: error.into() },
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Outcome::Cancelled,
            result = result => match result {
                Ok(result) => interruption.convert(result),
                Err(_) => interruption.outcome(panic_error(&"the call ended without an outcome")),
            },
        }
    }

    /// The id of this client in [`celper_call`](direct::celper_call), valid as long as this object; used by Kotlin.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// See [`Client::close`]. Not named `close`, because the generated Kotlin class has a `close` that frees the handle.
    pub fn close_client(&self) {
        self.client.close();
    }

    /// The URL of an operation's request for a span; without the ids it says `REDACTED` in their places. Empty for an unknown operation.
    pub fn span_url(&self, operation: String, candidate_id: Option<String>, job_position_id: Option<String>) -> String {
        let ids = candidate_id.as_deref().zip(job_position_id.as_deref());
        Operation::from_name(&operation)
            .map(|operation| record::span_url(&self.client, operation, ids))
            .unwrap_or_default()
    }

    /// The client's options.
    pub fn options(&self) -> OptionValues {
        OptionValues::from(&self.client)
    }
}

/// Spawns a call on a runtime; it passes its result to `finish` there, unless it is aborted.
pub(crate) fn spawn(
    runtime: &Handle,
    client: Client,
    input: OperationInput,
    sink: Option<LogSink>,
    finish: impl FnOnce(Result<OperationOutput, Error>) + Send + 'static,
) -> AbortHandle {
    // Boxed, so that the call is compiled once and not for each caller, and the runtime's part not for each future.
    let finish: Box<dyn FnOnce(Result<OperationOutput, Error>) + Send> = Box::new(finish);
    let call: Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(async move { finish(within_polls(sink, send(client, input)).await) });
    runtime.spawn(call).abort_handle()
}

/// Aborts its task when dropped.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Cancels one call, from any thread and at any time, even before the call starts.
#[derive(uniffi::Object)]
pub struct CancelToken {
    cancelled: watch::Sender<bool>,
}

#[uniffi::export]
impl CancelToken {
    /// Creates a token for one call.
    #[uniffi::constructor]
    pub fn new() -> Self {
        CancelToken { cancelled: watch::Sender::new(false) }
    }

    /// Cancels the call.
    pub fn cancel(&self) {
        self.cancelled.send_replace(true);
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        CancelToken::new()
    }
}

impl CancelToken {
    async fn cancelled(&self) {
        // Cannot fail: `self` keeps the sender alive.
        let _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}
