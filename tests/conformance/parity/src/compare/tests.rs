use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;
use crate::expected::{expected, flawless, with_core};
use crate::face::Face;
use crate::language::Language;

fn face() -> &'static Face {
    static FACE: LazyLock<Face> = LazyLock::new(|| serde_json::from_str(include_str!("../../../face.json")).unwrap());
    &FACE
}

/// What is said of `language` when its flawless face is changed so.
fn failures(language: Language, change: impl FnOnce(&mut Vec<Item>)) -> Vec<String> {
    let mut items = flawless(face(), language);
    change(&mut items);
    compare(&expected(face(), language), &items, &[], &[]).failures
}

fn item<'a>(items: &'a mut [Item], subject: &str) -> &'a mut Item {
    items.iter_mut().find(|item| item.subject.to_string() == subject).unwrap()
}

#[test]
fn a_face_that_is_as_it_should_be_passes() {
    for language in Language::ALL {
        let verdict = compare(&expected(face(), language), &flawless(face(), language), &[], &[]);
        assert_eq!(verdict.failures, [""; 0], "{language}");
        assert_eq!((verdict.passed["operation"], verdict.passed["parameter"], verdict.passed["option"]), (4, 21, 9));
        assert_eq!((verdict.passed["error kind"], verdict.passed["status"], verdict.excepted), (14, 8, 0));
    }
}

#[test]
fn every_item_that_is_missing_is_named_and_nothing_else() {
    for language in Language::ALL {
        for (nth, gone) in flawless(face(), language).iter().enumerate() {
            let said = failures(language, |items| drop(items.remove(nth)));
            assert_eq!(said, [format!("{} is missing", gone.subject)], "{language}");
        }
    }
}

#[test]
fn every_fact_that_differs_or_is_not_read_is_named_and_nothing_else() {
    for language in Language::ALL {
        for (nth, whole) in flawless(face(), language).into_iter().enumerate() {
            for fact in whole.facts.keys() {
                let changed = failures(language, |items| {
                    items[nth].facts.insert(fact.clone(), if fact == "doc" { json!(" ") } else { json!("other") });
                });
                let unread = failures(language, |items| drop(items[nth].facts.remove(fact)));
                for said in [changed, unread] {
                    let [said] = said.as_slice() else { panic!("{language}: {said:?}") };
                    let named = if fact == "doc" {
                        format!("{} has no documentation", whole.subject)
                    } else {
                        format!("{}: {fact} is ", whole.subject)
                    };
                    assert!(said.starts_with(&named), "{language}: {said}");
                }
            }
        }
    }
}

#[test]
fn a_renamed_option_is_one_that_is_missing_and_one_that_is_not_known() {
    let said = failures(Language::Node, |items| {
        item(items, "option attemptTimeout").subject.name = "tryTimeout".to_owned();
    });
    assert_eq!(said, ["option attemptTimeout is missing", "option tryTimeout is not in face.json"]);
}

#[test]
fn what_is_not_known_still_needs_documentation() {
    let said = failures(Language::Python, |items| items.push(Item::new(Subject::new("name", "helper"))));
    assert_eq!(said, ["name helper is not in face.json", "name helper has no documentation"]);
}

#[test]
fn differences_are_told_with_both_sides() {
    let said = failures(Language::Kotlin, |items| {
        item(items, "option timeout").facts.insert("default".to_owned(), json!(60.0));
        item(items, "error class InvalidStatusException").facts.insert("parent".to_owned(), json!("ApiException"));
        item(items, "parameter maxRetries of inviteCandidate").facts.insert("type".to_owned(), json!("kotlin.String"));
    });
    assert_eq!(
        said,
        [
            "parameter maxRetries of inviteCandidate: type is kotlin.String, not kotlin.Int or kotlin.Long",
            "option timeout: default is 60, not 120",
            "error class InvalidStatusException: parent is ApiException, not ConflictException",
        ]
    );
    let said = failures(Language::Python, |items| {
        item(items, "error class RequestTimeoutError").facts.insert("bases".to_owned(), json!([]));
        item(items, "parameter job_position_id of select_candidate").facts.insert("named".to_owned(), json!(false));
    });
    assert_eq!(
        said,
        [
            "parameter job_position_id of select_candidate: named is false, not true",
            "error class RequestTimeoutError: bases is [], not [\"TimeoutError\"]",
        ]
    );
}

#[test]
fn documentation_says_the_variable_and_the_default_that_a_declaration_does_not_show() {
    let said = failures(Language::Node, |items| {
        item(items, "option apiKey").facts.insert("doc".to_owned(), json!("The key."));
        item(items, "option timeout").facts.insert("doc".to_owned(), json!("The time for a whole call: 12 000."));
        item(items, "option attemptTimeout").facts.insert("doc".to_owned(), json!("For one attempt: 30 000."));
    });
    assert_eq!(
        said,
        [
            "option apiKey: the documentation does not say CELPER_API_KEY",
            "option timeout: the documentation does not say 120000",
        ]
    );
}

