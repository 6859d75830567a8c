//! Candidates, and the effects of the four operations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Map, Number, Value, json};
use uuid::Uuid;

use crate::bounded::{Budget, BudgetExceeded, map_size};
use crate::clock::{UnixTime, iso_8601};
use crate::outbox::{Mail, render_email};
use crate::parameters::Parameters;
use crate::response::ApiError;
use crate::route::Operation;

const SESSION_LENGTH: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(crate) const EXPIRED: &str = "expired";

/// An estimate of a candidate's memory beyond the texts that a test gives it.
const OVERHEAD: usize = 2 * size_of::<Candidate>();

/// A candidate's `interviewScore`: absent from responses, null, or a number.
pub(crate) type InterviewScore = Option<Option<Number>>;

/// A candidate in one job position; the same id can have another status in another position.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Any text, so that tests can use a status that clients do not know.
    pub(crate) status: String,
    pub(crate) analysis_viewed: bool,
    pub(crate) interview_score: InterviewScore,
    /// Merged into the `data` of status responses; overrides fields of the same name.
    pub(crate) extra: Map<String, Value>,
    pub(crate) session: Option<Session>,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    id: String,
    expires_at: UnixTime,
}

/// The result of an operation.
#[derive(Debug)]
pub(crate) struct Effect {
    pub(crate) data: Value,
    pub(crate) acted: bool,
    pub(crate) mail: Option<Mail>,
}

impl Candidate {
    /// Performs an operation on this candidate.
    pub(crate) fn apply(
        &mut self,
        operation: Operation,
        candidate_id: &str,
        parameters: &Parameters,
        now: UnixTime,
    ) -> Result<Effect, ApiError> {
        match operation {
            Operation::Status => Ok(Effect { data: self.status_data(), acted: false, mail: None }),
            Operation::Invite => self.invite(candidate_id, parameters, now),
            Operation::Select => self.decide("selected"),
            Operation::Reject => self.decide("rejected"),
        }
    }

    /// When its session ends, if it has one.
    fn expires_at(&self) -> Option<UnixTime> {
        self.session.as_ref().map(|session| session.expires_at)
    }

    fn status_data(&self) -> Value {
        let mut data = Map::new();
        data.insert("status".to_owned(), self.status.clone().into());
        data.insert("analysisViewed".to_owned(), self.analysis_viewed.into());
        if let Some(score) = &self.interview_score {
            data.insert("interviewScore".to_owned(), score.clone().map_or(Value::Null, Value::Number));
        }
        data.extend(self.extra.clone());
        Value::Object(data)
    }

    fn invite(&mut self, candidate_id: &str, parameters: &Parameters, now: UnixTime) -> Result<Effect, ApiError> {
        if self.status != "new" {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "INVALID_STATUS",
                format!("Only a new candidate can be invited; this one is {}.", self.status),
            ));
        }
        let id = format!("sess_{}", Uuid::new_v4().simple());
        let expires_at = now + SESSION_LENGTH;
        let interview_link = format!("https://interview.example/{id}");
        let (subject, body) =
            render_email(parameters.email_subject.as_deref(), parameters.email_body.as_deref(), &interview_link);
        let mail = Mail {
            candidate_id: candidate_id.to_owned(),
            job_position_id: parameters.job_position_id.clone(),
            session_id: id.clone(),
            interview_link,
            subject,
            body,
            default_subject: parameters.email_subject.is_none(),
            default_body: parameters.email_body.is_none(),
            queued_at: iso_8601(now),
        };
        let data = json!({
            "invited": true,
            "sessionId": id,
            "emailDelivery": "pending",
            "expiresAt": iso_8601(expires_at),
        });
        self.status = "invited".to_owned();
        self.session = Some(Session { id, expires_at });
        Ok(Effect { data, acted: true, mail: Some(mail) })
    }

    fn decide(&mut self, decision: &str) -> Result<Effect, ApiError> {
        if self.status != "interviewed" {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "INVALID_STATUS_TRANSITION",
                format!("Only an interviewed candidate can be {decision}; this one is {}.", self.status),
            ));
        }
        if !self.analysis_viewed {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "ANALYSIS_NOT_VIEWED",
                format!("A candidate can be {decision} only after the analysis has been viewed."),
            ));
        }
        self.status = decision.to_owned();
        Ok(Effect { data: json!({"status": decision}), acted: true, mail: None })
    }

    /// An estimate of its memory, with a session and a status that an operation can set.
    fn size(&self) -> usize {
        OVERHEAD + self.status.len() + map_size(&self.extra)
    }

    fn to_json(&self, candidate_id: &str, job_position_id: &str) -> Value {
        let mut shown = Map::new();
        shown.insert("candidateId".to_owned(), candidate_id.into());
        shown.insert("jobPositionId".to_owned(), job_position_id.into());
        shown.insert("status".to_owned(), self.status.clone().into());
        shown.insert("analysisViewed".to_owned(), self.analysis_viewed.into());
        if let Some(score) = &self.interview_score {
            shown.insert("interviewScore".to_owned(), score.clone().map_or(Value::Null, Value::Number));
        }
        if !self.extra.is_empty() {
            shown.insert("extra".to_owned(), self.extra.clone().into());
        }
        if let Some(session) = &self.session {
            shown.insert("sessionId".to_owned(), session.id.clone().into());
            shown.insert("expiresAt".to_owned(), iso_8601(session.expires_at).into());
        }
        Value::Object(shown)
    }
}

