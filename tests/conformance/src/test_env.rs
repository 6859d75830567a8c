//! The environment of one case: its sandbox, a second one, and what the harness asks them.

use std::env::current_exe;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use celper_sandbox::{Options, ProxyOptions, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::case::{CANDIDATE_ID, Case, Control, JOB_POSITION_ID, SandboxSetup};
use crate::template::{Variables, fill, fill_text};

/// A condition that holds later than this counts as never.
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct TestEnv {
    pub(crate) base_url: String,
    pub(crate) api_key: String,
    pub(crate) ca_certificate: Option<String>,
    pub(crate) variables: Variables,
    pub(crate) http: reqwest::Client,
    /// For the journals of the case's batches.
    pub(crate) folder: TempDir,
    /// The target of redirects, which no client must follow.
    second_sandbox: Sandbox,
    /// Holds a port without listening on it, so that connections to it are refused.
    _refusing_socket: TcpSocket,
    /// None if the sandbox is shared with other cases.
    _sandbox: Option<Sandbox>,
}

impl TestEnv {
    /// Starts a sandbox for this case alone.
    pub(crate) async fn start(setup: &SandboxSetup) -> Result<Self> {
        let sandbox = Sandbox::start(sandbox_options(setup)).await?;
        let (url, key) = (sandbox.base_url(), sandbox.api_key().to_owned());
        TestEnv::new(url, key, Some(sandbox)).await
    }

    /// Resets the shared sandbox and uses it.
    pub(crate) async fn with_shared(sandbox: &Sandbox) -> Result<Self> {
        let env = TestEnv::new(sandbox.base_url(), sandbox.api_key().to_owned(), None).await?;
        env.control("POST", "reset", &Value::Null).await?;
        env.control("DELETE", "proxy", &Value::Null).await?;
        env.control("POST", "limits", &json!({"enabled": false})).await?;
        Ok(env)
    }

    async fn new(base_url: String, api_key: String, sandbox: Option<Sandbox>) -> Result<Self> {
        let second_sandbox = Sandbox::start(Options { limits_enabled: false, ..Options::default() }).await?;
        let ca_certificate = sandbox.as_ref().and_then(Sandbox::ca_certificate).map(str::to_owned);
        let proxy_url = sandbox.as_ref().and_then(Sandbox::proxy_url).unwrap_or_default();
        let refusing_socket = TcpSocket::new_v4()?;
        refusing_socket.bind(([127, 0, 0, 1], 0).into())?;
        let refused_address = refusing_socket.local_addr()?;
        let variables = [
            ("base_url", base_url.clone()),
            ("port", base_url.rsplit(':').next().unwrap_or_default().to_owned()),
            ("api_key", api_key.clone()),
            ("proxy_address", proxy_url.trim_start_matches("http://").to_owned()),
            ("second_base_url", second_sandbox.base_url()),
            ("refused_url", format!("http://{refused_address}")),
            ("refused_address", refused_address.to_string()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        let http = plain_http_client(ca_certificate.as_deref())?;
        Ok(TestEnv {
            base_url,
            api_key,
            ca_certificate,
            variables,
            http,
            // Beside this program: the Swift runner may have another file system that shares the repository only.
            folder: tempfile::tempdir_in(current_exe()?.parent().context("the program's folder")?)?,
            second_sandbox,
            _refusing_socket: refusing_socket,
            _sandbox: sandbox,
        })
    }

    /// Creates the candidates and faults of the case, and makes its control requests.
    pub(crate) async fn prepare(&self, case: &Case) -> Result<()> {
        for candidate in &case.candidates {
            let mut body = fill(candidate, &self.variables);
            set_default(&mut body, "candidateId", CANDIDATE_ID);
            set_default(&mut body, "jobPositionId", JOB_POSITION_ID);
            self.control("POST", "candidates", &body).await?;
        }
        for fault in &case.faults {
            let mut body = fill(fault, &self.variables);
            set_default(&mut body, "candidateId", CANDIDATE_ID);
            self.control("POST", "faults", &body).await?;
        }
        for request in &case.control {
            self.control_request(request).await?;
        }
        Ok(())
    }

    /// Makes a control request of a case, and returns the response.
    pub(crate) async fn control_request(&self, request: &Control) -> Result<Value> {
        let body = fill(&request.body, &self.variables);
        let method = request.method.as_deref().unwrap_or(if body.is_null() { "GET" } else { "POST" });
        self.control(method, &fill_text(&request.path, &self.variables), &body).await
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        control(&self.http, &self.base_url, method, path, body).await
    }

    pub(crate) async fn requests(&self) -> Result<Vec<Value>> {
        logged_requests(&self.http, &self.base_url).await
    }

    pub(crate) async fn second_sandbox_requests(&self) -> Result<Vec<Value>> {
        logged_requests(&self.http, &self.second_sandbox.base_url()).await
    }

    pub(crate) async fn proxy_requests(&self) -> Result<Vec<Value>> {
        let entries = self.control("GET", "proxy", &Value::Null).await?;
        let requests = entries.as_array().into_iter().flatten().map(|entry| {
            json!({
                "method": entry["method"], "target": entry["target"], "headers": entry["header"],
                "response_status": entry["answered"],
            })
        });
        Ok(requests.collect())
    }

    /// Waits until the sandbox's requests satisfy `condition`.
    pub(crate) async fn wait_until(&self, what: &str, condition: impl Fn(&[Value]) -> bool) -> Result<()> {
        let polling = async {
            while !condition(&self.requests().await?) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        let result = tokio::time::timeout(WAIT_TIMEOUT, polling).await;
        result.unwrap_or_else(|_| bail!("not within {} s: {what}", WAIT_TIMEOUT.as_secs()))
    }
}

/// An API key that no other sandbox has. Clients share the rate limits of a URL and key through a file, also with those of a case
/// before, whose sandbox had the same port.
pub(crate) fn unique_key() -> String {
    format!("celp_{:032x}", fastrand::u128(..))
}

fn sandbox_options(setup: &SandboxSetup) -> Options {
    let limits_enabled = setup.limits.is_some();
    let mut options = Options { limits_enabled, tls: setup.tls, keys: vec![unique_key()], ..Options::default() };
    if let Some(limits) = &setup.limits {
        options.reads = limits.reads.unwrap_or(options.reads);
        options.actions = limits.actions.unwrap_or(options.actions);
        options.total = limits.total.unwrap_or(options.total);
        options.window = limits.window.map_or(options.window, Duration::from_secs_f64);
    }
    options.proxy = setup.proxy.as_ref().map(|credentials| ProxyOptions {
        credentials: Some(credentials.clone()).filter(|credentials| !credentials.is_empty()),
    });
    options
}

fn set_default(body: &mut Value, name: &str, value: &str) {
    if let Value::Object(fields) = body {
        fields.entry(name).or_insert_with(|| value.into());
    }
}

/// Makes a request to one of a sandbox's control endpoints.
pub(crate) async fn control(
    http: &reqwest::Client,
    base_url: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Value> {
    let mut request = http.request(method.parse()?, format!("{base_url}/_sandbox/{path}"));
    if !body.is_null() {
        request = request.body(body.to_string());
    }
    let response = request.send().await?;
    let (status, text) = (response.status(), response.text().await?);
    if !status.is_success() {
        bail!("{method} {path} {body}: {status} {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("{method} {path}"))
}

/// The API requests that a sandbox has received, with the field names that cases use.
pub(crate) async fn logged_requests(http: &reqwest::Client, base_url: &str) -> Result<Vec<Value>> {
    let entries = control(http, base_url, "GET", "requests", &Value::Null).await?;
    let mut previous = None;
    let requests = entries.as_array().into_iter().flatten().map(|entry| {
        let received = entry["monotonicMs"].as_f64();
        let since_previous = previous.zip(received).map(|(previous, received)| received - previous);
        previous = received;
        json!({
            "method": entry["method"], "target": entry["target"], "candidate_id": entry["candidateId"],
            "headers": entry["header"], "header_list": entry["headers"], "body": entry["body"],
            "connection": entry["connection"], "ms_since_previous": since_previous, "fault": entry["fault"],
            "response_status": entry["answered"], "action_taken": entry["acted"], "replayed": entry["replayed"],
            "client_disconnected": entry["clientClosed"],
        })
    });
    Ok(requests.collect())
}

/// An HTTP client without proxy and redirects that trusts only this certificate.
pub(crate) fn plain_http_client(ca_certificate: Option<&str>) -> Result<reqwest::Client> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    if let Some(pem) = ca_certificate {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
        roots.add(certificate.map_err(|error| anyhow::anyhow!("the sandbox's certificate: {error:?}"))?)?;
    }
    let provider = rustls::crypto::ring::default_provider().into();
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    Ok(client.redirect(reqwest::redirect::Policy::none()).build()?)
}
