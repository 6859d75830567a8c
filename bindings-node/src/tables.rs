//! The core's tables as data, for the tests that hold the TypeScript half to them.

use celper::{CandidateStatus, ErrorKind};
use napi_derive::napi;

/// A kind of error, its class, and the class above that.
#[napi(object, object_from_js = false)]
pub struct ErrorKindRow {
    /// The kind's name.
    pub kind: &'static str,
    /// The class's name.
    pub class: &'static str,
    /// The name of the class above it.
    pub parent: &'static str,
}

/// Every kind of error.
#[napi(catch_unwind)]
pub fn error_kinds() -> Vec<ErrorKindRow> {
    let rows = ErrorKind::TABLE.iter();
    rows.map(|row| ErrorKindRow { kind: row.name, class: row.class, parent: row.parent }).collect()
}

/// Every status that the core knows.
#[napi(catch_unwind)]
pub fn known_statuses() -> Vec<String> {
    CandidateStatus::KNOWN.iter().map(|status| status.as_str().to_owned()).collect()
}
