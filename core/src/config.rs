//! A client's options, validated before the client is built.

use std::env;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::header::HeaderValue;
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::argument::{Argument, NameStyle};
use crate::base_url::{BaseUrl, HttpHost};
use crate::call::{DEFAULT_TIMEOUT, Engine, Limits};
use crate::client::Client;
use crate::dns::Resolver;
use crate::error::Error;
use crate::key::{ApiKey, KeyProvider};
use crate::pacing::{self, Budget, RateLimits, StoreOptions};
use crate::proxy::{self, ProxyServer};
use crate::tls;
use crate::transport::HttpTransport;
use crate::validate::{is_header_safe, not_zero};

const DEFAULT_BASE_URL: &str = "https://api.celper.ai";

/// Configures a [`Client`].
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
    allow_http_hosts: Vec<String>,
    limits: Limits,
    rate_limits: Option<RateLimits>,
    rate_limit_store: Option<Zeroizing<String>>,
    rate_limit_name: Option<String>,
    rate_limit_store_down: Option<String>,
    proxy: Option<Zeroizing<String>>,
    ca_certificates: Option<Vec<u8>>,
    app_info: Option<String>,
    configure_http: Option<Arc<ConfigureHttp>>,
    redact: bool,
    language: (String, Option<String>),
    names: NameStyle,
}

/// Changes the settings of reqwest's client.
type ConfigureHttp = dyn Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync;

impl ClientBuilder {
    /// What a call without a `timeout` has from the moment on at which the rate limit first lets it through: 120 s.
    pub const DEFAULT_TIMEOUT: Duration = DEFAULT_TIMEOUT;
    /// The default of `attempt_timeout`: 30 s.
    pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
    /// The default of `max_retries`: 2.
    pub const DEFAULT_MAX_RETRIES: u32 = 2;

    pub(crate) fn new() -> Self {
        ClientBuilder {
            api_key: None,
            key_provider: None,
            base_url: None,
            allow_http_hosts: Vec::new(),
            limits: Limits {
                timeout: None,
                attempt_timeout: Self::DEFAULT_ATTEMPT_TIMEOUT,
                max_retries: Self::DEFAULT_MAX_RETRIES,
            },
            rate_limits: Some(RateLimits::default()),
            rate_limit_store: None,
            rate_limit_name: None,
            rate_limit_store_down: None,
            proxy: None,
            ca_certificates: None,
            app_info: None,
            configure_http: None,
            redact: true,
            language: ("rust".to_owned(), None),
            names: NameStyle::Snake,
        }
    }

