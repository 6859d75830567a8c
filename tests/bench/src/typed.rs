//! The answers as typed values, for the calls by hand.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clients::{Failed, expect, words};

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
    /// What becomes of the e-mail.
    pub email_delivery: String,
    /// When the session ends, as the server wrote it.
    pub expires_at: String,
}

/// What an answer says that is not a success.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The code.
    pub error: String,
    /// The reason.
    pub message: String,
    /// The request's id.
    pub request_id: String,
}

/// An invitation's request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invite<'a> {
    /// The job position.
    pub job_position_id: &'a str,
    /// The e-mail's body.
    pub email_body: &'a str,
}

/// Reads an answer: what was asked for, or why there is none.
///
/// # Errors
///
/// When it is of another shape.
pub fn read<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<Result<T, Refusal>, Failed> {
    if status == 200 {
        serde_json::from_slice(body).map(Ok).map_err(words)
    } else {
        serde_json::from_slice(body).map(Err).map_err(words)
    }
}

/// Whether it is the state that the server sends.
///
/// # Errors
///
/// When it is not.
pub fn is_state(answer: &Result<Envelope<State>, Refusal>) -> Result<(), Failed> {
    expect(answer.as_ref().is_ok_and(|answer| {
        answer.success && answer.data.status == "interviewed" && answer.data.interview_score == Some(85.0)
    }))
}

/// Whether it is the invitation that the server sends.
///
/// # Errors
///
/// When it is not.
pub fn is_invitation(answer: &Result<Envelope<Invitation>, Refusal>) -> Result<(), Failed> {
    expect(answer.as_ref().is_ok_and(|answer| answer.data.invited && answer.data.session_id == "sess_abc123"))
}

/// Whether it is the refusal that the server sends.
///
/// # Errors
///
/// When it is not.
pub fn is_refusal<T>(answer: &Result<T, Refusal>) -> Result<(), Failed> {
    expect(answer.as_ref().is_err_and(|refusal| refusal.error == "NOT_FOUND"))
}
