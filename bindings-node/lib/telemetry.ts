/**
 * Spans and metrics for the program's OpenTelemetry SDK, by its conventions for HTTP clients. They are written when a call has ended,
 * from its record.
 *
 * The SDK is found where every copy of `@opentelemetry/api` 1.x looks for it: in a global object, under a symbol with the API's major
 * version. Importing the API would find less: zero-code instrumentation (`--require`, the Kubernetes operator, a Lambda layer) brings a
 * copy of its own, which this package could not import; and bundlers would have to resolve a package that may not be there.
 */

import type { NativeClient } from './binding';
import { CelperError, type OperationName } from './errors';
import type { AttemptRecord, CallRecord } from './record';

const API = Symbol.for('opentelemetry.js.api.1');
/** The context's key of its span, in every copy of the API. */
const SPAN = Symbol.for('OpenTelemetry Context Key SPAN');

type Attributes = Record<string, string | number>;
/** Seconds and nanoseconds. A number before the process's start would mean something else, and clocks are set back. */
type Time = [number, number];

interface Context {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): Context;
  deleteValue(key: symbol): Context;
}

interface Span {
  spanContext(): { traceId: string; spanId: string; traceFlags: number };
  isRecording(): boolean;
  setAttribute(name: string, value: string): unknown;
  setStatus(status: { code: number }): unknown;
  addEvent(name: string, attributes: Attributes, time: Time): unknown;
  end(time: Time): void;
}

interface Tracer {
  startSpan(name: string, options: { kind: number; startTime: Time; attributes: Attributes }, context: Context): Span;
}

interface Histogram {
  record(value: number, attributes: Attributes, context: Context): void;
}

interface Meter {
  createHistogram(
    name: string,
    options: { unit: string; description: string; advice: { explicitBucketBoundaries: number[] } },
  ): Histogram;
}

/** What of the API is used. */
export interface OpenTelemetry {
  context?: { active(): Context };
  trace?: { getTracer(name: string, version: string): Tracer };
  metrics?: { getMeter(name: string, version: string): Meter };
}

const { version } = require('../package.json') as { version: string };

const INTERNAL = 0;
const CLIENT = 2;
const ERROR = { code: 2 };

/** What the conventions advise for HTTP requests. */
const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** Waits for the rate limit take up to minutes. */
const WAIT_SECONDS = [0.01, 0.1, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 600];

/** The candidate's id and the position's. */
export type Ids = readonly [candidateId: string, jobPositionId: string];

/** The option `telemetry` of a client. */
export class Telemetry {
  private server: Attributes | undefined;
  private readonly urls = new Map<OperationName, string>();

  constructor(
    readonly redact: boolean,
    readonly propagate: boolean,
    private readonly client: NativeClient,
  ) {}

  /** What all requests of the client have. */
  get serverAttributes(): Attributes {
    if (this.server === undefined) {
      const { hostname, port, protocol } = new URL(this.client.baseUrl);
      this.server = {
        'server.address': hostname.replace(/^\[|\]$/g, ''),
        'server.port': Number(port) || (protocol === 'http:' ? 80 : 443),
      };
    }
    return this.server;
  }

  urlOf(operation: OperationName, ids: Ids | undefined): string {
    const named = operation as 'status';
    if (!this.redact && ids !== undefined) return this.client.spanUrl(named, ...ids);
    let url = this.urls.get(operation);
    if (url === undefined) {
      url = this.client.spanUrl(named);
      this.urls.set(operation, url);
    }
    return url;
  }
}

/** Where a call was made. */
export interface CallerTrace {
  readonly telemetry: Telemetry;
  readonly context: Context;
  readonly startedAt: number;
  readonly traceparent: string | undefined;
}

/** A context without a context manager, which an SDK always registers; a program can be without. */
class PlainContext implements Context {
  constructor(private readonly values: ReadonlyMap<symbol, unknown> = new Map()) {}

  getValue(key: symbol): unknown {
    return this.values.get(key);
  }

  setValue(key: symbol, value: unknown): Context {
    return new PlainContext(new Map(this.values).set(key, value));
  }

  deleteValue(key: symbol): Context {
    const values = new Map(this.values);
    values.delete(key);
    return new PlainContext(values);
  }
}

function registered(): OpenTelemetry | undefined {
  return (globalThis as { [API]?: OpenTelemetry })[API];
}

/** The caller's context; `undefined` if no SDK is registered. */
export function callerTrace(telemetry: Telemetry): CallerTrace | undefined {
  const api = registered();
  if (api === undefined || (api.trace === undefined && api.metrics === undefined)) return undefined;
  const context = api.context?.active() ?? new PlainContext();
  return {
    telemetry,
    context,
    startedAt: Date.now(),
    traceparent: telemetry.propagate ? traceparentOf(context) : undefined,
  };
}

