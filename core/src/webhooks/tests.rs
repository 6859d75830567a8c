use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderValue};

use super::*;
use crate::{CandidateStatus, ErrorKind};

const SECRET: &str = "whsec_1";
const BODY: &str = r#"{"event":"candidate_status_changed","webhookId":"wh_1","companyId":"comp_1","timestamp":"2026-01-15T10:30:00.250Z","data":{"candidateId":"cand_1","jobPositionId":"pos_1","status":"interviewed","previousStatus":"invited","score":7.50}}"#;
const TIMESTAMP: u64 = 1_768_473_000;
/// Computed with another implementation of HMAC, that of Python.
const SIGNATURE: &str = "378de1b8adf6db4905a9e1cce03ca78ce9338bb84c445981f94059b9e5df1668";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn options() -> Options {
    Options::default().now(at(TIMESTAMP))
}

fn headers(signature: &str) -> [(String, String); 2] {
    [(SIGNATURE_HEADER.to_owned(), signature.to_owned()), (TIMESTAMP_HEADER.to_owned(), TIMESTAMP.to_string())]
}

fn reason(result: Result<impl fmt::Debug, Error>) -> &'static str {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Webhook, "webhook"), "{error}");
    assert!(!format!("{error:?} {error}").contains(SECRET), "{error}");
    error.webhook_reason().unwrap().name()
}

fn unwrap_signed(body: &str) -> Result<Event, Error> {
    unwrap(body, sign(body, SECRET, at(TIMESTAMP)).unwrap(), [SECRET], options())
}

