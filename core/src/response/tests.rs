//! The documented responses, unusual ones, and arbitrary bytes.

use proptest::prelude::*;
use reqwest::header::{HeaderName, HeaderValue};

use super::*;
use crate::model::CandidateStatus;

fn key() -> ApiKey {
    ApiKey::new("celp_secret").unwrap()
}

fn read<T: FromResponse>(body: &str) -> Result<T, Error> {
    parse_success(body.as_bytes(), &ResponseMeta::default(), &key())
}

fn state(data: &str) -> Result<CandidateState, String> {
    read(&format!(r#"{{"success":true,"requestId":"r1","data":{data}}}"#)).map_err(|error| error.message().to_owned())
}

#[test]
fn documented_responses_are_parsed() {
    const ID: &str = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";
    let body = |data: &str| format!(r#"{{"success":true,"requestId":"{ID}","data":{data}}}"#);
    let state: CandidateState =
        read(&body(r#"{"status":"interviewed","analysisViewed":true,"interviewScore":85}"#)).unwrap();
    assert_eq!((&state.status, state.analysis_viewed), (&CandidateStatus::Interviewed, true));
    assert_eq!((state.interview_score, state.request_id.as_deref()), (Some(85.0), Some(ID)));
    let invitation: Invitation = read(&body(
        r#"{"invited":true,"sessionId":"sess_abc123","emailDelivery":"pending","expiresAt":"2026-04-18T08:00:00.000Z"}"#,
    ))
    .unwrap();
    assert!(invitation.invited);
    assert_eq!((&*invitation.session_id, &*invitation.email_delivery), ("sess_abc123", "pending"));
    assert_eq!(invitation.expires_at, UNIX_EPOCH + Duration::from_secs(1_776_499_200));
    let decision: Decision = read(&body(r#"{"status":"selected"}"#)).unwrap();
    assert_eq!(decision.status, CandidateStatus::Selected);
}

#[test]
fn unknown_fields_and_missing_optional_fields_are_accepted() {
    let read = |data| state(data).unwrap();
    let unknown = read(r#"{"status":"on_hold","analysisViewed":false,"interviewScore":null,"mood":{"a":[1]}}"#);
    assert_eq!((unknown.status.as_str(), unknown.interview_score), ("on_hold", None));
    assert_eq!(read(r#"{"status":"new","analysisViewed":false}"#).interview_score, None);
    assert_eq!(read(r#"{"status":"new","analysisViewed":false,"interviewScore":85.5}"#).interview_score, Some(85.5));
    let odd_id: Decision = parse_success(
        br#"{"success":true,"requestId":17,"data":{"status":"selected"},"more":null}"#,
        &ResponseMeta { request_id: Some("from the header".to_owned()), ..ResponseMeta::default() },
        &key(),
    )
    .unwrap();
    assert_eq!(odd_id.request_id.as_deref(), Some("from the header"));
}

#[test]
fn an_undocumented_shape_is_named_in_the_error() {
    for (data, word) in [
        (r#"{"analysisViewed":true}"#, "status"),
        (r#"{"status":1,"analysisViewed":true}"#, "string"),
        (r#"{"status":"new"}"#, "analysisViewed"),
        (r#"{"status":"new","analysisViewed":"yes"}"#, "boolean"),
        (r#"{"status":"new","analysisViewed":true,"interviewScore":"85"}"#, "f64"),
        (r#"{"status":"new","analysisViewed":true,"interviewScore":1e999}"#, "number"),
        ("[]", "data"),
        ("null", "data"),
    ] {
        let message = state(data).unwrap_err();
        assert!(message.contains(word), "{data}: {message}");
    }
    let invitation =
        r#"{"success":true,"data":{"invited":true,"sessionId":"s","emailDelivery":"pending","expiresAt":"soon"}}"#;
    assert!(read::<Invitation>(invitation).unwrap_err().message().contains("ISO 8601"));
}

#[test]
fn a_body_that_is_not_the_documented_envelope_is_an_error() {
    for body in
        ["", "<html>", "{", "null", "[]", "{}", r#"{"success":true}"#, r#"{"success":"yes","data":{}}"#, "\u{feff}{}"]
    {
        assert!(read::<Decision>(body).is_err(), "{body}");
    }
    let error = read::<Decision>(r#"{"success":false,"error":"CODE","message":"why","requestId":"r"}"#).unwrap_err();
    assert_eq!((error.code(), error.request_id()), (Some("CODE"), Some("r")));
    assert!(error.message().contains("why"));
    let deep = format!(r#"{{"success":true,"data":{}"#, "[".repeat(200_000));
    assert!(read::<Decision>(&deep).is_err());
}

#[test]
fn an_error_body_is_parsed_as_far_as_possible() {
    let error = parse_error_body(br#"{"success":false,"error":"NEW_CODE","message":"m","requestId":"r"}"#, &key());
    assert_eq!((error.code.as_deref(), error.message.as_deref()), (Some("NEW_CODE"), Some("m")));
    assert_eq!(
        parse_error_body(br#"{"error":"","message":""}"#, &key()).message,
        None,
        "an empty string is no message"
    );
    let error = parse_error_body(br#"{"error":{"code":1},"message":["a"],"requestId":null}"#, &key());
    assert!(error.code.is_none() && error.message.is_none() && error.request_id.is_none());
    for body in [
        &b"\xef\xbb\xbf{\"error\":\"E\",\"message\":\"m\"}"[..],
        b"{\"error\":\"E\",\"message\":\"caf\xe9\"}",
        b"{\"error\":\"E\",\r\n\"message\":\"two\nlines\"}",
    ] {
        let error = parse_error_body(body, &key());
        assert!(error.code.as_deref() == Some("E") && error.message.is_some(), "{body:?}");
    }
    let long = format!(r#"{{"message":"{}"}}"#, "é".repeat(5_000));
    assert_eq!(parse_error_body(long.as_bytes(), &key()).message.unwrap().chars().count(), 1_001);
}

#[test]
fn server_text_is_sanitized_before_it_is_shown() {
    // Redaction comes before truncation: a truncated key would not be found.
    let echo = format!(r#"{{"message":"{}celp_secret","error":"E\r\n\u001b[31m"}}"#, "a".repeat(995));
    let error = parse_error_body(echo.as_bytes(), &key());
    assert!(error.message.unwrap().ends_with("a[reda…"));
    assert_eq!(error.code.as_deref(), Some("E   [31m"));
    let headers =
        HeaderMap::from_iter([(HeaderName::from_static("x-request-id"), HeaderValue::from_static("celp_secret"))]);
    assert_eq!(ResponseMeta::parse(&headers, UNIX_EPOCH, &key()).request_id.as_deref(), Some("[redacted]"));
    let long =
        state(&format!(r#"{{"status":"new","analysisViewed":"{}celp_secret"}}"#, "z".repeat(900_000))).unwrap_err();
    assert!(long.len() < 300, "{}", long.len());
    let echo = state(r#"{"status":"new","analysisViewed":"celp_secret"}"#).unwrap_err();
    assert!(!echo.contains("secret"), "{echo}");
}

#[test]
fn times_of_the_years_1_to_9999_are_parsed() {
    let at = |text: &str| {
        let body = format!(
            r#"{{"success":true,"data":{{"invited":true,"sessionId":"s","emailDelivery":"p","expiresAt":"{text}"}}}}"#
        );
        read::<Invitation>(&body).map(|invitation| invitation.expires_at).ok()
    };
    assert_eq!(at("1969-12-31T23:59:59.250Z"), Some(UNIX_EPOCH - Duration::from_millis(750)));
    assert_eq!(at("2026-04-18T10:00:00+02:00"), Some(UNIX_EPOCH + Duration::from_secs(1_776_499_200)));
    assert!(at("0001-01-01T00:00:00Z").is_some() && at("9999-12-31T23:59:59.999Z").is_some());
    assert!(at("0001-01-01T00:00:00+01:00").is_none() && at("9999-12-31T23:59:59-05:00").is_none());
    assert_eq!(at("2026-13-01T00:00:00Z"), None);
}

#[test]
fn a_rate_limit_holds_the_headers_that_were_sent() {
    let read = |name: &'static str, value: &'static str| {
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
        ResponseMeta::parse(&headers, UNIX_EPOCH + Duration::from_secs(1_000), &key())
    };
    let limit = read("x-ratelimit-limit", "40").rate_limit.unwrap();
    assert_eq!((limit.limit, limit.remaining, limit.reset_at), (Some(40), None, None));
    assert_eq!(read("x-ratelimit-remaining", " 7 ").rate_limit.unwrap().remaining, Some(7));
    let reset = read("x-ratelimit-reset", "1060");
    assert_eq!(reset.rate_limit.unwrap().reset_at, Some(UNIX_EPOCH + Duration::from_secs(1_060)));
    assert_eq!(reset.reset_in, Some(Duration::from_secs(60)));
    assert_eq!(read("x-ratelimit-reset", "900").reset_in, Some(Duration::ZERO));
    assert!(read("x-ratelimit-reset", "253402300799").reset_in.is_some(), "the last second of 9999");
    assert!(read("x-ratelimit-reset", "253402300800").rate_limit.is_none());
    assert_eq!(read("x-ratelimit-limit", "many").rate_limit, None);
    assert_eq!(read("x-request-id", "r").request_id.as_deref(), Some("r"));
}

#[test]
fn kinds_follow_status_and_code() {
    for (status, code, kind) in [
        (400, Some("VALIDATION_ERROR"), ErrorKind::InvalidRequest),
        (401, None, ErrorKind::Authentication),
        (403, Some("SCOPE_INSUFFICIENT"), ErrorKind::PermissionDenied),
        (404, None, ErrorKind::NotFound),
        (409, Some("INVALID_STATUS"), ErrorKind::InvalidStatus),
        (409, Some("INVALID_STATUS_TRANSITION"), ErrorKind::InvalidStatus),
        (409, Some("ANALYSIS_NOT_VIEWED"), ErrorKind::AnalysisNotViewed),
        (409, Some("IDEMPOTENCY_CONFLICT"), ErrorKind::IdempotencyConflict),
        (409, Some("ACTIVE_SESSION"), ErrorKind::Conflict),
        (409, None, ErrorKind::Conflict),
        (400, Some("INVALID_STATUS"), ErrorKind::InvalidRequest),
        (418, None, ErrorKind::InvalidRequest),
        (429, None, ErrorKind::RateLimited),
        (500, None, ErrorKind::Server),
        (599, Some("INVALID_STATUS"), ErrorKind::Server),
        (302, None, ErrorKind::UnexpectedResponse),
        (700, None, ErrorKind::UnexpectedResponse),
    ] {
        assert_eq!(ErrorKind::from_response(status, code), kind, "{status} {code:?}");
    }
}

/// Bytes that resemble a response, and random bytes.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| value.to_string()),
        "\"[a-z0-9:TZ.\\-]{0,30}\"",
        "[\\[{\\]}\",:0-9a-z\\\\]{0,20}",
    ];
    let name = prop_oneof![
        Just("success"),
        Just("requestId"),
        Just("data"),
        Just("error"),
        Just("message"),
        Just("status"),
        Just("analysisViewed"),
        Just("interviewScore"),
        Just("invited"),
        Just("sessionId"),
        Just("emailDelivery"),
        Just("expiresAt"),
    ];
    let object = prop::collection::vec((name.clone(), value), 0..6).prop_map(|fields| {
        fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect::<Vec<_>>().join(",")
    });
    let envelope =
        (any::<bool>(), object.clone()).prop_map(|(ok, data)| format!("{{\"success\":{ok},\"data\":{{{data}}}}}"));
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        object.prop_map(|object| format!("{{{object}}}").into_bytes()),
        envelope.prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_response_gives_a_result_or_a_kind(
        status in any::<u16>(),
        headers in prop::collection::vec((0..6_usize, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        numbers in prop::collection::vec((0..6_usize, any::<u64>()), 0..4),
        body in any_body(),
    ) {
        const NAMES: [&str; 6] =
            ["x-request-id", "retry-after", "date", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
        let mut map = HeaderMap::new();
        let texts = headers.into_iter().chain(numbers.into_iter().map(|(name, number)| (name, number.to_string().into_bytes())));
        for (name, value) in texts {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                map.append(HeaderName::from_static(NAMES[name]), value);
            }
        }
        let meta = ResponseMeta::parse(&map, SystemTime::now(), &key());
        let error = parse_error_body(&body, &key());
        let kind = ErrorKind::from_response(status, error.code.as_deref());
        prop_assert_eq!(kind == ErrorKind::Server, (500..600).contains(&status));
        for result in [
            parse_success::<CandidateState>(&body, &meta, &key()).map(drop),
            parse_success::<Invitation>(&body, &meta, &key()).map(drop),
            parse_success::<Decision>(&body, &meta, &key()).map(drop),
        ] {
            if let Err(error) = result {
                prop_assert_eq!(error.kind(), ErrorKind::UnexpectedResponse);
            }
        }
    }
}
