//! Carries out the batches that the harness requests.

use anyhow::{Context, Result, bail};
use celper::{
    BatchItem, CandidateRequest, Client, InviteRequest, JobPositionId, OperationOutput, RejectRequest, SelectRequest,
    StatusRequest,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{count, responses, seconds};

pub(crate) async fn run(client: &Client, command: &Value, mut cancelled: oneshot::Receiver<()>) -> Result<Value> {
    let requests = command["requests"].as_array().context("requests")?;
    let requests: Vec<CandidateRequest> = requests.iter().map(request).collect::<Result<_>>()?;
    let mut builder = client.batch(requests);
    if let Some(id) = command["options"]["batch_id"].as_str() {
        builder = builder.batch_id(id);
    }
    if let Some(path) = command["options"]["journal"].as_str() {
        builder = builder.journal(path);
    }
    let mut batch = match builder.start().await {
        Ok(batch) => batch,
        Err(error) => return Ok(responses::error(&error)),
    };
    let leave_after: Option<usize> = count(&command["leave_after"]);
    let mut items = Vec::new();
    while leave_after != Some(items.len()) {
        tokio::select! {
            item = batch.next() => match item {
                Some(item) => items.push(report(item)?),
                None => break,
            },
            Ok(()) = &mut cancelled => {
                batch.cancel().await;
                return Ok(json!({"cancelled": "dropped"}));
            }
        }
    }
    let (debug, batch_id) = (format!("{batch:?}"), batch.batch_id().map(str::to_owned));
    let progress = batch.progress();
    batch.leave().await;
    Ok(json!({"batch": {
        "items": items, "batch_id": batch_id, "strings": {"debug": debug},
        // A Rust source cannot fail: the program that makes the requests keeps its error, and ends the source.
        "source_error": command["source_error"],
        "progress": {
            "done": progress.done, "succeeded": progress.succeeded, "failed": progress.failed,
            "not_attempted": progress.not_attempted, "resumed": progress.resumed, "total": progress.total,
        },
    }}))
}

fn request(request: &Value) -> Result<CandidateRequest> {
    let arguments = &request["arguments"];
    let text = |name: &str| arguments[name].as_str();
    let candidate = text("candidate_id").context("candidate_id")?;
    let position = JobPositionId(text("job_position_id").context("job_position_id")?);
    // The four types have the same setters, which belong to no trait.
    macro_rules! with_options {
        ($request:expr, $($option:ident)*) => {{
            let mut request = $request;
            $(if let Some(value) = text(stringify!($option)) {
                request = request.$option(value);
            })*
            if let Some(timeout) = seconds(&arguments["timeout"]) {
                request = request.timeout(timeout);
            }
            if let Some(retries) = count(&arguments["max_retries"]) {
                request = request.max_retries(retries);
            }
            request.into()
        }};
    }
    Ok(match request["operation"].as_str() {
        Some("invite") => {
            with_options!(InviteRequest::new(candidate, position), email_subject email_body idempotency_key)
        }
        Some("select") => with_options!(SelectRequest::new(candidate, position), idempotency_key),
        Some("reject") => with_options!(RejectRequest::new(candidate, position), idempotency_key),
        Some("status") => with_options!(StatusRequest::new(candidate, position),),
        other => bail!("unknown operation {other:?}"),
    })
}

fn report(item: BatchItem) -> Result<Value> {
    let candidate = item.candidate_id().to_owned();
    let already_done = matches!(item.result, Ok(OperationOutput::AlreadyDone(_)));
    let mut fields = match item.result {
        Ok(OperationOutput::AlreadyDone(state)) => responses::result(OperationOutput::CandidateState(state))?,
        Ok(output) => responses::result(output)?,
        Err(error) => responses::error(&error),
    };
    fields["index"] = item.index.into();
    fields["candidate_id"] = candidate.into();
    fields["idempotency_key"] = item.idempotency_key.into();
    fields["resumed"] = item.resumed.into();
    fields["not_attempted"] = item.not_attempted.into();
    fields["already_done"] = already_done.into();
    Ok(fields)
}
