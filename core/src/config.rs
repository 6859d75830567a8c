//! A client's options, checked before a client is made of them.

use std::env;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use hyper_util::client::proxy::matcher::Intercept;
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::base_url::BaseUrl;
use crate::call::{Engine, Limits};
use crate::client::Client;
use crate::error::Error;
use crate::input::is_header_safe;
use crate::key::{ApiKey, KeyProvider};
use crate::pacing::{self, Pacer, RateLimits};
use crate::proxy;
use crate::tls;
use crate::transport::Http;

const DEFAULT_BASE_URL: &str = "https://api.celper.ai";

/// Sets up a [`Client`].
///
/// ```
/// use std::time::Duration;
/// use celper::Client;
///
/// let client = Client::builder()
///     .api_key("celp_0123456789abcdef0123456789abcdef")
///     .timeout(Duration::from_secs(30))
///     .max_retries(4)
///     .app_info("acme-hiring/2.1")
///     .build()?;
/// # Ok::<(), celper::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    api_key: Option<Zeroizing<String>>,
    key_provider: Option<Arc<dyn KeyProvider>>,
    base_url: Option<String>,
    emulator_host: bool,
    limits: Limits,
    rate_limits: Option<RateLimits>,
    proxy: Option<Zeroizing<String>>,
    ca_certificates: Vec<u8>,
    app_info: Option<String>,
    language: (String, Option<String>),
}

impl ClientBuilder {
    /// The `timeout` unless another is set: 120 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);
    /// The `attempt_timeout` unless another is set: 30 s.
    pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
    /// The `max_retries` unless another number is set: 2.
    pub const DEFAULT_MAX_RETRIES: u32 = 2;

    pub(crate) fn new() -> Self {
        ClientBuilder {
            api_key: None,
            key_provider: None,
            base_url: None,
            emulator_host: false,
            limits: Limits {
                timeout: Self::DEFAULT_TIMEOUT,
                attempt_timeout: Self::DEFAULT_ATTEMPT_TIMEOUT,
                max_retries: Self::DEFAULT_MAX_RETRIES,
            },
            rate_limits: Some(RateLimits::default()),
            proxy: None,
            ca_certificates: Vec::new(),
            app_info: None,
            language: ("rust".to_owned(), None),
        }
    }

