//! Handles one API request. The order of the steps is documented in the README, "Order of checks".

use std::net::IpAddr;
use std::sync::MutexGuard;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ALLOW, CONTENT_TYPE, DATE, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::body::Content;
use crate::clock::{UnixTime, http_date};
use crate::fault_effects::apply_fault;
use crate::faults::Fault;
use crate::idempotency::{Claim, Fingerprint, InFlight};
use crate::parameters::Parameters;
use crate::request_log::RequestTracker;
use crate::response::{ApiError, ApiResponse};
use crate::route::{Operation, Route};
use crate::state::{Shared, State};
use crate::webhooks::Change;
use crate::windows::{Admission, RateReport};

const MAX_IDEMPOTENCY_KEY: usize = 255;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request as it was received.
#[derive(Debug)]
pub(crate) struct ApiRequest {
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    /// `None` if there is no such endpoint.
    route: Option<Route>,
}

impl ApiRequest {
    pub(crate) fn new(parts: Parts, body: Bytes) -> Self {
        let route = Route::parse(parts.uri.path());
        Self { parts, body, route }
    }

    pub(crate) fn candidate_id(&self) -> Option<&str> {
        self.route.as_ref()?.candidate_id().ok()
    }
}

/// How a request ends.
#[derive(Debug)]
pub(crate) enum Outcome {
    Respond(HttpResponse),
    /// Close the connection without a response.
    Close {
        reset: bool,
    },
}

#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
    /// Close the connection after the response, without a `Connection: close` header.
    pub(crate) then_close: bool,
}

/// The result of the checks on the caller, the endpoint and the rate limits.
enum AccessCheck {
    Refused { error: ApiError, rate: Option<RateReport>, extra: Option<(HeaderName, HeaderValue)> },
    Allowed { operation: Operation, rate: Option<RateReport>, fault: Option<Fault>, generation: u64 },
}

pub(crate) async fn handle(
    shared: &Shared,
    caller: IpAddr,
    request: &ApiRequest,
    tracker: &RequestTracker,
    too_long: bool,
) -> Outcome {
    let request_id = Uuid::new_v4().to_string();
    match check_access(shared, request, caller) {
        AccessCheck::Refused { error, rate, extra } => {
            let mut response = with_headers(shared, ApiResponse::error(&request_id, &error), rate);
            response.headers.extend(extra);
            Outcome::Respond(response)
        }
        AccessCheck::Allowed { operation, rate, fault, generation } => {
            let call = Call { shared, tracker, request, operation, request_id, rate, generation };
            if too_long {
                let error =
                    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "VALIDATION_ERROR", "The request body is too large.");
                return Outcome::Respond(call.with_headers(ApiResponse::error(&call.request_id, &error)));
            }
            let outcome = match fault {
                Some(fault) => {
                    tracker.fault(fault.kind.name());
                    apply_fault(&call, fault).await
                }
                None => call.perform().await.map(|(response, _)| Outcome::Respond(call.with_headers(response))),
            };
            // After a reset the state that this request was to act on is gone.
            outcome.unwrap_or_else(|ResetMeanwhile| Outcome::Close { reset: false })
        }
    }
}

