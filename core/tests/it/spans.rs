//! The spans of calls, waits, batches and watches, as tracing-opentelemetry would see them, against those of every language.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use celper::{CandidateStatus, Client, JobPositionId, Operation, OperationInput, StatusRequest};
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::instrument::Instrument;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::Current;

use crate::test_env::{POSITION, TestEnv};

/// Keeps every span, with its parent.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    spans: Vec<Kept>,
    entered: Vec<Id>,
}

struct Kept {
    metadata: &'static Metadata<'static>,
    parent: Option<Id>,
    fields: BTreeMap<&'static str, Value>,
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, Value>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name(), value.into());
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let state = &mut *self.0.lock().unwrap();
        let contextual = if span.is_contextual() { state.entered.last() } else { None };
        let mut kept =
            Kept { metadata: span.metadata(), parent: span.parent().or(contextual).cloned(), fields: BTreeMap::new() };
        span.record(&mut Fields(&mut kept.fields));
        state.spans.push(kept);
        Id::from_u64(state.spans.len() as u64)
    }
    fn record(&self, id: &Id, values: &Record<'_>) {
        let state = &mut *self.0.lock().unwrap();
        values.record(&mut Fields(&mut state.spans[id.into_u64() as usize - 1].fields));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, id: &Id) {
        self.0.lock().unwrap().entered.push(id.clone());
    }
    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().entered.pop();
    }
    fn current_span(&self) -> Current {
        let state = self.0.lock().unwrap();
        let current =
            state.entered.last().map(|id| Current::new(id.clone(), state.spans[id.into_u64() as usize - 1].metadata));
        current.unwrap_or_else(Current::none)
    }
}

impl Spans {
    /// The spans of the SDK below this one, in the form of the expected ones. `base` is the sandbox's URL.
    fn below(&self, parent: Option<u64>, base: &str) -> Vec<Value> {
        let port: u64 = base.rsplit_once(':').unwrap().1.parse().unwrap();
        let found =
            |(nth, span): (usize, &Kept)| (span.parent.as_ref().map(Id::into_u64) == parent).then_some(nth as u64 + 1);
        let ids: Vec<u64> = self.0.lock().unwrap().spans.iter().enumerate().filter_map(found).collect();
        let span = |id: u64| {
            let mut attributes: Map<String, Value> = {
                let state = self.0.lock().unwrap();
                state.spans[id as usize - 1]
                    .fields
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.clone()))
                    .collect()
            };
            let name = attributes.remove("otel.name").unwrap();
            let kind = attributes.remove("otel.kind").unwrap().as_str().unwrap().to_uppercase();
            for value in attributes.values_mut() {
                if *value == json!(port) {
                    *value = "PORT".into();
                } else if let Some(text) = value.as_str() {
                    *value = text.replace(base, "BASE").into();
                }
            }
            let failed = attributes.contains_key("error.type");
            json!({"name": name, "kind": kind, "failed": failed, "attributes": attributes, "children": self.below(Some(id), base)})
        };
        ids.into_iter().map(span).collect()
    }
}

/// The expected span, without what is no field of tracing's: a wait is a log event.
fn without_events(span: &Value) -> Value {
    let mut span = span.clone();
    span.as_object_mut().unwrap().remove("events");
    span["children"] = span["children"].as_array().unwrap().iter().map(without_events).collect();
    span
}

#[tokio::test]
async fn calls_and_waits_have_the_spans_of_every_language() {
    let expected = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conformance/telemetry.json");
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(expected).unwrap()).unwrap();
    let env = TestEnv::new().await;
    // See `logs.rs`.
    let _second = tracing::Dispatch::new(Spans::default());
    for case in expected["cases"].as_array().unwrap() {
        let mut id = env.candidate("new").await;
        for fault in case["faults"].as_array().into_iter().flatten() {
            let mut fault = fault.clone();
            fault["candidateId"] = Value::from(&*id);
            env.control("POST", "faults", fault).await;
        }
        if let Some(other) = case["candidate_id"].as_str() {
            id = other.to_owned();
        }
        let spans = Spans::default();
        let _default = tracing::subscriber::set_default(spans.clone());
        if let Some(until) = case["wait"].as_str() {
            let wait = env.client.wait_for_status(id, JobPositionId(POSITION), [CandidateStatus::from(until)]);
            let timeout = case["timeout_seconds"].as_f64().unwrap_or(60.0);
            drop(wait.timeout(Duration::from_secs_f64(timeout)).await);
        } else {
            let operation = Operation::from_name(case["call"].as_str().unwrap()).unwrap();
            let mut input = OperationInput::new(operation, id, POSITION);
            input.max_retries = case["max_retries"].as_u64().map(|retries| retries as u32);
            drop(env.client.send(&input).await);
        }
        assert_eq!(spans.below(None, &env.sandbox.base_url()), [without_events(&case["span"])], "{}", case["name"]);
    }
}

#[tokio::test]
async fn requests_of_batches_and_reads_of_watches_are_children_of_the_callers_span() {
    let env = TestEnv::new().await;
    let (base, id) = (env.sandbox.base_url(), env.candidate("new").await);
    let client = Client::builder().api_key(env.sandbox.api_key()).base_url(&*base).redact(false).build().unwrap();
    let _second = tracing::Dispatch::new(Spans::default());
    let spans = Spans::default();
    let _default = tracing::subscriber::set_default(spans.clone());
    let app = tracing::info_span!("app", otel.name = "app", otel.kind = "internal");
    let start = async {
        let request = StatusRequest::new(&*id, JobPositionId(POSITION));
        let batch = client.batch([request]).start().await.unwrap();
        (batch, client.watch_candidates([&*id], JobPositionId(POSITION)).unwrap())
    };
    let (mut batch, mut watch) = start.instrument(app).await;
    assert!(batch.next().await.unwrap().result.is_ok() && watch.next().await.unwrap().is_some());
    let all = spans.below(None, &base);
    let names = all.iter().flat_map(|app| app["children"].as_array().unwrap()).map(|span| span["name"].clone());
    assert_eq!((all.len(), names.collect::<Vec<_>>()), (1, vec!["celper.status".into(), "celper.status".into()]));
    let url = format!("BASE/v1/candidates/{id}/status?jobPositionId={POSITION}");
    assert_eq!(all[0]["children"][0]["children"][0]["attributes"]["url.full"], url.as_str());
}
