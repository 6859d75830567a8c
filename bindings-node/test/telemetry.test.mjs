// Spans and metrics, with the real OpenTelemetry SDK.

import assert from 'node:assert/strict';
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

test('a wait is one span, as long as the wait', async () => {
  register();
  const id = await created();
  await client.waitForStatus(id, { jobPositionId, until: 'rejected', timeout: 300 }).catch(() => {});
  const [wait] = named('celper.wait_for_status');
  assert.equal(wait.attributes['error.type'], 'timeout');
  assert.ok(milliseconds(wait.duration) >= 290, `${wait.duration}`);
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
    [requests.descriptor.name, requests.descriptor.unit, waits.descriptor.name, waits.descriptor.unit],
    ['http.client.request.duration', 's', 'celper.wait.duration', 's'],
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
  assert.deepEqual(requests.dataPoints[0].value.buckets.boundaries.slice(0, 3), [0.005, 0.01, 0.025]);
  assert.deepEqual(
    waits.dataPoints.map(({ attributes, value }) => [attributes, value.count]),
    [[{ reason: 'retry' }, 1]],
  );
  await reader.shutdown();
});
