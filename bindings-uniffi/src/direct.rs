//! A fast call path for Kotlin that passes only integers and byte buffers across the FFI boundary.
//!
//! For each structure that crosses, JNA allocates native memory and an object with a cleaner. `UniFFI`'s own async calls pass
//! ten structures, which is most of the cost of a call from Kotlin. The bytes are in `UniFFI`'s serialization format.

use std::collections::HashMap;
use std::ffi::c_void;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread::available_parallelism;

use celper::bindings::{panic_error, runtime_with_workers};
use celper::{Client, Error};
use tokio::task::AbortHandle;
use uniffi::{Lift, Lower};

use crate::call::{self, CallInput};
use crate::logs::Logs;
use crate::output::{Interruption, Outcome};
use crate::{UniFfiTag, lock};

/// Receives the outcome of a call, on any thread: the address of its bytes, which are valid until the callback returns. The address
/// is a number, because JNA would create an object for a pointer.
type OutcomeCallback = extern "C" fn(call_id: i64, outcome: u64, length: i32);

/// Identifies a running call. Callers choose the call ids, so the callback's address is part of the key: each class loader
/// that loads the Kotlin layer has its own callback and its own sequence of ids.
type CallKey = (usize, i64);

static CLIENTS: LazyLock<Mutex<HashMap<u64, (Client, Logs)>>> = LazyLock::new(Mutex::default);
static CALLS: LazyLock<Mutex<HashMap<CallKey, AbortHandle>>> = LazyLock::new(Mutex::default);

/// Assigns a client an id, valid until [`unregister`].
pub(crate) fn register(client: Client, logs: Logs) -> u64 {
    static NEXT_ID: AtomicU64 = AtomicU64::new(0);
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    lock(&CLIENTS).insert(id, (client, logs));
    id
}

/// Removes a client. Its running calls continue.
pub(crate) fn unregister(client_id: u64) {
    // Dropped after the lock is released.
    let client = lock(&CLIENTS).remove(&client_id);
    drop(client);
}

/// Returns its argument: JNA passes a function of the JVM as an argument of a native function that needs no reflection to be called.
#[allow(unsafe_code, reason = "exported by name")]
#[unsafe(no_mangle)]
pub extern "C" fn celper_function_pointer(function: *const c_void) -> *const c_void {
    function
}

/// Starts a call. `callback` is called once, possibly before this returns, unless [`celper_cancel`] comes first.
///
/// # Safety
///
/// `input` points to `length` bytes that stay valid until this returns.
#[allow(unsafe_code, reason = "exported by name, and reads bytes through a pointer")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn celper_call(
    client_id: u64,
    input: *const u8,
    length: i32,
    call_id: i64,
    callback: OutcomeCallback,
) {
    // SAFETY: the caller guarantees `length` bytes that stay valid until this returns.
    let input = unsafe { std::slice::from_raw_parts(input, usize::try_from(length).unwrap_or_default()) };
    let started = catch_unwind(AssertUnwindSafe(|| start(client_id, input, call_id, callback)));
    if let Err(error) = started.unwrap_or_else(|panic| Err(panic_error(&*panic))) {
        deliver(callback, call_id, Outcome::Failed { failure: error.into() });
    }
}

/// Cancels a call and drops its request on the wire. The callback may still be called if the call has just finished.
#[allow(unsafe_code, reason = "exported by name")]
#[unsafe(no_mangle)]
pub extern "C" fn celper_cancel(call_id: i64, callback: OutcomeCallback) {
    let call = lock(&CALLS).remove(&key(call_id, callback));
    // Aborting drops the call's state, so the lock is released first.
    call.iter().for_each(AbortHandle::abort);
}

