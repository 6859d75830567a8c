//! Parses the raw path of a request.

use hyper::Method;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::company::Scope;
use crate::response::ApiError;
use crate::windows::Category;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    Status,
    Invite,
    Select,
    Reject,
}

impl Operation {
    fn from_segment(segment: &str) -> Option<Self> {
        match segment {
            "status" => Some(Self::Status),
            "invite" => Some(Self::Invite),
            "select" => Some(Self::Select),
            "reject" => Some(Self::Reject),
            _ => None,
        }
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Self::Status => Method::GET,
            Self::Invite | Self::Select | Self::Reject => Method::POST,
        }
    }

    pub(crate) fn scope(self) -> Scope {
        match self {
            Self::Status => Scope::ReadCandidates,
            Self::Invite => Scope::ActionInvite,
            Self::Select | Self::Reject => Scope::ActionDecide,
        }
    }

    pub(crate) fn category(self) -> Category {
        match self {
            Self::Status => Category::Reads,
            Self::Invite | Self::Select | Self::Reject => Category::Actions,
        }
    }
}

/// A path of the form `/v1/candidates/{candidateId}/{operation}`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) operation: Operation,
    /// `None` if the percent-decoded id is not UTF-8.
    candidate_id: Option<String>,
}

impl Route {
    /// Splits before decoding, so that an encoded slash stays part of the id.
    pub(crate) fn parse(raw_path: &str) -> Option<Self> {
        let mut segments = raw_path.strip_prefix("/v1/candidates/")?.split('/');
        let (id, operation) = (segments.next()?, segments.next()?);
        if id.is_empty() || segments.next().is_some() {
            return None;
        }
        let candidate_id = percent_decode_str(id).decode_utf8().ok().map(|id| id.into_owned());
        Some(Self { operation: Operation::from_segment(operation)?, candidate_id })
    }

    pub(crate) fn candidate_id(&self) -> Result<&str, ApiError> {
        self.candidate_id
            .as_deref()
            .ok_or_else(|| ApiError::validation("The candidate id in the path is not percent-encoded UTF-8."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_id_after_splitting() {
        for (raw, id) in [
            ("cand_1", "cand_1"),
            ("a%2Fb", "a/b"),
            ("%2e%2e", ".."),
            ("..", ".."),
            ("a+b", "a+b"),
            ("%E2%82%AC%20%3F%23%25", "€ ?#%"),
        ] {
            let route = Route::parse(&format!("/v1/candidates/{raw}/invite")).unwrap();
            assert_eq!((route.operation, route.candidate_id().unwrap()), (Operation::Invite, id));
        }
    }

    #[test]
    fn an_id_that_is_not_utf_8_is_an_error() {
        assert!(Route::parse("/v1/candidates/%FF/status").unwrap().candidate_id().is_err());
    }

    #[test]
    fn other_paths_have_no_route() {
        for path in
            ["/", "/v1/candidates//status", "/v1/candidates/a/b/status", "/v1/candidates/a", "/v1/candidates/a/b"]
        {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
