//! The calls with reqwest, without retries, pacing or timeouts: build and send the request, check the status, and parse the body
//! into typed values.

use std::error::Error;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;

use crate::clients::{CANDIDATE, CallError, Calls, KEY, Operation, POSITION, email_body, to_message};
use crate::server;
use crate::typed::{
    Envelope, ErrorBody, Invitation, Invite, State, check_invitation, check_not_found, check_state, read,
};

/// reqwest with the API key among its default headers.
#[derive(Clone)]
pub struct ReqwestClient {
    client: reqwest::Client,
    base_url: String,
    email_body: String,
}

impl ReqwestClient {
    /// Creates the client.
    ///
    /// # Errors
    ///
    /// If reqwest's builder fails.
    pub fn new(base_url: &str) -> Result<Self, Box<dyn Error>> {
        let provider = rustls::crypto::ring::default_provider().into();
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let headers = HeaderMap::from_iter([("x-api-key".parse()?, HeaderValue::from_str(KEY)?)]);
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).default_headers(headers).build()?;
        Ok(ReqwestClient { client, base_url: base_url.to_owned(), email_body: email_body() })
    }

    /// The body of the response to a GET of a path.
    ///
    /// # Errors
    ///
    /// If the request fails.
    pub async fn get(&self, path: &str) -> Result<String, CallError> {
        let response = self.client.get(format!("{}{path}", self.base_url)).send().await.map_err(to_message)?;
        response.text().await.map_err(to_message)
    }

    async fn status(&self, candidate: &str) -> Result<Result<Envelope<State>, ErrorBody>, CallError> {
        let url = format!("{}/v1/candidates/{candidate}/status?jobPositionId={POSITION}", self.base_url);
        send(self.client.get(url)).await
    }

    async fn invite(&self) -> Result<Result<Envelope<Invitation>, ErrorBody>, CallError> {
        let url = format!("{}/v1/candidates/{CANDIDATE}/invite", self.base_url);
        let json = serde_json::to_vec(&Invite { job_position_id: POSITION, email_body: &self.email_body });
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json").body(json.map_err(to_message)?);
        send(request.header("Idempotency-Key", uuid::Uuid::new_v4().to_string())).await
    }
}

/// Sends the request and parses the response.
async fn send<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<Result<T, ErrorBody>, CallError> {
    let response = request.send().await.map_err(to_message)?;
    let status = response.status();
    let body = response.bytes().await.map_err(to_message)?;
    read(status.as_u16(), &body)
}

impl Calls for ReqwestClient {
    async fn call(&self, operation: Operation) -> Result<(), CallError> {
        match operation {
            Operation::Status => check_state(&self.status(CANDIDATE).await?),
            Operation::Held => check_state(&self.status(server::HELD).await?),
            Operation::Invite => check_invitation(&self.invite().await?),
            Operation::Missing => check_not_found(&self.status(server::UNKNOWN).await?),
        }
    }
}