fn check_access(shared: &Shared, request: &ApiRequest, caller: IpAddr) -> AccessCheck {
    let parts = &request.parts;
    let mut state = shared.state();
    let now = shared.clock.now();
    let State { company, windows, faults, generation, .. } = &mut *state;
    let category = request.route.as_ref().map(|route| route.operation.category());

    let mut keys = parts.headers.get_all(X_API_KEY).iter();
    let presented = keys.next().filter(|_| keys.next().is_none());
    let key = match company.authenticate(presented.map(HeaderValue::as_bytes)) {
        Ok(key) => key,
        Err(error) => return AccessCheck::Refused { error, rate: None, extra: None },
    };
    let refused = |error, rate| AccessCheck::Refused { error, rate, extra: None };
    if let Err(error) = company.authorize(key, caller) {
        return refused(error, windows.report(category, now));
    }
    let Some(Route { operation, .. }) = request.route else {
        let error = ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", "There is no such endpoint.");
        return refused(error, windows.report(None, now));
    };
    if parts.method != operation.method() {
        let allowed = operation.method();
        let error = ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            format!("This endpoint is called with {allowed}."),
        );
        let extra = HeaderValue::from_str(allowed.as_str()).ok().map(|allowed| (ALLOW, allowed));
        return AccessCheck::Refused { error, rate: windows.report(category, now), extra };
    }
    if let Err(error) = key.require(operation.scope()) {
        return refused(error, windows.report(category, now));
    }
    match windows.admit(operation.category(), now) {
        Admission::Refused { report, retry_after } => {
            let error = ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "RATE_LIMITED",
                format!("Too many requests; try again in {retry_after} s."),
            );
            AccessCheck::Refused { error, rate: Some(report), extra: Some((RETRY_AFTER, retry_after.into())) }
        }
        Admission::Admitted(rate) => {
            let fault = request.candidate_id().and_then(|id| faults.take(id, operation));
            AccessCheck::Allowed { operation, rate, fault, generation: *generation }
        }
    }
}

/// A request that passed the access checks.
pub(crate) struct Call<'a> {
    shared: &'a Shared,
    tracker: &'a RequestTracker,
    request: &'a ApiRequest,
    operation: Operation,
    pub(crate) request_id: String,
    rate: Option<RateReport>,
    generation: u64,
}

/// What a call may do under its idempotency key.
pub(crate) enum KeyClaim {
    /// Act, and store the response if there is a key.
    Act(Option<InFlight>),
    /// Send this response without acting: a replay, a conflict, or an invalid key.
    Done(ApiResponse),
}

/// The sandbox was reset while the call was waiting.
#[derive(Debug)]
pub(crate) struct ResetMeanwhile;

