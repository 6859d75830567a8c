use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The API key that a sandbox knows unless it is told others: of the right form, and plainly not a real one.
pub const DEFAULT_KEY: &str = "celp_0123456789abcdef0123456789abcdef";

/// How a sandbox is to be run. The default has the documented limits and takes any free port on 127.0.0.1.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port to listen on; 0 takes any that is free.
    pub port: u16,
    /// The length of all three rate windows.
    pub window: Duration,
    /// How many reads fit into a window.
    pub reads: usize,
    /// How many actions fit into a window.
    pub actions: usize,
    /// How many requests of both sorts together fit into a window.
    pub total: usize,
    /// Off: no request is counted or refused, and answers carry no `X-RateLimit-*` headers.
    pub limits_enabled: bool,
    /// The API keys, each with all scopes. The first is the one that the sandbox hands out as its own.
    pub keys: Vec<String>,
    /// Serve HTTPS, with a certificate of a CA made for this run.
    pub tls: bool,
    /// Also run a forward proxy, on a port of its own.
    pub proxy: Option<ProxyOptions>,
    /// How many of the latest requests are kept to be read back; 0 keeps none.
    pub log_capacity: usize,
}

/// How the forward proxy is to be run.
#[derive(Clone, Debug, Default)]
pub struct ProxyOptions {
    /// `user:password` that clients must present; none lets everybody through.
    pub credentials: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
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
