//! The two headers, and the HMAC.

use ring::hmac::{self, Context, HMAC_SHA256, Key, Tag};

use super::{Reason, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use crate::digest::hex;
use crate::error::Error;

/// The name of the scheme, in front of each signature.
const SCHEME: &str = "sha256";

/// The length of an HMAC-SHA-256.
type Signature = [u8; 32];

/// More than any time in seconds for some thousand years: a timestamp in milliseconds.
const MILLISECONDS: u64 = 100_000_000_000;

/// What the headers of a request say about its signature.
pub(super) struct SignedHeaders {
    /// The timestamp as it was sent: these characters are signed.
    text: String,
    pub(super) timestamp: u64,
    signatures: Vec<Signature>,
}

/// The key of a secret.
pub(super) fn key(secret: &[u8]) -> Result<Key, Error> {
    if secret.is_empty() {
        return Err(Error::invalid_webhook_argument("a webhook secret is empty"));
    }
    if secret != secret.trim_ascii() {
        return Err(Error::invalid_webhook_argument(
            "a webhook secret has white space around it; remove the line break if it was read from a file",
        ));
    }
    Ok(Key::new(HMAC_SHA256, secret))
}

/// The signature header's value.
pub(super) fn header(key: &Key, timestamp: &str, body: &[u8]) -> String {
    format!("{SCHEME}={}", hex(tag(key, timestamp, body).as_ref()))
}

fn tag(key: &Key, timestamp: &str, body: &[u8]) -> Tag {
    let mut context = Context::with_key(key);
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(body);
    context.sign()
}

impl SignedHeaders {
    pub(super) fn read(
        headers: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
    ) -> Result<SignedHeaders, Error> {
        let mut timestamp: Option<String> = None;
        let mut signatures = Vec::new();
        let mut signed = false;
        for (name, value) in headers {
            let (name, value) = (name.as_ref(), value.as_ref());
            if name.eq_ignore_ascii_case(TIMESTAMP_HEADER) {
                let text = text(TIMESTAMP_HEADER, value)?;
                if timestamp.as_ref().is_some_and(|first| first != text) {
                    return Err(malformed(TIMESTAMP_HEADER, "is there twice, with different values"));
                }
                timestamp = Some(text.to_owned());
            } else if name.eq_ignore_ascii_case(SIGNATURE_HEADER) {
                signed = true;
                // The header twice is the same as one with a comma, which most servers make of it before a program sees it.
                signatures.extend(text(SIGNATURE_HEADER, value)?.split(',').filter_map(signature));
            }
        }
        if !signed {
            return Err(missing(SIGNATURE_HEADER));
        }
        let text = timestamp.ok_or_else(|| missing(TIMESTAMP_HEADER))?;
        if signatures.is_empty() {
            return Err(malformed(SIGNATURE_HEADER, "has no sha256=… with 64 hexadecimal digits in it"));
        }
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let timestamp = number.ok_or_else(|| malformed(TIMESTAMP_HEADER, "is not a number of seconds since 1970"))?;
        if timestamp >= MILLISECONDS {
            return Err(malformed(TIMESTAMP_HEADER, "is too large for seconds since 1970; it looks like milliseconds"));
        }
        Ok(SignedHeaders { text, timestamp, signatures })
    }

    /// Whether one of the signatures is of the body with one of the keys. Takes as long for every answer, and hashes the body
    /// once for each key however many signatures a stranger sends.
    pub(super) fn match_any(&self, keys: &[Key], body: &[u8]) -> bool {
        let mut matched = false;
        for key in keys {
            let expected = tag(key, &self.text, body);
            // `ring` compares in constant time only a message with its tag: the two signatures are equal if their tags are.
            let expected = hmac::sign(key, expected.as_ref());
            for signature in &self.signatures {
                matched |= hmac::verify(key, signature, expected.as_ref()).is_ok();
            }
        }
        matched
    }
}

/// One signature of the list; none for another scheme, which may be added one day beside this.
fn signature(element: &str) -> Option<Signature> {
    let (scheme, digits) = element.trim_ascii().split_once('=')?;
    if !scheme.eq_ignore_ascii_case(SCHEME) || digits.len() != 64 {
        return None;
    }
    let mut signature = Signature::default();
    for (byte, pair) in signature.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(signature)
}

fn digit(character: u8) -> Option<u8> {
    let value = char::from(character).to_digit(16)?;
    u8::try_from(value).ok()
}

fn text<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, Error> {
    let text = str::from_utf8(value).ok().filter(|text| text.is_ascii());
    Ok(text.ok_or_else(|| malformed(name, "has characters that are not ASCII"))?.trim_ascii())
}

fn missing(name: &str) -> Error {
    let message = format!("the header {name} is missing: pass all headers of the request; a proxy may have removed it");
    Error::webhook(Reason::MissingHeader, message)
}

fn malformed(name: &str, what: &str) -> Error {
    Error::webhook(Reason::Malformed, format!("the header {name} {what}"))
}