impl Call<'_> {
    /// Performs the operation, exactly once per idempotency key. Other requests with the same key wait until the
    /// returned `InFlight` is dropped.
    pub(crate) async fn perform(&self) -> Result<(ApiResponse, Option<InFlight>), ResetMeanwhile> {
        let claim = self.claim().await?;
        self.finish(claim)
    }

    /// Claims the call's idempotency key; waits while an earlier request holds it.
    pub(crate) async fn claim(&self) -> Result<KeyClaim, ResetMeanwhile> {
        // Only actions have idempotency keys.
        if self.operation == Operation::Status {
            return Ok(KeyClaim::Act(None));
        }
        let key = match self.idempotency_key() {
            Ok(Some(key)) => key,
            Ok(None) => return Ok(KeyClaim::Act(None)),
            Err(error) => return Ok(KeyClaim::Done(ApiResponse::error(&self.request_id, &error))),
        };
        loop {
            let fingerprint = Fingerprint {
                method: self.request.parts.method.clone(),
                target: self.request.parts.uri.to_string(),
                body: self.request.body.clone(),
            };
            let claim = {
                let mut state = self.current_state()?;
                let now = self.shared.clock.now();
                state.idempotency.claim(key.clone(), fingerprint, now)
            };
            match claim {
                Claim::First(in_flight) => return Ok(KeyClaim::Act(Some(in_flight))),
                Claim::Replay(response) => {
                    self.tracker.replayed();
                    return Ok(KeyClaim::Done(response));
                }
                Claim::Conflict => {
                    let error = ApiError::new(
                        StatusCode::CONFLICT,
                        "IDEMPOTENCY_CONFLICT",
                        "This Idempotency-Key was used with a different request.",
                    );
                    return Ok(KeyClaim::Done(ApiResponse::error(&self.request_id, &error)));
                }
                Claim::Wait(mut over) => {
                    // Nothing is ever sent: the error when the holder drops its end is what wakes us.
                    let _ = over.changed().await;
                }
            }
        }
    }

    /// Acts if the claim allows it, and stores the response.
    pub(crate) fn finish(&self, claim: KeyClaim) -> Result<(ApiResponse, Option<InFlight>), ResetMeanwhile> {
        let in_flight = match claim {
            KeyClaim::Done(response) => return Ok((response, None)),
            KeyClaim::Act(in_flight) => in_flight,
        };
        let mut state = self.current_state()?;
        let now = self.shared.clock.now();
        let response = self.execute(&mut state, now, false);
        if let Some(claim) = &in_flight {
            state.idempotency.store(claim, &response);
        }
        Ok((response, in_flight))
    }

    /// The response that the request would get: changes no state and does not use the idempotency key.
    pub(crate) fn dry_run(&self) -> Result<ApiResponse, ResetMeanwhile> {
        let mut state = self.current_state()?;
        let now = self.shared.clock.now();
        Ok(self.execute(&mut state, now, true))
    }

    fn current_state(&self) -> Result<MutexGuard<'_, State>, ResetMeanwhile> {
        let state = self.shared.state();
        if state.generation == self.generation { Ok(state) } else { Err(ResetMeanwhile) }
    }

    fn execute(&self, state: &mut State, now: UnixTime, dry_run: bool) -> ApiResponse {
        match self.try_execute(state, now, dry_run) {
            Ok(data) => ApiResponse::success(&self.request_id, &data),
            Err(error) => ApiResponse::error(&self.request_id, &error),
        }
    }

    fn try_execute(&self, state: &mut State, now: UnixTime, dry_run: bool) -> Result<serde_json::Value, ApiError> {
        let not_found = |what: &str| ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", what);
        let route = self.request.route.as_ref().ok_or_else(|| not_found("There is no such endpoint."))?;
        let candidate_id = route.candidate_id()?;
        let parameters = Parameters::read(self.operation, self.request.parts.uri.query(), &self.request.body)?;
        let job_position_id = &parameters.job_position_id;
        self.shared.expire(state, now);
        let status =
            |state: &State| state.candidates.find(candidate_id, job_position_id).map(|found| found.status.clone());
        let no_candidate = || not_found("There is no such candidate for this job position.");
        let before = status(state).ok_or_else(no_candidate)?;
        if dry_run {
            let mut candidate = state.candidates.find(candidate_id, job_position_id).ok_or_else(no_candidate)?.clone();
            return Ok(candidate.apply(self.operation, candidate_id, &parameters, now)?.data);
        }
        let effect =
            state.candidates.apply(self.operation, candidate_id, &parameters, now).ok_or_else(no_candidate)??;
        let after = status(state).unwrap_or_default();
        self.shared.notify(state, &Change { candidate_id, job_position_id, before: &before, after: &after }, now);
        if effect.acted {
            self.tracker.acted();
        }
        if let Some(mail) = effect.mail {
            state.outbox.push(mail);
        }
        Ok(effect.data)
    }

    fn idempotency_key(&self) -> Result<Option<Bytes>, ApiError> {
        let mut keys = self.request.parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(key) = keys.next() else { return Ok(None) };
        if keys.next().is_some() {
            return Err(ApiError::validation("Idempotency-Key is given more than once."));
        }
        let length = std::str::from_utf8(key.as_bytes()).map_or(key.len(), |text| text.chars().count());
        if length == 0 || length > MAX_IDEMPOTENCY_KEY {
            return Err(ApiError::validation(format!(
                "Idempotency-Key must have from 1 to {MAX_IDEMPOTENCY_KEY} characters."
            )));
        }
        Ok(Some(Bytes::copy_from_slice(key.as_bytes())))
    }

    pub(crate) fn with_headers(&self, response: ApiResponse) -> HttpResponse {
        with_headers(self.shared, response, self.rate)
    }
}

/// Adds the headers that every response has.
fn with_headers(shared: &Shared, response: ApiResponse, rate: Option<RateReport>) -> HttpResponse {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if let Ok(date) = HeaderValue::try_from(http_date(shared.clock.now())) {
        headers.insert(DATE, date);
    }
    if let Ok(request_id) = HeaderValue::try_from(response.request_id) {
        headers.insert(X_REQUEST_ID, request_id);
    }
    if let Some(rate) = rate {
        headers.insert(X_RATELIMIT_LIMIT, rate.limit.into());
        headers.insert(X_RATELIMIT_REMAINING, rate.remaining.into());
        headers.insert(X_RATELIMIT_RESET, rate.reset.into());
    }
    HttpResponse { status: response.status, headers, content: Content::Whole(response.body), then_close: false }
}
