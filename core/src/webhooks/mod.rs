//! Webhooks: verify that a request came from the service, and read the event in it.
//!
//! ```
//! use celper::webhooks::{self, EventKind, Options};
//!
//! # fn handle(body: &[u8], headers: &celper::reqwest::header::HeaderMap, secret: &str) -> Result<(), celper::Error> {
//! let event = webhooks::unwrap(body, headers, [secret], Options::default())?;
//! if let EventKind::CandidateStatusChanged(change) = &event.kind {
//!     println!("{} is now {} ({})", change.candidate_id, change.status, event.dedupe_key);
//! }
//! # Ok(()) }
//! ```
//!
//! The body is the bytes of the request as they arrived: the signature is of those, and a body that was parsed and serialized
//! again has others. These are plain functions; they need no [`Client`](crate::Client).
//!
//! The service sends an event again when it got no 2xx in time, and events can arrive out of order. Skip an event whose
//! [`dedupe_key`](Event::dedupe_key) was handled before, and read the candidate's status where the order matters.
//!
//! An [`Error`] of the kind [`Webhook`](crate::ErrorKind::Webhook) says that the request cannot be trusted or read, and its
//! [`webhook_reason`](Error::webhook_reason) why: respond with 400. One of the kind
//! [`InvalidArgument`](crate::ErrorKind::InvalidArgument) is a fault of the program, such as an empty secret.

mod event;
mod signature;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::Error;

pub use event::{Event, EventKind, StatusChange};
use signature::{SignedHeaders, key};

/// The header with the signatures.
pub const SIGNATURE_HEADER: &str = "X-Celper-Signature";

/// The header with the time of signing, in Unix seconds.
pub const TIMESTAMP_HEADER: &str = "X-Celper-Timestamp";

macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident $name:literal;)*) => {
        /// Why a webhook is refused, as a stable value to match on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $reason,)*
        }

        impl Reason {
            /// Every reason: the source of the same list in every language.
            pub const ALL: &'static [Reason] = &[$(Reason::$reason),*];

            /// The stable name, the same in every language.
            pub const fn name(self) -> &'static str {
                match self { $(Reason::$reason => $name),* }
            }
        }
    };
}

reasons! {
    /// The signature's or the timestamp's header is missing.
    MissingHeader "missing_header";
    /// The signature's or the timestamp's header cannot be read.
    Malformed "malformed";
    /// No signature matches: another secret, or other bytes than were signed.
    NoMatch "no_match";
    /// The signature matches, but the timestamp is further from now than the tolerance.
    Stale "stale";
    /// The body was given as something other than the bytes that arrived. Not in Rust, whose types rule it out.
    ParsedBody "parsed_body";
    /// The signature matches, but the body is not JSON.
    NotJson "not_json";
    /// The signature matches and the body is JSON, but it lacks what every event of its type has.
    UnexpectedBody "unexpected_body";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the timestamp is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    tolerance: Option<Duration>,
    now: Option<SystemTime>,
}

impl Options {
    /// How far the timestamp may be from now: 300 seconds.
    pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

    /// How far the timestamp may be from now, in the past or in the future; `None` turns the check off, and lets anybody who
    /// has seen a webhook send it again.
    #[must_use]
    pub fn tolerance(mut self, tolerance: impl Into<Option<Duration>>) -> Self {
        self.tolerance = tolerance.into();
        self
    }

    /// The time to compare the timestamp with, for tests; otherwise the system's clock.
    #[must_use]
    pub fn now(mut self, now: impl Into<Option<SystemTime>>) -> Self {
        self.now = now.into();
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Options { tolerance: Some(Options::DEFAULT_TOLERANCE), now: None }
    }
}

/// Verifies a webhook and returns its event.
///
/// - `headers`: name and value of each, as a `&HeaderMap` or a map or array of pairs. Names in any case.
/// - `secrets`: the webhook's secret; while it is being changed, the new one and the old one.
///
/// # Errors
///
/// [`ErrorKind::Webhook`](crate::ErrorKind::Webhook) with a [`webhook_reason`](Error::webhook_reason);
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for unusable secrets and options. No error has a secret in
/// it.
pub fn unwrap(
    body: impl AsRef<[u8]>,
    headers: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
    secrets: impl IntoIterator<Item = impl AsRef<[u8]>>,
    options: Options,
) -> Result<Event, Error> {
    let body = body.as_ref();
    verify(body, headers, secrets, options)?;
    Event::from_verified(body)
}

/// Verifies a webhook without reading its body: [`unwrap`] for a program that parses the event itself.
///
/// # Errors
///
/// As those of [`unwrap`], but for the reasons about the body.
pub fn verify(
    body: impl AsRef<[u8]>,
    headers: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
    secrets: impl IntoIterator<Item = impl AsRef<[u8]>>,
    options: Options,
) -> Result<(), Error> {
    // The program's faults before the request's, so that a wrong set-up shows with the first request, whatever it is.
    let keys = secrets.into_iter().map(|secret| key(secret.as_ref())).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(Error::invalid_webhook_argument("there is no webhook secret to check the signature with"));
    }
    if options.tolerance == Some(Duration::ZERO) {
        return Err(Error::invalid_webhook_argument("tolerance must be longer than 0"));
    }
    let headers = SignedHeaders::read(headers)?;
    // The signature before the time: "stale" tells the user to look at the clock, which is no help for a request that nobody
    // signed, and somebody without the secret learns nothing about the clock.
    if !headers.match_any(&keys, body.as_ref()) {
        return Err(Error::webhook(
            Reason::NoMatch,
            "no signature matches: check that the secret is this webhook's, and that the body is the bytes that arrived, not \
             parsed and serialized again",
        ));
    }
    check_time(headers.timestamp, options)
}

/// Signs a body as the service does, and returns the two headers: for tests of a program that receives webhooks.
///
/// ```
/// use celper::webhooks::{self, Options};
/// use std::time::SystemTime;
///
/// let headers = webhooks::sign("{}", "whsec_test", SystemTime::now())?;
/// webhooks::verify("{}", headers, ["whsec_test"], Options::default())?;
/// # Ok::<(), celper::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for an empty secret, or a time before 1970.
pub fn sign(
    body: impl AsRef<[u8]>,
    secret: impl AsRef<[u8]>,
    timestamp: SystemTime,
) -> Result<[(&'static str, String); 2], Error> {
    let key = key(secret.as_ref())?;
    let seconds = timestamp
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Error::invalid_webhook_argument("timestamp must be a time since 1970"))?
        .as_secs()
        .to_string();
    let signature = signature::header(&key, &seconds, body.as_ref());
    Ok([(SIGNATURE_HEADER, signature), (TIMESTAMP_HEADER, seconds)])
}

fn check_time(timestamp: u64, options: Options) -> Result<(), Error> {
    let Some(tolerance) = options.tolerance else { return Ok(()) };
    let now = options.now.unwrap_or_else(SystemTime::now);
    // In whole seconds, as the timestamp is.
    let now = match now.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    };
    let age = now.saturating_sub(i64::try_from(timestamp).unwrap_or(i64::MAX));
    if Duration::from_secs(age.unsigned_abs()) <= tolerance {
        return Ok(());
    }
    let direction = if age > 0 { "old" } else { "in the future" };
    let message = format!(
        "the timestamp is {} s {direction}, more than {} s: check this machine's clock; if it is right, the request was delayed \
         or sent again by somebody else",
        age.unsigned_abs(),
        tolerance.as_secs_f64(),
    );
    Err(Error::webhook(Reason::Stale, message).with(|parts| parts.clock_difference = Some(age)))
}
