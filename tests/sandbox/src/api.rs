//! One API request from its arrival to its answer. The order of the steps is the README's "Order of checks".

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ALLOW, CONTENT_TYPE, DATE, RETRY_AFTER};
use hyper::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::answer::{Answer, Refusal};
use crate::body::Content;
use crate::clock::{UnixTime, http_date};
use crate::distortion::meet_fault;
use crate::faults::Fault;
use crate::idempotency::{Claim, Fingerprint, InFlight};
use crate::ledger::{Delivery, Entry};
use crate::parameters::Parameters;
use crate::route::{Operation, Route};
use crate::state::{Shared, World};
use crate::windows::{Admission, RateReport};

const LONGEST_IDEMPOTENCY_KEY: usize = 255;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What goes back to the client.
#[derive(Debug)]
pub(crate) enum Outcome {
    Reply(Reply),
    /// The connection ends without an answer.
    HangUp {
        reset: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
    /// Drop the connection once the answer is out, without having announced it.
    pub(crate) then_hang_up: bool,
}

/// The first steps' verdict: who is calling, what for, and whether now.
enum Gate {
    Shut { refusal: Refusal, rate: Option<RateReport>, extra: Option<(HeaderName, HeaderValue)> },
    Open { operation: Operation, rate: Option<RateReport>, fault: Option<Fault>, generation: u64 },
}

pub(crate) async fn answer(shared: &Shared, caller: IpAddr, delivery: &Delivery, too_long: bool) -> Outcome {
    let request_id = Uuid::new_v4().to_string();
    let request = delivery.request();
    match pass_gate(shared, request, caller) {
        Gate::Shut { refusal, rate, extra } => {
            let mut reply = reply(shared, Answer::refusal(&request_id, &refusal), rate);
            reply.headers.extend(extra);
            Outcome::Reply(reply)
        }
        Gate::Open { operation, rate, fault, generation } => {
            let call = Call { shared, delivery, request, operation, request_id, rate, generation };
            if too_long {
                let refusal = Refusal::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "VALIDATION_ERROR",
                    "The request body is longer than the service takes.",
                );
                return Outcome::Reply(call.reply(Answer::refusal(&call.request_id, &refusal)));
            }
            let outcome = match fault {
                Some(fault) => {
                    delivery.fault(fault.kind.name());
                    meet_fault(&call, fault).await
                }
                None => call.perform().await.map(|(answer, _)| Outcome::Reply(call.reply(answer))),
            };
            // Outlived by a reset: there is nothing left that this request could be answered from.
            outcome.unwrap_or(Outcome::HangUp { reset: false })
        }
    }
}

fn pass_gate(shared: &Shared, request: &Entry, caller: IpAddr) -> Gate {
    let parts = &request.parts;
    let mut world = shared.world();
    let now = shared.clock.now();
    let World { company, windows, faults, generation, .. } = &mut *world;
    let category = request.route.as_ref().map(|route| route.operation.category());

    let mut keys = parts.headers.get_all(X_API_KEY).iter();
    let presented = keys.next().filter(|_| keys.next().is_none());
    let key = match company.authenticate(presented.map(HeaderValue::as_bytes)) {
        Ok(key) => key,
        Err(refusal) => return Gate::Shut { refusal, rate: None, extra: None },
    };
    let shut = |refusal, rate| Gate::Shut { refusal, rate, extra: None };
    if let Err(refusal) = company.authorize(key, caller) {
        return shut(refusal, windows.report(category, now));
    }
    let Some(Route { operation, .. }) = request.route else {
        let refusal = Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", "There is no such endpoint.");
        return shut(refusal, windows.report(None, now));
    };
    if parts.method != operation.method() {
        let allowed = operation.method();
        let refusal = Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            format!("This endpoint is called with {allowed}."),
        );
        let extra = HeaderValue::from_str(allowed.as_str()).ok().map(|allowed| (ALLOW, allowed));
        return Gate::Shut { refusal, rate: windows.report(category, now), extra };
    }
    if let Err(refusal) = key.require(operation.scope()) {
        return shut(refusal, windows.report(category, now));
    }
    match windows.admit(operation.category(), now) {
        Admission::Refused { report, retry_after } => {
            let refusal = Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "RATE_LIMITED",
                format!("Too many requests; try again in {retry_after} s."),
            );
            Gate::Shut { refusal, rate: Some(report), extra: Some((RETRY_AFTER, retry_after.into())) }
        }
        Admission::Admitted(rate) => {
            let fault = request.candidate_id().and_then(|id| faults.take(id, operation));
            Gate::Open { operation, rate, fault, generation: *generation }
        }
    }
}

/// A request that has been let in.
pub(crate) struct Call<'a> {
    shared: &'a Shared,
    delivery: &'a Delivery,
    request: &'a Arc<Entry>,
    operation: Operation,
    pub(crate) request_id: String,
    rate: Option<RateReport>,
    generation: u64,
}

/// Where a call stands with its idempotency key.
pub(crate) enum Standing {
    /// Free to act, and to remember the answer if there is a key.
    MayAct(Option<InFlight>),
    /// Answered already: a replay, a conflict, or an unusable key.
    Settled(Answer),
}

/// The sandbox was reset while the call was waiting.
pub(crate) type Outlived<T> = Option<T>;

