// Spans and metrics, with the real OpenTelemetry SDK.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, test } from 'node:test';
import { context, metrics, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { Celper } from 'celper';

import { startSandbox } from './support/sandbox.mjs';

const expected = JSON.parse(readFileSync(new URL('../../tests/conformance/telemetry.json', import.meta.url), 'utf8'));
const sandbox = await startSandbox();
const options = { ...sandbox.clientOptions, rateLimits: false };
const client = new Celper(options);
const jobPositionId = 'pos_secret';
const created = async () => (await sandbox.createCandidate({ jobPositionId })).id;
const unavailable = (id, operation) =>
  sandbox.queueFault(id, 'status', { status: 503, headers: { 'Retry-After': 0 } }, { operation });

let exporter;
let tracer;

/** Registers an SDK, as a program does when it starts. */
function register(config = {}) {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)], ...config });
  trace.setGlobalTracerProvider(provider);
  tracer = trace.getTracer('test');
}

afterEach(() => {
  for (const api of [trace, context, metrics]) api.disable();
});

const within = (name, work) => tracer.startActiveSpan(name, (span) => work().finally(() => span.end()));
const named = (name) => exporter.getFinishedSpans().filter((span) => span.name === name);
const milliseconds = ([seconds, nanoseconds]) => seconds * 1_000 + nanoseconds / 1e6;

test('a call is a span of its caller, and each attempt a client span', async () => {
  register();
  const id = await created();
  await unavailable(id, 'invite');
  const invitation = await within('request', () => client.inviteCandidate(id, { jobPositionId }));
  const [request] = named('request');
  const [call] = named('celper.invite');
  assert.equal(call.kind, SpanKind.INTERNAL);
  assert.equal(call.parentSpanContext.spanId, request.spanContext().spanId);
  assert.equal(call.status.code, SpanStatusCode.UNSET);
  assert.equal(call.instrumentationScope.name, 'celper');
  const { record } = invitation;
  assert.ok(Math.abs(milliseconds(call.startTime) - record.startedAt) < 0.01);
  assert.ok(Math.abs(milliseconds(call.duration) - record.duration) < 0.01);

  const attempts = named('POST');
  assert.equal(attempts.length, 2);
  const { hostname, port } = new URL(options.baseUrl);
  const common = {
    'http.request.method': 'POST',
    'server.address': hostname,
    'server.port': Number(port),
    'url.full': `${options.baseUrl}/v1/candidates/REDACTED/invite`,
  };
  assert.deepEqual(attempts[0].attributes, { ...common, 'http.response.status_code': 503, 'error.type': '503' });
  assert.deepEqual(attempts[1].attributes, {
    ...common,
    'http.response.status_code': 200,
    'http.request.resend_count': 1,
  });
  assert.deepEqual(
    attempts.map(({ status }) => status.code),
    [SpanStatusCode.ERROR, SpanStatusCode.UNSET],
  );
  for (const attempt of attempts) {
    assert.equal(attempt.kind, SpanKind.CLIENT);
    assert.equal(attempt.parentSpanContext.spanId, call.spanContext().spanId);
  }
  const [wait] = call.events;
  assert.deepEqual([wait.name, wait.attributes.reason], ['celper.wait', 'retry']);
  assert.ok(Math.abs(wait.attributes.duration - record.waits[0].duration / 1_000) < 1e-9);
});

test('calls at the same time have their own parents, and so has a batch', async () => {
  register();
  const ids = await Promise.all(Array.from({ length: 5 }, created));
  await Promise.all(ids.map((id) => within(`request ${id}`, () => client.getCandidateStatus(id, { jobPositionId }))));
  const parents = named('celper.status').map(({ parentSpanContext }) => parentSpanContext.spanId);
  const expected = ids.map((id) => named(`request ${id}`)[0].spanContext().spanId);
  assert.deepEqual(parents.sort(), expected.sort());

  exporter.reset();
  let batch;
  const requests = ids.map((candidateId) => ({ operation: 'invite', candidateId, jobPositionId }));
  await within('made', async () => {
    batch = client.batch(requests);
  });
  await within('iterated', async () => {
    for await (const { error } of batch) assert.equal(error, undefined);
  });
  const [made] = named('made');
  const items = named('celper.invite');
  assert.equal(items.length, 5);
  for (const item of items) assert.equal(item.parentSpanContext.spanId, made.spanContext().spanId);
});

