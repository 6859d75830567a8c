"""What a call did: its record, ``on_event``, and OpenTelemetry's spans and metrics, with the real SDK."""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

import celper
from celper_sandbox import Sandbox
from support import POSITION, wait_for_requests

SECRETS = ("hush-subject", "hush-body")
EXPECTED = json.loads((Path(__file__).parents[2] / "tests/conformance/telemetry.json").read_text())
exporter = InMemorySpanExporter()
reader = InMemoryMetricReader()


@pytest.fixture(autouse=True, scope="module")
def _providers() -> Iterator[None]:
    # Only roots outside of a sampled trace are dropped.
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(1)))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([reader]))
    yield
    # What it keeps would look like a leak to later tests.
    exporter.shutdown()


@pytest.fixture(autouse=True)
def _exported() -> Iterator[None]:
    exporter.clear()
    yield
    exporter.clear()


def unavailable_once(sandbox: Sandbox) -> str:
    """A candidate whose first request gets a 503."""
    candidate = sandbox.create_candidate().id
    sandbox.queue_fault(candidate, "status", status=503)
    return candidate


def spans(name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def tree(sandbox: Sandbox, parent: int | None = None) -> list[dict[str, Any]]:
    """The exported spans below this one, in the form of the expected ones."""
    base, port = sandbox.base_url, int(sandbox.base_url.rpartition(":")[2])

    def plain(attributes: Any) -> dict[str, Any]:
        return {
            name: "PORT"
            if value == port
            else value.replace(base, "BASE")
            if isinstance(value, str)
            else "SECONDS"
            if isinstance(value, float) and value > 0
            else value
            for name, value in (attributes or {}).items()
        }

    found = [span for span in exporter.get_finished_spans() if (span.parent.span_id if span.parent else None) == parent]
    return [
        {
            "name": span.name,
            "kind": span.kind.name,
            "failed": span.status.status_code is trace.StatusCode.ERROR,
            "attributes": plain(span.attributes),
            "events": [{"name": event.name, "attributes": plain(event.attributes)} for event in span.events],
            "children": tree(sandbox, span.context.span_id),
        }
        for span in sorted(found, key=lambda span: span.start_time or 0)
    ]


def make(client: celper.Celper, case: dict[str, Any], candidate: str) -> None:
    """Makes the call of a case."""
    try:
        if "wait" in case:
            timeout = case.get("timeout_seconds", 60)
            client.wait_for_status(candidate, job_position_id=POSITION, until=case["wait"], timeout=timeout)
        else:
            method = getattr(client, dict(celper._celper.OPERATIONS)[case["call"]])
            method(candidate, job_position_id=POSITION, max_retries=case.get("max_retries"))
    except celper.CelperError:
        pass


@pytest.mark.parametrize("case", EXPECTED["cases"], ids=lambda case: str(case["name"]))
def test_spans_are_those_of_every_language(sandbox: Sandbox, case: dict[str, Any]) -> None:
    candidate = sandbox.create_candidate().id
    for fault in case.get("faults", ()):
        sandbox.queue_fault(candidate, **fault)
    with celper.Celper(**sandbox.client_options) as client:
        make(client, case, case.get("candidate_id", candidate))
    assert tree(sandbox) == [case["span"]]


def test_a_record_tells_of_every_attempt_and_wait(sandbox: Sandbox, client: celper.Celper) -> None:
    candidate = unavailable_once(sandbox)
    invitation = client.invite_candidate(candidate, job_position_id=POSITION)
    record = invitation.record
    assert record is not None
    first, second = record.attempts
    assert (record.operation, first.status, first.error_kind, first.connection) == ("invite", 503, "server", "new")
    assert (second.status, second.error_kind, second.request_id) == (200, None, invitation.request_id)
    (wait,) = record.waits
    assert wait.reason == "retry"
    assert first.offset + first.duration <= wait.offset <= second.offset
    lines = str(record).splitlines()
    assert len(lines) == 4, lines
    assert "attempt 1: HTTP 503, server after" in lines[1]
    assert record.to_dict()["attempts"][0] == first.to_dict()
    # It is no part of a result's data, but is kept with it.
    plain = celper.Invitation(**{name: getattr(invitation, name) for name in celper.Invitation.__match_args__})
    assert plain == invitation
    assert plain.record is None
    assert "record" not in invitation.to_dict()
    assert pickle.loads(pickle.dumps(invitation)).record == record
    with pytest.raises(celper.InvalidStatusError) as caught:
        client.invite_candidate(candidate, job_position_id=POSITION)
    assert caught.value.record is not None
    assert caught.value.record.attempts[0].error_kind == "invalid_status"
    assert pickle.loads(pickle.dumps(caught.value)).record == caught.value.record
    with pytest.raises(celper.InvalidArgumentError) as refused:
        client.get_candidate_status("", job_position_id=POSITION)
    assert refused.value.record is None


def test_spans_have_the_callers_parents_and_no_secrets(sandbox: Sandbox) -> None:
    tracer = trace.get_tracer("app")
    flaky = unavailable_once(sandbox)
    others = [sandbox.create_candidate().id for _ in range(3)]

    async def task(client: celper.AsyncCelper, candidate: str) -> None:
        with tracer.start_as_current_span(f"of {candidate}"):
            await client.invite_candidate(
                candidate, job_position_id=POSITION, email_subject="hush-subject", email_body="hush-body"
            )

    async def main() -> None:
        async with celper.AsyncCelper(**sandbox.client_options) as client:
            await asyncio.gather(*(task(client, candidate) for candidate in [flaky, *others]))

    asyncio.run(main())
    calls, attempts = spans("celper.invite"), spans("POST")
    assert (len(calls), len(attempts)) == (4, 5)
    for candidate in [flaky, *others]:
        (parent,) = spans(f"of {candidate}")
        (call,) = (span for span in calls if span.parent and span.parent.span_id == parent.context.span_id)
        mine = [span for span in attempts if span.parent and span.parent.span_id == call.context.span_id]
        assert len(mine) == (2 if candidate == flaky else 1)
        assert call.start_time
        assert call.end_time
        assert parent.start_time
        assert parent.end_time
        assert parent.start_time - 1_000 <= call.start_time <= call.end_time <= parent.end_time + 1_000_000
        assert call.status.is_unset
        assert call.kind is trace.SpanKind.INTERNAL
    failed, again = sorted(
        (span for span in attempts if dict(span.attributes or {}).get("http.response.status_code") == 503),
        key=lambda span: span.start_time or 0,
    ) + [span for span in attempts if "http.request.resend_count" in (span.attributes or {})]
    attributes = dict(failed.attributes or {})
    assert attributes == {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": int(sandbox.base_url.rpartition(":")[2]),
        "url.full": f"{sandbox.base_url}/v1/candidates/REDACTED/invite",
        "http.response.status_code": 503,
        "error.type": "503",
    }
    assert failed.kind is trace.SpanKind.CLIENT
    assert not failed.status.is_ok
    assert (again.attributes or {})["http.request.resend_count"] == 1
    (event,) = (event for call in calls for event in call.events)
    assert event.name == "celper.wait"
    assert (event.attributes or {})["reason"] == "retry"
    exported = "".join(span.to_json() for span in exporter.get_finished_spans() if span.name[:2] != "of")
    for secret in (*SECRETS, sandbox.api_key, flaky):
        assert secret not in exported


def test_what_is_not_sampled_is_not_written(sandbox: Sandbox) -> None:
    unsampled = trace.NonRecordingSpan(trace.SpanContext(1, 1, is_remote=True, trace_flags=trace.TraceFlags(0)))
    with trace.use_span(unsampled), celper.Celper(**sandbox.client_options) as client:
        client.get_candidate_status(sandbox.create_candidate().id, job_position_id=POSITION)
    assert exporter.get_finished_spans() == ()


def test_a_traceparent_is_sent_for_batches_watches_and_waits(sandbox: Sandbox) -> None:
    tracer = trace.get_tracer("app")
    ids = [sandbox.create_candidate().id for _ in range(3)]
    telemetry = celper.Telemetry(propagate=True)
    waited: dict[str, list[celper.CallEvent]] = {"sync": [], "async": []}

    def sent() -> list[str]:
        (requests,) = zip(*(sandbox.requests(candidate)[-1:] for candidate in ids), strict=True)
        return [str(request.headers.get("traceparent")) for request in requests]

    def of(span: trace.Span | ReadableSpan) -> str:
        context = span.get_span_context() if isinstance(span, trace.Span) else span.context
        assert context is not None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def check(app: trace.Span, events: list[celper.CallEvent]) -> None:
        (wait,) = spans("celper.wait_for_status")
        assert sent() == [of(app), of(app), of(wait)]
        parents = sorted(span.parent.span_id for span in spans("celper.status") if span.parent)
        assert parents == sorted([app.get_span_context().span_id] * 2 + [wait.context.span_id])
        assert [(event.operation, event.error) for event in events] == [("status", None)] * 3
        exporter.clear()

    async def main() -> None:
        options: Any = {**sandbox.client_options, "telemetry": telemetry, "on_event": waited["async"].append}
        async with celper.AsyncCelper(**options) as client:
            with tracer.start_as_current_span("app") as app:
                batch = client.batch([celper.StatusRequest(ids[0], job_position_id=POSITION)])
                watch = client.watch_candidates([ids[1]], job_position_id=POSITION)
            async with batch, watch:
                await anext(batch)
                await anext(watch)
            with trace.use_span(app):
                await client.wait_for_status(ids[2], job_position_id=POSITION, until="new")
            check(app, waited["async"])

    options: Any = {**sandbox.client_options, "telemetry": telemetry, "on_event": waited["sync"].append}
    with celper.Celper(**options) as client:
        with tracer.start_as_current_span("app") as app:
            batch = client.batch([celper.StatusRequest(ids[0], job_position_id=POSITION)])
            watch = client.watch_candidates([ids[1]], job_position_id=POSITION)
            client.wait_for_status(ids[2], job_position_id=POSITION, until="new")
        with batch, watch:
            next(batch)
            next(watch)
        check(app, waited["sync"])
    asyncio.run(main())


def test_options_of_telemetry(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    tracer = trace.get_tracer("app")

    def headers(telemetry: celper.Telemetry | None) -> Any:
        exporter.clear()
        with celper.Celper(**sandbox.client_options, telemetry=telemetry) as client:
            client.get_candidate_status(candidate, job_position_id=POSITION)
        return sandbox.requests(candidate)[-1].headers

    with tracer.start_as_current_span("app") as span:
        context = span.get_span_context()
        assert "traceparent" not in headers(celper.Telemetry())
        sent = headers(celper.Telemetry(propagate=True, redact=False))["traceparent"]
        assert sent == f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
        (attempt,) = spans("GET")
        url = f"{sandbox.base_url}/v1/candidates/{candidate}/status?jobPositionId={POSITION}"
        assert (attempt.attributes or {})["url.full"] == url
        headers(None)
        assert exporter.get_finished_spans() == ()
    for invalid in (True, "on"):
        with pytest.raises(celper.InvalidArgumentError, match="telemetry must be"):
            celper.Celper("k", telemetry=invalid)  # type: ignore[arg-type]


def test_a_batch_tells_of_each_request(sandbox: Sandbox) -> None:
    events: list[celper.CallEvent] = []
    missing, new = "cand_missing", sandbox.create_candidate().id
    requests = [celper.InviteRequest(candidate, job_position_id=POSITION) for candidate in (missing, new)]
    with celper.Celper(**sandbox.client_options, on_event=events.append) as client:
        with trace.get_tracer("app").start_as_current_span("app") as span:
            batch = client.batch(requests)
        assert len(list(batch)) == 2
    assert {event.error.kind if isinstance(event.error, celper.CelperError) else "ok" for event in events} == {
        "not_found",
        "ok",
    }
    assert all(event.record.operation == "invite" for event in events)
    parents = {call.parent.span_id for call in spans("celper.invite") if call.parent}
    assert parents == {span.get_span_context().span_id}


def test_on_event_cannot_break_a_call(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: celper.CallEvent) -> None:
        raise RuntimeError("of the hook")

    with celper.Celper(**sandbox.client_options, on_event=fails) as client:
        client.get_candidate_status(sandbox.create_candidate().id, job_position_id=POSITION)
    assert "on_event raised" in caplog.text
    assert "of the hook" in caplog.text

    async def coroutine(_: celper.CallEvent) -> None: ...

    for invalid in (coroutine, "print"):
        with pytest.raises(celper.InvalidArgumentError, match="on_event must be"):
            celper.Celper("k", on_event=invalid)  # type: ignore[arg-type]


def test_a_cancelled_call_has_a_span(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    sandbox.queue_fault(candidate, "delay", seconds=60)

    async def main() -> None:
        async with celper.AsyncCelper(**sandbox.client_options) as client:
            call = asyncio.ensure_future(client.get_candidate_status(candidate, job_position_id=POSITION))
            await asyncio.to_thread(wait_for_requests, sandbox, candidate)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(main())
    (call,) = spans("celper.status")
    assert (call.attributes or {})["error.type"] == "CancelledError"
    assert spans("GET") == []


def test_metrics_have_durations(sandbox: Sandbox, client: celper.Celper) -> None:
    candidate = unavailable_once(sandbox)
    client.invite_candidate(candidate, job_position_id=POSITION)
    data = reader.get_metrics_data()
    assert data is not None
    found: dict[str, Any] = {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    requests, waits = found["http.client.request.duration"], found["celper.wait.duration"]
    for metric, expected in zip((requests, waits), EXPECTED["histograms"], strict=True):
        assert (metric.name, metric.unit, metric.description) == (
            expected["name"],
            expected["unit"],
            expected["description"],
        )
        assert list(metric.data.data_points[0].explicit_bounds) == expected["boundaries"]
    mine = [
        point
        for point in requests.data.data_points
        if point.attributes["server.port"] == int(sandbox.base_url.rpartition(":")[2])
        and point.attributes["http.request.method"] == "POST"
    ]
    assert {point.attributes.get("error.type") for point in mine} >= {None, "503"}
    (case,) = (case for case in EXPECTED["cases"] if case.get("call") == "invite")
    names = [set(span["attributes"]) - set(EXPECTED["span_only"]) for span in case["span"]["children"]]
    assert all(any(set(point.attributes) == expected for point in mine) for expected in names)
    assert {point.attributes["reason"] for point in waits.data.data_points} == {"retry"}


def test_opentelemetry_is_not_imported_for_a_program_that_does_not_use_it(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    program = f"""
import sys, celper
celper.Celper().get_candidate_status({candidate!r}, job_position_id={POSITION!r})
assert not [name for name in sys.modules if name.startswith("opentelemetry") or name == "celper._observe"]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