    /// The API key. Default, when there is no key provider either: the environment variable `CELPER_API_KEY`.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(Zeroizing::new(key.into()));
        self
    }

    /// Gets the key from `provider` before each attempt, instead of a fixed key. Such a client shares its rate limits with its
    /// clones only, unless it has a [`rate_limit_name`](ClientBuilder::rate_limit_name).
    pub fn key_provider(mut self, provider: impl KeyProvider) -> Self {
        self.key_provider = Some(Arc::new(provider));
        self
    }

    /// The base URL of the API. Default: the environment variable `CELPER_BASE_URL`, else `https://api.celper.ai`.
    ///
    /// A path (a company's gateway) is kept in front of the API's own. `http` is allowed for loopback hosts, and for those in
    /// [`allow_http_hosts`](ClientBuilder::allow_http_hosts).
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Private hosts that `base_url` may name with plain `http`, for a sandbox in a container network or an emulator's host:
    /// names without a dot, names under `internal`, `local`, `test`, `lan` or `home.arpa`, and private addresses. Default: none.
    ///
    /// Over `http` everyone on the network between can read the API key and the e-mails. Never list a host that you reach with
    /// a production key.
    pub fn allow_http_hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.allow_http_hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// The timeout of a whole call, all waits and retries included.
    ///
    /// Without it, or with [`Duration::MAX`], a call waits for the rate limit as long as it takes, and then has 120 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = Some(timeout);
        self
    }

    /// The timeout of one HTTP attempt, connecting included. Default: 30 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.limits.attempt_timeout = timeout;
        self
    }

    /// How many more attempts may follow a failed one. Default: 2. With 0 a call is exactly one request.
    pub fn max_retries(mut self, max_retries: u32) -> Self {
        self.limits.max_retries = max_retries;
        self
    }

    /// The rate windows that calls are paced to. Default: the service's documented ones. `None` turns pacing off.
    pub fn rate_limits(mut self, limits: impl Into<Option<RateLimits>>) -> Self {
        self.rate_limits = limits.into();
        self
    }

    /// Where the log of the rate windows is kept, which decides which processes share the limits. Default: the environment
    /// variable `CELPER_RATE_LIMIT_STORE`, else `"machine"`.
    ///
    /// - `"machine"`: the processes of this user on this machine, through a small file in the runtime or temporary folder. Where
    ///   no file can be made, as `"process"`.
    /// - `"redis://user:password@host:6379/0"` or `"rediss://…"`: all processes that use this Redis or Valkey server, or cluster.
    ///   Takes the feature `redis`. It is connected to with the first call.
    /// - `"process"`: this process alone.
    ///
    /// ```
    /// use celper::Client;
    ///
    /// let client = Client::builder()
    ///     .api_key("celp_0123456789abcdef0123456789abcdef")
    ///     .rate_limit_store("process")
    ///     .build()?;
    /// # Ok::<(), celper::Error>(())
    /// ```
    pub fn rate_limit_store(mut self, store: impl Into<String>) -> Self {
        self.rate_limit_store = Some(Zeroizing::new(store.into()));
        self
    }

    /// A name for the company whose limits these are: clients with the same name share them, whatever their keys. Default: clients
    /// with the same key share them. A client with a key provider needs a name to share them with other clients.
    pub fn rate_limit_name(mut self, name: impl Into<String>) -> Self {
        self.rate_limit_name = Some(name.into());
        self
    }

    /// What happens to calls while the store cannot be reached: with `"share"`, the default, each process continues with the
    /// limits divided by the number of processes that it last knew of; with `"fail"`, calls fail with `connection` and nothing is
    /// sent.
    pub fn rate_limit_store_down(mut self, what: impl Into<String>) -> Self {
        self.rate_limit_store_down = Some(what.into());
        self
    }

    /// The proxy for all requests: an `http`, `https`, `socks4`, `socks4a`, `socks5` or `socks5h` URL, with `user:password@`
    /// where it needs them. Default: the environment's (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`).
    ///
    /// SOCKS takes the feature `socks`, which is on by default.
    ///
    /// A loopback `base_url` is never reached through the environment's proxy, nor through a proxy on another machine.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(Zeroizing::new(url.into()));
        self
    }

    /// Certificates to trust in addition to the system's: the content of a PEM file. A file in the environment variable
    /// `SSL_CERT_FILE` replaces the system's.
    pub fn ca_certificates(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.ca_certificates = Some(pem.as_ref().to_vec());
        self
    }

    /// The name of your program, `name/version`, appended to the User-Agent.
    pub fn app_info(mut self, app_info: impl Into<String>) -> Self {
        self.app_info = Some(app_info.into());
        self
    }

    /// Whether the URLs in [`tracing`] spans say `REDACTED` in place of the ids of candidates and job positions. Default: true.
    pub fn redact(mut self, redact: bool) -> Self {
        self.redact = redact;
        self
    }

    /// Changes the settings of the [`reqwest`] client below this one: name resolution, local address, connector layers, or client
    /// certificates (with a `tls_backend_preconfigured`).
    ///
    /// ```
    /// use celper::Client;
    ///
    /// let client = Client::builder()
    ///     .api_key("celp_0123456789abcdef0123456789abcdef")
    ///     .configure_http(|http| http.resolve("api.celper.ai", ([203, 0, 113, 7], 443).into()))
    ///     .build()?;
    /// # Ok::<(), celper::Error>(())
    /// ```
    ///
    /// `configure` is called for each connection pool: one per tokio runtime, a new one after a
    /// failed connection, and again in a forked process. It gets a builder
    /// with this client's settings and returns it, or one of its own; a `tls_backend_preconfigured` replaces the trusted
    /// certificates of [`ca_certificates`](ClientBuilder::ca_certificates). Afterwards, whatever it returns, the client turns
    /// off redirects, the `Referer` header, reqwest's own retries, cookies, decompression and HTTP/2, because retries, the
    /// secrecy of the key and the reading of responses rely on that.
    pub fn configure_http(
        mut self,
        configure: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        self.configure_http = Some(Arc::new(configure));
        self
    }

    /// The language of the binding, its version for the User-Agent, and how it spells arguments in messages.
    #[cfg(feature = "bindings")]
    #[doc(hidden)]
    pub fn language(mut self, name: impl Into<String>, version: impl Into<String>, names: NameStyle) -> Self {
        self.language = (name.into(), Some(version.into()));
        self.names = names;
        self
    }

    /// Builds the client. It does not connect yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when an option is not valid or there is no API key.
    pub fn build(self) -> Result<Client, Error> {
        let names = self.names;
        // Files and secret stores often end a value with a line break.
        let from_env = |name| {
            env::var(name)
                .ok()
                .map(Zeroizing::new)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let base_url = self.base_url.clone().or_else(|| from_env("CELPER_BASE_URL"));
        let base_url = base_url.as_deref().unwrap_or(DEFAULT_BASE_URL);
        let base_url = BaseUrl::parse(base_url, &self.http_hosts()?, names)?;
        self.limits.timeout.map_or(Ok(()), |timeout| not_zero(Argument::Timeout.name(names), timeout))?;
        not_zero(Argument::AttemptTimeout.name(names), self.limits.attempt_timeout)?;
        self.rate_limits.map_or(Ok(()), |limits| limits.validate(names))?;
        let store = self.rate_limit_store.clone().or_else(|| from_env("CELPER_RATE_LIMIT_STORE").map(Zeroizing::new));
        let store = StoreOptions::parse(
            store.as_ref().map(|store| store.as_str()),
            self.rate_limit_store_down.as_deref(),
            names,
        )?;
        if self.rate_limit_name.as_ref().is_some_and(String::is_empty) {
            let name = Argument::RateLimitName.name(names);
            return Err(Error::invalid_argument(format!("{name} is empty; leave it out to share the limits by key")));
        }
        let ca_certificates = self.ca_certificates.as_deref().map(|pem| tls::parse_pem(pem, names)).transpose()?;
        let key = match (&self.key_provider, &self.api_key) {
            (Some(_), Some(_)) => {
                let name = Argument::ApiKey.name(names);
                return Err(Error::invalid_argument(format!("pass either {name} or a key provider, not both")));
            }
            (Some(provider), None) => KeySource::Provider(Arc::clone(provider)),
            (None, Some(key)) => KeySource::Fixed(ApiKey::parse(key.as_str().to_owned(), names)?),
            (None, None) => KeySource::Fixed(ApiKey::parse(from_env("CELPER_API_KEY").unwrap_or_default(), names)?),
        };
        let proxy = match self.proxy.as_deref() {
            Some(url) => Some(proxy::from_option(url, &base_url, names)?),
            None => None,
        };
        Client::from_config(ClientConfig {
            user_agent: self.user_agent()?,
            base_url,
            key: ArcSwapOption::from_pointee(key),
            limits: self.limits,
            rate_limits: self.rate_limits,
            store,
            rate_limit_name: self.rate_limit_name,
            proxy,
            ca_certificates: ca_certificates.unwrap_or_default(),
            ca_variable: tls::CaVariable::of(&self.language.0),
            configure_http: self.configure_http,
            redact: self.redact,
            names,
        })
    }

    fn http_hosts(&self) -> Result<Vec<HttpHost>, Error> {
        self.allow_http_hosts.iter().map(|host| HttpHost::parse(host, self.names)).collect()
    }

    fn user_agent(&self) -> Result<HeaderValue, Error> {
        let (language, version) = &self.language;
        let runtime = version.as_ref().map(|version| format!("; {language} {version}")).unwrap_or_default();
        let system = format!("{}; {}", env::consts::OS, env::consts::ARCH);
        let agent = format!("celper-{language}/{} ({system}{runtime})", env!("CARGO_PKG_VERSION"));
        let app = self.app_info.as_ref().map(|app| format!(" {app}")).unwrap_or_default();
        let usable = self.app_info.as_deref().is_none_or(|app| !app.is_empty() && is_header_safe(app));
        let header = HeaderValue::try_from(format!("{agent}{app}")).ok().filter(|_| usable);
        header.ok_or_else(|| {
            let name = Argument::AppInfo.name(self.names);
            Error::invalid_argument(format!("{name} must be printable ASCII, such as my-app/1.0"))
        })
    }
}

