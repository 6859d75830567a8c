//! A case as it stands in the files.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// The candidate and the job position of a case, unless it says otherwise.
pub(crate) const CANDIDATE: &str = "cand_xyz789";
/// See [`CANDIDATE`].
pub(crate) const POSITION: &str = "pos_abc123";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// The file that it is in, which is its topic.
    #[serde(skip)]
    pub(crate) topic: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) sandbox: SandboxSetup,
    #[serde(default = "one_new_candidate")]
    pub(crate) candidates: Vec<Value>,
    #[serde(default)]
    pub(crate) faults: Vec<Value>,
    #[serde(default)]
    pub(crate) control: Vec<Control>,
    #[serde(default)]
    pub(crate) environment: bool,
    #[serde(default)]
    pub(crate) client: BTreeMap<String, Value>,
    /// Further clients, by the names that steps call them by.
    #[serde(default)]
    pub(crate) clients: BTreeMap<String, BTreeMap<String, Value>>,
    pub(crate) opens: Option<Value>,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    pub(crate) wire: Option<Value>,
    pub(crate) outbox: Option<Value>,
    pub(crate) after: Option<Value>,
    pub(crate) windows: Option<Value>,
    pub(crate) proxied: Option<Value>,
    pub(crate) elsewhere: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxSetup {
    pub(crate) limits: Option<Limits>,
    #[serde(default)]
    pub(crate) tls: bool,
    /// What the proxy demands, `user:password`; empty for a proxy that lets everybody through.
    pub(crate) proxy: Option<String>,
}

/// What is left out is as documented.
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
    pub(crate) answer: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Step {
    Call(Box<Call>),
    Together {
        together: Vec<Call>,
    },
    Control {
        control: Control,
    },
    Close {
        /// Always true: a step must say something.
        #[serde(rename = "close")]
        _close: bool,
    },
    Http(Box<Http>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    pub(crate) call: String,
    #[serde(default, rename = "with")]
    pub(crate) arguments: BTreeMap<String, Value>,
    #[serde(default = "one")]
    pub(crate) times: usize,
    #[serde(default = "first_client")]
    pub(crate) client: String,
    pub(crate) cancel: Option<Cancel>,
    pub(crate) result: Option<Value>,
    pub(crate) error: Option<Value>,
    #[serde(default)]
    pub(crate) cancelled: bool,
}

/// When a call is cancelled.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub(crate) enum Cancel {
    /// As soon as the sandbox has its request.
    #[serde(rename = "when received")]
    Received,
    /// Once its first request has been answered, or it has been under way for a while without a request.
    #[serde(rename = "when waiting")]
    Waiting,
}

/// A request made by the judge itself, and the answer that must come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) http: HttpRequest,
    pub(crate) answer: Value,
    #[serde(default = "one")]
    pub(crate) times: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    pub(crate) target: String,
    /// `X-API-Key` is the sandbox's unless it is named here; null leaves a header out.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Value>,
    /// JSON, or with `text` any bytes.
    pub(crate) body: Option<Value>,
    pub(crate) text: Option<String>,
}

fn one() -> usize {
    1
}

fn first_client() -> String {
    "client".to_owned()
}

fn one_new_candidate() -> Vec<Value> {
    vec![serde_json::json!({"status": "new"})]
}

impl Case {
    /// Whether it speaks to the sandbox alone, and no language has a part in it.
    pub(crate) fn is_plain_http(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Http(_)))
    }

    /// What the schema cannot say.
    fn check(&self) -> Result<()> {
        let talks = |step: &Step| matches!(step, Step::Call(_) | Step::Together { .. } | Step::Close { .. });
        if self.is_plain_http() && self.steps.iter().any(talks) {
            bail!("plain HTTP and a client's calls do not go in one case");
        }
        if self.opens.is_some() != self.steps.is_empty() {
            bail!("a case has either steps or, where no client can be made, `opens`");
        }
        let calls = self.steps.iter().flat_map(|step| match step {
            Step::Call(call) => std::slice::from_ref(&**call),
            Step::Together { together } => together,
            _ => &[],
        });
        for call in calls {
            let outcomes = usize::from(call.result.is_some()) + usize::from(call.error.is_some());
            if outcomes + usize::from(call.cancelled) != 1 || call.cancelled != call.cancel.is_some() {
                bail!("a call has one of `result`, `error`, and `cancelled` with `cancel`");
            }
        }
        if self.wire.is_none() && !self.is_plain_http() {
            bail!("`wire` must say what is sent");
        }
        Ok(())
    }
}

