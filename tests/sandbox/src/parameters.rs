//! Query and body parameters of a request, validated as the API documents them.

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::response::ApiError;
use crate::route::Operation;

const MAX_SUBJECT: usize = 200;
const MAX_BODY: usize = 5_000;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) job_position_id: String,
    pub(crate) email_subject: Option<String>,
    pub(crate) email_body: Option<String>,
}

impl Parameters {
    pub(crate) fn read(operation: Operation, query: Option<&str>, body: &[u8]) -> Result<Self, ApiError> {
        if operation == Operation::Status {
            return Self::from_query(query.unwrap_or_default());
        }
        let body: Value = serde_json::from_slice(body).map_err(|_| {
            ApiError::new(StatusCode::BAD_REQUEST, "INVALID_BODY", "The request body is not valid JSON.")
        })?;
        let Value::Object(fields) = body else {
            return Err(ApiError::validation("The request body must be a JSON object."));
        };
        let (email_subject, email_body) = match operation {
            Operation::Invite => (
                optional_string(&fields, "emailSubject", Some(MAX_SUBJECT))?,
                optional_string(&fields, "emailBody", Some(MAX_BODY))?,
            ),
            Operation::Status | Operation::Select | Operation::Reject => (None, None),
        };
        let job_position_id = required(optional_string(&fields, "jobPositionId", None)?)?;
        Ok(Self { job_position_id, email_subject, email_body })
    }

    fn from_query(query: &str) -> Result<Self, ApiError> {
        let mut values = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "jobPositionId")
            .map(|(_, value)| value.into_owned());
        let first = values.next();
        if values.next().is_some() {
            return Err(ApiError::validation("jobPositionId is given more than once."));
        }
        Ok(Self { job_position_id: required(first)?, email_subject: None, email_body: None })
    }
}

fn required(job_position_id: Option<String>) -> Result<String, ApiError> {
    job_position_id.filter(|id| !id.is_empty()).ok_or_else(|| ApiError::validation("jobPositionId is required."))
}

/// An optional string field; `null` is refused.
fn optional_string(
    fields: &Map<String, Value>,
    name: &str,
    max_length: Option<usize>,
) -> Result<Option<String>, ApiError> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    let Value::String(text) = value else {
        return Err(ApiError::validation(format!("{name} must be a string.")));
    };
    if let Some(max_length) = max_length
        && text.chars().count() > max_length
    {
        return Err(ApiError::validation(format!("{name} must have at most {max_length} characters.")));
    }
    Ok(Some(text.clone()))
}
