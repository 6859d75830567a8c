/**
 * Spans and metrics for the program's OpenTelemetry SDK, by its conventions for HTTP clients. They are written when a call has ended,
 * from its record, as the core says.
 *
 * The SDK is found where every copy of `@opentelemetry/api` 1.x looks for it: in a global object, under a symbol with the API's major
 * version. Importing the API would find less: zero-code instrumentation (`--require`, the Kubernetes operator, a Lambda layer) brings a
 * copy of its own, which this package could not import; and bundlers would have to resolve a package that may not be there.
 */

import type { NativeClient } from './binding';
import { CelperError, type OperationName } from './errors';
import { native } from './native';
import { type CallRecord, jsonOf } from './record';

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

interface HistogramDefinition {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly boundaries: number[];
}

interface Definitions {
  readonly requests: HistogramDefinition;
  readonly waits: HistogramDefinition;
  /** The names of spans, by operation. */
  readonly calls: Readonly<Record<string, string>>;
  readonly wait: string;
}

/** Decided by the core. Read for the first call that is traced. */
let read: Definitions | undefined;
function definitions(): Definitions {
  read ??= JSON.parse(native.telemetryDefinitions()) as Definitions;
  return read;
}

/** A call, as the core gives it. Times are in microseconds since 1970, durations in seconds. */
interface CallSpans {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly errorType?: string;
  readonly waits: readonly { name: string; time: number; duration: number; reason: string }[];
  readonly requests: readonly {
    name: string;
    start: number;
    end: number;
    duration: number;
    failed: boolean;
    attributes: Attributes;
    spanAttributes: Attributes;
  }[];
}

/** The candidate's id and the position's. */
export type Ids = readonly [candidateId: string, jobPositionId: string];

/** The option `telemetry` of a client. */
export class Telemetry {
  constructor(
    readonly redact: boolean,
    readonly propagate: boolean,
    private readonly client: NativeClient,
  ) {}

  spansOf(record: CallRecord, error: unknown, ids: Ids | undefined): CallSpans {
    const shown = this.redact || ids === undefined ? [] : ids;
    return JSON.parse(this.client.telemetry(jsonOf(record), error === undefined ? undefined : typeOf(error), ...shown));
  }
}

/** Where a call was made. */
export interface CallerTrace {
  readonly telemetry: Telemetry;
  readonly context: Context;
  readonly startedAt: number;
  readonly traceparent: string | undefined;
  /** The span of a wait for a status, which is in `context`. */
  readonly wait?: Span;
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
    startedAt: now(),
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
  const histogram = ({ name, unit, description, boundaries }: HistogramDefinition) =>
    meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries: boundaries } });
  const { requests, waits } = definitions();
  return { requests: histogram(requests), waits: histogram(waits) };
});

/** Writes the spans and metrics of a call that has ended. */
export function writeTelemetry(caller: CallerTrace, record: CallRecord, error: unknown, ids: Ids | undefined): void {
  const api = registered();
  if (api === undefined) return;
  const call = caller.telemetry.spansOf(record, error, ids);
  if (api.trace) writeSpans(tracerOf(api.trace), caller.context, call);
  if (api.metrics) writeMetrics(histogramsOf(api.metrics), caller.context, call);
}

/** Writes the span of a call without a record: it was refused before it began, or aborted. */
export function writeFailure(caller: CallerTrace, operation: OperationName, error: unknown): void {
  const api = registered();
  if (api?.trace) end(caller, start(caller, definitions().calls[operation] ?? operation), error);
}

/** Starts the span of a wait for a status, whose reads are its children: the trace of their caller. */
export function startWait(caller: CallerTrace): CallerTrace {
  if (!registered()?.trace) return caller;
  const wait = start(caller, definitions().wait);
  if (wait === undefined) return caller;
  const context = caller.context.setValue(SPAN, wait);
  return { ...caller, wait, context, traceparent: caller.telemetry.propagate ? traceparentOf(context) : undefined };
}

/** Ends the span of a wait for a status. */
export function endWait(caller: CallerTrace, error: unknown): void {
  end(caller, caller.wait, error);
}

function start({ context, startedAt }: CallerTrace, name: string): Span | undefined {
  const trace = registered()?.trace;
  return (
    trace && tracerOf(trace).startSpan(name, { kind: INTERNAL, startTime: time(startedAt), attributes: {} }, context)
  );
}

/** Ends a span now. The clock may have been set back. */
function end({ startedAt }: CallerTrace, span: Span | undefined, error: unknown): void {
  if (error !== undefined) fail(span, typeOf(error));
  span?.end(time(Math.max(startedAt, now())));
}

function fail(span: Span | undefined, errorType: string): void {
  span?.setAttribute('error.type', errorType);
  span?.setStatus(ERROR);
}

function writeSpans(tracer: Tracer, context: Context, call: CallSpans): void {
  const span = tracer.startSpan(call.name, { kind: INTERNAL, startTime: time(call.start), attributes: {} }, context);
  if (span.isRecording()) {
    const within = context.setValue(SPAN, span);
    for (const { name, start, end, failed, attributes, spanAttributes } of call.requests) {
      const options = { kind: CLIENT, startTime: time(start), attributes: { ...attributes, ...spanAttributes } };
      const request = tracer.startSpan(name, options, within);
      if (failed) request.setStatus(ERROR);
      request.end(time(end));
    }
    for (const { name, time: at, reason, duration } of call.waits) span.addEvent(name, { reason, duration }, time(at));
  }
  if (call.errorType !== undefined) fail(span, call.errorType);
  span.end(time(call.end));
}

function writeMetrics({ requests, waits }: ReturnType<typeof histogramsOf>, context: Context, call: CallSpans): void {
  for (const { duration, attributes } of call.requests) requests.record(duration, attributes, context);
  for (const { duration, reason } of call.waits) waits.record(duration, { reason }, context);
}

/** Never its message, which a program's own reason may fill with anything. */
function typeOf(error: unknown): string {
  if (error instanceof CelperError) return error.kind;
  return error instanceof Error ? error.name : '_OTHER';
}

/** In microseconds since 1970. */
function now(): number {
  return Date.now() * 1_000;
}

function time(microseconds: number): Time {
  return [Math.floor(microseconds / 1e6), (microseconds % 1e6) * 1_000];
}
