//! A case's own sandbox, and what the judge asks of it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use celper_sandbox::{Options, ProxyOptions, Sandbox};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::case::{CANDIDATE, Case, Control, POSITION, SandboxSetup};
use crate::template::{fill, fill_text};

pub(crate) struct World {
    pub(crate) base_url: String,
    pub(crate) api_key: String,
    pub(crate) ca_certificate: Option<String>,
    /// What texts of the case are filled in with.
    pub(crate) names: BTreeMap<&'static str, String>,
    pub(crate) http: reqwest::Client,
    /// Where a redirect may point.
    elsewhere: Sandbox,
    /// Has a port and does not listen on it, so that connections to it are refused.
    _nobody: TcpSocket,
    _sandbox: Option<Sandbox>,
}

impl World {
    /// A sandbox made for this case.
    pub(crate) async fn new(setup: &SandboxSetup) -> Result<Self> {
        let sandbox = Sandbox::start(options(setup)).await?;
        let (url, key) = (sandbox.base_url(), sandbox.api_key().to_owned());
        World::around(url, key, Some(sandbox)).await
    }

    /// The sandbox that the runner's environment names, emptied.
    pub(crate) async fn of_environment(sandbox: &Sandbox) -> Result<Self> {
        let world = World::around(sandbox.base_url(), sandbox.api_key().to_owned(), None).await?;
        world.control("POST", "reset", &Value::Null).await?;
        world.control("POST", "limits", &json!({"enabled": false})).await?;
        Ok(world)
    }

    async fn around(base_url: String, api_key: String, sandbox: Option<Sandbox>) -> Result<Self> {
        let elsewhere = Sandbox::start(Options { limits_enabled: false, ..Options::default() }).await?;
        let ca_certificate = sandbox.as_ref().and_then(Sandbox::ca_certificate).map(str::to_owned);
        let proxy = sandbox.as_ref().and_then(Sandbox::proxy_url).unwrap_or_default();
        let nobody = TcpSocket::new_v4()?;
        nobody.bind(([127, 0, 0, 1], 0).into())?;
        let names = BTreeMap::from([
            ("base_url", base_url.clone()),
            ("address", base_url.split_once("://").map(|(_, address)| address.to_owned()).unwrap_or_default()),
            ("api_key", api_key.clone()),
            ("ca_certificate", ca_certificate.clone().unwrap_or_default()),
            ("proxy_address", proxy.trim_start_matches("http://").to_owned()),
            ("elsewhere", elsewhere.base_url()),
            ("port", base_url.rsplit(':').next().unwrap_or_default().to_owned()),
            ("refused", format!("http://{}", nobody.local_addr()?)),
            ("refused_address", nobody.local_addr()?.to_string()),
        ]);
        let http = plain_client(ca_certificate.as_deref())?;
        Ok(World { base_url, api_key, ca_certificate, names, http, elsewhere, _nobody: nobody, _sandbox: sandbox })
    }

    /// Sets the stage as the case has it.
    pub(crate) async fn set(&self, case: &Case) -> Result<()> {
        for candidate in &case.candidates {
            let mut body = fill(candidate, &self.names);
            default(&mut body, "candidateId", CANDIDATE);
            default(&mut body, "jobPositionId", POSITION);
            self.control("POST", "candidates", &body).await?;
        }
        for fault in &case.faults {
            let mut body = fill(fault, &self.names);
            default(&mut body, "candidateId", CANDIDATE);
            self.control("POST", "faults", &body).await?;
        }
        for call in &case.control {
            self.carry_out(call).await?;
        }
        Ok(())
    }

    /// A control call that a case asks for, and its answer.
    pub(crate) async fn carry_out(&self, call: &Control) -> Result<Value> {
        let body = fill(&call.body, &self.names);
        let method = call.method.as_deref().unwrap_or(if body.is_null() { "GET" } else { "POST" });
        self.control(method, &fill_text(&call.path, &self.names), &body).await
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        control(&self.http, &self.base_url, method, path, body).await
    }

    /// The API requests so far, each with the time since the one before it.
    pub(crate) async fn requests(&self) -> Result<Vec<Value>> {
        let mut all = self.control("GET", "requests", &Value::Null).await?.as_array().cloned().unwrap_or_default();
        let mut before = None;
        for request in &mut all {
            let now = request["monotonicMs"].as_f64();
            let gap = before.zip(now).map(|(before, now)| now - before);
            before = now;
            if let Value::Object(fields) = request {
                fields.insert("gap_ms".to_owned(), gap.map_or(Value::Null, Value::from));
            }
        }
        Ok(all)
    }

    pub(crate) async fn requests_elsewhere(&self) -> Result<Value> {
        control(&self.http, &self.elsewhere.base_url(), "GET", "requests", &Value::Null).await
    }

    /// Waits until the requests are as `ready` wants them.
    pub(crate) async fn until(&self, what: &str, ready: impl Fn(&[Value]) -> bool) -> Result<()> {
        // The sandbox sees some things a moment after its clients; how long is no matter, that it ends is.
        let waiting = async {
            while !ready(&self.requests().await?) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        tokio::time::timeout(Duration::from_secs(60), waiting)
            .await
            .unwrap_or_else(|_| bail!("not within a minute: {what}"))
    }
}

fn options(setup: &SandboxSetup) -> Options {
    let mut options = Options { limits_enabled: setup.limits.is_some(), tls: setup.tls, ..Options::default() };
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

fn default(body: &mut Value, name: &str, value: &str) {
    if let Value::Object(fields) = body {
        fields.entry(name).or_insert_with(|| value.into());
    }
}

pub(crate) async fn control(
    http: &reqwest::Client,
    base: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Value> {
    let mut request = http.request(method.parse()?, format!("{base}/_sandbox/{path}"));
    if !body.is_null() {
        request = request.body(body.to_string());
    }
    let answer = request.send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    if !status.is_success() {
        bail!("{method} {path} {body}: {status} {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("{method} {path}"))
}

/// A client without opinions: no proxy, no redirects, and this certificate trusted.
pub(crate) fn plain_client(ca_certificate: Option<&str>) -> Result<reqwest::Client> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    if let Some(pem) = ca_certificate {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
        roots.add(certificate.map_err(|problem| anyhow::anyhow!("the sandbox's certificate: {problem:?}"))?)?;
    }
    let provider = rustls::crypto::ring::default_provider().into();
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    Ok(client.redirect(reqwest::redirect::Policy::none()).build()?)
}