    /// The API key; without one, and without a provider, the environment variable `CELPER_API_KEY`.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(Zeroizing::new(key.into()));
        self
    }

    /// Asks `provider` for the key before each attempt, in place of a fixed key. Such a client's pacing is shared by its
    /// clones only.
    pub fn key_provider(mut self, provider: impl KeyProvider) -> Self {
        self.key_provider = Some(Arc::new(provider));
        self
    }

    /// Where the API is; without it the environment variable `CELPER_BASE_URL`, else `https://api.celper.ai`.
    ///
    /// A path in front of the API's own (a company's gateway) is kept. `http` is for loopback hosts only.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Whether `http` may also go to 10.0.2.2, the address at which an app in the Android emulator finds the machine that
    /// the emulator runs on. Not unless asked for: elsewhere it is a host like any other, and the key would be readable on
    /// the way.
    pub fn allow_emulator_host(mut self, allow: bool) -> Self {
        self.emulator_host = allow;
        self
    }

    /// The time for a whole call, waits and retries included: 120 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// The time for one HTTP attempt, connecting included: 30 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.limits.attempt_timeout = timeout;
        self
    }

    /// How many more attempts may follow a failed one: 2. With 0 a call is exactly one request.
    pub fn max_retries(mut self, max_retries: u32) -> Self {
        self.limits.max_retries = max_retries;
        self
    }

    /// The rate windows to keep to, by default the service's documented ones; `None` turns pacing off.
    pub fn rate_limits(mut self, limits: impl Into<Option<RateLimits>>) -> Self {
        self.rate_limits = limits.into();
        self
    }

    /// The proxy for all requests, `http://` or `https://`, with `user:password@` where it asks for that; without it the
    /// environment's (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(Zeroizing::new(url.into()));
        self
    }

    /// Certificates to trust beside the system's: the content of a PEM file.
    pub fn ca_certificates(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.ca_certificates = pem.as_ref().to_vec();
        self
    }

    /// What your program is called, `name/version`, appended to the User-Agent.
    pub fn app_info(mut self, app_info: impl Into<String>) -> Self {
        self.app_info = Some(app_info.into());
        self
    }

    /// Which language's binding this client serves, and that language's version, for the User-Agent.
    #[doc(hidden)]
    pub fn language(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.language = (name.into(), Some(version.into()));
        self
    }

    /// Makes the client. It connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when an option cannot be used or there is no API
    /// key.
    pub fn build(self) -> Result<Client, Error> {
        let from_env = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let base_url = self.base_url.clone().or_else(|| from_env("CELPER_BASE_URL"));
        check_limits(self.limits)?;
        self.rate_limits.as_ref().map_or(Ok(()), RateLimits::check)?;
        let ca_certificates =
            if self.ca_certificates.is_empty() { Vec::new() } else { tls::parse_pem(&self.ca_certificates)? };
        let key = match (&self.key_provider, &self.api_key) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid_argument("pass either api_key or a key provider, not both"));
            }
            (Some(provider), None) => KeySource::Provider(Arc::clone(provider)),
            (None, given) => {
                let text = given.clone().or_else(|| from_env("CELPER_API_KEY").map(Zeroizing::new));
                KeySource::Fixed(ApiKey::new(text.as_deref().map_or("", String::as_str))?)
            }
        };
        let recipe = Recipe {
            base_url: BaseUrl::check(base_url.as_deref().unwrap_or(DEFAULT_BASE_URL), self.emulator_host)?,
            key,
            limits: self.limits,
            rate_limits: self.rate_limits,
            user_agent: self.user_agent()?,
            proxy: self.proxy.as_deref().map(|text| proxy::named(text)).transpose()?,
            ca_certificates,
        };
        Client::from_recipe(recipe)
    }

    fn user_agent(&self) -> Result<HeaderValue, Error> {
        let (language, version) = &self.language;
        let runtime = version.as_ref().map(|version| format!("; {language} {version}")).unwrap_or_default();
        let system = format!("{}; {}", env::consts::OS, env::consts::ARCH);
        let agent = format!("celper-{language}/{} ({system}{runtime})", env!("CARGO_PKG_VERSION"));
        let app = self.app_info.as_ref().map(|app| format!(" {app}")).unwrap_or_default();
        let usable = self.app_info.as_deref().is_none_or(|app| !app.is_empty() && is_header_safe(app));
        let header = HeaderValue::try_from(format!("{agent}{app}")).ok().filter(|_| usable);
        header.ok_or_else(|| Error::invalid_argument("app_info must be printable ASCII, such as my-app/1.0"))
    }
}

/// Where the `X-API-Key` header's value comes from.
enum KeySource {
    Fixed(ApiKey),
    Provider(Arc<dyn KeyProvider>),
}

/// Options that were checked, from which an engine can be made: when the client is, and again in a forked child.
pub(crate) struct Recipe {
    pub(crate) base_url: BaseUrl,
    pub(crate) limits: Limits,
    key: KeySource,
    rate_limits: Option<RateLimits>,
    user_agent: HeaderValue,
    /// The environment's without one.
    proxy: Option<Intercept>,
    ca_certificates: Vec<CertificateDer<'static>>,
}

