//! The responses as typed values, for the clients that are compared with Celper.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clients::{CallError, ensure, to_message};

/// The envelope of a success.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<T> {
    /// Always true.
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
    /// The candidate's status.
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
    /// Whether the candidate was invited.
    pub invited: bool,
    /// The session's id.
    pub session_id: String,
    /// The state of the e-mail's delivery.
    pub email_delivery: String,
    /// When the session expires, as the server's text.
    pub expires_at: String,
}

/// The body of an error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// The code.
    pub error: String,
    /// The reason.
    pub message: String,
    /// The request's id.
    pub request_id: String,
}

/// The body of an invitation's request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invite<'a> {
    /// The job position.
    pub job_position_id: &'a str,
    /// The e-mail's body.
    pub email_body: &'a str,
}

/// Parses a response's body: the result, or the server's error.
///
/// # Errors
///
/// If the body has another shape.
pub fn read<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<Result<T, ErrorBody>, CallError> {
    if status == 200 {
        serde_json::from_slice(body).map(Ok).map_err(to_message)
    } else {
        serde_json::from_slice(body).map(Err).map_err(to_message)
    }
}

/// Checks a status response.
///
/// # Errors
///
/// If it is not the one that the server sends.
pub fn check_state(response: &Result<Envelope<State>, ErrorBody>) -> Result<(), CallError> {
    ensure(response.as_ref().is_ok_and(|response| {
        response.success && response.data.status == "interviewed" && response.data.interview_score == Some(85.0)
    }))
}

/// Checks an invitation response.
///
/// # Errors
///
/// If it is not the one that the server sends.
pub fn check_invitation(response: &Result<Envelope<Invitation>, ErrorBody>) -> Result<(), CallError> {
    ensure(response.as_ref().is_ok_and(|response| response.data.invited && response.data.session_id == "sess_abc123"))
}

/// Checks the error for an unknown candidate.
///
/// # Errors
///
/// If it is not the one that the server sends.
pub fn check_not_found<T>(response: &Result<T, ErrorBody>) -> Result<(), CallError> {
    ensure(response.as_ref().is_err_and(|body| body.error == "NOT_FOUND"))
}
