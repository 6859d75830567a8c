/**
 * Webhooks: verify that a request came from the service, and read the event in it.
 *
 * ```ts
 * import { webhooks } from 'celper';
 *
 * const event = webhooks.unwrap(await request.text(), request.headers, secret);
 * if (event.type === 'candidate_status_changed') console.log(event.candidateId, event.status);
 * ```
 *
 * The body is the bytes of the request as they arrived: the signature is of those, and a body that was parsed and serialized again
 * has others. These are plain functions, which need no client.
 *
 * The service sends an event again when it got no 2xx in time, and events can arrive out of order. Skip an event whose
 * `dedupeKey` was handled before, and read the candidate's status where the order matters.
 *
 * @module
 */

import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import { Checker, ownFields, typeName } from './arguments';
import type { NativeWebhook } from './binding';
import { type CallerStack, CelperError, type ErrorFields, errorOf, WebhookError, withCallerStack } from './errors';
import type { CandidateStatus } from './models';
import { native } from './native';

/** What all events have. */
export interface EventFields {
  /** The id of the webhook: of the subscription, not of this event. */
  readonly webhookId: string;
  /** The company's id. */
  readonly companyId: string;
  /** When it happened, on the service's clock. */
  readonly timestamp: Date;
  /** The event's `data` as the service sent it, with the fields that this version does not know. */
  readonly data: unknown;
  /**
   * The same for each delivery of the event, and different for all others: keep it, and skip an event whose key you have. The
   * SHA-256 of the body, in hexadecimal digits.
   */
  readonly dedupeKey: string;
}

/** A candidate has another status. */
export interface CandidateStatusChanged extends EventFields {
  readonly type: 'candidate_status_changed';
  /** The candidate's id. */
  readonly candidateId: string;
  /** The job position's id. */
  readonly jobPositionId: string;
  /** The status that the event reports; by the time it arrives, there may be another. */
  readonly status: CandidateStatus;
  /** The status before; `null` if the service names none. */
  readonly previousStatus: CandidateStatus | null;
}

/** An interview's analysis is ready. The API documents no fields of its `data`. */
export interface AnalysisReady extends EventFields {
  readonly type: 'analysis_ready';
}

/** The analysis of a CV is complete. The API documents no fields of its `data`. */
export interface CvAnalysisComplete extends EventFields {
  readonly type: 'cv_analysis_complete';
}

/** An import of candidates is complete. The API documents no fields of its `data`. */
export interface BulkImportComplete extends EventFields {
  readonly type: 'bulk_import_complete';
}

/** For the compiler only: a type that is a string, and none of the names of the other events. */
declare enum UnknownName {
  Any = 'any other name',
}

/** An event that this version does not know: `type` and `data` have what the service sent. */
export interface UnknownEvent extends EventFields {
  /** Any other name. It is a string; compare it as one: `(event.type as string) === 'interview_moved'`. */
  readonly type: UnknownName;
}

/** An event, to be told apart by its `type`. */
export type Event = CandidateStatusChanged | AnalysisReady | CvAnalysisComplete | BulkImportComplete | UnknownEvent;

/** A body as it arrived. */
export type RawBody = string | Uint8Array | ArrayBuffer;

/** The webhook's secret; while it is being changed, the new one and the old one. */
export type Secret = string | Uint8Array | readonly (string | Uint8Array)[];

/**
 * A request's headers: `Headers`, those of `node:http`, Express and Fastify, a `Map`, another object, a list of pairs, or
 * `rawHeaders`.
 */
export type RequestHeaders =
  | Iterable<readonly [string, string]>
  | readonly string[]
  | { readonly [name: string]: string | readonly string[] | undefined };

/** How the timestamp is checked. */
export interface WebhookOptions {
  /**
   * How far the timestamp may be from now, in milliseconds: 300,000 by default. `null` or `Infinity` turns the check off, and lets anybody
   * who has seen a webhook send it again.
   */
  tolerance?: number | null | undefined;
  /** The time to compare the timestamp with, for tests: a `Date`, or milliseconds since 1970. */
  now?: Date | number | undefined;
}

const DEFAULT_TOLERANCE = 300_000;
const SIGNATURE = 'x-celper-signature';
const TIMESTAMP = 'x-celper-timestamp';
const check = new Checker('webhook');

/**
 * Verifies a webhook and returns its event, a frozen object.
 *
 * @param rawBody The body as it arrived. Express: `express.raw({ type: '*\/*' })` and `request.body`; Next.js: `await request.text()`.
 * @param headers The request's headers.
 * @param secret The webhook's secret; while it is being changed, `[new, old]`.
 * @throws {WebhookError} The webhook cannot be trusted or read: respond with 400. `reason` says why.
 * @throws {InvalidArgumentError} The secret or an option cannot be used.
 */
export function unwrap(rawBody: RawBody, headers: RequestHeaders, secret: Secret, options?: WebhookOptions): Event {
  const { event, data } = atCaller(unwrap, () => native.unwrapWebhook(webhookOf(rawBody, headers, secret, options)));
  return Object.freeze({ ...event, timestamp: new Date(event.timestamp), data: deepFreeze(data) });
}

/** Verifies a webhook without reading its body. Arguments and errors are those of `unwrap`. */
export function verify(rawBody: RawBody, headers: RequestHeaders, secret: Secret, options?: WebhookOptions): void {
  atCaller(verify, () => native.verifyWebhook(webhookOf(rawBody, headers, secret, options)));
}

