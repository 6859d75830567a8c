//! The cases, as the files under `cases/` define them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::language::Language;

/// The default candidate of a case.
pub(crate) const CANDIDATE_ID: &str = "cand_xyz789";
/// The default job position of a case.
pub(crate) const JOB_POSITION_ID: &str = "pos_abc123";

/// The name of the client that `client` configures.
pub(crate) const DEFAULT_CLIENT: &str = "client";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// The name of its file.
    #[serde(skip)]
    pub(crate) topic: String,
    pub(crate) name: String,
    /// The only languages in which it runs; all when there are none.
    #[serde(default)]
    pub(crate) languages: Vec<String>,
    #[serde(default)]
    pub(crate) sandbox: SandboxSetup,
    #[serde(default = "one_new_candidate")]
    pub(crate) candidates: Vec<Value>,
    #[serde(default)]
    pub(crate) faults: Vec<Value>,
    #[serde(default)]
    pub(crate) control: Vec<Control>,
    /// `client` gets no options: the runner's environment variables configure it.
    #[serde(default)]
    pub(crate) client_from_environment: bool,
    #[serde(default)]
    pub(crate) client: BTreeMap<String, Value>,
    /// Further clients, by name.
    #[serde(default)]
    pub(crate) clients: BTreeMap<String, BTreeMap<String, Value>>,
    /// The expected error when the client cannot be created.
    pub(crate) client_error: Option<Value>,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    pub(crate) requests: Option<Value>,
    pub(crate) outbox: Option<Value>,
    pub(crate) candidates_after: Option<Value>,
    pub(crate) rate_windows: Option<Value>,
    pub(crate) proxy_requests: Option<Value>,
    pub(crate) second_sandbox_requests: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxSetup {
    pub(crate) limits: Option<Limits>,
    #[serde(default)]
    pub(crate) tls: bool,
    /// The credentials that the proxy demands, `user:password`; empty for a proxy that demands none.
    pub(crate) proxy: Option<String>,
}

/// Limits that are left out have their documented values.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) reads: Option<usize>,
    pub(crate) actions: Option<usize>,
    pub(crate) total: Option<usize>,
    pub(crate) window: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Control {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) method: Option<String>,
    #[serde(default)]
    pub(crate) body: Value,
    pub(crate) response: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Step {
    Call(Box<Call>),
    Batch(Box<Batch>),
    Concurrent {
        concurrent: Vec<Call>,
    },
    Control {
        control: Control,
    },
    Close {
        /// Always true.
        #[serde(rename = "close")]
        _close: bool,
    },
    Http(Box<Http>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    /// The operation's name, or `wait`.
    #[serde(rename = "call")]
    pub(crate) operation: String,
    #[serde(default)]
    pub(crate) arguments: BTreeMap<String, Value>,
    #[serde(default = "one")]
    pub(crate) times: usize,
    #[serde(default = "default_client")]
    pub(crate) client: String,
    pub(crate) cancel: Option<CancelWhen>,
    pub(crate) result: Option<Value>,
    pub(crate) error: Option<Value>,
}

/// A batch, and what is expected of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    #[serde(rename = "batch")]
    pub(crate) rows: Vec<Row>,
    pub(crate) batch_id: Option<String>,
    /// The name of a journal, which all batches of the case can use.
    pub(crate) journal: Option<String>,
    #[serde(default = "default_client")]
    pub(crate) client: String,
    /// After its rows, the source fails with this message.
    pub(crate) source_error: Option<String>,
    /// The batch is left after so many items.
    pub(crate) leave_after: Option<usize>,
    pub(crate) cancel: Option<CancelWhen>,
    /// The expected items in the order of their indexes, or the pattern of every item.
    pub(crate) items: Option<Value>,
    pub(crate) progress: Option<Value>,
    /// The expected error when the batch cannot be started.
    pub(crate) error: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// The operation's name.
    pub(crate) request: String,
    #[serde(default)]
    pub(crate) arguments: BTreeMap<String, Value>,
    #[serde(default = "one")]
    pub(crate) times: usize,
}

/// When a call is cancelled.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub(crate) enum CancelWhen {
    /// When the sandbox has received its request.
    #[serde(rename = "when the request is received")]
    RequestReceived,
    /// When it waits for a retry or for a rate limit slot.
    #[serde(rename = "when waiting")]
    Waiting,
}

/// A request that the harness sends itself, and the expected response.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) http: HttpRequest,
    pub(crate) response: Value,
    #[serde(default = "one")]
    pub(crate) times: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    pub(crate) target: String,
    /// `X-API-Key` defaults to the sandbox's key; null leaves a header out.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Value>,
    /// A JSON body.
    pub(crate) body: Option<Value>,
    /// A body that is sent as it is.
    pub(crate) text: Option<String>,
}

impl Call {
    /// The operation that its requests and errors are of.
    pub(crate) fn requested(&self) -> &str {
        if self.is_wait() { "status" } else { &self.operation }
    }

    pub(crate) fn is_wait(&self) -> bool {
        self.operation == "wait"
    }
}

fn one() -> usize {
    1
}

fn default_client() -> String {
    DEFAULT_CLIENT.to_owned()
}

fn one_new_candidate() -> Vec<Value> {
    vec![serde_json::json!({"status": "new"})]
}

