//! API keys: held so that they cannot be printed, and wiped when they are no longer needed.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;

use bytes::Bytes;
use http::header::HeaderValue;
use zeroize::Zeroizing;

use crate::error::{Cause, Error};
use crate::input::is_header_safe;

/// The value of the `X-API-Key` header.
///
/// It has no `Display`, its `Debug` says only `[redacted]`, and its memory is wiped when the last copy is dropped.
///
/// ```
/// let key = celper::ApiKey::new("celp_0123456789abcdef0123456789abcdef")?;
/// assert_eq!(format!("{key:?}"), "ApiKey([redacted])");
/// # Ok::<(), celper::Error>(())
/// ```
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

/// Bytes that are wiped when the last header value made of them is gone.
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
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when it is empty or could not travel in a header
    /// unchanged (a line break read along with it from a file is the usual reason). The message does not repeat it.
    pub fn new(key: impl Into<String>) -> Result<Self, Error> {
        let key = Zeroizing::new(key.into());
        if key.is_empty() {
            return Err(Error::invalid_argument("the API key is empty; pass api_key or set CELPER_API_KEY"));
        }
        let refused = || {
            Error::invalid_argument(
                "the API key has white space around it or characters that a header cannot carry; was a line break read along \
                 with it?",
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

    /// A text without the key, should the server have echoed it. What is too short to be a key is left: it would be found in
    /// any text.
    pub(crate) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let key = self.expose();
        if key.len() < 8 || text.len() < key.len() || !text.contains(key) {
            text.into()
        } else {
            text.replace(key, "[redacted]").into()
        }
    }

    pub(crate) fn expose(&self) -> &str {
        // Only header-safe ASCII gets in.
        self.0.to_str().unwrap_or_default()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([redacted])")
    }
}

/// What [`KeyProvider::api_key`] gives.
pub type KeyFuture<'a> = Pin<Box<dyn Future<Output = Result<ApiKey, Cause>> + Send + 'a>>;

/// Gives the `X-API-Key` header's value for each attempt, for callers that must not hold a fixed key: an app that asks its
/// own backend for a short-lived credential, or a server whose keys are rotated.
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
/// It is asked before every attempt, within the call's timeout; cache the credential as long as it is good. When it fails
/// before the first attempt, nothing is sent and the call fails with
/// [`ErrorKind::Authentication`](crate::ErrorKind::Authentication) and the provider's error as its source; when it fails
/// before a retry, the call fails with what made the retry necessary.
pub trait KeyProvider: Send + Sync + 'static {
    /// The key to send with the attempt that is about to be made.
    fn api_key(&self) -> KeyFuture<'_>;
}

/// A fixed key is the simplest provider.
impl KeyProvider for ApiKey {
    fn api_key(&self) -> KeyFuture<'_> {
        Box::pin(ready(Ok(self.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_a_header_would_change_is_refused_without_being_repeated() {
        for key in ["celp_secret\n", " celp_secret", "celp_sécret", "celp_secret\0"] {
            let error = ApiKey::new(key).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        assert!(ApiKey::new("").unwrap_err().message().contains("CELPER_API_KEY"));
    }

    #[test]
    fn no_string_form_shows_the_key() {
        let key = ApiKey::new("celp_secret").unwrap();
        assert_eq!(format!("{key:?} {:?}", key.header()), "ApiKey([redacted]) Sensitive");
        assert_eq!(key.expose(), "celp_secret");
    }
}