impl Recipe {
    pub(crate) fn engine(&self) -> Result<Engine<Http>, Error> {
        let (key_provider, pacer): (Arc<dyn KeyProvider>, _) = match &self.key {
            KeySource::Fixed(key) => {
                let pacer = self.rate_limits.map(|limits| pacing::shared(self.base_url.as_str(), key.expose(), limits));
                (Arc::new(key.clone()), pacer)
            }
            KeySource::Provider(provider) => {
                (Arc::clone(provider), self.rate_limits.map(|limits| Arc::new(Pacer::new(limits))))
            }
        };
        let proxy = match &self.proxy {
            Some(named) => Some(named.clone()),
            None => proxy::of_environment(&self.base_url.join("/")?)?,
        };
        let tls = tls::client_config(&self.ca_certificates)?;
        let transport = Http::new(tls, &self.base_url, proxy, self.user_agent.clone());
        Ok(Engine { transport, key_provider, pacer, random })
    }
}

/// Shows no secret: neither the key nor a proxy's password.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field(
                "base_url",
                &self
                    .base_url
                    .as_deref()
                    .map(|url| BaseUrl::check(url, self.emulator_host))
                    .map(|url| url.map_or_else(|_| "invalid".into(), |url| url.as_str().to_owned())),
            )
            .field("limits", &self.limits)
            .field("rate_limits", &self.rate_limits)
            .field("app_info", &self.app_info)
            .finish_non_exhaustive()
    }
}

fn check_limits(limits: Limits) -> Result<(), Error> {
    if limits.timeout.is_zero() {
        return Err(Error::invalid_argument("timeout must be longer than 0"));
    }
    if limits.attempt_timeout.is_zero() {
        return Err(Error::invalid_argument("attempt_timeout must be longer than 0"));
    }
    Ok(())
}

/// From 0 to 1, from the operating system: a forked child must not wait in step with its parent.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |value| f64::from(value) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emulators_host_is_reached_over_http_only_when_asked_for() {
        let build = |url, allow| Client::builder().api_key("celp_x").base_url(url).allow_emulator_host(allow).build();
        assert_eq!(build("http://10.0.2.2:8787/", true).unwrap().base_url(), "http://10.0.2.2:8787");
        for (url, allow) in
            [("http://10.0.2.2:8787", false), ("http://10.0.2.3", true), ("http://10.0.2.2.example", true)]
        {
            assert!(build(url, allow).is_err(), "{url} {allow}");
        }
    }

    #[test]
    fn options_that_cannot_work_are_refused() {
        let builder = || Client::builder().api_key("celp_secret");
        let refused = |builder: ClientBuilder, word: &str| {
            let error = builder.build().unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
            assert!(error.message().contains(word) && !error.to_string().contains("secret"), "{error}");
        };
        refused(builder().timeout(Duration::ZERO), "timeout");
        refused(builder().attempt_timeout(Duration::ZERO), "attempt_timeout");
        refused(builder().rate_limits(RateLimits { reads: 0, ..RateLimits::default() }), "rate_limits");
        refused(builder().rate_limits(RateLimits { window: Duration::ZERO, ..RateLimits::default() }), "rate_limits");
        refused(builder().proxy("socks5://user:secret@proxy"), "proxy");
        refused(builder().proxy("proxy:3128"), "proxy");
        refused(builder().proxy("http://user:12/secret@proxy:3128"), "proxy");
        refused(builder().ca_certificates("nothing"), "ca_certificates");
        refused(builder().app_info("a\nb"), "app_info");
        refused(builder().api_key(""), "CELPER_API_KEY");
        refused(builder().key_provider(ApiKey::new("celp_secret").unwrap()), "either");
    }

    #[test]
    fn the_user_agent_names_the_binding_and_the_app() {
        let agent = Client::builder().language("python", "3.11.7").app_info("acme/1").user_agent().unwrap();
        let agent = agent.to_str().unwrap();
        assert!(agent.starts_with(concat!("celper-python/", env!("CARGO_PKG_VERSION"), " (")), "{agent}");
        assert!(agent.ends_with("; python 3.11.7) acme/1"), "{agent}");
    }

    #[test]
    fn no_secret_is_shown() {
        let builder =
            Client::builder().api_key("celp_hunter2").proxy("http://u:hunter2@p").base_url("https://u:hunter2@h");
        assert!(!format!("{builder:?}").contains("hunter2"));
    }
}
