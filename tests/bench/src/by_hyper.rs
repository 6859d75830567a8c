//! The same calls with hyper and its pool of connections, and nothing around them.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;

use crate::clients::{CANDIDATE, Calls, Failed, KEY, Operation, POSITION, email_body, words};
use crate::server;
use crate::typed::{Envelope, Invite, Refusal, State, is_invitation, is_refusal, is_state, read};

/// hyper's client with a pool, over plain TCP.
#[derive(Clone)]
pub struct ByHyper {
    client: Client<HttpConnector, Full<Bytes>>,
    base_url: String,
    email_body: String,
}

impl ByHyper {
    /// Sets hyper up.
    ///
    /// # Errors
    ///
    /// None; the peers' have some.
    pub fn new(base_url: &str) -> Result<Self, Box<dyn Error>> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(ByHyper { client, base_url: base_url.to_owned(), email_body: email_body() })
    }

    async fn status(&self, candidate: &str) -> Result<Result<Envelope<State>, Refusal>, Failed> {
        let url = format!("{}/v1/candidates/{candidate}/status?jobPositionId={POSITION}", self.base_url);
        let request = Request::builder().uri(url).header("x-api-key", KEY).header("accept", "*/*");
        self.answered(request.body(Full::default()).map_err(words)?).await
    }

    fn invitation(&self) -> Result<Request<Full<Bytes>>, Failed> {
        let url = format!("{}/v1/candidates/{CANDIDATE}/invite", self.base_url);
        let json = serde_json::to_vec(&Invite { job_position_id: POSITION, email_body: &self.email_body });
        let request = Request::builder().method(Method::POST).uri(url).header("x-api-key", KEY);
        let request = request.header("accept", "*/*").header("content-type", "application/json");
        let request = request.header("idempotency-key", uuid::Uuid::new_v4().to_string());
        request.body(Full::from(json.map_err(words)?)).map_err(words)
    }

    /// Sends the request, and reads what the server says to it.
    async fn answered<T: DeserializeOwned>(&self, request: Request<Full<Bytes>>) -> Result<Result<T, Refusal>, Failed> {
        let answer = self.client.request(request).await.map_err(words)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(words)?.to_bytes();
        read(status.as_u16(), &body)
    }
}

impl Calls for ByHyper {
    async fn call(&self, operation: Operation) -> Result<(), Failed> {
        match operation {
            Operation::Status => is_state(&self.status(CANDIDATE).await?),
            Operation::Held => is_state(&self.status(server::HELD).await?),
            Operation::Invite => is_invitation(&self.answered(self.invitation()?).await?),
            Operation::Missing => is_refusal(&self.status(server::UNKNOWN).await?),
        }
    }
}
