//! Keys that the host language fetches.

use std::fmt;
use std::sync::Arc;

use celper::{ApiKey, KeyFuture, KeyProvider};

/// Gives the key for the attempt that is about to be made; written in the host language.
///
/// An error of another type than [`KeySourceError`] is a fault of the layer above, and arrives here as a panic.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait KeySource: Send + Sync {
    /// The key.
    async fn api_key(&self) -> Result<String, KeySourceError>;
}

/// Why there is no key.
#[derive(uniffi::Error)]
pub enum KeySourceError {
    /// The provider threw this.
    Failed {
        /// What it threw, to be handed back to the caller as the cause.
        error: Arc<dyn HostError>,
    },
}

/// An error of the host language, carried through Rust and back.
#[uniffi::export(with_foreign)]
pub trait HostError: Send + Sync {
    /// What it says.
    fn text(&self) -> String;
}

impl fmt::Display for KeySourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeySourceError::Failed { error } = self;
        f.write_str(&error.text())
    }
}

impl fmt::Debug for KeySourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for KeySourceError {}

/// A [`KeySource`] as the core asks for keys.
pub(crate) struct HostKeys(pub(crate) Arc<dyn KeySource>);

impl KeyProvider for HostKeys {
    fn api_key(&self) -> KeyFuture<'_> {
        Box::pin(async {
            match self.0.api_key().await {
                Ok(key) => Ok(ApiKey::new(key)?),
                Err(KeySourceError::Failed { error }) => Err(ProviderFailed(error).into()),
            }
        })
    }
}

/// A provider's failure as a cause, from which the host gets its own error back.
pub(crate) struct ProviderFailed(pub(crate) Arc<dyn HostError>);

impl fmt::Display for ProviderFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text())
    }
}

impl fmt::Debug for ProviderFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderFailed")
    }
}

impl std::error::Error for ProviderFailed {}
