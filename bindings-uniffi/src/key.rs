//! Key providers that are written in the host language.

use std::fmt;
use std::sync::Arc;

use celper::{ApiKey, KeyFuture, KeyProvider};

/// A key provider in the host language, called before each attempt.
///
/// It must throw only [`KeySourceError`]; any other error is a bug in the language layer and arrives here as a panic.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait KeySource: Send + Sync {
    /// Returns the API key for the next attempt.
    async fn api_key(&self) -> Result<String, KeySourceError>;
}

/// The error of a [`KeySource`].
#[derive(thiserror::Error, uniffi::Error)]
pub enum KeySourceError {
    /// The key provider threw an error.
    #[error("{}", error.message())]
    Failed {
        /// The thrown error, which the caller gets back as the cause.
        error: Arc<dyn HostError>,
    },
}

/// An error object of the host language, passed through Rust and back.
#[uniffi::export(with_foreign)]
pub trait HostError: Send + Sync {
    /// The error's message.
    fn message(&self) -> String;
}

impl fmt::Debug for KeySourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Adapts a [`KeySource`] to the core's [`KeyProvider`].
pub(crate) struct HostKeyProvider(pub(crate) Arc<dyn KeySource>);

impl KeyProvider for HostKeyProvider {
    fn api_key(&self) -> KeyFuture<'_> {
        Box::pin(async {
            match self.0.api_key().await {
                Ok(key) => Ok(ApiKey::new(key)?),
                Err(KeySourceError::Failed { error }) => Err(KeyProviderError(error).into()),
            }
        })
    }
}

/// A key provider's error as the cause of a core error; [`Failure`](crate::Failure) returns the host's error from it.
#[derive(thiserror::Error)]
#[error("{}", .0.message())]
pub(crate) struct KeyProviderError(pub(crate) Arc<dyn HostError>);

impl fmt::Debug for KeyProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyProviderError")
    }
}
