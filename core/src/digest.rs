//! Names that are derived from values and tell none of them.

use std::fmt::Write;

use ring::digest::{Context, SHA256};

/// The first half of the SHA-256 of some values; an absent value differs from an empty one.
pub(crate) fn digest<'a>(values: impl IntoIterator<Item = Option<&'a [u8]>>) -> [u8; 16] {
    let mut sha = Context::new(&SHA256);
    for value in values {
        // Each value has its length in front, so that no two lists of values hash the same bytes.
        let length = value.map_or(u64::MAX, |bytes| bytes.len() as u64);
        sha.update(&length.to_be_bytes());
        sha.update(value.unwrap_or_default());
    }
    sha.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

/// [`digest`] of texts, as 32 hexadecimal digits.
pub(crate) fn name_of(texts: &[&str]) -> String {
    format!("{:032x}", u128::from_be_bytes(digest(texts.iter().map(|text| Some(text.as_bytes())))))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a `String` does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