fn start(client_id: u64, mut input: &[u8], call_id: i64, callback: OutcomeCallback) -> Result<(), Error> {
    let input = <CallInput as Lift<UniFfiTag>>::try_read(&mut input)
        .map_err(|error| Error::invalid_argument(format!("could not decode the call's arguments: {error}")))?;
    let log_level = input.log_level;
    let input = input.into_operation_input()?;
    let client = lock(&CLIENTS).get(&client_id).cloned();
    let (client, logs) = client.ok_or_else(|| Error::invalid_argument("unknown client"))?;
    let interruption = Interruption::new(&input);
    let finish = move |result| {
        let running = lock(&CALLS).remove(&key(call_id, callback));
        // Converted only if somebody reads it: the outcome can hold the number of a key provider's error.
        if running.is_some() {
            deliver(callback, call_id, interruption.convert(result));
        }
    };
    // The callback costs the worker as much as the call's own work, and one worker is the bottleneck of many calls at a time.
    let runtime = runtime_with_workers(|| available_parallelism().map_or(1, NonZero::get).min(2))?;
    // Hold the lock until the call is in the map: `finish` takes the same lock, so it cannot run before.
    let mut calls = lock(&CALLS);
    calls.insert(key(call_id, callback), call::spawn(&runtime, client, input, logs.to_level(log_level), finish));
    Ok(())
}

fn deliver(callback: OutcomeCallback, call_id: i64, outcome: Outcome) {
    let mut bytes = Vec::with_capacity(256);
    <Outcome as Lower<UniFfiTag>>::write(outcome, &mut bytes);
    callback(call_id, bytes.as_ptr() as u64, i32::try_from(bytes.len()).unwrap_or_default());
}

fn key(call_id: i64, callback: OutcomeCallback) -> CallKey {
    (callback as usize, call_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    static OUTCOMES: Mutex<Vec<(i64, Vec<u8>)>> = Mutex::new(Vec::new());

    #[allow(unsafe_code, reason = "the foreign language's callback")]
    extern "C" fn record_outcome(call_id: i64, outcome: u64, length: i32) {
        // SAFETY: `deliver` passes the address and the length of one buffer.
        let bytes = unsafe { std::slice::from_raw_parts(outcome as *const u8, usize::try_from(length).unwrap()) };
        lock(&OUTCOMES).push((call_id, bytes.to_vec()));
    }

    /// Starts a call that is expected to fail at once, and returns the error's message.
    #[allow(unsafe_code, reason = "calls as the foreign language does")]
    fn failure_message(client_id: u64, input: &[u8], call_id: i64) -> String {
        // SAFETY: pointer and length are those of the slice.
        unsafe { celper_call(client_id, input.as_ptr(), i32::try_from(input.len()).unwrap(), call_id, record_outcome) };
        let mut outcomes = lock(&OUTCOMES);
        let index = outcomes.iter().position(|(id, _)| *id == call_id).unwrap();
        match <Outcome as Lift<UniFfiTag>>::try_read(&mut outcomes.remove(index).1.as_slice()).unwrap() {
            Outcome::Failed { failure } => failure.message,
            Outcome::Succeeded { .. } | Outcome::Cancelled => panic!("the call should have failed"),
        }
    }

    fn encoded_input(operation: &str) -> Vec<u8> {
        let input = CallInput {
            operation: operation.to_owned(),
            candidate_id: "cand_1".to_owned(),
            job_position_id: "pos_1".to_owned(),
            email_subject: None,
            email_body: None,
            idempotency_key: None,
            timeout: None,
            max_retries: None,
            traceparent: None,
            log_level: 0,
        };
        let mut bytes = Vec::new();
        <CallInput as Lower<UniFfiTag>>::write(input, &mut bytes);
        bytes
    }

    #[test]
    fn a_call_that_cannot_start_fails_at_once() {
        assert!(failure_message(0, b"no call", 1).contains("could not decode"));
        assert!(failure_message(0, &encoded_input("promote"), 2).contains("unknown operation"));
        assert!(failure_message(u64::MAX, &encoded_input("status"), 3).contains("unknown client"));
        celper_cancel(3, record_outcome);
        assert!(lock(&CALLS).is_empty());
    }
}
