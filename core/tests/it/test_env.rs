//! A sandbox, a client for it, and helpers to create candidates and to read the requests it received.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use celper::{Client, ClientBuilder, JobPositionId, Request};
use celper_sandbox::{Options, Sandbox};
use serde_json::{Value, json};

pub(crate) const POSITION: &str = "pos_abc123";

pub(crate) struct TestEnv {
    pub(crate) sandbox: Sandbox,
    /// Its API key is unique: pacing is shared by all clients of a key.
    pub(crate) client: Client,
    control: reqwest::Client,
}

impl TestEnv {
    pub(crate) async fn new() -> Self {
        TestEnv::with(Options { limits_enabled: false, ..Options::default() }, |builder| builder).await
    }

    /// A sandbox with these options, and a client that `configure` changes.
    pub(crate) async fn with(options: Options, configure: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let builder = Client::builder().api_key(sandbox.api_key()).base_url(sandbox.base_url()).rate_limits(None);
        let builder = match sandbox.ca_certificate() {
            Some(pem) => builder.ca_certificates(pem),
            None => builder,
        };
        let client = configure(builder).build().unwrap();
        TestEnv { control: control(&sandbox), client, sandbox }
    }

    pub(crate) async fn control(&self, method: &str, what: &str, body: Value) -> Value {
        let url = format!("{}/_sandbox/{what}", self.sandbox.base_url());
        let request = self.control.request(method.parse().unwrap(), url).body(body.to_string());
        let response = request.send().await.unwrap();
        let (ok, text) = (response.status().is_success(), response.text().await.unwrap());
        assert!(ok, "{method} {what}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A new candidate in a status.
    pub(crate) async fn candidate(&self, status: &str) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = format!("cand_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.put(json!({"candidateId": id, "status": status, "analysisViewed": true, "interviewScore": 85})).await;
        id
    }

    pub(crate) async fn put(&self, mut candidate: Value) {
        candidate["jobPositionId"] = POSITION.into();
        self.control("POST", "candidates", candidate).await;
    }

    /// A candidate whose next request gets a fault.
    pub(crate) async fn faulty(&self, status: &str, mut fault: Value) -> String {
        let id = self.candidate(status).await;
        fault["candidateId"] = Value::from(&*id);
        self.control("POST", "faults", fault).await;
        id
    }

    pub(crate) async fn requests(&self, candidate: &str) -> Vec<Value> {
        let all = self.control("GET", "requests", Value::Null).await;
        let all = all.as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|request| request["candidateId"] == candidate).collect()
    }

    /// Waits until the sandbox's record of a candidate's first request fulfils a condition.
    pub(crate) async fn wait_for_request(&self, candidate: &str, condition: impl Fn(&Value) -> bool) -> Value {
        loop {
            let requests = self.requests(candidate).await;
            match requests.into_iter().next().filter(&condition) {
                Some(request) => return request,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    pub(crate) fn status(&self, candidate: &str) -> Request<celper::CandidateState> {
        self.client.get_candidate_status(candidate, JobPositionId(POSITION))
    }

    pub(crate) fn invite(&self, candidate: &str) -> Request<celper::Invitation> {
        self.client.invite_candidate(candidate, JobPositionId(POSITION))
    }

    pub(crate) fn reject(&self, candidate: &str) -> Request<celper::Decision> {
        self.client.reject_candidate(candidate, JobPositionId(POSITION))
    }
}

/// A client for the control endpoints that uses no proxy and trusts the sandbox's certificate.
fn control(sandbox: &Sandbox) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(pem) = sandbox.ca_certificate() {
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    }
    let provider = rustls::crypto::ring::default_provider().into();
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
}