test('errors are in the spans by kind, and nothing secret is', async () => {
  register();
  const id = await created();
  const emailBody = 'private text';
  await client.inviteCandidate('cand_secret', { jobPositionId, emailBody }).catch(() => {});
  const [call] = named('celper.invite');
  assert.deepEqual([call.status.code, call.attributes['error.type']], [SpanStatusCode.ERROR, 'not_found']);
  assert.equal(call.parentSpanContext, undefined);
  assert.equal(named('POST')[0].attributes['error.type'], '404');

  const nobody = new Celper({ ...options, baseUrl: 'http://127.0.0.1:9', maxRetries: 0 });
  await nobody.getCandidateStatus(id, { jobPositionId }).catch(() => {});
  const [attempt] = named('GET');
  assert.deepEqual([attempt.attributes['error.type'], attempt.attributes['server.port']], ['connection', 9]);

  const reason = new RangeError(`${id} ${emailBody}`);
  await client.getCandidateStatus(id, { jobPositionId, signal: AbortSignal.abort(reason) }).catch(() => {});
  const aborted = named('celper.status').at(-1);
  assert.equal(aborted.attributes['error.type'], 'RangeError');

  const exported = JSON.stringify(
    exporter
      .getFinishedSpans()
      .map(({ name, attributes, events, status, links }) => [name, attributes, events, status, links]),
  );
  for (const secret of [options.apiKey, id, 'cand_secret', jobPositionId, emailBody])
    assert.ok(!exported.includes(secret));
});

test('the options: off, with the ids, and with the header', async () => {
  register();
  const id = await created();
  const header = async (telemetry) => {
    const own = new Celper({ ...options, telemetry });
    await within('request', () => own.getCandidateStatus(id, { jobPositionId }));
    return (await sandbox.requests(id)).at(-1).headers.traceparent;
  };
  assert.equal(await header(false), undefined);
  assert.equal(named('celper.status').length, 0);
  assert.equal(await header({ redact: false }), undefined);
  assert.equal(
    named('GET')[0].attributes['url.full'],
    `${options.baseUrl}/v1/candidates/${id}/status?jobPositionId=${jobPositionId}`,
  );
  const traceparent = await header({ propagate: true });
  const { traceId, spanId } = named('request').at(-1).spanContext();
  assert.equal(traceparent, `00-${traceId}-${spanId}-01`);

  const own = new Celper({ ...options, telemetry: { propagate: true } });
  await within('batch', async () => {
    for await (const _ of own.batch([{ operation: 'status', candidateId: id, jobPositionId }]));
  });
  const batch = named('batch')[0].spanContext();
  assert.equal((await sandbox.requests(id)).at(-1).headers.traceparent, `00-${batch.traceId}-${batch.spanId}-01`);
});

test('nothing is exported when the sampler drops it, or without an SDK', async () => {
  register({ sampler: new AlwaysOffSampler() });
  const id = await created();
  await client.getCandidateStatus(id, { jobPositionId });
  assert.deepEqual(exporter.getFinishedSpans(), []);
  trace.disable();
  await client.getCandidateStatus(id, { jobPositionId });
  assert.deepEqual(exporter.getFinishedSpans(), []);
});

/** The exported spans below this one, in the form of the expected ones. */
function tree(parent) {
  const { origin, port } = new URL(options.baseUrl);
  const plain = (attributes) =>
    Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => {
        if (typeof value === 'string') return [name, value.replace(origin, 'BASE')];
        if (value === Number(port)) return [name, 'PORT'];
        return [name, name === 'duration' && value > 0 ? 'SECONDS' : value];
      }),
    );
  return exporter
    .getFinishedSpans()
    .filter(({ parentSpanContext }) => parentSpanContext?.spanId === parent)
    .sort((one, other) => milliseconds(one.startTime) - milliseconds(other.startTime))
    .map((span) => ({
      name: span.name,
      kind: SpanKind[span.kind],
      failed: span.status.code === SpanStatusCode.ERROR,
      attributes: plain(span.attributes),
      events: span.events.map(({ name, attributes }) => ({ name, attributes: plain(attributes) })),
      children: tree(span.spanContext().spanId),
    }));
}

