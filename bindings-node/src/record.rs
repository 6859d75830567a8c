//! Records of calls: their text, and what spans need.

use celper::bindings::{record, telemetry};
use napi_derive::napi;

/// The text of a record, from its JSON. Empty for anything else.
#[napi(catch_unwind)]
pub fn record_text(json: String) -> String {
    record::from_json(&json).map(|record| record.to_string()).unwrap_or_default()
}

/// The histograms and the names of spans, as JSON.
#[napi(catch_unwind)]
pub fn telemetry_definitions() -> String {
    telemetry::definitions_json()
}
