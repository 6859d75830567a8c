//! What every language binding needs beside the client: a runtime that survives a fork, and guards at the border.
//!
//! Not for Rust programs, which have a runtime of their own; behind the feature `bindings`.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::operation::Operation;
use crate::process::PerProcess;
use crate::request::{OperationInput, OperationOutput};

/// Never shut down: its threads end with the process, and keep none alive.
static RUNTIME: PerProcess<ManuallyDrop<Runtime>> = PerProcess::empty();

/// The one runtime of this process, started on first use, and started anew in a forked child.
///
/// # Errors
///
/// [`ErrorKind::Connection`] when the system gives no thread.
pub fn runtime() -> Result<Handle, Error> {
    // One worker: it only moves bytes between sockets and calls, some microseconds for each.
    let start = || Builder::new_multi_thread().worker_threads(1).thread_name("celper").enable_all().build();
    let runtime = RUNTIME.get_or_make(|| start().map(ManuallyDrop::new)).map_err(|error| {
        Error::new(ErrorKind::Connection, format!("the system gives no thread for the network: {error}"))
            .with(|parts| parts.cause = Some(error.into()))
    })?;
    Ok(runtime.handle().clone())
}

/// [`Client::send`] for a host whose process must not end with a panic: it becomes an error.
///
/// Spawn it on [`runtime`]; dropping or aborting it cancels the call.
///
/// # Errors
///
/// The call's own, or [`ErrorKind::UnexpectedResponse`] for a panic.
pub async fn send(client: Client, input: OperationInput) -> Result<OperationOutput, Error> {
    guarded(client.send(&input)).await.unwrap_or_else(|panic| {
        let error = of_panic(Some(input.operation), &*panic);
        Err(unfinished(error, input.operation, input.idempotency_key))
    })
}

/// A panic as an error, of a call or, without an operation, of a client.
pub fn of_panic(operation: Option<Operation>, panic: &(dyn Any + Send)) -> Error {
    let message = format!("internal error in the SDK, please report it: {}", text_of(panic));
    Error::new(ErrorKind::UnexpectedResponse, message).with(|parts| parts.operation = operation)
}

/// Of a call that nobody finishes: an action may have taken place.
fn unfinished(error: Error, operation: Operation, idempotency_key: Option<String>) -> Error {
    error.with(|parts| {
        parts.operation = Some(operation);
        parts.idempotency_key = idempotency_key;
        parts.outcome_unknown = operation.is_action();
    })
}

/// Catches a panic of `call`.
async fn guarded<T>(call: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut call = pin!(call);
    // The future is not polled again after a panic, so that what it left half done is never looked at.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// The failure of a call for one of its arguments, which a language's layer cannot pass on.
pub fn refused_call(input: &OperationInput, error: Error) -> Error {
    input.refused(error)
}

/// The failure of a call in the middle of which its process was forked, in the child: the call goes on in the parent.
pub fn lost_in_fork(operation: Operation, idempotency_key: Option<String>) -> Error {
    let message = "the process was forked in the middle of the call, which only the parent can finish";
    unfinished(Error::new(ErrorKind::Connection, message), operation, idempotency_key)
}

/// A duration from a host language's seconds.
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`], naming the option, when it is not a number, not longer than 0 or beyond all clocks.
pub fn seconds(name: &str, value: f64) -> Result<Duration, Error> {
    let duration = if value > 0.0 { Duration::try_from_secs_f64(value).ok() } else { None };
    duration.filter(|duration| !duration.is_zero()).ok_or_else(|| {
        Error::invalid_argument(format!("{name} must be a number of seconds greater than 0, not {value}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyFuture, KeyProvider};

    /// A key provider is foreign code that runs inside a call.
    struct Panics;

    impl KeyProvider for Panics {
        fn api_key(&self) -> KeyFuture<'_> {
            Box::pin(async {
                tokio::task::yield_now().await;
                panic!("the world is not as expected")
            })
        }
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let client = Client::builder().key_provider(Panics).build().unwrap();
        let call = |operation| {
            let input = OperationInput::new(operation, "cand_1", "pos_1");
            runtime().unwrap().block_on(send(client.clone(), input)).unwrap_err()
        };
        let error = call(Operation::Invite);
        assert!(error.message().contains("the world is not as expected") && error.outcome_unknown(), "{error}");
        assert_eq!(error.operation(), "invite");
        assert!(!call(Operation::Status).outcome_unknown());
    }

    #[test]
    fn there_is_one_runtime() {
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| runtime().unwrap().id())).collect();
        let ids: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(ids.iter().all(|id| *id == runtime().unwrap().id()), "{ids:?}");
    }

    #[test]
    fn seconds_that_are_no_time_are_refused() {
        assert_eq!(seconds("timeout", 0.25).unwrap(), Duration::from_millis(250));
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            assert!(seconds("timeout", value).unwrap_err().message().starts_with("timeout "), "{value}");
        }
    }
}
