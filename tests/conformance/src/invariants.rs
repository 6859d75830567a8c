//! Checks that apply to every case, whatever it expects.

use std::collections::HashSet;

use serde_json::Value;

use crate::api_surface::ApiSurface;
use crate::language::Language;

/// Shorter secrets are not searched for: they could match by chance.
const MIN_SECRET_LENGTH: usize = 6;

/// An error must be of the class that its kind has in this language, and its text must contain its message.
pub(crate) fn check_error_class(language: Language, surface: &ApiSurface, error: &Value, failures: &mut Vec<String>) {
    let kind = error["kind"].as_str().unwrap_or_default();
    let Some(class) = surface.error_kinds.get(kind) else {
        failures.push(format!("error.kind: {kind:?} is not a known kind"));
        return;
    };
    let (class, expected) = language.error_classes(surface, kind, class);
    if error["class"] != *class {
        failures.push(format!("error.class: expected {class}, got {}", error["class"]));
    }
    let actual: HashSet<&str> = error["classes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let missing: Vec<&String> = expected.iter().filter(|class| !actual.contains(class.as_str())).collect();
    if !missing.is_empty() {
        failures.push(format!("error.classes: {missing:?} are missing from {}", error["classes"]));
    }
    let (message, text) = (error["message"].as_str().unwrap_or_default(), error["text"].as_str().unwrap_or_default());
    // The text can add details after the message, and moves its full stop behind them.
    if message.is_empty() || !text.contains(message.trim_end_matches('.')) || text.contains('\n') {
        failures.push(format!("error.text: expected one line that contains the message {message:?}, got {text:?}"));
    }
}

/// No string form of a client, a result or an error contains a secret.
pub(crate) fn check_secrets(reported: &Value, secrets: &[String], failures: &mut Vec<String>) {
    let Some(strings) = reported["strings"].as_object().filter(|strings| !strings.is_empty()) else {
        failures.push("strings: the runner reported none".to_owned());
        return;
    };
    let fields = ["text", "message"].map(|name| (name, &reported[name]));
    for (name, text) in strings.iter().map(|(name, text)| (name.as_str(), text)).chain(fields) {
        let text = text.as_str().unwrap_or_default();
        for secret in secrets.iter().filter(|secret| secret.len() >= MIN_SECRET_LENGTH) {
            if text.contains(secret.as_str()) {
                failures.push(format!("strings.{name}: contains the secret {secret:?}: {text:?}"));
            }
        }
    }
}

/// The requests of one call have the same idempotency key and body, and there are as many as the result or error reports.
pub(crate) fn check_attempts(is_action: bool, requests: &[Value], outcome: &Value, failures: &mut Vec<String>) {
    let key = |request: &Value| request["headers"]["idempotency-key"].as_str().map(str::to_owned);
    let keys: HashSet<Option<String>> = requests.iter().map(key).collect();
    let bodies: HashSet<String> = requests.iter().map(|request| request["body"].to_string()).collect();
    let targets: HashSet<String> = requests.iter().map(|request| request["target"].to_string()).collect();
    if keys.len() > 1 || bodies.len() > 1 || targets.len() > 1 {
        failures.push(format!("attempts differ in idempotency key, body or target: {keys:?} {bodies:?} {targets:?}"));
    }
    if !requests.is_empty() && keys.contains(&None) == is_action {
        failures.push(format!("actions must send an idempotency key, and reads must not: {keys:?}"));
    }
    if outcome.is_null() {
        return;
    }
    // Attempts that never reached a server count too, so an error without any request can report some.
    if !requests.is_empty() && outcome["attempts"] != requests.len() {
        failures.push(format!("attempts: {}, but there were {} requests", outcome["attempts"], requests.len()));
    }
    let Some(error) = outcome.get("kind").map(|_| outcome) else {
        return;
    };
    if let Some(Some(key)) = keys.iter().next()
        && error["idempotency_key"] != **key
    {
        failures.push(format!("error.idempotency_key: {}, but {key:?} was sent", error["idempotency_key"]));
    }
    if !is_action && (!error["idempotency_key"].is_null() || error["outcome_unknown"] != false) {
        failures.push("a read must have no idempotency key and no unknown outcome".to_owned());
    }
}

/// The API key is sent once, in its header and nowhere else.
pub(crate) fn check_api_key(request: &Value, keys: &[String], failures: &mut Vec<String>) {
    let headers = request["header_list"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (key_headers, others): (Vec<&Value>, Vec<&Value>) = headers.iter().partition(|header| header[0] == "x-api-key");
    let sent: Vec<&Value> = key_headers.iter().map(|header| &header[1]).collect();
    if sent.len() != 1 || !keys.iter().any(|key| sent.iter().any(|sent| *sent == key.as_str())) {
        failures.push(format!("X-API-Key must be sent once, with the client's key: {sent:?}"));
    }
    let rest: Vec<String> =
        others.into_iter().chain([&request["target"], &request["body"]]).map(Value::to_string).collect();
    if rest.iter().any(|text| keys.iter().any(|key| text.contains(key.as_str()))) {
        failures.push(format!("the API key is in the request outside its header: {rest:?}"));
    }
}
