//! A client's options. Numbers are wide and signed, so that a value out of range gets an error that names the option.

use celper::bindings::{Argument, NameStyle, seconds};
use celper::{Client, Error, RateLimits};

use crate::NAMES;
use crate::key::{HostKeyProvider, KeySource};

/// A client's options. If one is missing, the core's default applies.
#[derive(uniffi::Record)]
pub struct ClientOptions {
    /// The API key.
    pub api_key: Option<String>,
    /// A key provider, instead of a fixed key.
    pub key_source: Option<KeySource>,
    /// The API's base URL.
    pub base_url: Option<String>,
    /// Private hosts that the base URL may name with plain `http`.
    pub allow_http_hosts: Vec<String>,
    /// Timeout of a whole call, in seconds.
    pub timeout: Option<f64>,
    /// Timeout of one attempt, in seconds.
    pub attempt_timeout: Option<f64>,
    /// The maximum number of retries.
    pub max_retries: Option<i64>,
    /// The limits for pacing; none turns pacing off.
    pub rate_limits: Option<RateLimitOptions>,
    /// Which processes share the limits.
    pub rate_limit_store: Option<String>,
    /// The name under which clients share the limits.
    pub rate_limit_name: Option<String>,
    /// What happens to calls while the store cannot be reached.
    pub rate_limit_store_down: Option<String>,
    /// The URL of an HTTP or SOCKS proxy.
    pub proxy: Option<String>,
    /// Additional CA certificates, as PEM text.
    pub ca_certificates: Option<String>,
    /// The program's name and version, for the User-Agent header.
    pub app_info: Option<String>,
    /// The address of the host's function for log events, which stays valid for as long as the process runs; 0: none.
    pub log_callback: u64,
    /// Up to which level the creation of the client logs; see [`CallInput`](crate::CallInput).
    pub log_level: u8,
    /// `kotlin` or `swift`, for the User-Agent header.
    pub language: String,
    /// The language's version, for the User-Agent header.
    pub language_version: String,
}

/// The limits that pacing keeps, in requests per window.
#[derive(uniffi::Record)]
pub struct RateLimitOptions {
    /// Status reads per window.
    pub reads: i64,
    /// Actions per window.
    pub actions: i64,
    /// All requests per window.
    pub total: i64,
    /// The window's length in seconds.
    pub window: f64,
}

/// The options that a client has, for its host to read.
#[derive(uniffi::Record)]
pub struct OptionValues {
    /// The base URL that the client sends its requests to.
    pub base_url: String,
    /// Timeout of a whole call, in seconds.
    pub timeout: Option<f64>,
    /// Timeout of one attempt, in seconds.
    pub attempt_timeout: f64,
    /// The maximum number of retries.
    pub max_retries: u32,
    /// The limits for pacing; none if it is off.
    pub rate_limits: Option<RateLimitOptions>,
    /// Which processes share the limits; a URL without user and password.
    pub rate_limit_store: String,
    /// The name under which clients share the limits.
    pub rate_limit_name: Option<String>,
}

impl From<&Client> for OptionValues {
    fn from(client: &Client) -> Self {
        OptionValues {
            base_url: client.base_url().to_owned(),
            timeout: client.timeout().map(|timeout| timeout.as_secs_f64()),
            attempt_timeout: client.attempt_timeout().as_secs_f64(),
            max_retries: client.max_retries(),
            rate_limits: client.rate_limits().map(RateLimitOptions::from),
            rate_limit_store: client.rate_limit_store(),
            rate_limit_name: client.rate_limit_name().map(ToOwned::to_owned),
        }
    }
}

impl ClientOptions {
    pub(crate) fn build_client(self) -> Result<Client, Error> {
        // First, so that the host is told to release the provider when another option is refused.
        let provider =
            self.key_source.map(|source| HostKeyProvider::new(&source).ok_or_else(no_callback)).transpose()?;
        let names = if self.language == "swift" { NameStyle::Swift } else { NAMES };
        let mut builder = Client::builder()
            .language(self.language, self.language_version, names)
            .allow_http_hosts(self.allow_http_hosts)
            .rate_limits(self.rate_limits.map(RateLimitOptions::into_rate_limits).transpose()?);
        if let Some(key) = self.api_key {
            builder = builder.api_key(key);
        }
        if let Some(provider) = provider {
            builder = builder.key_provider(provider);
        }
        if let Some(url) = self.base_url {
            builder = builder.base_url(url);
        }
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(seconds(Argument::Timeout, NAMES, timeout)?);
        }
        if let Some(timeout) = self.attempt_timeout {
            builder = builder.attempt_timeout(seconds(Argument::AttemptTimeout, NAMES, timeout)?);
        }
        if let Some(retries) = self.max_retries {
            builder = builder.max_retries(count(Argument::MaxRetries, retries)?);
        }
        if let Some(store) = self.rate_limit_store {
            builder = builder.rate_limit_store(store);
        }
        if let Some(name) = self.rate_limit_name {
            builder = builder.rate_limit_name(name);
        }
        if let Some(what) = self.rate_limit_store_down {
            builder = builder.rate_limit_store_down(what);
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

fn no_callback() -> Error {
    Error::invalid_argument("the key provider has no callback")
}

impl From<RateLimits> for RateLimitOptions {
    fn from(limits: RateLimits) -> Self {
        RateLimitOptions {
            reads: limits.reads.into(),
            actions: limits.actions.into(),
            total: limits.total.into(),
            window: limits.window.as_secs_f64(),
        }
    }
}

impl RateLimitOptions {
    fn into_rate_limits(self) -> Result<RateLimits, Error> {
        Ok(RateLimits {
            reads: count(Argument::RateLimitsReads, self.reads)?,
            actions: count(Argument::RateLimitsActions, self.actions)?,
            total: count(Argument::RateLimitsTotal, self.total)?,
            window: seconds(Argument::RateLimitsWindow, NAMES, self.window)?,
        })
    }
}

/// Converts the host's signed integer to a count.
pub(crate) fn count(argument: Argument, value: i64) -> Result<u32, Error> {
    let name = argument.name(NAMES);
    let out_of_range =
        |_| Error::invalid_argument(format!("{name} must be a whole number from 0 to {}, not {value}", u32::MAX));
    u32::try_from(value).map_err(out_of_range)
}
