//! The Kotlin and Swift bindings of the Celper SDK: the types and functions that cross the FFI boundary.
//!
//! The core makes all decisions; this crate only converts types. Nothing here throws: a call returns an [`Outcome`], which
//! the hand-written layers in `kotlin/` and `swift/` convert to idiomatic results and errors. Those layers are the only users
//! of this interface, which may change with any release.

mod batch;
mod call;
mod direct;
mod failure;
mod key;
mod logs;
mod options;
mod output;
mod record;
mod scaffolding;
mod watch;
mod webhooks;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use batch::{BatchCounts, BatchEvent, BatchOptions, BatchWait, NativeBatch};
pub use call::{CallInput, CancelToken, NativeClient, OpenResult, open};
pub use direct::{celper_call, celper_cancel, celper_function_pointer};
pub use failure::{ErrorKindRow, Failure, LastState, error_kinds};
pub use key::{KeyResult, KeySource, complete_key_request};
pub use options::{ClientOptions, OptionValues, RateLimitOptions};
pub use output::{Outcome, Output};
pub use record::{AttemptData, RecordData, WaitData, record_text};
pub use watch::WatchOptions;
pub use webhooks::{WebhookInput, WebhookOutcome, receive_webhook, sign_webhook, webhook_names};

/// How Kotlin and Swift spell the names of arguments.
const NAMES: celper::bindings::NameStyle = celper::bindings::NameStyle::Camel;

pub use scaffolding::UniFfiTag;

/// Locks a mutex, also when a holder of it has panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
