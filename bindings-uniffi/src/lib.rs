//! The Kotlin and Swift bindings of the Celper SDK: what crosses the language border, as data.
//!
//! Whatever is decided is decided in the core; here it is only translated. Nothing here throws: a call ends in an
//! [`Outcome`], and the hand-written layers in `kotlin/` and `swift/` make results and errors of it that feel at home there.
//! They are the only users of this interface, which may change with any release.

mod call;
mod direct;
mod failure;
mod key;
mod options;
mod output;

pub use call::{CallInput, CancelToken, NativeClient, Opening, open};
pub use direct::{celper_call, celper_cancel};
pub use failure::{ErrorKindRow, Failure, error_kinds};
pub use key::{HostError, KeySource, KeySourceError};
pub use options::{Options, Rates};
pub use output::{Outcome, Output};

uniffi::setup_scaffolding!("celper");
