//! Calls for Kotlin, with nothing but numbers and bytes at the border.
//!
//! JNA makes an object in native memory, and one that is cleaned up later, of each structure that crosses; `UniFFI`'s own
//! calls pass ten of them. That is most of what a call from Kotlin costs. What the bytes are is still `UniFFI`'s to say.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use celper::bindings::of_panic;
use celper::{Client, Error};
use tokio::task::AbortHandle;
use uniffi::{Lift, Lower};

use crate::UniFfiTag;
use crate::call::{self, CallInput};
use crate::output::Outcome;

/// Takes the outcome of call `number`; the bytes are there until it returns. From any thread.
type Answer = extern "C" fn(number: i64, outcome: *const u8, length: i32);

/// A call under way: the numbers are the caller's own, and there may be several callers, each with its class loader.
type Key = (usize, i64);

static CLIENTS: LazyLock<Mutex<HashMap<u64, Client>>> = LazyLock::new(Mutex::default);
static CALLS: LazyLock<Mutex<HashMap<Key, AbortHandle>>> = LazyLock::new(Mutex::default);

/// Makes a client known under a number, which stands for it until it is withdrawn.
pub(crate) fn enter(client: Client) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    locked(&CLIENTS).insert(number, client);
    number
}

/// Ends that; calls under way go on.
pub(crate) fn withdraw(client: u64) {
    let withdrawn = locked(&CLIENTS).remove(&client);
    drop(withdrawn);
}

/// Starts call `number` of a client, which ends with one `answer`, be it from here, or with [`celper_cancel`].
///
/// # Safety
///
/// At `input` there are `length` bytes.
#[allow(unsafe_code, reason = "a function that is found by its name, and takes bytes by their address")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn celper_call(client: u64, input: *const u8, length: i32, number: i64, answer: Answer) {
    // SAFETY: the caller says that so many bytes are there, and keeps them until this returns.
    let input = unsafe { std::slice::from_raw_parts(input, usize::try_from(length).unwrap_or_default()) };
    let started = catch_unwind(AssertUnwindSafe(|| start(client, input, number, answer)));
    if let Err(error) = started.unwrap_or_else(|panic| Err(of_panic(None, &*panic))) {
        hand_over(answer, number, Outcome::Failed { failure: error.into() });
    }
}

/// Drops call `number`, also what of it is on the wire. There may still be an answer, if it was on its way.
#[allow(unsafe_code, reason = "a function that is found by its name")]
#[unsafe(no_mangle)]
pub extern "C" fn celper_cancel(number: i64, answer: Answer) {
    let call = locked(&CALLS).remove(&key(number, answer));
    // Without the lock: what the call has in hand is dropped here.
    call.iter().for_each(AbortHandle::abort);
}

fn start(client: u64, mut input: &[u8], number: i64, answer: Answer) -> Result<(), Error> {
    let input = <CallInput as Lift<UniFfiTag>>::try_read(&mut input)
        .map_err(|problem| Error::invalid_argument(format!("the call cannot be read: {problem}")))?
        .checked()?;
    let client = locked(&CLIENTS).get(&client).cloned();
    let client = client.ok_or_else(|| Error::invalid_argument("there is no such client"))?;
    let finish = move |outcome| {
        let entered = locked(&CALLS).remove(&key(number, answer));
        if entered.is_some() {
            hand_over(answer, number, outcome);
        }
    };
    // It may be finished at once, but not before it is entered: it waits for the lock.
    let mut calls = locked(&CALLS);
    calls.insert(key(number, answer), call::start(client, input, finish)?);
    Ok(())
}

fn hand_over(answer: Answer, number: i64, outcome: Outcome) {
    let mut bytes = Vec::with_capacity(256);
    <Outcome as Lower<UniFfiTag>>::write(outcome, &mut bytes);
    answer(number, bytes.as_ptr(), i32::try_from(bytes.len()).unwrap_or_default());
}

fn key(number: i64, answer: Answer) -> Key {
    (answer as usize, number)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    static ANSWERS: Mutex<Vec<(i64, Vec<u8>)>> = Mutex::new(Vec::new());

    #[allow(unsafe_code, reason = "stands in for what is not Rust")]
    extern "C" fn answered(number: i64, outcome: *const u8, length: i32) {
        // SAFETY: the caller has so many bytes there.
        let bytes = unsafe { std::slice::from_raw_parts(outcome, usize::try_from(length).unwrap()) };
        locked(&ANSWERS).push((number, bytes.to_vec()));
    }

    #[allow(unsafe_code, reason = "stands in for what is not Rust")]
    fn message(client: u64, input: &[u8], number: i64) -> String {
        // SAFETY: the bytes are those of the slice.
        unsafe { celper_call(client, input.as_ptr(), i32::try_from(input.len()).unwrap(), number, answered) };
        let mut answers = locked(&ANSWERS);
        let at = answers.iter().position(|(of, _)| *of == number).unwrap();
        match <Outcome as Lift<UniFfiTag>>::try_read(&mut answers.remove(at).1.as_slice()).unwrap() {
            Outcome::Failed { failure } => failure.message,
            Outcome::Done { .. } | Outcome::Cancelled => panic!("a refused call is a failed one"),
        }
    }

    fn input(operation: &str) -> Vec<u8> {
        let of = |text: &str| text.to_owned();
        let input = CallInput {
            operation: of(operation),
            candidate_id: of("cand_1"),
            job_position_id: of("pos_1"),
            email_subject: None,
            email_body: None,
            idempotency_key: None,
            timeout: None,
            max_retries: None,
        };
        let mut bytes = Vec::new();
        <CallInput as Lower<UniFfiTag>>::write(input, &mut bytes);
        bytes
    }

    #[test]
    fn what_cannot_be_started_is_answered_at_once() {
        assert!(message(0, b"no call", 1).contains("cannot be read"));
        assert!(message(0, &input("promote"), 2).contains("there is no operation"));
        assert!(message(u64::MAX, &input("status"), 3).contains("no such client"));
        celper_cancel(3, answered);
        assert!(locked(&CALLS).is_empty());
    }
}
