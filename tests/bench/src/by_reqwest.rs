//! The same calls with bare reqwest, as somebody would write them who needs no retries, pacing or timeouts: the request is
//! built, sent, checked for its status, and its body is parsed into typed values.

use std::error::Error;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;

use crate::clients::{CANDIDATE, Calls, Failed, KEY, Operation, POSITION, email_body, words};
use crate::server;
use crate::typed::{Envelope, Invitation, Invite, Refusal, State, is_invitation, is_refusal, is_state, read};

/// reqwest with the API key among its default headers.
#[derive(Clone)]
pub struct ByReqwest {
    client: reqwest::Client,
    base_url: String,
    email_body: String,
}

impl ByReqwest {
    /// Sets reqwest up.
    ///
    /// # Errors
    ///
    /// When it cannot be.
    pub fn new(base_url: &str) -> Result<Self, Box<dyn Error>> {
        let provider = rustls::crypto::ring::default_provider().into();
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let headers = HeaderMap::from_iter([("x-api-key".parse()?, HeaderValue::from_str(KEY)?)]);
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).default_headers(headers).build()?;
        Ok(ByReqwest { client, base_url: base_url.to_owned(), email_body: email_body() })
    }

    /// What the server says under a path.
    ///
    /// # Errors
    ///
    /// When it says nothing.
    pub async fn ask(&self, path: &str) -> Result<String, Failed> {
        let answer = self.client.get(format!("{}{path}", self.base_url)).send().await.map_err(words)?;
        answer.text().await.map_err(words)
    }

    async fn status(&self, candidate: &str) -> Result<Result<Envelope<State>, Refusal>, Failed> {
        let url = format!("{}/v1/candidates/{candidate}/status?jobPositionId={POSITION}", self.base_url);
        answered(self.client.get(url)).await
    }

    async fn invite(&self) -> Result<Result<Envelope<Invitation>, Refusal>, Failed> {
        let url = format!("{}/v1/candidates/{CANDIDATE}/invite", self.base_url);
        let json = serde_json::to_vec(&Invite { job_position_id: POSITION, email_body: &self.email_body });
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json").body(json.map_err(words)?);
        answered(request.header("Idempotency-Key", uuid::Uuid::new_v4().to_string())).await
    }
}

/// Sends the request, and reads what the server says to it.
async fn answered<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<Result<T, Refusal>, Failed> {
    let answer = request.send().await.map_err(words)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(words)?;
    read(status.as_u16(), &body)
}

impl Calls for ByReqwest {
    async fn call(&self, operation: Operation) -> Result<(), Failed> {
        match operation {
            Operation::Status => is_state(&self.status(CANDIDATE).await?),
            Operation::Held => is_state(&self.status(server::HELD).await?),
            Operation::Invite => is_invitation(&self.invite().await?),
            Operation::Missing => is_refusal(&self.status(server::UNKNOWN).await?),
        }
    }
}
