use serde_json::json;

use super::*;

fn symbol(kind: &str, path: &[&str], declaration: &[&str], doc: &[&str]) -> Value {
    json!({
        "kind": { "identifier": kind },
        "pathComponents": path,
        "declarationFragments": declaration.iter().map(|it| json!({ "spelling": it })).collect::<Vec<_>>(),
        "docComment": { "lines": doc.iter().map(|it| json!({ "text": it })).collect::<Vec<_>>() },
        "location": {},
    })
}

fn items(symbols: Vec<Value>) -> Vec<Item> {
    read(&json!({ "symbols": symbols }).to_string()).unwrap()
}

#[test]
fn an_operation_with_its_parameters_and_what_it_gives() {
    let doc =
        ["Rejects.", "", "- Parameters:", "  - candidateId: the candidate's id", "  - timeout: for the whole call"];
    let declaration = [
        "func rejectCandidate(_ candidateId: String, timeout: Duration? = nil, reason: [Int: (A, B)] = [:]) async throws -> ",
        "Decision",
    ];
    let method = symbol("swift.method", &["Celper", "rejectCandidate(_:timeout:reason:)"], &declaration, &doc);
    let field = symbol("swift.property", &["Decision", "note"], &["let note: Note?"], &[]);
    let structs =
        ["Decision", "Note"].map(|name| symbol("swift.struct", &[name], &["struct ", name], &["What it is."]));
    let found = items([vec![method, field], structs.to_vec()].concat());
    let parameter = |name: &str| Item::new(Subject::new("parameter", name).of("rejectCandidate"));
    assert_eq!(
        found,
        [
            Item::new(Subject::new("operation", "rejectCandidate"))
                .with("type", "Decision")
                .with("doc", doc.join("\n")),
            parameter("candidateId")
                .with("type", "String")
                .with("optional", false)
                .with("named", false)
                .with("doc", "the candidate's id"),
            parameter("timeout")
                .with("type", "Duration")
                .with("optional", true)
                .with("named", true)
                .with("doc", "for the whole call"),
            parameter("reason")
                .with("type", "[Int: (A, B)]")
                .with("optional", false)
                .with("named", true)
                .with("doc", ""),
            Item::new(Subject::new("field", "note").of("Decision"))
                .with("type", "Note")
                .with("optional", true)
                .with("doc", ""),
            Item::new(Subject::new("result", "Decision")).with("doc", "What it is."),
            Item::new(Subject::new("result", "Note")).with("doc", "What it is."),
        ]
    );
}

#[test]
fn options_have_the_defaults_that_are_declared() {
    let limits = symbol("swift.init", &["RateLimits", "init(reads:)"], &["init(reads: Int = 40)"], &["The limits."]);
    let declaration =
        ["init(timeout: Duration = .seconds(120), rateLimits: RateLimits? = RateLimits(), proxy: String?)"];
    let client = symbol("swift.init", &["Celper", "init(timeout:)"], &declaration, &["- Parameter timeout: how long"]);
    let found = items(vec![limits, client]);
    let facts = |nth: usize, fact: &str| found[nth].facts[fact].clone();
    assert_eq!((facts(0, "default"), facts(0, "optional")), (json!(40.0), json!(true)));
    assert_eq!((facts(1, "default"), facts(1, "doc")), (json!(120.0), json!("how long")));
    assert_eq!((facts(2, "default"), facts(2, "off")), (json!({ "reads": 40.0 }), json!(true)));
    assert_eq!((facts(3, "default"), facts(3, "optional"), facts(3, "off")), (json!(null), json!(false), json!(false)));
}

#[test]
fn what_is_public_and_nothing_else_is_a_name_and_what_the_compiler_made_is_none() {
    let mut derived = symbol("swift.func.op", &["Decision", "!=(_:_:)"], &["!="], &[]);
    derived["location"].take();
    let helper = symbol("swift.func", &["helper(of:)"], &["func helper(of: Int)"], &["Helps."]);
    let client = symbol("swift.class", &["Celper"], &["class Celper"], &[]);
    assert_eq!(
        items(vec![derived, helper, client]),
        [
            Item::new(Subject::new("name", "helper(of:)")).with("doc", "Helps."),
            Item::problem("Celper has no documentation"),
        ]
    );
}
