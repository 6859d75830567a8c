//! Panics as errors: a panic in one call must not take others, or the host process, with it.
#![cfg_attr(not(feature = "bindings"), allow(unreachable_pub, reason = "public for bindings only"))]

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::error::{Error, ErrorKind};
use crate::operation::Operation;

/// A panic as an error.
pub fn panic_error(panic: &(dyn Any + Send)) -> Error {
    let message = format!("internal error in the SDK: {}; please report it", panic_message(panic));
    Error::new(ErrorKind::Internal, message)
}

/// The error of a call that ended in the middle, or whose result is lost: an action may have taken place.
pub fn interrupted(error: Error, operation: Operation, idempotency_key: Option<String>) -> Error {
    error.with(|parts| {
        parts.operation = operation.name();
        parts.idempotency_key = idempotency_key;
        parts.outcome_unknown = operation.is_action();
    })
}

pub(crate) async fn catch_panic<T>(call: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut call = pin!(call);
    // The future is not polled again after a panic, so its inconsistent state is never used.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
