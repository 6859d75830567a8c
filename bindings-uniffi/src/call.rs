//! The client and its calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use celper::bindings::{of_panic, refused_call, runtime, seconds, send};
use celper::{Client, Error, Operation, OperationInput};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use crate::direct;
use crate::failure::Failure;
use crate::options::{Options, count};
use crate::output::Outcome;

/// Whether there is a client.
#[allow(clippy::large_enum_variant, reason = "made once per client, and at once written into a buffer")]
#[derive(uniffi::Enum)]
pub enum Opening {
    /// There is.
    Opened {
        /// It.
        client: Arc<NativeClient>,
    },
    /// There is none.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// Makes a client. It connects to nothing yet.
#[uniffi::export]
pub fn open(options: Options) -> Opening {
    // In Swift a panic in a function that does not throw ends the process.
    match catch_unwind(AssertUnwindSafe(|| options.client())) {
        Ok(Ok(client)) => {
            let number = direct::enter(client.clone());
            Opening::Opened { client: Arc::new(NativeClient { client, number }) }
        }
        Ok(Err(error)) => Opening::Failed { failure: error.into() },
        Err(panic) => Opening::Failed { failure: of_panic(None, &*panic).into() },
    }
}

/// The core's client, behind a handle.
#[derive(uniffi::Object)]
pub struct NativeClient {
    client: Client,
    number: u64,
}

impl Drop for NativeClient {
    fn drop(&mut self) {
        direct::withdraw(self.number);
    }
}

/// One call.
#[derive(uniffi::Record)]
pub struct CallInput {
    /// `status`, `invite`, `select` or `reject`.
    pub operation: String,
    /// The candidate.
    pub candidate_id: String,
    /// The job position.
    pub job_position_id: String,
    /// Of an invitation.
    pub email_subject: Option<String>,
    /// Of an invitation.
    pub email_body: Option<String>,
    /// Of an action.
    pub idempotency_key: Option<String>,
    /// In place of the client's, in seconds.
    pub timeout: Option<f64>,
    /// In place of the client's.
    pub max_retries: Option<i64>,
}

impl CallInput {
    pub(crate) fn checked(self) -> Result<OperationInput, Error> {
        let operation = Operation::ALL.into_iter().find(|operation| operation.name() == self.operation);
        let operation =
            operation.ok_or_else(|| Error::invalid_argument(format!("there is no operation {:?}", self.operation)))?;
        let mut input = OperationInput::new(operation, self.candidate_id, self.job_position_id);
        input.email_subject = self.email_subject;
        input.email_body = self.email_body;
        input.idempotency_key = self.idempotency_key;
        let timeout = self.timeout.map(|timeout| seconds("timeout", timeout)).transpose();
        input.timeout = timeout.map_err(|error| refused_call(&input, error))?;
        let max_retries = self.max_retries.map(|retries| count("max_retries", retries)).transpose();
        input.max_retries = max_retries.map_err(|error| refused_call(&input, error))?;
        Ok(input)
    }
}

#[uniffi::export]
impl NativeClient {
    /// For Swift: carries the call out on the runtime's threads; the host's thread only starts it. `cancel` drops the request
    /// on the wire.
    pub async fn call(&self, input: CallInput, cancel: Arc<CancelToken>) -> Outcome {
        let (done, outcome) = oneshot::channel();
        let finish = move |outcome| drop(done.send(outcome));
        let _task = match input.checked().and_then(|input| start(self.client.clone(), input, finish)) {
            Ok(task) => AbortOnDrop(task),
            Err(error) => return Outcome::Failed { failure: error.into() },
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Outcome::Cancelled,
            outcome = outcome => outcome.unwrap_or(Outcome::Cancelled),
        }
    }

    /// For Kotlin: what stands for this client in [`celper_call`](direct::celper_call), as long as this lives.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// See [`Client::close`].
    pub fn shut(&self) {
        self.client.close();
    }

    /// Where the API is.
    pub fn base_url(&self) -> String {
        self.client.base_url().to_owned()
    }
}

/// Starts a call on the runtime's threads, where `finish` gets its outcome, unless it is aborted.
pub(crate) fn start(
    client: Client,
    input: OperationInput,
    finish: impl FnOnce(Outcome) + Send + 'static,
) -> Result<AbortHandle, Error> {
    // Boxed, so that the call is compiled once for both languages.
    let finish: Box<dyn FnOnce(Outcome) + Send> = Box::new(finish);
    Ok(runtime()?.spawn(async move { finish(send(client, input).await.into()) }).abort_handle())
}

/// Ends its task, wherever that is, when nobody waits for it any more.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Cancels one call, from any thread and at any time, also before it began.
#[derive(uniffi::Object)]
pub struct CancelToken {
    cancelled: watch::Sender<bool>,
}

#[uniffi::export]
impl CancelToken {
    /// A token for one call.
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
        // It cannot fail: the sender lives as long as this borrow.
        let _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}