impl Case {
    /// Whether the case tests the sandbox itself, with plain HTTP requests and no client.
    pub(crate) fn is_sandbox_case(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Http(_)))
    }

    pub(crate) fn runs_in(&self, language: Language) -> bool {
        self.languages.is_empty() || self.languages.iter().any(|name| name == language.name())
    }

    /// Checks what the schema cannot express.
    fn validate(&self) -> Result<()> {
        if self.is_sandbox_case() && !self.steps.iter().all(|step| matches!(step, Step::Http(_) | Step::Control { .. }))
        {
            bail!("a case with plain HTTP steps cannot have steps of a client");
        }
        if self.client_error.is_some() != self.steps.is_empty() {
            bail!("a case has either `steps` or `client_error`");
        }
        if self.requests.is_none() && !self.is_sandbox_case() {
            bail!("`requests` is required");
        }
        Ok(())
    }
}

/// Reads all cases, and checks each file against the schema.
pub(crate) fn read_all(folder: &Path) -> Result<Vec<Case>> {
    let read = |path: &Path| -> Result<Value> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
    };
    let schema =
        jsonschema::validator_for(&read(&folder.join("cases.schema.json"))?).context("the schema is invalid")?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder.join("cases"))? {
        files.push(entry?.path());
    }
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
        let content = read(file)?;
        let errors: Vec<String> =
            schema.iter_errors(&content).map(|error| format!("{}: {error}", error.instance_path())).collect();
        if !errors.is_empty() {
            bail!("{} does not match cases.schema.json:\n  {}", file.display(), errors.join("\n  "));
        }
        let topic = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let list = content.as_array().cloned().unwrap_or_default();
        for entry in list {
            let name = entry["name"].as_str().unwrap_or_default().to_owned();
            let case = serde_json::from_value::<Case>(entry).map_err(anyhow::Error::from);
            let case = case.and_then(|case| case.validate().map(|()| case));
            let mut case = case.with_context(|| format!("{topic}: {name:?}"))?;
            if cases.iter().any(|other| other.name == case.name) {
                bail!("{topic}: two cases are named {name:?}");
            }
            case.topic.clone_from(&topic);
            cases.push(case);
        }
    }
    Ok(cases)
}

#[cfg(test)]
impl Case {
    fn calls(&self) -> impl Iterator<Item = &Call> {
        self.steps.iter().flat_map(|step| match step {
            Step::Call(call) => std::slice::from_ref(&**call),
            Step::Concurrent { concurrent } => concurrent,
            Step::Batch(_) | Step::Control { .. } | Step::Close { .. } | Step::Http(_) => &[],
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api_surface::ApiSurface;

    fn folder() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn every_error_kind_and_every_option_has_a_case() {
        let cases = read_all(folder()).unwrap();
        assert!(cases.len() >= 400);
        let surface = ApiSurface::read(folder()).unwrap();
        let errors = cases
            .iter()
            .flat_map(|case| case.client_error.iter().chain(case.calls().filter_map(|call| call.error.as_ref())));
        let kinds: BTreeSet<&str> = errors.map(|error| error["kind"].as_str().unwrap()).collect();
        // A panic in the core is `internal`: no request or response of a case can cause one. `webhook` is of no request at all.
        let expected: BTreeSet<&str> = surface
            .error_kinds
            .keys()
            .map(String::as_str)
            .filter(|kind| !["internal", "webhook"].contains(kind))
            .collect();
        assert_eq!(kinds, expected);
        let options: BTreeSet<&str> = cases.iter().flat_map(|case| case.client.keys().map(String::as_str)).collect();
        let missing: Vec<&String> = surface.options.keys().filter(|name| !options.contains(name.as_str())).collect();
        assert!(missing.is_empty(), "no case sets {missing:?}");
    }

    #[test]
    fn every_operation_has_a_case_for_each_documented_error() {
        let cases = read_all(folder()).unwrap();
        let tested: BTreeSet<(&str, &str)> = cases
            .iter()
            .flat_map(Case::calls)
            .filter_map(|call| Some((call.operation.as_str(), call.error.as_ref()?["code"].as_str()?)))
            .collect();
        let common = [
            "VALIDATION_ERROR",
            "INVALID_BODY",
            "UNAUTHORIZED",
            "IP_NOT_ALLOWED",
            "SCOPE_INSUFFICIENT",
            "FORBIDDEN",
            "API_DISABLED",
            "ACCOUNT_SUSPENDED",
            "NOT_FOUND",
            "RATE_LIMITED",
        ];
        let mut expected: BTreeSet<(&str, &str)> = BTreeSet::new();
        for operation in celper::Operation::ALL {
            expected.extend(common.map(|code| (operation.name(), code)));
            if operation.is_action() {
                expected.insert((operation.name(), "IDEMPOTENCY_CONFLICT"));
            }
        }
        for operation in ["select", "reject"] {
            expected.extend([(operation, "INVALID_STATUS_TRANSITION"), (operation, "ANALYSIS_NOT_VIEWED")]);
        }
        expected.insert(("invite", "INVALID_STATUS"));
        let missing: Vec<_> = expected.difference(&tested).collect();
        assert!(missing.is_empty(), "no case for {missing:?}");
    }
}