#[test]
fn a_contradiction_and_an_item_twice_are_failures() {
    let said = failures(Language::Node, |items| {
        items.push(Item::problem("NotFoundError is declared, and require does not give it"));
        items.push(items[0].clone());
    });
    assert_eq!(
        said,
        ["NotFoundError is declared, and require does not give it", "operation getCandidateStatus is there twice"]
    );
}

#[test]
fn what_only_the_core_has_is_missing_in_every_language() {
    let items = [
        Item::new(Subject::new("error kind", "gone"))
            .with("class", "GoneError")
            .with("parent", "ApiError")
            .with("retried", false),
        Item::new(Subject::new("option", "user_agent")).with("type", "impl Into<String>").with("default", Value::Null),
        Item::new(Subject::new("operation", "archive_candidate")).with("type", "Decision"),
        Item::new(Subject::new("parameter", "reason").of("reject_candidate")).with("optional", true),
        Item::new(Subject::new("field", "reason").of("Decision")).with("optional", true),
        Item::new(Subject::new("error field", "hint")),
        Item::new(Subject::new("status", "on_hold")),
        Item::new(Subject::new("member", "ping")),
    ];
    let core = with_core(face(), &items.iter().collect::<Vec<_>>());
    for language in Language::ALL.into_iter().filter(|language| *language != Language::Rust) {
        let flawless = flawless(face(), language);
        let verdict = compare(&expected(face(), language), &flawless, &expected(&core, language), &[]);
        let spelled = |name: &str| language.spelled(name);
        let reject = spelled("reject_candidate");
        let mut wanted = vec![
            format!("operation {}", spelled("archive_candidate")),
            format!("parameter reason of {reject}"),
            format!("option {}", spelled("user_agent")),
            "member ping of the client".to_owned(),
            "field reason of Decision".to_owned(),
            "status on_hold".to_owned(),
            "error field hint".to_owned(),
            "error kind gone".to_owned(),
        ];
        if language.has_error_classes() {
            wanted.push(format!("error class {}", language.class("GoneError")));
        }
        let wanted: Vec<String> = wanted.iter().map(|it| format!("{it} is missing, which the core has")).collect();
        let mut said = verdict.failures;
        said.sort();
        assert_eq!(
            said,
            {
                let mut wanted = wanted;
                wanted.sort();
                wanted
            },
            "{language}"
        );
    }
}

fn excepted(what: &str, why: &str, change: impl FnOnce(&mut Vec<Item>)) -> (Vec<String>, usize) {
    let mut items = flawless(face(), Language::Node);
    change(&mut items);
    let exception = Exception { what: what.to_owned(), why: why.to_owned() };
    let verdict = compare(&expected(face(), Language::Node), &items, &[], &[&exception]);
    (verdict.failures, verdict.excepted)
}

#[test]
fn an_argued_difference_is_none() {
    let signal = |items: &mut Vec<Item>| {
        for method in ["inviteCandidate", "selectCandidate"] {
            items.push(Item::new(Subject::new("parameter", "signal").of(method)).with("doc", "Aborts the call."));
        }
    };
    assert_eq!(excepted("parameter signal of * is not in face.json", "it is", signal), (vec![], 2));
    assert_eq!(
        excepted("parameter signal of {inviteCandidate|selectCandidate} is not in face.json", "it is", signal),
        (vec![], 2)
    );
    assert_eq!(
        excepted("parameter signal of {inviteCandidate|rejectCandidate} is not in face.json", "it is", signal).0,
        [
            "parameter signal of selectCandidate is not in face.json",
            "face.json has this for an exception, and it is not so: parameter signal of rejectCandidate is not in face.json",
        ]
    );
    let (said, _) = excepted("parameter signal of * is not in face.json", " ", signal);
    assert_eq!(said, ["nothing is said for this exception in face.json: parameter signal of * is not in face.json"]);
}

#[test]
fn an_exception_excuses_one_difference_of_an_item_and_no_other() {
    let (said, excepted) = excepted("error field outcomeUnknown: optional is true, not false", "it is", |items| {
        let field = item(items, "error field outcomeUnknown");
        field.facts.insert("optional".to_owned(), json!(true));
        field.facts.insert("type".to_owned(), json!("string"));
    });
    assert_eq!((said, excepted), (vec!["error field outcomeUnknown: type is string, not boolean".to_owned()], 1));
}

#[test]
fn numbers_are_found_as_people_write_them() {
    for text in ["120 000.", "120_000", "120,000 ms", "120\u{a0}000", "120000"] {
        assert!(mentions(text, "120000"), "{text}");
    }
    for text in ["12 000", "1120 000", "120 0000", "120"] {
        assert!(!mentions(text, "120000"), "{text}");
    }
    assert!(mentions("`CELPER_API_KEY`", "CELPER_API_KEY") && !mentions("CELPER_API_KEYS", "CELPER_API_KEY"));
}
