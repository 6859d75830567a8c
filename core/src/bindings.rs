//! Shared by the language bindings: a process-wide runtime that survives a fork, and conversions at the FFI boundary.
//!
//! Not for Rust programs, which have their own runtime; behind the feature `bindings`.

pub mod batch;
pub mod logs;
pub mod record;
pub mod telemetry;
pub mod watch;

use std::io;
use std::mem::ManuallyDrop;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::{Builder, Handle};

pub use crate::argument::{Argument, NameStyle};
use crate::client::Client;
use crate::connect;
use crate::error::{Error, ErrorKind};
use crate::operation::Operation;
use crate::panics::catch_panic;
pub use crate::panics::{interrupted, panic_error};
use crate::process::PerProcess;
use crate::request::{OperationInput, OperationOutput};

/// Never shut down: its threads end with the process and do not keep it alive.
static RUNTIME: PerProcess<ManuallyDrop<Handle>> = PerProcess::empty();

/// The runtime of this process, started on first use, and once more in a forked child.
///
/// # Errors
///
/// [`ErrorKind::Connection`] when the network thread cannot be started.
pub fn runtime() -> Result<Handle, Error> {
    // One worker is enough: it only moves bytes between sockets and calls, some microseconds for each.
    runtime_with_workers(|| 1)
}

/// [`runtime`] with a number of workers; it counts where the runtime is started.
///
/// # Errors
///
/// As those of [`runtime`].
pub fn runtime_with_workers(workers: impl FnOnce() -> usize) -> Result<Handle, Error> {
    let runtime = RUNTIME.get_or_init(|| start_runtime(workers).map(ManuallyDrop::new)).map_err(|error| {
        Error::new(ErrorKind::Connection, format!("could not start the network thread: {error}"))
            .with(|parts| parts.cause = Some(error.into()))
    })?;
    Ok(Handle::clone(&runtime))
}

#[cfg(feature = "multi-thread")]
fn start_runtime(workers: impl FnOnce() -> usize) -> io::Result<Handle> {
    let runtime = Builder::new_multi_thread().worker_threads(workers()).thread_name("celper").enable_all().build()?;
    Ok(ManuallyDrop::new(runtime).handle().clone())
}

/// Without the scheduler for several threads, one thread of our own runs everything.
#[cfg(not(feature = "multi-thread"))]
fn start_runtime(_: impl FnOnce() -> usize) -> io::Result<Handle> {
    let runtime = ManuallyDrop::new(Builder::new_current_thread().thread_name("celper").enable_all().build()?);
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("celper".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

/// [`Client::send`] for a host process that must not end with a panic: a panic becomes an error.
///
/// Spawn it on [`runtime`]; dropping or aborting it cancels the call.
///
/// # Errors
///
/// The call's own, or [`ErrorKind::Internal`] for a panic.
pub async fn send(client: Client, input: OperationInput) -> Result<OperationOutput, Error> {
    // Boxed, because each function that takes a future by value has room for it twice, and copies it.
    catch_panic(Box::pin(client.send(&input)))
        .await
        .unwrap_or_else(|panic| Err(interrupted(panic_error(&*panic), input.operation, input.idempotency_key)))
}

/// OpenSSL's name for what is wrong with a TLS connection, for languages whose own errors have such codes.
pub fn tls_code(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    connect::tls_code(cause)
}

/// Whether the arguments of a call are valid, for what validates many before the first one is sent.
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`], as the call itself would fail.
pub fn check(input: &OperationInput, names: NameStyle) -> Result<(), Error> {
    input.check(names)
}

/// The error of a call with an argument that the binding cannot convert.
pub fn rejected_call(input: &OperationInput, error: Error) -> Error {
    input.rejected(error)
}

/// The error, in the child process, of a call during which the process was forked: it continues in the parent.
pub fn forked_call(operation: Operation, idempotency_key: Option<String>) -> Error {
    let message = "the process was forked during the call, which continues in the parent process only";
    interrupted(Error::new(ErrorKind::Connection, message), operation, idempotency_key)
}

/// A duration from a host language's seconds. An infinite `timeout` or `tolerance` is [`Duration::MAX`], which means none.
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`] when it is not a number greater than 0, or does not fit a clock.
pub fn seconds(argument: Argument, names: NameStyle, value: f64) -> Result<Duration, Error> {
    if matches!(argument, Argument::Timeout | Argument::Tolerance) && value == f64::INFINITY {
        return Ok(Duration::MAX);
    }
    let duration = if value > 0.0 { Duration::try_from_secs_f64(value).ok() } else { None };
    duration.filter(|duration| !duration.is_zero()).ok_or_else(|| {
        let name = argument.name(names);
        let message = format!("{name} must be a number of seconds greater than 0, not {value}");
        if argument == Argument::Tolerance {
            Error::invalid_webhook_argument(message)
        } else {
            Error::invalid_argument(message)
        }
    })
}

/// A time for [`webhooks`](crate::webhooks) from a host language's seconds since 1970.
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`] when it is not a number, or no time that a clock can show.
pub fn unix_time(argument: Argument, names: NameStyle, seconds: f64) -> Result<SystemTime, Error> {
    let since = Duration::try_from_secs_f64(seconds).ok();
    since.and_then(|since| UNIX_EPOCH.checked_add(since)).ok_or_else(|| {
        let name = argument.name(names);
        Error::invalid_webhook_argument(format!(
            "{name} must be a time since 1970; {seconds} s after its beginning is none"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyFuture, KeyProvider};

    /// A key provider is the caller's code that runs inside a call.
    struct Panics;

    impl KeyProvider for Panics {
        fn api_key(&self) -> KeyFuture<'_> {
            Box::pin(async {
                tokio::task::yield_now().await;
                panic!("unexpected state")
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
        assert!(error.message().contains("unexpected state") && error.outcome_unknown(), "{error}");
        assert_eq!((error.operation(), error.kind()), ("invite", ErrorKind::Internal));
        assert!(error.message().ends_with("please report it"), "{error}");
        assert!(!call(Operation::Status).outcome_unknown());
    }

    #[test]
    fn concurrent_threads_get_one_runtime() {
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| runtime().unwrap().id())).collect();
        let ids: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(ids.iter().all(|id| *id == runtime().unwrap().id()), "{ids:?}");
    }

    #[test]
    fn invalid_seconds_are_refused() {
        assert_eq!(seconds(Argument::Timeout, NameStyle::Snake, 0.25).unwrap(), Duration::from_millis(250));
        assert_eq!(seconds(Argument::Timeout, NameStyle::Snake, f64::INFINITY).unwrap(), Duration::MAX);
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            assert!(
                seconds(Argument::AttemptTimeout, NameStyle::Camel, value)
                    .unwrap_err()
                    .message()
                    .starts_with("attemptTimeout "),
                "{value}"
            );
        }
    }
}