/// Where the `X-API-Key` header's value comes from.
enum KeySource {
    Fixed(ApiKey),
    Provider(Arc<dyn KeyProvider>),
}

/// Validated options, from which an engine is built: with the client, and again in a forked child.
pub(crate) struct ClientConfig {
    pub(crate) base_url: BaseUrl,
    pub(crate) limits: Limits,
    pub(crate) names: NameStyle,
    /// Empty once the client is closed.
    key: ArcSwapOption<KeySource>,
    pub(crate) rate_limits: Option<RateLimits>,
    pub(crate) store: StoreOptions,
    pub(crate) rate_limit_name: Option<String>,
    user_agent: HeaderValue,
    /// `None`: the environment's proxy. `Some(None)`: no proxy.
    proxy: Option<Option<ProxyServer>>,
    ca_certificates: Vec<CertificateDer<'static>>,
    ca_variable: Option<tls::CaVariable>,
    configure_http: Option<Arc<ConfigureHttp>>,
    redact: bool,
}

impl ClientConfig {
    /// Drops the key, without which there is no further engine. The memory of a fixed key is wiped with its last copy.
    pub(crate) fn close(&self) {
        self.key.store(None);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.key.load().is_none()
    }

    /// The error of a call on a closed client.
    pub(crate) fn closed() -> Error {
        Error::invalid_argument("the client is closed; make a new one")
    }