test('spans are those of every language', async () => {
  const methods = {
    status: 'getCandidateStatus',
    invite: 'inviteCandidate',
    select: 'selectCandidate',
    reject: 'rejectCandidate',
  };
  for (const { name, call, wait, faults = [], span, ...given } of expected.cases) {
    register();
    const created = await sandbox.createCandidate({ jobPositionId });
    for (const { kind, ...parameters } of faults) await sandbox.queueFault(created.id, kind, parameters);
    const id = given.candidate_id ?? created.id;
    const timeout = given.timeout_seconds && given.timeout_seconds * 1_000;
    const made = wait
      ? client.waitForStatus(id, { jobPositionId, until: wait, timeout })
      : client[methods[call]](id, { jobPositionId, maxRetries: given.max_retries });
    await made.catch(() => {});
    assert.deepEqual(tree(), [span], name);
    for (const api of [trace, context]) api.disable();
  }
});

test('the reads of waits and watches have spans, events and the header', async () => {
  register();
  const events = [];
  const own = new Celper({ ...options, telemetry: { propagate: true }, onEvent: (event) => events.push(event) });
  const [watched, waited] = [await created(), await created()];
  let watch;
  await within('request', async () => {
    watch = own.watchCandidates([watched], { jobPositionId });
    await own.waitForStatus(waited, { jobPositionId, until: 'new' });
  });
  await watch.next();
  await watch.return();
  const [[request], [wait]] = [named('request'), named('celper.wait_for_status')];
  const header = async (id) => (await sandbox.requests(id)).at(-1).headers.traceparent;
  const of = (span) => `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`;
  assert.deepEqual([await header(waited), await header(watched)], [of(wait), of(request)]);
  assert.deepEqual(
    named('celper.status').map(({ parentSpanContext }) => parentSpanContext.spanId),
    [wait, request].map((span) => span.spanContext().spanId),
  );
  assert.deepEqual(
    events.map(({ operation, record, error }) => [operation, record.attempts.length, error]),
    Array(2).fill(['status', 1, undefined]),
  );
  await own.waitForStatus(waited, { jobPositionId, until: 'rejected', timeout: 1_500 }).catch(() => {});
  assert.deepEqual(
    events.slice(2).map(({ record, error }) => [record?.attempts.length, error?.kind]),
    [
      [1, undefined],
      [undefined, 'timeout'],
    ],
  );
  assert.ok(milliseconds(named('celper.wait_for_status')[1].duration) >= 1_490);
});

test('the metrics count each attempt and wait', async () => {
  const reader = new PeriodicExportingMetricReader({
    exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
    exportIntervalMillis: 1_000_000,
  });
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  const id = await created();
  await unavailable(id, 'status');
  await context.with(ROOT_CONTEXT, () => client.getCandidateStatus(id, { jobPositionId }));
  const { resourceMetrics } = await reader.collect();
  const [scope] = resourceMetrics.scopeMetrics;
  const [requests, waits] = scope.metrics;
  assert.deepEqual(
    [requests, waits].map(({ descriptor: { name, unit, description }, dataPoints }) => ({
      name,
      unit,
      description,
      boundaries: dataPoints[0].value.buckets.boundaries,
    })),
    expected.histograms,
  );
  const { hostname, port } = new URL(options.baseUrl);
  const common = { 'http.request.method': 'GET', 'server.address': hostname, 'server.port': Number(port) };
  assert.deepEqual(
    requests.dataPoints.map(({ attributes, value }) => [attributes, value.count]),
    [
      [{ ...common, 'http.response.status_code': 503, 'error.type': '503' }, 1],
      [{ ...common, 'http.response.status_code': 200 }, 1],
    ],
  );
  assert.deepEqual(
    waits.dataPoints.map(({ attributes, value }) => [attributes, value.count]),
    [[{ reason: 'retry' }, 1]],
  );
  await reader.shutdown();
});
