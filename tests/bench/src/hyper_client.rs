//! The calls with hyper and its connection pool only.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;

use crate::clients::{CANDIDATE, CallError, Calls, KEY, Operation, POSITION, email_body, to_message};
use crate::server;
use crate::typed::{Envelope, ErrorBody, Invite, State, check_invitation, check_not_found, check_state, read};

/// hyper's client with a pool, over plain TCP.
#[derive(Clone)]
pub struct HyperClient {
    client: Client<HttpConnector, Full<Bytes>>,
    base_url: String,
    email_body: String,
}

impl HyperClient {
    /// Creates the client.
    ///
    /// # Errors
    ///
    /// None; the other clients' constructors can fail.
    pub fn new(base_url: &str) -> Result<Self, Box<dyn Error>> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(HyperClient { client, base_url: base_url.to_owned(), email_body: email_body() })
    }

    async fn status(&self, candidate: &str) -> Result<Result<Envelope<State>, ErrorBody>, CallError> {
        let url = format!("{}/v1/candidates/{candidate}/status?jobPositionId={POSITION}", self.base_url);
        let request = Request::builder().uri(url).header("x-api-key", KEY).header("accept", "*/*");
        self.send(request.body(Full::default()).map_err(to_message)?).await
    }

    fn invitation(&self) -> Result<Request<Full<Bytes>>, CallError> {
        let url = format!("{}/v1/candidates/{CANDIDATE}/invite", self.base_url);
        let json = serde_json::to_vec(&Invite { job_position_id: POSITION, email_body: &self.email_body });
        let request = Request::builder().method(Method::POST).uri(url).header("x-api-key", KEY);
        let request = request.header("accept", "*/*").header("content-type", "application/json");
        let request = request.header("idempotency-key", uuid::Uuid::new_v4().to_string());
        request.body(Full::from(json.map_err(to_message)?)).map_err(to_message)
    }

    /// Sends the request and parses the response.
    async fn send<T: DeserializeOwned>(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Result<T, ErrorBody>, CallError> {
        let response = self.client.request(request).await.map_err(to_message)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(to_message)?.to_bytes();
        read(status.as_u16(), &body)
    }
}

impl Calls for HyperClient {
    async fn call(&self, operation: Operation) -> Result<(), CallError> {
        match operation {
            Operation::Status => check_state(&self.status(CANDIDATE).await?),
            Operation::Held => check_state(&self.status(server::HELD).await?),
            Operation::Invite => check_invitation(&self.send(self.invitation()?).await?),
            Operation::Missing => check_not_found(&self.status(server::UNKNOWN).await?),
        }
    }
}