    pub(crate) fn engine(&self) -> Result<Engine<HttpTransport>, Error> {
        let key = self.key.load_full().ok_or_else(ClientConfig::closed)?;
        let base_url = self.base_url.as_str();
        let named = self.rate_limit_name.as_ref().map(|name| Budget::named(base_url, name));
        let (key_provider, budget): (Arc<dyn KeyProvider>, _) = match &*key {
            KeySource::Fixed(key) => {
                (Arc::new(key.clone()), named.or_else(|| Some(Budget::of_key(base_url, key.expose()))))
            }
            KeySource::Provider(provider) => (Arc::clone(provider), named),
        };
        let pacer = self.rate_limits.map(|limits| match &budget {
            Some(budget) => pacing::shared(budget, &self.store, limits),
            None => pacing::unshared(limits),
        });
        let (transport, names, redact) = (self.transport()?, self.names, self.redact);
        Ok(Engine { transport, key_provider, pacer, random, names, redact })
    }

    fn transport(&self) -> Result<HttpTransport, Error> {
        let proxy = match &self.proxy {
            Some(proxy) => proxy.clone(),
            None => proxy::from_environment(&self.base_url, self.names)?,
        };
        let proxy_address = proxy.as_ref().map(ProxyServer::address);
        let tls = tls::client_config(&self.ca_certificates, self.ca_variable, self.names)?;
        let connect_timeout = CONNECT_TIMEOUT.min(self.limits.attempt_timeout);
        let (user_agent, configure) = (self.user_agent.clone(), self.configure_http.clone());
        let build_client = move || {
            let mut builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(user_agent.clone())
                .dns_resolver(Arc::new(Resolver))
                .connect_timeout(connect_timeout)
                .pool_idle_timeout(POOL_IDLE_TIMEOUT)
                .no_proxy();
            if let Some(proxy) = &proxy {
                builder = builder.proxy(proxy.to_reqwest()?);
            }
            if let Some(configure) = &configure {
                builder = configure(builder);
            }
            enforce_http_settings(builder).build()
        };
        Ok(HttpTransport::new(proxy_address, build_client))
    }
}

