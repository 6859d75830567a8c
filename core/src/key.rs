//! API keys: never printed, and wiped from memory when they are no longer needed.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use crate::argument::{Argument, NameStyle};
use crate::error::{Cause, Error};
use crate::validate::is_header_safe;

/// The value of the `X-API-Key` header.
///
/// It has no `Display`, its `Debug` shows only `[redacted]`, and its memory is wiped when the last copy is dropped.
///
/// ```
/// let key = celper::ApiKey::new("celp_0123456789abcdef0123456789abcdef")?;
/// assert_eq!(format!("{key:?}"), "ApiKey([redacted])");
/// # Ok::<(), celper::Error>(())
/// ```
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

/// Bytes that are wiped when the last header value that shares them is dropped.
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl ApiKey {
    /// A key from its text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when it is empty or not a valid header value; the
    /// usual reason is a line break read from a file together with the key. The message does not repeat it.
    pub fn new(key: impl Into<String>) -> Result<Self, Error> {
        ApiKey::parse(key.into(), NameStyle::default())
    }

    pub(crate) fn parse(key: String, names: NameStyle) -> Result<Self, Error> {
        let key = Zeroizing::new(key);
        if key.is_empty() {
            let name = Argument::ApiKey.name(names);
            return Err(Error::invalid_argument(format!("the API key is empty; pass {name} or set CELPER_API_KEY")));
        }
        let refused = || {
            Error::invalid_argument(
                "the API key has white space around it or characters that are not allowed in a header; remove the line break \
                 if it was read from a file",
            )
        };
        if !is_header_safe(&key) {
            return Err(refused());
        }
        let owner = Wiped(Zeroizing::new(key.as_bytes().to_vec()));
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(owner)).map_err(|_| refused())?;
        value.set_sensitive(true);
        Ok(ApiKey(value))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// A text with the key redacted, in case the server echoed it. A string too short to be a key is left alone: it would
    /// match any text.
    pub(crate) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let key = self.expose();
        // A server may quote the key without its prefix, or in other case.
        let after_prefix = key.bytes().position(|byte| byte == b'_').and_then(|end| key.get(end + 1..));
        let secret = after_prefix.filter(|secret| secret.len() >= 16).unwrap_or(key);
        let prefix = key.strip_suffix(secret).unwrap_or_default();
        if secret.len() < 8 {
            return text.into();
        }
        let (mut redacted, mut rest) = (String::new(), text);
        // The first byte rules out nearly every place: each response has texts that are searched.
        let first = secret.as_bytes().first().map(u8::to_ascii_lowercase);
        let is_secret = |bytes: &[u8]| {
            bytes.first().map(u8::to_ascii_lowercase) == first && bytes.eq_ignore_ascii_case(secret.as_bytes())
        };
        while let Some(start) = rest.as_bytes().windows(secret.len()).position(is_secret) {
            // A key is ASCII, so no character is cut in two.
            let (before, found) = rest.split_at_checked(start).unwrap_or_default();
            let kept = before.len().saturating_sub(prefix.len());
            let (kept, prefix_found) = before.split_at_checked(kept).unwrap_or((before, ""));
            redacted.push_str(if prefix_found.eq_ignore_ascii_case(prefix) { kept } else { before });
            redacted.push_str("[redacted]");
            rest = found.get(secret.len()..).unwrap_or_default();
        }
        if redacted.is_empty() {
            return text.into();
        }
        redacted.push_str(rest);
        redacted.into()
    }

    pub(crate) fn expose(&self) -> &str {
        // `new` accepts only header-safe ASCII.
        self.0.to_str().unwrap_or_default()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([redacted])")
    }
}

/// The future that [`KeyProvider::api_key`] returns.
pub type KeyFuture<'a> = Pin<Box<dyn Future<Output = Result<ApiKey, Cause>> + Send + 'a>>;

/// Provides the `X-API-Key` header's value for each attempt, for callers without a fixed key: an app that gets a
/// short-lived credential from its own backend, or a server whose keys are rotated.
///
/// ```
/// use celper::{ApiKey, Client, KeyFuture, KeyProvider};
///
/// struct FromVault;
///
/// impl KeyProvider for FromVault {
///     fn api_key(&self) -> KeyFuture<'_> {
///         Box::pin(async { Ok(ApiKey::new(read_vault().await?)?) })
///     }
/// }
/// # async fn read_vault() -> std::io::Result<String> { Ok("celp_0123456789abcdef0123456789abcdef".into()) }
///
/// let client = Client::builder().key_provider(FromVault).build()?;
/// # Ok::<(), celper::Error>(())
/// ```
///
/// It is called before every attempt, within the call's timeout; cache the credential as long as it is valid. When it fails
/// before the first attempt, nothing is sent and the call fails with
/// [`ErrorKind::Authentication`](crate::ErrorKind::Authentication) and the provider's error as its source; when it fails
/// before a retry, the call fails with the error that made the retry necessary.
pub trait KeyProvider: Send + Sync + 'static {
    /// The key for the next attempt.
    fn api_key(&self) -> KeyFuture<'_>;
}

/// A fixed key.
impl KeyProvider for ApiKey {
    fn api_key(&self) -> KeyFuture<'_> {
        Box::pin(ready(Ok(self.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_a_valid_header_value_is_refused_without_being_repeated() {
        for key in ["celp_secret\n", " celp_secret", "celp_sécret", "celp_secret\0"] {
            let error = ApiKey::new(key).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        assert!(ApiKey::new("").unwrap_err().message().contains("CELPER_API_KEY"));
    }

    #[test]
    fn the_key_is_redacted_in_any_case_and_without_its_prefix() {
        let key = ApiKey::new("celp_0123456789abcdef0123456789abcdef").unwrap();
        for (text, expected) in [
            ("key celp_0123456789abcdef0123456789abcdef!", "key [redacted]!"),
            ("KEY CELP_0123456789ABCDEF0123456789ABCDEF", "KEY [redacted]"),
            ("é 0123456789abcdef0123456789abcdef 0123456789ABCDEF0123456789abcdef", "é [redacted] [redacted]"),
            ("celp_0123456789abcdef", "celp_0123456789abcdef"),
        ] {
            assert_eq!(key.redact(text), expected);
        }
        assert_eq!(ApiKey::new("short").unwrap().redact("a short text"), "a short text");
    }

    #[test]
    fn no_string_form_shows_the_key() {
        let key = ApiKey::new("celp_secret").unwrap();
        assert_eq!(format!("{key:?} {:?}", key.header()), "ApiKey([redacted]) Sensitive");
        assert_eq!(key.expose(), "celp_secret");
    }
}
