//! What a request of a batch needs next: pure functions of its state in the journal, of results and of the time.

use std::time::{Duration, SystemTime};

use super::keys::RequestId;
use super::record::{RecordedState, SentAction};
use crate::error::{Error, ErrorKind};
use crate::model::{CandidateState, CandidateStatus};
use crate::operation::{Category, Operation};
use crate::request::{OperationInput, OperationOutput};

/// How long after its first request a key is sent again. The service keeps its first response for 24 hours; the last hour is for
/// waits and retries.
const KEY_LIFETIME: Duration = Duration::from_secs(23 * 60 * 60);

/// A request of a batch on its way to its result.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) index: u64,
    pub(super) id: RequestId,
    pub(super) input: OperationInput,
    pub(super) step: Step,
    /// Counts the keys that the request has had.
    pub(super) generation: u32,
    /// The action that was sent last, in this run or an earlier one.
    pub(super) sent: Option<SentAction>,
    /// Whether it may have taken place in an earlier run.
    pub(super) in_doubt: bool,
}

/// What a request does next.
#[derive(Debug)]
pub(super) enum Step {
    /// Sends it.
    Send,
    /// Reads the candidate's status, because the service has forgotten the key under which the action may have taken place.
    ReadFirst,
    /// Reads the candidate's status, because this error can be the effect of our own action.
    Verify(Error),
}

/// What follows a step.
#[derive(Debug)]
pub(super) enum Next {
    Settled(Result<OperationOutput, Error>),
    Step(Step),
}

impl Row {
    /// A request and what it does first, from what the journal knows of it. `Err`: an earlier run has its result.
    pub(super) fn plan(
        index: u64,
        id: RequestId,
        input: OperationInput,
        recorded: Option<RecordedState>,
        now: SystemTime,
    ) -> Result<Self, Box<(OperationInput, OperationOutput, Option<String>)>> {
        let mut row = Row { index, id, input, step: Step::Send, generation: 0, sent: None, in_doubt: false };
        match recorded {
            None => {}
            Some(RecordedState::Done { output, key }) => return Err(Box::new((row.input, output, key))),
            // Under the same key the service would repeat its refusal, even if the reason is gone.
            Some(RecordedState::Failed { generation }) => row.generation = generation.saturating_add(1),
            Some(RecordedState::InDoubt(sent)) => {
                row.generation = sent.generation;
                row.sent = Some(sent);
                row.in_doubt = true;
                row.check_age(now);
            }
        }
        Ok(row)
    }

    /// Reads the status first when the key is too old to be sent again. If the clock was set back, the age is
    /// unknown, and the key counts as too old.
    pub(super) fn check_age(&mut self, now: SystemTime) {
        let first_sent = self.sent.as_ref().map(|sent| sent.first_sent).filter(|_| self.in_doubt);
        let is_old = |sent| now.duration_since(sent).map_or(true, |age| age >= KEY_LIFETIME);
        if first_sent.is_some_and(is_old) && matches!(self.step, Step::Send) {
            self.step = Step::ReadFirst;
        }
    }

    pub(super) fn category(&self) -> Category {
        match self.step {
            Step::Send => self.input.operation.category(),
            Step::ReadFirst | Step::Verify(_) => Category::Reads,
        }
    }

    /// What follows after the request was sent.
    pub(super) fn after_send(&self, result: Result<OperationOutput, Error>) -> Next {
        let error = match result {
            Ok(output) => return Next::Settled(Ok(output)),
            Err(error) => error,
        };
        if error.kind() == ErrorKind::InvalidStatus && (self.in_doubt || error.outcome_unknown()) {
            return Next::Step(Step::Verify(error));
        }
        // These errors mean that the action has not taken place.
        let refused =
            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AnalysisNotViewed | ErrorKind::InvalidRequest);
        Next::Settled(Err(if self.in_doubt && !refused { unknown(error) } else { error }))
    }

    /// What follows after the candidate's status was read. If the action may be performed, the row is no longer in doubt.
    pub(super) fn after_read(&mut self, read: Result<CandidateState, Error>) -> Next {
        let step = std::mem::replace(&mut self.step, Step::Send);
        let (operation, was_in_doubt) = (self.input.operation, self.in_doubt);
        let state = match (read, step) {
            (Ok(state), Step::Verify(error)) if !is_done(operation, &state.status, was_in_doubt) => {
                return Next::Settled(Err(error.with(|parts| parts.outcome_unknown = false)));
            }
            (Ok(state), _) => state,
            (Err(_), Step::Verify(error)) => return Next::Settled(Err(unknown(error))),
            (Err(error), _) => {
                let key = self.sent.as_ref().map(|sent| sent.key.clone());
                return Next::Settled(Err(unknown(error).with(|parts| {
                    parts.operation = operation.name();
                    parts.idempotency_key = key;
                })));
            }
        };
        if is_done(operation, &state.status, was_in_doubt) {
            return Next::Settled(Ok(OperationOutput::AlreadyDone(state)));
        }
        if is_allowed(operation, &state.status) {
            self.sent = None;
            self.in_doubt = false;
            self.generation = self.generation.saturating_add(1);
            return Next::Step(Step::Send);
        }
        let message = format!(
            "an earlier run may have sent this {}, and the candidate's status is {:?} now; nothing was sent again",
            operation.name(),
            state.status.as_str()
        );
        let error = Error::new(ErrorKind::InvalidStatus, message).with(|parts| parts.request_id = state.request_id);
        Next::Settled(Err(self.input.rejected(error)))
    }
}

fn unknown(error: Error) -> Error {
    error.with(|parts| parts.outcome_unknown = true)
}

/// Whether a status shows that the action has taken place. Since an earlier run the candidate may have moved on to a status that
/// only an invitation leads to.
fn is_done(operation: Operation, status: &CandidateStatus, in_earlier_run: bool) -> bool {
    use CandidateStatus as S;
    match operation {
        Operation::Invite if in_earlier_run => {
            matches!(status, S::Invited | S::Interviewed | S::Selected | S::Expired | S::Failed | S::Unevaluable)
        }
        Operation::Invite => *status == S::Invited,
        Operation::Select => *status == S::Selected,
        Operation::Reject => *status == S::Rejected,
        Operation::Status => false,
    }
}

/// Whether a status shows that the action has not taken place, and still can.
fn is_allowed(operation: Operation, status: &CandidateStatus) -> bool {
    match operation {
        Operation::Invite => *status == CandidateStatus::New,
        Operation::Select | Operation::Reject => *status == CandidateStatus::Interviewed,
        Operation::Status => true,
    }
}

/// Whether every further request would fail with the same error.
pub(super) fn ends_batch(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Authentication | ErrorKind::PermissionDenied)
}

/// The error of a request that was not attempted, of the same kind as what ended the batch.
pub(super) fn not_attempted(row: &Row, cause: &Error, failed: Option<u64>) -> Error {
    let why = failed.map(|index| format!(" by the request at index {index}")).unwrap_or_default();
    let error =
        Error::new(cause.kind(), format!("not attempted, because the batch was ended{why}: {}", cause.message()));
    row.input.rejected(error).with(|parts| {
        parts.status = cause.status();
        parts.code = cause.code().map(str::to_owned);
        if let Some(sent) = &row.sent {
            parts.idempotency_key = Some(sent.key.clone());
            parts.outcome_unknown = true;
        }
    })
}
