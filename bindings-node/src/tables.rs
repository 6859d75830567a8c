//! The core's tables as data, for the tests that compare the TypeScript half with them.

use celper::{CandidateStatus, ErrorKind};
use napi_derive::napi;

/// An error kind, its class and the parent class.
#[napi(object, object_from_js = false)]
pub struct ErrorKindRow {
    /// The kind's name.
    pub kind: &'static str,
    /// The class's name.
    pub class: &'static str,
    /// The parent class's name.
    pub parent: &'static str,
}

/// All error kinds.
#[napi(catch_unwind)]
pub fn error_kinds() -> Vec<ErrorKindRow> {
    let rows = ErrorKind::TABLE.iter();
    rows.map(|row| ErrorKindRow { kind: row.name, class: row.class, parent: row.parent }).collect()
}

/// All candidate statuses that the core knows.
#[napi(catch_unwind)]
pub fn known_statuses() -> Vec<String> {
    CandidateStatus::KNOWN.iter().map(|status| status.as_str().to_owned()).collect()
}
