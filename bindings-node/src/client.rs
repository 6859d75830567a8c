//! Creates a client from JavaScript's options.

use std::time::Duration;

use celper::bindings::{NameStyle, record};
use celper::{Client, Error, Operation, RateLimits};
use napi::bindgen_prelude::{Either, Uint8Array};
use napi_derive::napi;

use crate::key::HostKeyProvider;
use crate::outcome::{self, catch_panic};

/// The core's client.
#[napi]
pub struct NativeClient(pub(crate) Client);

/// Client options, already type-checked. Times are in milliseconds.
#[napi(object, object_to_js = false)]
pub struct NativeOptions {
    pub api_key: Option<String>,
    /// Whether `apiKey` is a function.
    pub key_provider: Option<bool>,
    pub base_url: Option<String>,
    pub allow_http_hosts: Option<Vec<String>>,
    pub timeout: Option<f64>,
    pub attempt_timeout: Option<f64>,
    pub max_retries: Option<u32>,
    /// `false` turns pacing off.
    pub rate_limits: Option<Either<bool, NativeRateLimits>>,
    pub rate_limit_store: Option<String>,
    pub rate_limit_name: Option<String>,
    pub rate_limit_store_down: Option<String>,
    pub proxy: Option<String>,
    pub ca_certificates: Option<Uint8Array>,
    pub app_info: Option<String>,
    /// Node's version, for the User-Agent.
    pub version: String,
}

/// The options that have defaults, as they are in force.
#[napi(object, object_from_js = false)]
pub struct NativeLimits {
    pub timeout: Option<f64>,
    pub attempt_timeout: f64,
    pub max_retries: u32,
    /// Absent when pacing is off.
    pub rate_limits: Option<NativeRateLimits>,
    /// Without credentials.
    pub rate_limit_store: String,
}

/// The rate limits; fields left out keep their defaults.
#[napi(object)]
pub struct NativeRateLimits {
    pub reads: Option<u32>,
    pub actions: Option<u32>,
    pub total: Option<u32>,
    pub window: Option<f64>,
}

/// Creates a client, or returns the error as JSON.
#[napi(catch_unwind)]
pub fn create_client(options: NativeOptions) -> Either<NativeClient, String> {
    match catch_panic(|| build(options)) {
        Ok(client) => Either::A(NativeClient(client)),
        Err(error) => Either::B(outcome::error_json(0, &error)),
    }
}

#[napi]
impl NativeClient {
    /// Closes the client: calls in progress complete, new calls fail. Returns an error as JSON.
    #[napi(catch_unwind)]
    pub fn close(&self) -> Option<String> {
        let closed = catch_panic(|| {
            self.0.close();
            Ok(())
        });
        closed.err().map(|error| outcome::error_json(0, &error))
    }

    /// Ends the batches, as `close` does; for a client that is closed later.
    #[napi(catch_unwind)]
    pub fn end_batches(&self) {
        celper::bindings::batch::end_batches(&self.0);
    }

    /// The options that have defaults.
    #[napi(getter, catch_unwind)]
    pub fn limits(&self) -> NativeLimits {
        NativeLimits {
            timeout: self.0.timeout().map(to_milliseconds),
            attempt_timeout: to_milliseconds(self.0.attempt_timeout()),
            max_retries: self.0.max_retries(),
            rate_limit_store: self.0.rate_limit_store(),
            rate_limits: self.0.rate_limits().map(|limits| NativeRateLimits {
                reads: Some(limits.reads),
                actions: Some(limits.actions),
                total: Some(limits.total),
                window: Some(to_milliseconds(limits.window)),
            }),
        }
    }

    /// The URL of an operation's requests for a span; without the ids, it says so in their places.
    #[napi(catch_unwind)]
    pub fn span_url(
        &self,
        #[napi(ts_arg_type = "'status' | 'invite' | 'select' | 'reject'")] operation: String,
        candidate_id: Option<String>,
        job_position_id: Option<String>,
    ) -> String {
        let ids = candidate_id.as_deref().zip(job_position_id.as_deref());
        let operation = Operation::from_name(&operation);
        operation.map(|operation| record::span_url(&self.0, operation, ids)).unwrap_or_default()
    }

    /// The API's base URL.
    #[napi(getter, catch_unwind)]
    pub fn base_url(&self) -> String {
        self.0.base_url().to_owned()
    }
}

fn build(options: NativeOptions) -> Result<Client, Error> {
    let mut builder = Client::builder().language("node", options.version, NameStyle::Camel);
    if let Some(key) = options.api_key {
        builder = builder.api_key(key);
    }
    if options.key_provider == Some(true) {
        builder = builder.key_provider(HostKeyProvider);
    }
    if let Some(url) = options.base_url {
        builder = builder.base_url(url);
    }
    if let Some(hosts) = options.allow_http_hosts {
        builder = builder.allow_http_hosts(hosts);
    }
    if let Some(timeout) = options.timeout {
        builder = builder.timeout(milliseconds(timeout));
    }
    if let Some(timeout) = options.attempt_timeout {
        builder = builder.attempt_timeout(milliseconds(timeout));
    }
    if let Some(max_retries) = options.max_retries {
        builder = builder.max_retries(max_retries);
    }
    match options.rate_limits {
        Some(Either::A(_)) => builder = builder.rate_limits(None),
        Some(Either::B(limits)) => builder = builder.rate_limits(rate_limits(limits)),
        None => {}
    }
    if let Some(store) = options.rate_limit_store {
        builder = builder.rate_limit_store(store);
    }
    if let Some(name) = options.rate_limit_name {
        builder = builder.rate_limit_name(name);
    }
    if let Some(what) = options.rate_limit_store_down {
        builder = builder.rate_limit_store_down(what);
    }
    if let Some(proxy) = options.proxy {
        builder = builder.proxy(proxy);
    }
    if let Some(pem) = options.ca_certificates {
        builder = builder.ca_certificates(pem);
    }
    if let Some(app_info) = options.app_info {
        builder = builder.app_info(app_info);
    }
    builder.build()
}

fn rate_limits(limits: NativeRateLimits) -> RateLimits {
    let default = RateLimits::default();
    RateLimits {
        reads: limits.reads.unwrap_or(default.reads),
        actions: limits.actions.unwrap_or(default.actions),
        total: limits.total.unwrap_or(default.total),
        window: limits.window.map_or(default.window, milliseconds),
    }
}

/// Converts JavaScript's milliseconds. A number that is not a valid duration becomes zero, which the core rejects.
pub(crate) fn milliseconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value / 1_000.0).unwrap_or_default()
}

pub(crate) fn to_milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