/// All cases, each file checked against the schema.
pub(crate) fn read_all(folder: &Path) -> Result<Vec<Case>> {
    let read = |path: &Path| -> Result<Value> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
    };
    let schema = jsonschema::validator_for(&read(&folder.join("cases.schema.json"))?).context("the schema is none")?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder.join("cases"))? {
        files.push(entry?.path());
    }
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "json")) {
        let content = read(file)?;
        let problems: Vec<String> =
            schema.iter_errors(&content).map(|problem| format!("{}: {problem}", problem.instance_path())).collect();
        if !problems.is_empty() {
            bail!("{} does not fit cases.schema.json:\n  {}", file.display(), problems.join("\n  "));
        }
        let topic = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let list = content.as_array().cloned().unwrap_or_default();
        for entry in list {
            let name = entry["name"].as_str().unwrap_or_default().to_owned();
            let case = serde_json::from_value::<Case>(entry).map_err(anyhow::Error::from);
            let case = case.and_then(|case| case.check().map(|()| case));
            let mut case = case.with_context(|| format!("{topic}: {name:?}"))?;
            if cases.iter().any(|other| other.name == case.name) {
                bail!("{topic}: there are two cases named {name:?}");
            }
            case.topic.clone_from(&topic);
            cases.push(case);
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What the files say, as text: names in it are found wherever they stand.
    fn all() -> Vec<Case> {
        read_all(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn calls(case: &Case) -> Vec<&Call> {
        let steps = case.steps.iter().flat_map(|step| match step {
            Step::Call(call) => vec![&**call],
            Step::Together { together } => together.iter().collect(),
            _ => Vec::new(),
        });
        steps.collect()
    }

    #[test]
    fn every_kind_of_error_and_every_option_has_a_case() {
        let cases = all();
        assert!(cases.len() >= 120);
        let face: Value = serde_json::from_str(include_str!("../face.json")).unwrap();
        let named = |list: &Value, field: &str| -> BTreeSet<String> {
            list.as_array().unwrap().iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
        };
        let errors = cases.iter().flat_map(|case| {
            let opens = case.opens.iter();
            opens.chain(calls(case).into_iter().filter_map(|call| call.error.as_ref()))
        });
        let kinds: BTreeSet<String> = errors.map(|error| error["kind"].as_str().unwrap().to_owned()).collect();
        assert_eq!(kinds, named(&face["errors"]["kinds"], "kind"));
        let options = cases.iter().flat_map(|case| case.client.keys().cloned());
        let missing: Vec<String> = named(&face["options"], "name").difference(&options.collect()).cloned().collect();
        assert!(missing.is_empty(), "no case sets {missing:?}");
    }

    #[test]
    fn every_operation_meets_every_error_that_its_documentation_has() {
        let cases = all();
        let met: BTreeSet<(String, String)> = cases
            .iter()
            .flat_map(|case| calls(case))
            .filter_map(|call| Some((call.call.clone(), call.error.as_ref()?["code"].as_str()?.to_owned())))
            .collect();
        let everywhere = [
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
            expected.extend(everywhere.map(|code| (operation.name(), code)));
            if operation.is_action() {
                expected.insert((operation.name(), "IDEMPOTENCY_CONFLICT"));
            }
        }
        for operation in ["select", "reject"] {
            expected.extend([(operation, "INVALID_STATUS_TRANSITION"), (operation, "ANALYSIS_NOT_VIEWED")]);
        }
        expected.insert(("invite", "INVALID_STATUS"));
        let missing: Vec<_> =
            expected.iter().filter(|(operation, code)| !met.contains(&((*operation).into(), (*code).into()))).collect();
        assert!(missing.is_empty(), "no case for {missing:?}");
    }
}
