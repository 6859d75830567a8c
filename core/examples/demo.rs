//! The main job, end to end over real HTTP: one candidate is selected, another rejected, and a refused action is handled.
//!
//! `cargo run -p celper --example demo` runs it; `make demo` does the same through Python. The service is the sandbox,
//! started here on a free port.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

use std::error::Error as StdError;

use celper::{Client, ErrorKind, JobPositionId};
use celper_sandbox::{Options, Sandbox};
use serde_json::{Value, json};

const POSITION: JobPositionId<&str> = JobPositionId("pos_backend");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    let sandbox = Sandbox::start(Options::default()).await?;
    let control = Control { url: format!("{}/_sandbox", sandbox.base_url()), http: plain_http()? };
    println!("The sandbox listens at {}.\n", sandbox.base_url());
    for (id, status) in [("cand_ada", "new"), ("cand_bob", "interviewed"), ("cand_eve", "new")] {
        let candidate = json!({"candidateId": id, "jobPositionId": POSITION.0, "status": status, "analysisViewed": status != "new"});
        control.post("candidates", &candidate).await?;
    }

    let client = Client::builder().api_key(sandbox.api_key()).base_url(sandbox.base_url()).build()?;

    println!("Ada is invited, has her interview, and is selected:");
    let state = client.get_candidate_status("cand_ada", POSITION).await?;
    println!("  status    {}", state.status);
    let invitation = client.invite_candidate("cand_ada", POSITION).email_subject("Your interview with us").await?;
    println!("  invited   session {}, e-mail {}", invitation.session_id, invitation.email_delivery);
    control.interviewed("cand_ada", 91).await?;
    let state = client.get_candidate_status("cand_ada", POSITION).await?;
    println!("  status    {}, score {}", state.status, state.interview_score.unwrap_or_default());
    let decision = client.select_candidate("cand_ada", POSITION).await?;
    println!("  decision  {}", decision.status);

    println!("\nBob is rejected; the first response is lost, and the retry does not reject him twice:");
    control.post("faults", &json!({"candidateId": "cand_bob", "kind": "close", "act": "before"})).await?;
    let decision = client.reject_candidate("cand_bob", POSITION).await?;
    println!("  decision  {}", decision.status);

    println!("\nEve was never interviewed, so selecting her is refused:");
    match client.select_candidate("cand_eve", POSITION).await {
        Err(error) if error.kind() == ErrorKind::InvalidStatus => println!("  {}: {error}", error.kind()),
        Err(error) => return Err(error.into()),
        Ok(_) => return Err("the sandbox selected a candidate who had no interview".into()),
    }

    println!("\nRequests that the sandbox received:");
    for request in control.requests().await? {
        let field = |name: &str| request.get(name).cloned().unwrap_or_default();
        let text = |name: &str| field(name).as_str().unwrap_or_default().to_owned();
        let outcome = match (field("answered").as_u64(), field("replayed").as_bool()) {
            (Some(status), Some(true)) => format!("{status}, replayed response"),
            (Some(status), _) => status.to_string(),
            (None, _) => "response lost".to_owned(),
        };
        println!("  {:4} {:70} {outcome}", text("method"), text("target"));
    }
    Ok(())
}

/// A client for the sandbox's control endpoints.
struct Control {
    url: String,
    http: reqwest::Client,
}

impl Control {
    async fn post(&self, what: &str, body: &Value) -> Result<(), Box<dyn StdError>> {
        self.send(reqwest::Method::POST, what, body).await
    }

    async fn interviewed(&self, id: &str, score: u32) -> Result<(), Box<dyn StdError>> {
        let change = json!({
            "candidateId": id, "jobPositionId": POSITION.0,
            "status": "interviewed", "analysisViewed": true, "interviewScore": score,
        });
        self.send(reqwest::Method::PATCH, "candidates", &change).await
    }

    async fn send(&self, method: reqwest::Method, what: &str, body: &Value) -> Result<(), Box<dyn StdError>> {
        let request = self.http.request(method, format!("{}/{what}", self.url)).body(body.to_string());
        request.send().await?.error_for_status()?;
        Ok(())
    }

    async fn requests(&self) -> Result<Vec<Value>, Box<dyn StdError>> {
        let text = self.http.get(format!("{}/requests", self.url)).send().await?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }
}

/// reqwest is built without a TLS provider here and needs a configuration even without TLS.
fn plain_http() -> Result<reqwest::Client, Box<dyn StdError>> {
    let provider = rustls::crypto::ring::default_provider().into();
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build()?)
}
