//! The responses to the harness: results, errors and clients as JSON.

use std::error::Error as _;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use celper::{CandidateState, CandidateStatus, Client, Error, OperationOutput, RateLimit};
use serde_json::{Value, json};

use crate::logs;

pub(crate) fn result(output: OperationOutput) -> Result<Value> {
    let debug = format!("{output:?}");
    let (mut fields, request_id, limit, attempts) = match output {
        OperationOutput::CandidateState(state) => {
            (state_fields(&state), state.request_id, state.rate_limit, state.attempts)
        }
        OperationOutput::Invitation(invitation) => {
            let fields = json!({
                "type": "Invitation", "invited": invitation.invited, "session_id": invitation.session_id,
                "email_delivery": invitation.email_delivery, "expires_at": unix_milliseconds(invitation.expires_at),
            });
            (fields, invitation.request_id, invitation.rate_limit, invitation.attempts)
        }
        OperationOutput::Decision(decision) => {
            let status = &decision.status;
            let fields = json!({"type": "Decision", "status": status.as_str(), "status_known": is_known(status)});
            (fields, decision.request_id, decision.rate_limit, decision.attempts)
        }
        other => bail!("unknown result type: {other:?}"),
    };
    fields["request_id"] = request_id.into();
    fields["rate_limit"] = limit.as_ref().map_or(Value::Null, rate_limit);
    fields["attempts"] = attempts.into();
    fields["strings"] = json!({"debug": debug});
    Ok(json!({"result": fields}))
}

fn state_fields(state: &CandidateState) -> Value {
    json!({
        "type": "CandidateState", "status": state.status.as_str(), "status_known": is_known(&state.status),
        "analysis_viewed": state.analysis_viewed, "interview_score": state.interview_score,
    })
}

fn is_known(status: &CandidateStatus) -> bool {
    !matches!(status, CandidateStatus::Unknown(_))
}

fn rate_limit(limit: &RateLimit) -> Value {
    let reset_at = limit.reset_at.map(unix_milliseconds);
    json!({"limit": limit.limit, "remaining": limit.remaining, "reset_at": reset_at})
}

fn unix_milliseconds(time: SystemTime) -> i128 {
    let milliseconds = |duration: std::time::Duration| i128::try_from(duration.as_millis()).unwrap_or(i128::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => milliseconds(after),
        Err(before) => -milliseconds(before.duration()),
    }
}

pub(crate) fn error(error: &Error) -> Value {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(format!("{cause} {cause:?}"));
        next = cause.source();
    }
    json!({"error": {
        "kind": error.kind().name(), "message": error.message(), "operation": error.operation(),
        "status": error.status(), "code": error.code(), "request_id": error.request_id(),
        "retry_after": error.retry_after().map(|wait| wait.as_secs_f64()), "attempts": error.attempts(), "rate_limit": error.rate_limit().map(rate_limit),
        "idempotency_key": error.idempotency_key(), "outcome_unknown": error.outcome_unknown(),
        "last_state": error.last_state().map(state_fields),
        "class": format!("{:?}", error.kind()), "classes": ["Error"], "text": error.to_string(),
        "strings": {
            "display": error.to_string(), "debug": format!("{error:?}"), "pretty": format!("{error:#?}"),
            "causes": causes.join("\n"), "log": logs::latest(),
        },
    }})
}

pub(crate) fn opened(client: &Client) -> Value {
    let strings = json!({
        "debug": format!("{client:?}"), "pretty": format!("{client:#?}"), "log": logs::latest(),
    });
    json!({"opened": {"strings": strings}})
}
