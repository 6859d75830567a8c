//! `celper-sandbox`: runs one sandbox, prints its address on stdout, and serves until it is told to exit.
#![forbid(unsafe_code)]
#![allow(clippy::print_stderr)]

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use celper_sandbox::{DEFAULT_KEY, Options, ProxyOptions, Sandbox};
use clap::Parser;
use serde_json::json;
use tokio::sync::oneshot;

/// A stateful local stand-in for the Celper AI "Candidate Actions" API.
///
/// When ready it prints one line of JSON: address, base_url, api_key, ca_certificate, proxy_url.
#[derive(Debug, Parser)]
#[command(name = "celper-sandbox", version)]
struct Arguments {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Another name or address of this sandbox, for its certificate and the control endpoints; may be given several times
    #[arg(long = "server-name", value_name = "NAME")]
    server_names: Vec<String>,
    /// Port to listen on; 0 takes any free port
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Length of all rate windows, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = window)]
    window: Duration,
    /// Reads per window
    #[arg(long, value_name = "COUNT", default_value_t = 40)]
    reads: usize,
    /// Actions per window
    #[arg(long, value_name = "COUNT", default_value_t = 30)]
    actions: usize,
    /// Reads and actions together per window
    #[arg(long, value_name = "COUNT", default_value_t = 60)]
    total: usize,
    /// Turn rate limiting off, for benchmarks and load tests
    #[arg(long)]
    no_limits: bool,
    /// Keep no log of requests, for benchmarks and load tests
    #[arg(long)]
    no_log: bool,
    /// An API key with all scopes; may be given several times
    #[arg(long = "key", value_name = "KEY", default_value = DEFAULT_KEY)]
    keys: Vec<String>,
    /// Serve HTTPS, with a certificate from a CA made at start
    #[arg(long)]
    tls: bool,
    /// Also run a forward proxy on a port of its own
    #[arg(long)]
    proxy: bool,
    /// Credentials that the proxy requires
    #[arg(long, value_name = "USER:PASSWORD", requires = "proxy")]
    proxy_auth: Option<String>,
    /// Exit when standard input or the parent process ends, so that a test that crashes leaves nothing running
    #[arg(long)]
    exit_with_parent: bool,
}

fn window(seconds: &str) -> Result<Duration, String> {
    let parsed = seconds.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    parsed
        .filter(|window| *window > Duration::ZERO && *window <= Duration::from_secs(24 * 60 * 60))
        .ok_or_else(|| "must be more than 0 and at most 86400 seconds".to_owned())
}

impl Arguments {
    fn into_options(self) -> Options {
        let defaults = Options::default();
        Options {
            host: self.host,
            server_names: self.server_names,
            port: self.port,
            window: self.window,
            reads: self.reads,
            actions: self.actions,
            total: self.total,
            limits_enabled: !self.no_limits,
            keys: self.keys,
            tls: self.tls,
            proxy: self.proxy.then_some(ProxyOptions { credentials: self.proxy_auth }),
            log_capacity: if self.no_log { 0 } else { defaults.log_capacity },
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("celper-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let exit_with_parent = arguments.exit_with_parent;
    // Read first, to notice a parent that ends during the start.
    let parent = parent();
    let sandbox = Sandbox::start(arguments.into_options()).await?;
    // Before the announcement: a signal may come right after it.
    let signal = shutdown_signal()?;
    announce(&sandbox)?;
    tokio::select! {
        () = signal => {}
        () = stdin_closed(), if exit_with_parent => {}
        () = parent_exited(parent), if exit_with_parent => {}
    }
    Ok(())
}

fn announce(sandbox: &Sandbox) -> io::Result<()> {
    let line = json!({
        "address": sandbox.address().to_string(),
        "base_url": sandbox.base_url(),
        "api_key": sandbox.api_key(),
        "ca_certificate": sandbox.ca_certificate(),
        "proxy_url": sandbox.proxy_url(),
    });
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Listens for SIGTERM and SIGINT from now on; the future resolves when one arrives.
#[cfg(unix)]
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Listens for Ctrl-C from now on; the future resolves when it arrives.
#[cfg(windows)]
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

/// Reads on a separate thread: a pending read of tokio's stdin would keep the runtime from shutting down.
async fn stdin_closed() {
    let (closed, wait) = oneshot::channel();
    std::thread::spawn(move || {
        let mut ignored = [0; 1024];
        let mut input = io::stdin().lock();
        while matches!(input.read(&mut ignored), Ok(length) if length > 0) {}
        // It fails only if the process is exiting already.
        let _ = closed.send(());
    });
    let _ = wait.await;
}

/// The process that started us.
#[cfg(unix)]
fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

/// On Windows a process has no reliable record of its parent.
#[cfg(windows)]
fn parent() -> u32 {
    0
}

/// Resolves when the process that started us has ended. Standard input ends sooner, unless a process that the parent forked
/// holds the other end open.
async fn parent_exited(parent_at_start: u32) {
    while parent() == parent_at_start {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
