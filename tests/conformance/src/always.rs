//! What holds in every case, whether the case speaks of it or not.

use std::collections::HashSet;

use serde_json::Value;

use crate::face::Kind;
use crate::language::Language;

/// An error must be of the class that its kind has in this language.
pub(crate) fn class_problems(language: Language, kinds: &[Kind], error: &Value, problems: &mut Vec<String>) {
    let Some(kind) = kinds.iter().find(|kind| error["kind"] == *kind.kind) else {
        problems.push(format!("error.kind: {} is none of the table", error["kind"]));
        return;
    };
    let (class, all) = language.classes(kind);
    if error["class"] != *class {
        problems.push(format!("error.class: expected {class}, but it is {}", error["class"]));
    }
    let has: HashSet<&str> = error["classes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let missing: Vec<&String> = all.iter().filter(|class| !has.contains(class.as_str())).collect();
    if !missing.is_empty() {
        problems.push(format!("error.classes: {missing:?} are missing from {}", error["classes"]));
    }
    let (message, text) = (error["message"].as_str().unwrap_or_default(), error["text"].as_str().unwrap_or_default());
    // A full stop moves behind what is added to the message.
    if message.is_empty() || !text.contains(message.trim_end_matches('.')) || text.contains('\n') {
        problems.push(format!("error.text: it must be one line with the message {message:?}, but it is {text:?}"));
    }
}

/// No string form of anything may hold a secret. Texts too short to be told from others are not looked for.
pub(crate) fn secret_problems(answer: &Value, secrets: &[String], problems: &mut Vec<String>) {
    let Some(strings) = answer["strings"].as_object().filter(|strings| !strings.is_empty()) else {
        problems.push("strings: there must be some".to_owned());
        return;
    };
    let own = [("text".to_owned(), answer["text"].clone()), ("message".to_owned(), answer["message"].clone())];
    let all = strings.iter().map(|(name, text)| (name.clone(), text.clone())).chain(own);
    for (name, text) in all {
        let text = text.as_str().unwrap_or_default().to_owned();
        for secret in secrets.iter().filter(|secret| secret.len() >= 6) {
            if text.contains(secret.as_str()) {
                problems.push(format!("strings.{name}: the secret {secret:?} is in it: {text:?}"));
            }
        }
    }
}

/// The requests of one call: one key, one body, and as many as the error says.
pub(crate) fn call_problems(is_action: bool, requests: &[Value], error: Option<&Value>, problems: &mut Vec<String>) {
    let key = |request: &Value| request["header"]["idempotency-key"].as_str().map(str::to_owned);
    let keys: HashSet<Option<String>> = requests.iter().map(key).collect();
    let bodies: HashSet<String> = requests.iter().map(|request| request["body"].to_string()).collect();
    let targets: HashSet<String> = requests.iter().map(|request| request["target"].to_string()).collect();
    if keys.len() > 1 || bodies.len() > 1 || targets.len() > 1 {
        problems.push(format!("attempts differ in their key, body or target: {keys:?} {bodies:?} {targets:?}"));
    }
    if !requests.is_empty() && keys.contains(&None) == is_action {
        problems.push(format!("an action carries an idempotency key, and nothing else does: {keys:?}"));
    }
    let Some(error) = error else {
        return;
    };
    // Requests that never reached a server count as attempts too.
    if !requests.is_empty() && error["attempts"] != requests.len() {
        problems.push(format!("error.attempts: {} but there were {} requests", error["attempts"], requests.len()));
    }
    if let Some(Some(key)) = keys.iter().next()
        && error["idempotency_key"] != **key
    {
        problems.push(format!("error.idempotency_key: {} but {key:?} was sent", error["idempotency_key"]));
    }
    if !is_action && (!error["idempotency_key"].is_null() || error["outcome_unknown"] != false) {
        problems.push("a read has neither an idempotency key nor an unknown outcome".to_owned());
    }
}

/// The API key goes in its header, once, and nowhere else.
pub(crate) fn key_problems(request: &Value, keys: &[String], problems: &mut Vec<String>) {
    let headers = request["headers"].as_array().cloned().unwrap_or_default();
    let sent: Vec<&Value> = headers.iter().filter(|header| header[0] == "x-api-key").map(|header| &header[1]).collect();
    if sent.len() != 1 || !keys.iter().any(|key| sent.iter().any(|sent| *sent == key.as_str())) {
        problems.push(format!("X-API-Key must be sent once, with the client's key: {sent:?}"));
    }
    let elsewhere = headers.iter().filter(|header| header[0] != "x-api-key").map(Value::to_string);
    let elsewhere: Vec<String> =
        elsewhere.chain([request["target"].to_string(), request["body"].to_string()]).collect();
    if elsewhere.iter().any(|place| keys.iter().any(|key| place.contains(key.as_str()))) {
        problems.push(format!("the API key is in the request beside its header: {elsewhere:?}"));
    }
}
