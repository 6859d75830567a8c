//! A client's options. Numbers come wide and signed, so that an odd one is refused by name and not by a conversion.

use std::sync::Arc;
use std::time::Duration;

use celper::bindings::seconds;
use celper::{Client, Error, RateLimits};

use crate::key::{HostKeys, KeySource};

/// What a client is made of; what is left out is the core's default.
#[derive(uniffi::Record)]
pub struct Options {
    /// A fixed key.
    pub api_key: Option<String>,
    /// Gives keys, in place of a fixed one.
    pub key_source: Option<Arc<dyn KeySource>>,
    /// Where the API is.
    pub base_url: Option<String>,
    /// Whether http may go to the Android emulator's host.
    pub allow_emulator_host: bool,
    /// Seconds for a whole call.
    pub timeout: Option<f64>,
    /// Seconds for one attempt.
    pub attempt_timeout: Option<f64>,
    /// How many more attempts may follow a failed one.
    pub max_retries: Option<i64>,
    /// The windows to keep to; none turns pacing off.
    pub rate_limits: Option<Rates>,
    /// The proxy's URL.
    pub proxy: Option<String>,
    /// PEM text.
    pub ca_certificates: Option<String>,
    /// For the User-Agent.
    pub app_info: Option<String>,
    /// `kotlin` or `swift`, for the User-Agent.
    pub language: String,
    /// That language's version.
    pub language_version: String,
}

/// Requests in each window.
#[derive(uniffi::Record)]
pub struct Rates {
    /// Reads.
    pub reads: i64,
    /// Actions.
    pub actions: i64,
    /// All together.
    pub total: i64,
    /// The window's length in seconds.
    pub window: f64,
}

impl Options {
    pub(crate) fn client(self) -> Result<Client, Error> {
        let mut builder = Client::builder()
            .language(self.language, self.language_version)
            .allow_emulator_host(self.allow_emulator_host)
            .rate_limits(self.rate_limits.map(Rates::limits).transpose()?);
        if let Some(key) = self.api_key {
            builder = builder.api_key(key);
        }
        if let Some(source) = self.key_source {
            builder = builder.key_provider(HostKeys(source));
        }
        if let Some(url) = self.base_url {
            builder = builder.base_url(url);
        }
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(seconds("timeout", timeout)?);
        }
        if let Some(timeout) = self.attempt_timeout {
            builder = builder.attempt_timeout(seconds("attempt_timeout", timeout)?);
        }
        if let Some(retries) = self.max_retries {
            builder = builder.max_retries(count("max_retries", retries)?);
        }
        if let Some(proxy) = self.proxy {
            builder = builder.proxy(proxy);
        }
        if let Some(pem) = self.ca_certificates {
            builder = builder.ca_certificates(pem);
        }
        if let Some(app_info) = self.app_info {
            builder = builder.app_info(app_info);
        }
        builder.build()
    }
}

impl Rates {
    fn limits(self) -> Result<RateLimits, Error> {
        Ok(RateLimits {
            reads: count("rate_limits.reads", self.reads)?,
            actions: count("rate_limits.actions", self.actions)?,
            total: count("rate_limits.total", self.total)?,
            window: window(self.window)?,
        })
    }
}

fn window(value: f64) -> Result<Duration, Error> {
    seconds("rate_limits.window", value)
}

/// A number of things from the host's signed integer.
pub(crate) fn count(name: &str, value: i64) -> Result<u32, Error> {
    let refused =
        |_| Error::invalid_argument(format!("{name} must be a whole number from 0 to {}, not {value}", u32::MAX));
    u32::try_from(value).map_err(refused)
}
