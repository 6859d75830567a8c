//! Records of calls: their text, and what spans need.

use celper::bindings::record;
use napi_derive::napi;

/// The text of a record, from its JSON. Empty for anything else.
#[napi(catch_unwind)]
pub fn record_text(json: String) -> String {
    record::from_json(&json).map(|record| record.to_string()).unwrap_or_default()
}
