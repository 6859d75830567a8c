//! Arguments that are refused before anything is sent, with a message that says what to do.

use std::borrow::Cow;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::Error;

/// The API's limit for `emailSubject`, counted in Unicode scalar values. UTF-16 units and bytes are never fewer, so a server
/// that counts those refuses what is too long here as well.
const MAX_SUBJECT: usize = 200;
/// The API's limit for `emailBody`, counted like [`MAX_SUBJECT`].
const MAX_BODY: usize = 5_000;
/// The API's limit for an idempotency key.
const MAX_IDEMPOTENCY_KEY: usize = 255;
/// Far beyond any id, and small enough that its percent-encoding still fits a URL.
const MAX_ID: usize = 1_024;

/// RFC 3986's unreserved characters stay; everything else is encoded, so that an id is always one path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An id, checked and percent-encoded for a path segment or a query value.
pub(crate) fn encode_id<'a>(name: &str, id: &'a str) -> Result<Cow<'a, str>, Error> {
    let problem = if id.is_empty() {
        "is empty"
    } else if id.chars().any(char::is_control) {
        "contains a control character"
    } else if id.len() > MAX_ID && id.chars().nth(MAX_ID).is_some() {
        "is longer than 1,024 characters"
    } else if id == "." || id == ".." {
        // Every URL parser and most proxies resolve these, percent-encoded or not: the request would go to another path.
        "is a relative path segment (. or ..), which a URL cannot contain"
    } else {
        return Ok(utf8_percent_encode(id, SEGMENT).into());
    };
    Err(Error::invalid_argument(format!("{name} {problem}; pass the id as the Celper API gave it")))
}

pub(crate) fn check_subject(name: &str, subject: &str) -> Result<(), Error> {
    // A mail header ends at a line break: what follows could be headers of the sender's own choice.
    if subject.chars().any(char::is_control) {
        let message = format!("{name} contains a line break or another control character; a subject is one line");
        return Err(Error::invalid_argument(message));
    }
    check_length(name, subject, MAX_SUBJECT)
}

pub(crate) fn check_body(name: &str, body: &str) -> Result<(), Error> {
    if body.contains('\0') {
        return Err(Error::invalid_argument(format!("{name} contains a NUL character; remove it")));
    }
    check_length(name, body, MAX_BODY)
}

fn check_length(name: &str, text: &str, max: usize) -> Result<(), Error> {
    // A string never has more scalar values than bytes.
    if text.len() <= max {
        return Ok(());
    }
    let length = text.chars().count();
    if length <= max {
        return Ok(());
    }
    Err(Error::invalid_argument(format!("{name} has {length} characters; the API takes at most {max}")))
}

pub(crate) fn check_idempotency_key(name: &str, key: &str) -> Result<(), Error> {
    let problem = if key.is_empty() {
        "is empty; omit it to have one generated"
    } else if key.len() > MAX_IDEMPOTENCY_KEY {
        "is longer than 255 characters"
    } else if !is_header_safe(key) {
        "may contain only printable ASCII characters, without spaces at either end: it is sent as a header"
    } else {
        return Ok(());
    };
    Err(Error::invalid_argument(format!("{name} {problem}")))
}

/// The form of version 00: later versions keep it.
pub(crate) fn check_traceparent(name: &str, text: &str) -> Result<(), Error> {
    let fields: Vec<_> = text.split('-').collect();
    let is_hex = |text: &&str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if fields.iter().all(is_hex) && fields.iter().map(|field| field.len()).eq([2, 32, 16, 2]) {
        return Ok(());
    }
    let example = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    Err(Error::invalid_argument(format!("{name} is not a W3C trace context; it has the form {example}")))
}

/// Whether a header transmits the value unchanged: HTTP trims white space, and bytes beyond ASCII have no defined encoding.
pub(crate) fn is_header_safe(value: &str) -> bool {
    value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && value.trim() == value
}

pub(crate) fn not_zero(name: &str, time: Duration) -> Result<(), Error> {
    if time.is_zero() {
        return Err(Error::invalid_argument(format!("{name} must be longer than 0")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_encoded_as_one_path_segment() {
        let encoded = |id| encode_id("candidate_id", id).unwrap();
        assert_eq!(encoded("cand_xyz-789.~"), "cand_xyz-789.~");
        assert_eq!(encoded("../a?b#c%2F d+e&f=g"), "..%2Fa%3Fb%23c%252F%20d%2Be%26f%3Dg");
        assert_eq!(encoded("ключ🔑"), "%D0%BA%D0%BB%D1%8E%D1%87%F0%9F%94%91");
        assert_eq!(encoded("..."), "...");
        for id in ["", ".", "..", "a\0b", "a\nb", "\u{7f}", "\u{85}", &"x".repeat(1_025)] {
            let error = encode_id("candidate_id", id).unwrap_err();
            assert!(error.message().starts_with("candidate_id "), "{error}");
        }
        assert!(encode_id("candidate_id", &"é".repeat(1_024)).is_ok());
    }

    #[test]
    fn lengths_are_counted_in_unicode_scalar_values() {
        assert!(check_subject("email_subject", &"é".repeat(200)).is_ok());
        assert!(check_body("email_body", &"🔑".repeat(5_000)).is_ok());
        let error = check_subject("email_subject", &"é".repeat(201)).unwrap_err();
        assert_eq!(error.message(), "email_subject has 201 characters; the API takes at most 200");
        assert!(check_body("email_body", &"a".repeat(5_001)).is_err());
    }

    #[test]
    fn a_subject_is_one_line_and_a_body_has_no_nul() {
        for subject in ["a\r\nBcc: x@evil.example", "a\nb", "tab\t", "\0", "\u{85}"] {
            assert!(check_subject("email_subject", subject).unwrap_err().message().contains("one line"), "{subject:?}");
        }
        assert!(check_body("email_body", "two\r\nlines\tand a tab").is_ok());
        assert!(check_body("email_body", "a\0b").unwrap_err().message().starts_with("email_body "));
    }

    #[test]
    fn a_traceparent_has_the_form_of_w3c_trace_context() {
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(check_traceparent("traceparent", valid).is_ok());
        for text in
            ["", "00", &valid.to_uppercase(), &valid[1..], &format!("{valid}\r\nX-Evil: 1"), &format!("{valid}-0")]
        {
            assert!(check_traceparent("traceparent", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn idempotency_keys_must_be_valid_header_values() {
        assert!(check_idempotency_key("idempotency_key", &"k".repeat(255)).is_ok());
        assert!(check_idempotency_key("idempotency_key", "order 17 / invite").is_ok());
        for key in ["", " a", "a ", "a\r\nX-Evil: 1", "schlüssel", "\u{7f}", &"k".repeat(256)] {
            assert!(check_idempotency_key("idempotency_key", key).is_err(), "{key:?}");
        }
    }
}