/// For name resolution, TCP and TLS handshakes together; a host's addresses share it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Below the 60 s after which common proxies and load balancers close an idle connection without notice.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// Overrides settings of the caller that retries, the secrecy of the key or the reading of responses rely on.
fn enforce_http_settings(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    #[allow(unused_imports, reason = "unused when another crate turns reqwest's `cookies` feature on")]
    use NoCookieStore as _;
    builder
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .cookie_store(false)
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
}

/// Replaces reqwest's method of the same name, which exists only with its feature `cookies`; with it, reqwest's own method
/// is called.
trait NoCookieStore: Sized {
    fn cookie_store(self, _: bool) -> Self {
        self
    }
}

impl NoCookieStore for reqwest::ClientBuilder {}

/// Shows no secret: neither the key nor a proxy's password.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field(
                "base_url",
                &self.base_url.as_deref().map(|url| {
                    let url = self.http_hosts().and_then(|hosts| BaseUrl::parse(url, &hosts, self.names));
                    url.map_or_else(|_| "invalid".into(), |url| url.as_str().to_owned())
                }),
            )
            .field("limits", &self.limits)
            .field("rate_limits", &self.rate_limits)
            .field("app_info", &self.app_info)
            .finish_non_exhaustive()
    }
}

/// From 0 to 1, from the operating system: a forked child must not get the same numbers as its parent.
pub(crate) fn random() -> f64 {
    getrandom::u32().map_or(0.5, |value| f64::from(value) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_options_are_refused() {
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
        refused(builder().proxy("ftp://user:secret@proxy"), "proxy");
        refused(builder().proxy("proxy:3128"), "proxy");
        refused(builder().proxy("http://user:12/secret@proxy:3128"), "proxy");
        refused(builder().rate_limit_store("secret"), "rate_limit_store");
        refused(builder().rate_limit_store("redis://user:secret@"), "rate_limit_store");
        #[cfg(feature = "redis")]
        refused(builder().rate_limit_store("rediss://user:secret@host/#insecure"), "rate_limit_store");
        refused(builder().rate_limit_store_down("secret"), "rate_limit_store_down");
        refused(builder().rate_limit_name(""), "rate_limit_name");
        refused(builder().ca_certificates("nothing"), "ca_certificates");
        refused(builder().ca_certificates(""), "ca_certificates");
        refused(builder().app_info("a\nb"), "app_info");
        refused(builder().allow_http_hosts(["api.celper.ai"]), "allow_http_hosts");
        refused(builder().allow_http_hosts(["sandbox"]).base_url("http://other"), "base_url");
        refused(builder().api_key(""), "CELPER_API_KEY");
        refused(builder().key_provider(ApiKey::new("celp_secret").unwrap()), "either");
    }

    #[cfg(feature = "bindings")]
    #[test]
    fn the_user_agent_names_the_binding_and_the_app() {
        let agent =
            Client::builder().language("python", "3.11.7", NameStyle::Snake).app_info("acme/1").user_agent().unwrap();
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