#[test]
fn a_webhook_becomes_an_event() {
    let headers = headers(&format!("sha256={SIGNATURE}"));
    let event = unwrap(BODY, headers.clone(), [SECRET], options()).unwrap();
    let EventKind::CandidateStatusChanged(change) = &event.kind else { panic!("{event:?}") };
    assert_eq!((change.candidate_id.as_str(), change.job_position_id.as_str()), ("cand_1", "pos_1"));
    assert_eq!(change.status, CandidateStatus::Interviewed);
    assert_eq!(change.previous_status, Some(CandidateStatus::Invited));
    assert_eq!((event.webhook_id.as_str(), event.company_id.as_str()), ("wh_1", "comp_1"));
    assert_eq!(event.timestamp, UNIX_EPOCH + Duration::from_millis(1_768_473_000_250));
    assert!(event.data.ends_with(r#""score":7.50}"#), "{}", event.data);
    assert_eq!(event.dedupe_key, "bdff364816f7cb24ff63e457bd012282b3cea0178c92aac54ca1d3054e1e9e2a");
    assert_eq!(sign(BODY, SECRET, at(TIMESTAMP)).unwrap().map(|(name, value)| (name.to_owned(), value)), headers);
}

#[test]
fn events_and_fields_that_nobody_knows_come_through() {
    let body = |event: &str, data: &str| {
        format!(
            r#"{{"event":"{event}","webhookId":"w","companyId":"c","timestamp":"2026-01-15T10:30:00Z","data":{data},"more":1}}"#
        )
    };
    for name in EventKind::KNOWN.into_iter().skip(1).chain(["interview_moved"]) {
        let event = unwrap_signed(&body(name, r#"{"any":[1]}"#)).unwrap();
        assert_eq!((event.kind.name(), event.data.as_str()), (name, r#"{"any":[1]}"#));
        assert_eq!(matches!(event.kind, EventKind::Unknown(_)), name == "interview_moved");
    }
    let event = unwrap_signed(&body(
        "candidate_status_changed",
        r#"{"candidateId":"a","jobPositionId":"b","status":"on_hold","previousStatus":null}"#,
    ));
    let EventKind::CandidateStatusChanged(change) = event.unwrap().kind else { panic!() };
    assert_eq!((change.status.as_str(), change.previous_status), ("on_hold", None));
    for (body, expected) in [
        ("{", "not_json"),
        ("", "not_json"),
        ("[]", "unexpected_body"),
        (r#"{"event":"analysis_ready"}"#, "unexpected_body"),
        (&body("candidate_status_changed", r#"{"candidateId":"a","status":"new"}"#), "unexpected_body"),
    ] {
        assert_eq!(reason(unwrap_signed(body)), expected, "{body}");
    }
}

#[test]
fn any_signature_may_match_any_secret() {
    let wrong = "0".repeat(64);
    for value in [
        format!("sha256={SIGNATURE}"),
        format!(" SHA256={} ", SIGNATURE.to_uppercase()),
        format!("sha256={wrong},sha256={SIGNATURE}"),
        format!("sha256={SIGNATURE}, sha512=abc,, sha256={wrong}"),
    ] {
        verify(BODY, headers(&value), ["other", SECRET], options()).unwrap();
        assert_eq!(reason(verify(BODY, headers(&value), ["other"], options())), "no_match");
        assert_eq!(reason(verify(format!("{BODY} "), headers(&value), [SECRET], options())), "no_match");
    }
    // The timestamp is signed too.
    let [signature, _] = headers(&format!("sha256={SIGNATURE}"));
    let moved = [signature, (TIMESTAMP_HEADER.to_owned(), (TIMESTAMP + 1).to_string())];
    assert_eq!(reason(verify(BODY, moved, [SECRET], options())), "no_match");
}

#[test]
fn headers_may_have_any_form() {
    let [(_, signature), (_, timestamp)] = sign(BODY, SECRET, at(TIMESTAMP)).unwrap();
    let mut map = HeaderMap::new();
    map.insert("x-celper-signature", HeaderValue::from_str(&signature).unwrap());
    map.insert("x-celper-timestamp", HeaderValue::from_str(&timestamp).unwrap());
    verify(BODY, &map, [SECRET], options()).unwrap();
    // Twice, as a proxy may send it.
    map.append("x-celper-timestamp", HeaderValue::from_str(&timestamp).unwrap());
    map.append("x-celper-signature", HeaderValue::from_str(&format!("sha256={}", "0".repeat(64))).unwrap());
    verify(BODY, &map, [SECRET], options()).unwrap();
    map.append("x-celper-timestamp", HeaderValue::from_static("1768473001"));
    assert_eq!(reason(verify(BODY, &map, [SECRET], options())), "malformed");
    let map = HashMap::from([("X-CELPER-SIGNATURE", signature), ("X-CELPER-TIMESTAMP", timestamp)]);
    verify(BODY, &map, [SECRET], options()).unwrap();
}

#[test]
fn unusable_headers_are_told_apart() {
    let signature = format!("sha256={SIGNATURE}");
    for (signature, timestamp, expected) in [
        (None, Some("1768473000"), "missing_header"),
        (Some(signature.as_str()), None, "missing_header"),
        (Some(SIGNATURE), Some("1768473000"), "malformed"),
        (Some("sha256=abc"), Some("1768473000"), "malformed"),
        (Some("sha256=\u{e9}"), Some("1768473000"), "malformed"),
        (Some(&signature), Some("1768473000.5"), "malformed"),
        (Some(&signature), Some("+1768473000"), "malformed"),
        (Some(&signature), Some(""), "malformed"),
        (Some(&signature), Some("99999999999999999999"), "malformed"),
        (Some(&signature), Some("1768473000000"), "malformed"),
        (Some(&signature), Some("2026-01-15T10:30:00Z"), "malformed"),
    ] {
        let given = [(SIGNATURE_HEADER, signature), (TIMESTAMP_HEADER, timestamp)];
        let headers = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
        assert_eq!(reason(verify(BODY, headers, [SECRET], options())), expected, "{signature:?} {timestamp:?}");
    }
}

#[test]
fn a_stale_webhook_is_told_by_how_much() {
    let headers = headers(&format!("sha256={SIGNATURE}"));
    let verify_at = |now, secret: &str, options: Options| verify(BODY, headers.clone(), [secret], options.now(at(now)));
    for now in [TIMESTAMP - 300, TIMESTAMP + 300] {
        verify_at(now, SECRET, Options::default()).unwrap();
    }
    for (now, difference, text) in [(TIMESTAMP + 412, 412, "412 s old"), (TIMESTAMP - 301, -301, "301 s in the future")]
    {
        let error = verify_at(now, SECRET, Options::default()).unwrap_err();
        assert_eq!(error.clock_difference(), Some(difference));
        assert!(error.message().starts_with(&format!("the timestamp is {text}, more than 300 s: ")), "{error}");
        assert_eq!(reason(verify_at(now, SECRET, Options::default())), "stale");
        // What nobody signed is not called stale.
        assert_eq!(reason(verify_at(now, "other", Options::default())), "no_match");
        verify_at(now, SECRET, Options::default().tolerance(None)).unwrap();
        verify_at(now, SECRET, Options::default().tolerance(Duration::from_secs(412))).unwrap();
    }
    // Without `now`, the system's clock.
    let signed = sign(BODY, SECRET, SystemTime::now()).unwrap();
    unwrap(BODY, signed, [SECRET], Options::default()).unwrap();
    assert_eq!(reason(verify(BODY, headers.clone(), [SECRET], Options::default())), "stale");
}

#[test]
fn faults_of_the_program_are_invalid_arguments() {
    let verify = |secrets: &[&str], options| verify(BODY, headers(""), secrets, options).unwrap_err();
    for error in [
        verify(&[], options()),
        verify(&[""], options()),
        verify(&[SECRET, "whsec_2\n"], options()),
        verify(&[SECRET], options().tolerance(Duration::ZERO)),
        sign(BODY, "", at(TIMESTAMP)).unwrap_err(),
        sign(BODY, SECRET, UNIX_EPOCH - Duration::from_secs(1)).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.webhook_reason()), (ErrorKind::InvalidArgument, None), "{error}");
        assert_eq!(error.operation(), "webhook");
        assert!(!error.to_string().contains("whsec"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_request_is_an_event_or_a_typed_error(
        body in prop_oneof![any::<Vec<u8>>(), r#"[\{\[",:\}\]a-z0-9\\u]*"#.prop_map(String::into_bytes)],
        names in prop::collection::vec(
            (prop_oneof![Just(SIGNATURE_HEADER.to_owned()), Just(TIMESTAMP_HEADER.to_lowercase()), any::<String>()],
             prop_oneof![any::<Vec<u8>>(), "(sha256=)?[0-9a-fA-F]{0,70},?".prop_map(String::into_bytes)]),
            0..5,
        ),
        secret in any::<Vec<u8>>(),
        seconds in any::<u32>(),
    ) {
        if let Err(error) = unwrap(&body, names, [&secret], Options::default()) {
            let typed = error.kind() == ErrorKind::InvalidArgument || error.webhook_reason().is_some();
            prop_assert!(typed, "{}", error);
        }
        // A signed body of any bytes gets as far as its event.
        let headers = sign(&body, SECRET, at(seconds.into())).unwrap();
        if let Err(error) = unwrap(&body, headers, [SECRET], Options::default().now(at(seconds.into()))) {
            prop_assert!(matches!(error.webhook_reason(), Some(Reason::NotJson | Reason::UnexpectedBody)), "{}", error);
        }
    }
}
