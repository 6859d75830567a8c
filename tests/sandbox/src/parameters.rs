//! What a request asks for beside its path, checked as strictly as the API documents it.

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::answer::Refusal;
use crate::route::Operation;

const LONGEST_SUBJECT: usize = 200;
const LONGEST_BODY: usize = 5_000;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) job_position_id: String,
    pub(crate) email_subject: Option<String>,
    pub(crate) email_body: Option<String>,
}

impl Parameters {
    pub(crate) fn read(operation: Operation, query: Option<&str>, body: &[u8]) -> Result<Self, Refusal> {
        if operation == Operation::Status {
            return Self::from_query(query.unwrap_or_default());
        }
        let body: Value = serde_json::from_slice(body).map_err(|_| {
            Refusal::new(StatusCode::BAD_REQUEST, "INVALID_BODY", "The request body is not valid JSON.")
        })?;
        let Value::Object(fields) = body else {
            return Err(Refusal::validation("The request body must be a JSON object."));
        };
        let (email_subject, email_body) = match operation {
            Operation::Invite => {
                (text(&fields, "emailSubject", Some(LONGEST_SUBJECT))?, text(&fields, "emailBody", Some(LONGEST_BODY))?)
            }
            Operation::Status | Operation::Select | Operation::Reject => (None, None),
        };
        let job_position_id = present(text(&fields, "jobPositionId", None)?)?;
        Ok(Self { job_position_id, email_subject, email_body })
    }

    fn from_query(query: &str) -> Result<Self, Refusal> {
        let mut values = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "jobPositionId")
            .map(|(_, value)| value.into_owned());
        let first = values.next();
        if values.next().is_some() {
            return Err(Refusal::validation("jobPositionId is given more than once."));
        }
        Ok(Self { job_position_id: present(first)?, email_subject: None, email_body: None })
    }
}

fn present(job_position_id: Option<String>) -> Result<String, Refusal> {
    job_position_id.filter(|id| !id.is_empty()).ok_or_else(|| Refusal::validation("jobPositionId is required."))
}

/// A field that must be a string where it is there at all; `null` is not a string.
fn text(fields: &Map<String, Value>, name: &str, longest: Option<usize>) -> Result<Option<String>, Refusal> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    let Value::String(text) = value else {
        return Err(Refusal::validation(format!("{name} must be a string.")));
    };
    if let Some(longest) = longest
        && text.chars().count() > longest
    {
        return Err(Refusal::validation(format!("{name} must have at most {longest} characters.")));
    }
    Ok(Some(text.clone()))
}