function traceparentOf(context: Context): string | undefined {
  const span = context.getValue(SPAN) as Span | undefined;
  if (span === undefined) return undefined;
  const { traceId, spanId, traceFlags } = span.spanContext();
  const isValid = /^(?!0+$)[\da-f]{32}$/.test(traceId) && /^(?!0+$)[\da-f]{16}$/.test(spanId);
  return isValid ? `00-${traceId}-${spanId}-0${traceFlags & 1}` : undefined;
}

/** The result of `make` for a provider, made once as long as the provider stays. */
function cached<P extends object, T>(make: (provider: P) => T): (provider: P) => T {
  const made = new WeakMap<P, T>();
  return (provider) => {
    const found = made.get(provider) ?? make(provider);
    made.set(provider, found);
    return found;
  };
}

const tracerOf = cached((provider: NonNullable<OpenTelemetry['trace']>) => provider.getTracer('celper', version));

const histogramsOf = cached((provider: NonNullable<OpenTelemetry['metrics']>) => {
  const meter = provider.getMeter('celper', version);
  const histogram = (name: string, description: string, explicitBucketBoundaries: number[]) =>
    meter.createHistogram(name, { unit: 's', description, advice: { explicitBucketBoundaries } });
  return {
    requests: histogram('http.client.request.duration', 'Duration of HTTP client requests.', REQUEST_SECONDS),
    waits: histogram('celper.wait.duration', 'Duration of the waits of calls.', WAIT_SECONDS),
  };
});

interface Ended {
  readonly operation: OperationName;
  readonly record?: CallRecord;
  readonly error?: unknown;
}

/** Writes the spans and metrics of a call that has ended. `name` is for what lasts longer than the call with this record. */
export function writeTelemetry(caller: CallerTrace, call: Ended, ids: Ids | undefined, name?: string): void {
  const api = registered();
  if (api?.trace) writeSpans(tracerOf(api.trace), caller, call, ids, name);
  if (api?.metrics && call.record) writeMetrics(histogramsOf(api.metrics), caller, call.record);
}

function writeSpans(tracer: Tracer, caller: CallerTrace, call: Ended, ids: Ids | undefined, name?: string): void {
  const { telemetry, context } = caller;
  const { operation, record, error } = call;
  const startedAt = record && name === undefined ? record.startedAt : caller.startedAt;
  const endedAt = record ? record.startedAt + record.duration : Date.now();
  const span = tracer.startSpan(
    name ?? `celper.${operation}`,
    { kind: INTERNAL, startTime: time(startedAt), attributes: {} },
    context,
  );
  if (span.isRecording()) {
    if (record) {
      const within = context.setValue(SPAN, span);
      for (const [index, attempt] of record.attempts.entries()) {
        const attributes = { ...attributesOf(telemetry, record, attempt), 'url.full': telemetry.urlOf(operation, ids) };
        if (index > 0) Object.assign(attributes, { 'http.request.resend_count': index });
        const startTime = time(record.startedAt + attempt.offset);
        const request = tracer.startSpan(methodOf(operation), { kind: CLIENT, startTime, attributes }, within);
        if (attempt.errorKind) request.setStatus(ERROR);
        request.end(time(record.startedAt + attempt.offset + attempt.duration));
      }
      for (const { reason, offset, duration } of record.waits) {
        span.addEvent('celper.wait', { reason, duration: duration / 1_000 }, time(record.startedAt + offset));
      }
    }
    if (error !== undefined) {
      span.setAttribute('error.type', typeOf(error));
      span.setStatus(ERROR);
    }
  }
  span.end(time(Math.max(startedAt, endedAt)));
}

function writeMetrics({ requests, waits }: ReturnType<typeof histogramsOf>, caller: CallerTrace, record: CallRecord) {
  for (const attempt of record.attempts) {
    requests.record(attempt.duration / 1_000, attributesOf(caller.telemetry, record, attempt), caller.context);
  }
  for (const { reason, duration } of record.waits) waits.record(duration / 1_000, { reason }, caller.context);
}

/** The attributes that the spans and the metrics of a request have. */
function attributesOf(telemetry: Telemetry, { operation }: CallRecord, attempt: AttemptRecord): Attributes {
  const { status, errorKind } = attempt;
  return {
    'http.request.method': methodOf(operation),
    ...telemetry.serverAttributes,
    ...(status !== undefined && { 'http.response.status_code': status }),
    ...(errorKind !== undefined && {
      'error.type': status !== undefined && status >= 400 ? String(status) : errorKind,
    }),
  };
}

function methodOf(operation: OperationName): string {
  return operation === 'status' ? 'GET' : 'POST';
}

/** Never its message, which a program's own reason may fill with anything. */
function typeOf(error: unknown): string {
  if (error instanceof CelperError) return error.kind;
  return error instanceof Error ? error.name : '_OTHER';
}

/** From milliseconds since 1970. */
function time(milliseconds: number): Time {
  const seconds = Math.floor(milliseconds / 1_000);
  return [seconds, Math.round((milliseconds - seconds * 1_000) * 1e6)];
}