/// Tests set candidates up, so the sandbox refuses more than this instead of dropping some.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// A candidate id and a job position id.
pub(crate) type Ids = (String, String);

/// All candidates.
#[derive(Debug)]
pub(crate) struct Candidates {
    candidates: BTreeMap<Ids, Candidate>,
    /// The ends of the sessions that have not ended.
    ends: BTreeSet<(UnixTime, Ids)>,
    budget: Budget,
}

impl Default for Candidates {
    fn default() -> Self {
        Self { candidates: BTreeMap::new(), ends: BTreeSet::new(), budget: Budget::new("candidates", MAX_BYTES) }
    }
}

impl Candidates {
    /// Adds or replaces a candidate and returns it as JSON.
    pub(crate) fn put(
        &mut self,
        candidate_id: &str,
        job_position_id: &str,
        candidate: Candidate,
    ) -> Result<Value, BudgetExceeded> {
        let key = (candidate_id.to_owned(), job_position_id.to_owned());
        // With the ids of its session's end.
        let size = |candidate: &Candidate| 2 * (size_of::<Ids>() + key.0.len() + key.1.len()) + candidate.size();
        let replaced = self.candidates.get(&key);
        self.budget.replace(replaced.map_or(0, size), size(&candidate))?;
        let shown = candidate.to_json(candidate_id, job_position_id);
        let (before, after) = (replaced.and_then(Candidate::expires_at), candidate.expires_at());
        self.candidates.insert(key.clone(), candidate);
        self.move_end(key, before, after);
        Ok(shown)
    }

    pub(crate) fn find(&self, candidate_id: &str, job_position_id: &str) -> Option<&Candidate> {
        self.candidates.get(&(candidate_id.to_owned(), job_position_id.to_owned()))
    }

    /// Performs an operation on a candidate; `None` if there is no such candidate.
    pub(crate) fn apply(
        &mut self,
        operation: Operation,
        candidate_id: &str,
        parameters: &Parameters,
        now: UnixTime,
    ) -> Option<Result<Effect, ApiError>> {
        let key = (candidate_id.to_owned(), parameters.job_position_id.clone());
        let candidate = self.candidates.get_mut(&key)?;
        let before = candidate.expires_at();
        let result = candidate.apply(operation, candidate_id, parameters, now);
        let after = candidate.expires_at();
        self.move_end(key, before, after);
        Some(result)
    }

    fn move_end(&mut self, key: Ids, before: Option<UnixTime>, after: Option<UnixTime>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.ends.remove(&(before, key.clone()));
        }
        if let Some(after) = after {
            self.ends.insert((after, key));
        }
    }

    /// Expires the next invitation whose session has ended, and returns when and whose.
    pub(crate) fn expire_next(&mut self, now: UnixTime) -> Option<(UnixTime, Ids)> {
        while self.ends.first().is_some_and(|(end, _)| *end <= now) {
            let (end, ids) = self.ends.pop_first()?;
            let invited = self.candidates.get_mut(&ids).filter(|candidate| candidate.status == "invited");
            if let Some(candidate) = invited {
                candidate.status = EXPIRED.to_owned();
                return Some((end, ids));
            }
        }
        None
    }

    /// Changes a candidate and returns it as JSON; `None` if there is no such candidate.
    pub(crate) fn change(
        &mut self,
        candidate_id: &str,
        job_position_id: &str,
        change: impl FnOnce(&mut Candidate),
    ) -> Result<Option<Value>, BudgetExceeded> {
        let Some(candidate) = self.find(candidate_id, job_position_id) else { return Ok(None) };
        let mut changed = candidate.clone();
        change(&mut changed);
        self.put(candidate_id, job_position_id, changed).map(Some)
    }

    pub(crate) fn snapshot(&self) -> Value {
        let shown = |(ids, candidate): (&Ids, &Candidate)| candidate.to_json(&ids.0, &ids.1);
        self.candidates.iter().map(shown).collect()
    }
}
