//! The results of the operations.

use std::fmt;
use std::time::SystemTime;

use serde::Deserialize;

use crate::record::CallRecord;
use crate::response::iso_8601;

/// A candidate's status in the process of one job position.
///
/// The set is open: a status that this version does not know comes through unchanged as [`CandidateStatus::Unknown`].
///
/// ```
/// use celper::CandidateStatus;
/// assert_eq!(CandidateStatus::from("interviewed"), CandidateStatus::Interviewed);
/// assert_eq!(CandidateStatus::from("on_hold").as_str(), "on_hold");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(from = "String")]
#[non_exhaustive]
pub enum CandidateStatus {
    /// Known to the position; not invited yet.
    New,
    /// Invited to an interview.
    Invited,
    /// The interview took place.
    Interviewed,
    /// Selected.
    Selected,
    /// Rejected.
    Rejected,
    /// The invitation ran out.
    Expired,
    /// The interview failed.
    Failed,
    /// The interview cannot be evaluated.
    Unevaluable,
    /// A status that this version does not know, as the server sent it.
    Unknown(String),
}

impl CandidateStatus {
    /// The statuses that this version knows.
    pub const KNOWN: [CandidateStatus; 8] = [
        CandidateStatus::New,
        CandidateStatus::Invited,
        CandidateStatus::Interviewed,
        CandidateStatus::Selected,
        CandidateStatus::Rejected,
        CandidateStatus::Expired,
        CandidateStatus::Failed,
        CandidateStatus::Unevaluable,
    ];

    /// The status as the API spells it.
    pub fn as_str(&self) -> &str {
        match self {
            CandidateStatus::New => "new",
            CandidateStatus::Invited => "invited",
            CandidateStatus::Interviewed => "interviewed",
            CandidateStatus::Selected => "selected",
            CandidateStatus::Rejected => "rejected",
            CandidateStatus::Expired => "expired",
            CandidateStatus::Failed => "failed",
            CandidateStatus::Unevaluable => "unevaluable",
            CandidateStatus::Unknown(value) => value,
        }
    }
}

impl From<String> for CandidateStatus {
    fn from(value: String) -> Self {
        let known = CandidateStatus::KNOWN.into_iter().find(|status| status.as_str() == value);
        known.unwrap_or(CandidateStatus::Unknown(value))
    }
}

impl From<&str> for CandidateStatus {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

impl fmt::Display for CandidateStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rate-limit headers of one response: the tightest of the windows that the request counted in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// Requests allowed in the window (`X-RateLimit-Limit`).
    pub limit: Option<u64>,
    /// Requests left in the window (`X-RateLimit-Remaining`).
    pub remaining: Option<u64>,
    /// When the window has room again, on the server's clock (`X-RateLimit-Reset`).
    pub reset_at: Option<SystemTime>,
}

/// A candidate's state, from [`get_candidate_status`](crate::Client::get_candidate_status).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CandidateState {
    /// The candidate's status.
    pub status: CandidateStatus,
    /// Whether somebody has viewed the interview's analysis; select and reject need that.
    pub analysis_viewed: bool,
    /// The interview's score; `None` before there is one.
    pub interview_score: Option<f64>,
    /// The server's id of the request.
    #[serde(skip)]
    pub request_id: Option<String>,
    /// The server's rate limit headers; `None` where it sent none.
    #[serde(skip)]
    pub rate_limit: Option<RateLimit>,
    /// How many HTTP requests the call made.
    #[serde(skip)]
    pub attempts: u32,
    /// The call's attempts and waits; `None` when no call made this result. `==` ignores it.
    #[serde(skip)]
    pub record: Option<Box<CallRecord>>,
}

/// An invitation, from [`invite_candidate`](crate::Client::invite_candidate).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Invitation {
    /// Whether the candidate was invited.
    pub invited: bool,
    /// The interview session's id.
    pub session_id: String,
    /// The delivery state of the e-mail: `pending` when it is queued.
    pub email_delivery: String,
    /// When the interview session closes: 7 days after the invitation.
    #[serde(deserialize_with = "iso_8601")]
    pub expires_at: SystemTime,
    /// The server's id of the request.
    #[serde(skip)]
    pub request_id: Option<String>,
    /// The server's rate limit headers; `None` where it sent none.
    #[serde(skip)]
    pub rate_limit: Option<RateLimit>,
    /// How many HTTP requests the call made.
    #[serde(skip)]
    pub attempts: u32,
    /// The call's attempts and waits; `None` when no call made this result. `==` ignores it.
    #[serde(skip)]
    pub record: Option<Box<CallRecord>>,
}

/// A decision, from [`select_candidate`](crate::Client::select_candidate) and
/// [`reject_candidate`](crate::Client::reject_candidate).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Decision {
    /// The candidate's status now: `selected` or `rejected`.
    pub status: CandidateStatus,
    /// The server's id of the request.
    #[serde(skip)]
    pub request_id: Option<String>,
    /// The server's rate limit headers; `None` where it sent none.
    #[serde(skip)]
    pub rate_limit: Option<RateLimit>,
    /// How many HTTP requests the call made.
    #[serde(skip)]
    pub attempts: u32,
    /// The call's attempts and waits; `None` when no call made this result. `==` ignores it.
    #[serde(skip)]
    pub record: Option<Box<CallRecord>>,
}

/// Compares all fields but the record, which is never the same twice.
macro_rules! equal_but_record {
    ($($result:ident { $($field:ident),* })*) => {$(
        impl PartialEq for $result {
            fn eq(&self, other: &Self) -> bool {
                let $result { $($field,)* record: _ } = self;
                ($($field,)*) == ($(&other.$field,)*)
            }
        }
    )*};
}

equal_but_record! {
    CandidateState { status, analysis_viewed, interview_score, request_id, rate_limit, attempts }
    Invitation { invited, session_id, email_delivery, expires_at, request_id, rate_limit, attempts }
    Decision { status, request_id, rate_limit, attempts }
}
