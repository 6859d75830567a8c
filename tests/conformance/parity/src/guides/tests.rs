use super::*;

fn face() -> Face {
    serde_json::from_str(include_str!("../../../face.json")).unwrap()
}

fn failures(file: &str, text: &str) -> Vec<String> {
    let mut guides = Guides::default();
    guides.page(file, text, &face());
    guides.failures
}

const OPTIONS: &str = "
| option | default | what it is |
|---|---|---|
| `apiKey` | `CELPER_API_KEY` | the key |
| `baseUrl` | `CELPER_BASE_URL` | where |
| `timeout` | 120 000 ms | the whole call |
| `attemptTimeout` | 30 000 ms | one attempt |
| `maxRetries` | 2 | more attempts |
| `rateLimits` | `{ reads: 40, actions: 30, total: 60, window: 60_000 }` | the windows |
| `proxy` | none | its URL |
| `caCertificates` | none | PEM |
| `appInfo` | none | your program |
";

#[test]
fn a_table_of_options_has_them_all_with_their_defaults() {
    let file = "bindings-node/README.md";
    assert_eq!(failures(file, OPTIONS), [""; 0]);
    assert_eq!(
        failures(file, &OPTIONS.replace("`proxy`", "`proxyUrl`")),
        [
            "bindings-node/README.md: the table has no row for the option proxy",
            "bindings-node/README.md: the table has a row for proxyUrl, which is no option",
        ]
    );
    for (from, to, said) in [
        ("30 000 ms", "30 s", "the row of attemptTimeout does not say 30000"),
        ("`CELPER_BASE_URL`", "none", "the row of baseUrl does not say CELPER_BASE_URL"),
        ("60_000", "60", "the row of rateLimits does not say 60000"),
        ("| 2 |", "| 3 |", "the row of maxRetries does not say 2"),
    ] {
        assert_eq!(failures(file, &OPTIONS.replace(from, to)), [format!("{file}: {said}")]);
    }
}

#[test]
fn a_table_of_kinds_has_them_all_with_their_classes() {
    let rows = face()
        .errors
        .kinds
        .into_iter()
        .map(|kind| format!("| `{}` | `{}` | `{}` |\n", kind.kind, kind.class, kind.parent));
    let table = format!("| kind | class | under |\n|---|---|---|\n{}", rows.collect::<String>());
    assert_eq!(failures("docs/errors.md", &table), [""; 0]);
    assert_eq!(
        failures("docs/errors.md", &table.replace("| `server` | `ServerError` | `ApiError` |\n", "")),
        ["docs/errors.md: the table has no row for the kind server"]
    );
    assert_eq!(
        failures(
            "docs/errors.md",
            &table.replace("`InvalidStatusError` | `ConflictError`", "`InvalidStatusError` | `ApiError`")
        ),
        ["docs/errors.md: the row of invalid_status has ApiError for under, not ConflictError"]
    );
}

#[test]
fn a_table_of_fields_has_them_all() {
    let table = "| field | what |\n|---|---|\n| `kind`, `message` | a |\n| `operation` | b |\n| `status`, `code` | c |\n| `request_id` \
                 | d |\n| `retry_after` | e |\n| `attempts` | f |\n| `idempotency_key` | g |\n| `outcome_unknown` | h |\n";
    assert_eq!(failures("docs/errors.md", table), [""; 0]);
    assert_eq!(
        failures("docs/errors.md", &table.replace("`status`, `code`", "`status`")),
        ["docs/errors.md: the table has no row for the field code"]
    );
}

const TREE: &str = "
 * CelperException
 * ├── InvalidArgumentException      refused
 * ├── ApiException
 * │   ├── InvalidRequestException
 * │   ├── AuthenticationException
 * │   ├── PermissionDeniedException
 * │   ├── NotFoundException
 * │   ├── ConflictException         (409)
 * │   │   ├── InvalidStatusException
 * │   │   ├── AnalysisNotViewedException
 * │   │   └── IdempotencyConflictException
 * │   ├── RateLimitException
 * │   └── ServerException
 * ├── TransportException
 * │   ├── ConnectionFailedException
 * │   └── RequestTimeoutException
 * └── UnexpectedResponseException
 *
 * core/
 * └── src/
";

#[test]
fn a_tree_of_classes_has_them_all_in_their_places() {
    let said = |tree: &str| {
        let mut guides = Guides::default();
        guides.tree("bindings-uniffi/Errors.kt", tree, &face(), true);
        guides.failures
    };
    assert_eq!(said(TREE), [""; 0]);
    assert_eq!(
        said(&TREE.replace(" * │   │   ├── InvalidStatusException\n", " * │   ├── InvalidStatusException\n")),
        [
            "bindings-uniffi/Errors.kt: the tree lacks AnalysisNotViewedException under ConflictException",
            "bindings-uniffi/Errors.kt: the tree lacks IdempotencyConflictException under ConflictException",
            "bindings-uniffi/Errors.kt: the tree lacks InvalidStatusException under ConflictException",
            "bindings-uniffi/Errors.kt: the tree has AnalysisNotViewedException under InvalidStatusException",
            "bindings-uniffi/Errors.kt: the tree has IdempotencyConflictException under InvalidStatusException",
            "bindings-uniffi/Errors.kt: the tree has InvalidStatusException under ApiException",
        ]
    );
    assert_eq!(said("no tree"), ["bindings-uniffi/Errors.kt: there is no tree of the error classes"]);
}
