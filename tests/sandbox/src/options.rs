use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The default API key: well-formed, and recognisable as a test key.
pub const DEFAULT_KEY: &str = "celp_0123456789abcdef0123456789abcdef";

/// The configuration of a sandbox. The default has the documented limits and takes any free port on 127.0.0.1.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on.
    pub host: IpAddr,
    /// Names and addresses that the sandbox has besides the loopback ones and `host`, such as its name in a container
    /// network: the certificate has them, and the control endpoints accept them as `Host`.
    pub server_names: Vec<String>,
    /// The port to listen on; 0 takes any free port.
    pub port: u16,
    /// The length of all three rate windows.
    pub window: Duration,
    /// Reads per window.
    pub reads: usize,
    /// Actions per window.
    pub actions: usize,
    /// Reads and actions together per window.
    pub total: usize,
    /// If false, no request is counted or refused, and responses have no `X-RateLimit-*` headers.
    pub limits_enabled: bool,
    /// The API keys, each with all scopes. `Sandbox::api_key` returns the first.
    pub keys: Vec<String>,
    /// Serve HTTPS, with a certificate from a CA made for this run.
    pub tls: bool,
    /// Also run a forward proxy, on another port.
    pub proxy: Option<ProxyOptions>,
    /// How many of the latest requests the log keeps, with 2 KiB of memory for each on average; 0 turns it off.
    pub log_capacity: usize,
}

/// The configuration of the forward proxy.
#[derive(Clone, Debug, Default)]
pub struct ProxyOptions {
    /// `user:password` that clients must send; `None` allows every client.
    pub credentials: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            server_names: Vec::new(),
            port: 0,
            window: Duration::from_secs(60),
            reads: 40,
            actions: 30,
            total: 60,
            limits_enabled: true,
            keys: vec![DEFAULT_KEY.to_owned()],
            tls: false,
            proxy: None,
            log_capacity: 20_000,
        }
    }
}