/**
 * Signs a body as the service does, and returns the two headers: for tests of a program that receives webhooks.
 *
 * ```ts
 * await fetch(url, { method: 'POST', body, headers: webhooks.sign(body, secret) });
 * ```
 *
 * @param timestamp When it is signed: a `Date`, or milliseconds since 1970; now by default.
 */
export function sign(
  body: RawBody,
  secret: string | Uint8Array,
  timestamp?: Date | number,
): { 'X-Celper-Signature': string; 'X-Celper-Timestamp': string } {
  const headers = atCaller(sign, () => {
    const [key = Buffer.alloc(0)] = secretsOf(secret);
    return native.signWebhook(bytesOf(body), key, timeOf('timestamp', timestamp));
  });
  return Object.fromEntries(headers) as ReturnType<typeof sign>;
}

/** Reads the native half's JSON. An error has the stack of the caller of the public function. */
// biome-ignore lint/suspicious/noExplicitAny: any function, and any JSON
function atCaller(caller: (...given: any[]) => unknown, work: () => string): any {
  let error: unknown;
  try {
    const outcome = JSON.parse(work());
    if (!outcome.error) return outcome;
    error = errorOf(outcome.error as ErrorFields, {});
  } catch (thrown) {
    error = thrown;
  }
  if (!(error instanceof CelperError)) throw error;
  const stack: CallerStack = {};
  Error.captureStackTrace(stack, caller);
  throw withCallerStack(error, stack);
}

function webhookOf(rawBody: unknown, headers: unknown, secret: unknown, given: unknown): NativeWebhook {
  const options = given === undefined ? {} : check.options('the fourth argument', given, ['tolerance', 'now']);
  const tolerance = check.read(options, 'tolerance');
  const none = tolerance === null || tolerance === Number.POSITIVE_INFINITY;
  const values = headerValues(headers);
  return ownFields<NativeWebhook>({
    body: bytesOf(rawBody),
    signatures: values(SIGNATURE),
    timestamps: values(TIMESTAMP),
    secrets: secretsOf(secret),
    tolerance: none ? undefined : (check.milliseconds('tolerance', tolerance) ?? DEFAULT_TOLERANCE),
    now: timeOf('now', check.read(options, 'now')),
  });
}

function bytesOf(body: unknown): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body);
  const bytes = viewOf(body);
  if (bytes) return bytes;
  const what = types.isPromise(body) ? 'a promise, which lacks its await' : typeName(body);
  const detail = [
    `the body is ${what}, and the signature is of the bytes that arrived: pass the raw body.`,
    "In Express, it is request.body after express.raw({ type: '*/*' }) for this route, before any express.json();",
    "in Fastify, request.body after addContentTypeParser('application/json', { parseAs: 'buffer' }, …);",
    'in Next.js, Hono and others with a Request, await request.text()',
  ].join(' ');
  throw new WebhookError({ message: `webhook: ${detail}.`, detail, reason: 'parsed_body' });
}

/** Bytes as a `Buffer` of this realm, without a copy. */
function viewOf(value: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return types.isAnyArrayBuffer(value) ? Buffer.from(value) : undefined;
}

function secretsOf(secret: unknown): Uint8Array[] {
  const list = Array.isArray(secret) ? secret : [secret];
  return list.map((each) => {
    const bytes = typeof each === 'string' ? Buffer.from(each) : viewOf(each);
    if (!bytes) throw check.wrongType('secret', 'a string or a Uint8Array, or an array of them', each);
    return bytes;
  });
}

function timeOf(name: string, value: unknown): number | undefined {
  const time = types.isDate(value) ? value.getTime() : value;
  if (time === undefined) return undefined;
  if (typeof time !== 'number') throw check.wrongType(name, 'a Date or milliseconds since 1970', value);
  return time;
}

/** The values that a request has for a header. */
function headerValues(headers: unknown): (name: string) => string[] {
  const found = new Map<string, string[]>();
  const expected = 'the headers of a request';
  if (typeof headers !== 'object' || headers === null) throw check.wrongType('headers', expected, headers);
  let pairs: unknown[];
  try {
    const iterable = Symbol.iterator in headers;
    const entries: unknown[] = iterable ? [...(headers as Iterable<unknown>)] : Object.entries(headers);
    // `rawHeaders` has names and values in turn.
    const flat = typeof entries[0] === 'string';
    pairs = flat ? entries.flatMap((name, index) => (index % 2 ? [] : [[name, entries[index + 1]]])) : entries;
    for (const [name, value] of pairs as [unknown, unknown][]) {
      const key = String(name).toLowerCase();
      if (key !== SIGNATURE && key !== TIMESTAMP) continue;
      const values = (Array.isArray(value) ? value : [value]).filter((each) => each !== undefined).map(String);
      found.set(key, [...(found.get(key) ?? []), ...values]);
    }
  } catch (cause) {
    throw check.error(`headers must be ${expected}: they cannot be read`, cause);
  }
  return (name) => found.get(name) ?? [];
}

/** Without recursion: the data may be deeply nested. */
function deepFreeze<T>(data: T): T {
  const left: unknown[] = [data];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value !== 'object' || value === null) continue;
    Object.freeze(value);
    left.push(...Object.values(value));
  }
  return data;
}
