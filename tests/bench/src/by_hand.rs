//! The same calls with bare reqwest, as somebody would write them who needs no retries, pacing or typed errors: the request
//! is built, sent, checked for its status, and its body is parsed into typed values.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;

/// A client with the API key among its default headers.
///
/// # Errors
///
/// When reqwest cannot be set up.
pub fn client(api_key: &str) -> Result<reqwest::Client, Box<dyn std::error::Error>> {
    let provider = rustls::crypto::ring::default_provider().into();
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let headers = HeaderMap::from_iter([("x-api-key".parse()?, HeaderValue::from_str(api_key)?)]);
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).default_headers(headers).build()?)
}

/// The answer's envelope.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<T> {
    /// Whether it is a success.
    pub success: bool,
    /// The request's id.
    pub request_id: String,
    /// The result.
    pub data: T,
}

/// A candidate's state.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Where the candidate stands.
    pub status: String,
    /// Whether the analysis was viewed.
    pub analysis_viewed: bool,
    /// The score.
    pub interview_score: Option<f64>,
}

/// An invitation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// Whether it went out.
    pub invited: bool,
    /// The session.
    pub session_id: String,
}

/// Reads a candidate's status.
///
/// # Errors
///
/// reqwest's own, or an answer of another shape.
pub async fn status(
    client: &reqwest::Client,
    base_url: &str,
    candidate: &str,
    position: &str,
) -> Result<Envelope<State>, Box<dyn std::error::Error>> {
    let url = format!("{base_url}/v1/candidates/{candidate}/status?jobPositionId={position}");
    let answer = client.get(url).send().await?.error_for_status()?;
    Ok(serde_json::from_slice(&answer.bytes().await?)?)
}

/// Invites a candidate.
///
/// # Errors
///
/// reqwest's own, or an answer of another shape.
pub async fn invite(
    client: &reqwest::Client,
    base_url: &str,
    candidate: &str,
    position: &str,
    body: &str,
) -> Result<Envelope<Invitation>, Box<dyn std::error::Error>> {
    let url = format!("{base_url}/v1/candidates/{candidate}/invite");
    let json = serde_json::to_vec(&serde_json::json!({"jobPositionId": position, "emailBody": body}))?;
    let request = client.post(url).header(CONTENT_TYPE, "application/json");
    let request = request.header("Idempotency-Key", uuid::Uuid::new_v4().to_string()).body(json);
    let answer = request.send().await?.error_for_status()?;
    Ok(serde_json::from_slice(&answer.bytes().await?)?)
}