impl Call<'_> {
    /// Does the request's own work, exactly once per idempotency key. Keep the `InFlight` for as long as others with
    /// the same key shall wait.
    pub(crate) async fn perform(&self) -> Outlived<(Answer, Option<InFlight>)> {
        let standing = self.claim().await?;
        self.finish(standing)
    }

    /// Takes the call's idempotency key, waiting for an earlier request that holds it.
    pub(crate) async fn claim(&self) -> Outlived<Standing> {
        // The key only means something on an action.
        if self.operation == Operation::Status {
            return Some(Standing::MayAct(None));
        }
        let key = match self.idempotency_key() {
            Ok(Some(key)) => key,
            Ok(None) => return Some(Standing::MayAct(None)),
            Err(refusal) => return Some(Standing::Settled(Answer::refusal(&self.request_id, &refusal))),
        };
        loop {
            let fingerprint = Fingerprint {
                method: self.request.parts.method.clone(),
                target: self.request.target(),
                body: self.request.body.clone(),
            };
            let claim = {
                let mut world = self.current_world()?;
                let now = self.shared.clock.now();
                world.idempotency.claim(key.clone(), fingerprint, now)
            };
            match claim {
                Claim::First(in_flight) => return Some(Standing::MayAct(Some(in_flight))),
                Claim::Replay(answer) => {
                    self.delivery.replayed();
                    return Some(Standing::Settled(answer));
                }
                Claim::Conflict => {
                    let refusal = Refusal::new(
                        StatusCode::CONFLICT,
                        "IDEMPOTENCY_CONFLICT",
                        "This Idempotency-Key was used before with another request.",
                    );
                    return Some(Standing::Settled(Answer::refusal(&self.request_id, &refusal)));
                }
                Claim::Wait(mut over) => {
                    // It never sends anything: an error means that the holder is gone, which is what we wait for.
                    let _ = over.changed().await;
                }
            }
        }
    }

    /// Acts if the call may, and remembers the answer.
    pub(crate) fn finish(&self, standing: Standing) -> Outlived<(Answer, Option<InFlight>)> {
        let in_flight = match standing {
            Standing::Settled(answer) => return Some((answer, None)),
            Standing::MayAct(in_flight) => in_flight,
        };
        let mut world = self.current_world()?;
        let now = self.shared.clock.now();
        let answer = self.evaluate(&mut world, now, true);
        if let Some(claim) = &in_flight {
            world.idempotency.remember(claim, &answer);
        }
        Some((answer, in_flight))
    }

    /// The answer that the request would get, without acting and without touching its idempotency key.
    pub(crate) fn rehearse(&self) -> Outlived<Answer> {
        let mut world = self.current_world()?;
        let now = self.shared.clock.now();
        Some(self.evaluate(&mut world, now, false))
    }

    fn current_world(&self) -> Outlived<std::sync::MutexGuard<'_, World>> {
        let world = self.shared.world();
        (world.generation == self.generation).then_some(world)
    }

    fn evaluate(&self, world: &mut World, now: UnixTime, for_real: bool) -> Answer {
        match self.try_evaluate(world, now, for_real) {
            Ok(data) => Answer::success(&self.request_id, &data),
            Err(refusal) => Answer::refusal(&self.request_id, &refusal),
        }
    }

    fn try_evaluate(&self, world: &mut World, now: UnixTime, for_real: bool) -> Result<serde_json::Value, Refusal> {
        let not_found = |what: &str| Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", what);
        let route = self.request.route.as_ref().ok_or_else(|| not_found("There is no such endpoint."))?;
        let candidate_id = route.candidate_id()?;
        let parameters = Parameters::read(self.operation, self.request.parts.uri.query(), &self.request.body)?;
        let candidate = world
            .candidates
            .find(candidate_id, &parameters.job_position_id)
            .ok_or_else(|| not_found("There is no such candidate for this job position."))?;
        if !for_real {
            return Ok(candidate.clone().apply(self.operation, candidate_id, &parameters, now)?.data);
        }
        let effect = candidate.apply(self.operation, candidate_id, &parameters, now)?;
        if effect.acted {
            self.delivery.acted();
        }
        if let Some(mail) = effect.mail {
            world.outbox.push(mail);
        }
        Ok(effect.data)
    }

    fn idempotency_key(&self) -> Result<Option<Bytes>, Refusal> {
        let mut keys = self.request.parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(key) = keys.next() else { return Ok(None) };
        if keys.next().is_some() {
            return Err(Refusal::validation("Idempotency-Key is given more than once."));
        }
        let length = std::str::from_utf8(key.as_bytes()).map_or(key.len(), |text| text.chars().count());
        if length == 0 || length > LONGEST_IDEMPOTENCY_KEY {
            return Err(Refusal::validation(format!(
                "Idempotency-Key must have from 1 to {LONGEST_IDEMPOTENCY_KEY} characters."
            )));
        }
        Ok(Some(Bytes::copy_from_slice(key.as_bytes())))
    }

    pub(crate) fn reply(&self, answer: Answer) -> Reply {
        reply(self.shared, answer, self.rate)
    }
}

/// An answer with the headers that every answer has.
fn reply(shared: &Shared, answer: Answer, rate: Option<RateReport>) -> Reply {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if let Ok(date) = HeaderValue::try_from(http_date(shared.clock.now())) {
        headers.insert(DATE, date);
    }
    if let Ok(request_id) = HeaderValue::try_from(answer.request_id) {
        headers.insert(X_REQUEST_ID, request_id);
    }
    if let Some(rate) = rate {
        headers.insert(X_RATELIMIT_LIMIT, rate.limit.into());
        headers.insert(X_RATELIMIT_REMAINING, rate.remaining.into());
        headers.insert(X_RATELIMIT_RESET, rate.reset.into());
    }
    Reply { status: answer.status, headers, content: Content::Whole(answer.body), then_hang_up: false }
}
