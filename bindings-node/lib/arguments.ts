/**
 * Checks the types of arguments at run time, for callers without TypeScript. The core validates the values.
 *
 * Messages never repeat a string that the caller passed: it may be a secret.
 */

import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import type { Bridge, NativeBatch, NativeOptions, NativeRateLimits } from './binding';
import type { CelperOptions, KeyProvider } from './client';
import { InvalidArgumentError, type OperationName } from './errors';

type Options = Readonly<Record<string, unknown>>;

const CLIENT_OPTIONS = [
  'apiKey',
  'baseUrl',
  'allowHttpHosts',
  'timeout',
  'attemptTimeout',
  'maxRetries',
  'rateLimits',
  'rateLimitStore',
  'rateLimitName',
  'rateLimitStoreDown',
  'proxy',
  'caCertificates',
  'appInfo',
  'telemetry',
  'onEvent',
];
const RATE_LIMITS = ['reads', 'actions', 'total', 'window'];
const CALL_OPTIONS = [
  'jobPositionId',
  'emailSubject',
  'emailBody',
  'idempotencyKey',
  'timeout',
  'maxRetries',
  'signal',
];
const TELEMETRY = ['redact', 'propagate'];
const WAIT_OPTIONS = ['jobPositionId', 'until', 'timeout', 'signal'];
const WATCH_OPTIONS = ['jobPositionId', 'signal'];
const BATCH_OPTIONS = ['batchId', 'journal', 'total', 'signal'];
const OPERATIONS: readonly unknown[] = ['status', 'invite', 'select', 'reject'];
const REQUEST_FIELDS = [
  'operation',
  'candidateId',
  'jobPositionId',
  'emailSubject',
  'emailBody',
  'idempotencyKey',
  'timeout',
  'maxRetries',
];
const REQUEST = "an object such as { operation: 'invite', candidateId: '…', jobPositionId: '…' }";
const MAX_U32 = 0xffff_ffff;

/** A call's arguments, in the order of `Bridge.start`'s parameters after the operation, up to `maxRetries`. */
export interface CallArguments {
  native: Parameters<Bridge['start']> extends [unknown, unknown, unknown, ...infer Rest, unknown?, unknown?]
    ? Rest
    : never;
  signal: AbortSignal | undefined;
}

/** A wait's arguments, in the order of `Bridge.startWait`'s parameters. */
export interface WaitArguments {
  native: [candidateId: string, jobPositionId: string, until: string[], timeout: number | undefined];
  signal: AbortSignal | undefined;
}

/** A watch's arguments, in the order of `Bridge.startWatch`'s parameters. */
export interface WatchArguments {
  native: [candidateIds: string[], jobPositionId: string];
  signal: AbortSignal | undefined;
}

/** The arguments of a batch. */
export interface BatchArguments {
  requests: Iterable<unknown> | AsyncIterable<unknown>;
  batchId: string | undefined;
  journal: string | undefined;
  total: number | undefined;
  signal: AbortSignal | undefined;
}

/** A request of a batch, as `NativeBatch.push` takes it. */
export type RequestArguments = Parameters<NativeBatch['push']> extends [...infer Rest, unknown?] ? Rest : never;

/** The options of a client, for the native half, and for the client to use and show. */
export interface ClientArguments {
  native: NativeOptions;
  keyProvider: KeyProvider | undefined;
  /** `undefined`: off. */
  telemetry: { redact: boolean; propagate: boolean } | undefined;
  onEvent: CelperOptions['onEvent'];
  shown: {
    allowHttpHosts: string[] | undefined;
    rateLimitName: string | undefined;
    proxy: string | undefined;
    appInfo: string | undefined;
  };
}

/** Checks the arguments of a call. */
export function callArguments(operation: OperationName, candidateId: unknown, callOptions: unknown): CallArguments {
  const check = new Checker(operation);
  const candidate = check.required('candidateId', check.string('candidateId', candidateId));
  const options = check.options('the second argument', callOptions, CALL_OPTIONS);
  const position = check.read(options, 'jobPositionId');
  // First, so that errors about the other options have the key.
  check.idempotencyKey = check.string('idempotencyKey', check.optional(options, 'idempotencyKey'));
  return {
    native: [
      candidate,
      check.required('jobPositionId', check.string('jobPositionId', position)),
      check.string('emailSubject', check.optional(options, 'emailSubject')),
      check.string('emailBody', check.optional(options, 'emailBody')),
      check.idempotencyKey,
      check.milliseconds('timeout', check.optional(options, 'timeout')),
      check.integer('maxRetries', check.optional(options, 'maxRetries')),
    ],
    signal: check.signal('signal', check.optional(options, 'signal')),
  };
}

/** Checks the arguments of a wait. */
export function waitArguments(candidateId: unknown, waitOptions: unknown): WaitArguments {
  const check = new Checker('status');
  const candidate = check.required('candidateId', check.string('candidateId', candidateId));
  const options = check.options('the second argument', waitOptions, WAIT_OPTIONS);
  const until = check.required('until', check.optional(options, 'until'));
  const timeout = check.optional(options, 'timeout');
  return {
    native: [
      candidate,
      check.required('jobPositionId', check.string('jobPositionId', check.read(options, 'jobPositionId'))),
      check.strings('until', typeof until === 'string' ? [until] : until) ?? [],
      timeout === Number.POSITIVE_INFINITY ? timeout : check.milliseconds('timeout', timeout),
    ],
    signal: check.signal('signal', check.optional(options, 'signal')),
  };
}

/** Checks the arguments of a watch. */
export function watchArguments(candidateIds: unknown, watchOptions: unknown): WatchArguments {
  const check = new Checker('status');
  const options = check.options('the second argument', watchOptions, WATCH_OPTIONS);
  return {
    native: [
      check.required('candidateIds', check.strings('candidateIds', candidateIds)),
      check.required('jobPositionId', check.string('jobPositionId', check.read(options, 'jobPositionId'))),
    ],
    signal: check.signal('signal', check.optional(options, 'signal')),
  };
}

/** Checks the arguments of a batch. */
export function batchArguments(requests: unknown, batchOptions: unknown): BatchArguments {
  const check = new Checker('batch');
  const options = check.options('the second argument', batchOptions ?? {}, BATCH_OPTIONS);
  const total = check.integer('total', check.optional(options, 'total'));
  return {
    requests: check.iterable('requests', requests),
    batchId: check.string('batchId', check.optional(options, 'batchId')),
    journal: check.string('journal', check.optional(options, 'journal')),
    total: total ?? sizeOf(requests),
    signal: check.signal('signal', check.optional(options, 'signal')),
  };
}

/** How many requests there are, if the collection knows it. */
function sizeOf(requests: unknown): number | undefined {
  if (isArray(requests)) return (requests as unknown[]).length;
  return types.isSet(requests) ? requests.size : undefined;
}

/** Checks a request of a batch. */
export function requestArguments(value: unknown): RequestArguments {
  const row = new Checker('batch');
  if (typeof value !== 'object' || value === null || isArray(value)) throw row.wrongType('a request', REQUEST, value);
  const operation = row.read(value as Options, 'operation');
  if (!OPERATIONS.includes(operation)) {
    const found = typeof operation === 'string' ? 'another string' : typeName(operation);
    throw row.error(
      `operation must be 'status', 'invite', 'select' or 'reject', not ${found}; a request is ${REQUEST}`,
    );
  }
  const check = new Checker(operation as RequestArguments[0]);
  const request = check.options('a request', value, REQUEST_FIELDS, 'field');
  const string = (name: string) => check.string(name, check.optional(request, name));
  check.idempotencyKey = string('idempotencyKey');
  return [
    operation as RequestArguments[0],
    check.required('candidateId', string('candidateId')),
    check.required('jobPositionId', string('jobPositionId')),
    string('emailSubject'),
    string('emailBody'),
    check.idempotencyKey,
    check.milliseconds('timeout', check.optional(request, 'timeout')),
    check.integer('maxRetries', check.optional(request, 'maxRetries')),
  ];
}

/** The error of a call that is refused for another reason than its arguments. */
export function refusedCall(operation: OperationName, message: string): InvalidArgumentError {
  return new Checker(operation).error(message);
}

/** Checks the options of a client. */
export function clientOptions(value: unknown): ClientArguments {
  const check = new Checker('client');
  const options = value === undefined ? {} : check.options('options', value, CLIENT_OPTIONS);
  const string = (name: string) => check.string(name, check.read(options, name));
  const milliseconds = (name: string) => check.milliseconds(name, check.read(options, name));
  // Read here and not in the core, which does not see the `process.env` of a worker thread.
  // Trimmed like the core does: files and secret stores often end a value with a line break.
  const environment = (name: string) =>
    (Object.hasOwn(process.env, name) ? process.env[name]?.trim() : undefined) ?? '';
  const apiKey = check.read(options, 'apiKey');
  const keyProvider = typeof apiKey === 'function' ? (apiKey as KeyProvider) : undefined;
  const shown = {
    allowHttpHosts: check.strings('allowHttpHosts', check.read(options, 'allowHttpHosts')),
    rateLimitName: string('rateLimitName'),
    proxy: string('proxy'),
    appInfo: string('appInfo'),
  };
  const native = ownFields<NativeOptions>({
    ...shown,
    ...(keyProvider ? { keyProvider: true } : { apiKey: keyOf(check, apiKey) ?? environment('CELPER_API_KEY') }),
    baseUrl: string('baseUrl') ?? (environment('CELPER_BASE_URL') || undefined),
    timeout: milliseconds('timeout'),
    attemptTimeout: milliseconds('attemptTimeout'),
    maxRetries: check.integer('maxRetries', check.read(options, 'maxRetries')),
    rateLimits: rateLimits(check, check.read(options, 'rateLimits')),
    rateLimitStore: string('rateLimitStore') ?? (environment('CELPER_RATE_LIMIT_STORE') || undefined),
    rateLimitStoreDown: string('rateLimitStoreDown'),
    caCertificates: certificates(check, check.read(options, 'caCertificates')),
    version: process.versions.node,
  });
  const onEvent = check.read(options, 'onEvent');
  if (onEvent !== undefined && typeof onEvent !== 'function') throw check.wrongType('onEvent', 'a function', onEvent);
  const telemetry = telemetryOf(check, check.read(options, 'telemetry'));
  return { native, keyProvider, telemetry, onEvent: onEvent as CelperOptions['onEvent'], shown };
}

function telemetryOf(check: Checker, value: unknown): ClientArguments['telemetry'] {
  if (value === false) return undefined;
  const defaults = { redact: true, propagate: false };
  if (value === undefined || value === true) return defaults;
  if (typeof value !== 'object' || value === null || isArray(value)) {
    throw check.wrongType('telemetry', 'true, false or an object', value);
  }
  const options = check.options('telemetry', value, TELEMETRY);
  const flag = (name: keyof typeof defaults) => {
    const given = check.read(options, name) ?? defaults[name];
    if (typeof given !== 'boolean') throw check.wrongType(`telemetry.${name}`, 'true or false', given);
    return given;
  };
  return { redact: flag('redact'), propagate: flag('propagate') };
}

function keyOf(check: Checker, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return check.string('apiKey', value);
  throw check.wrongType('apiKey', 'a string or a function that returns one', value);
}

function rateLimits(check: Checker, value: unknown): false | NativeRateLimits | undefined {
  if (value === undefined || value === false) return value;
  if (typeof value !== 'object' || value === null || isArray(value)) {
    throw check.wrongType('rateLimits', 'an object or false', value);
  }
  const limits = check.options('rateLimits', value, RATE_LIMITS);
  const count = (name: string) => check.integer(`rateLimits.${name}`, check.read(limits, name));
  return ownFields<NativeRateLimits>({
    reads: count('reads'),
    actions: count('actions'),
    total: count('total'),
    window: check.milliseconds('rateLimits.window', check.read(limits, 'window')),
  });
}

function certificates(check: Checker, value: unknown): Uint8Array | undefined {
  if (value === undefined) return undefined;
  // Not `instanceof`: under jsdom a `Buffer` is of another realm than the global `Uint8Array`.
  if (types.isUint8Array(value)) return value;
  if (typeof value !== 'string') throw check.wrongType('caCertificates', 'a string or a Uint8Array (PEM)', value);
  return Buffer.from(check.string('caCertificates', value) ?? '');
}

/** Checks arguments for an operation, which its errors name. */
export class Checker {
  /** The caller's idempotency key, once it has been checked. Errors have it as a field. */
  idempotencyKey: string | undefined;

  constructor(private readonly operation: OperationName) {}

  /** Checks that the value is an object without unknown options. */
  options(what: string, value: unknown, known: readonly string[], kind = 'option'): Options {
    if (typeof value !== 'object' || value === null || isArray(value)) throw this.wrongType(what, 'an object', value);
    let names: string[];
    try {
      names = Object.keys(value);
    } catch (cause) {
      throw this.error(`${what} cannot be read`, cause);
    }
    for (const name of names) {
      if (!known.includes(name)) throw this.error(`there is no ${kind} ${JSON.stringify(name)} (${known.join(', ')})`);
    }
    return value as Options;
  }

  /**
   * Reads an option: an own property, or one of the options' own class. What a polluted `Object.prototype` has is no option: it could
   * send the API key to another host.
   */
  read(options: Options, name: string | symbol): unknown {
    try {
      const value = options[name as string];
      return value === undefined || isFromObjectPrototype(options, name) ? undefined : value;
    } catch (cause) {
      throw this.error(`${String(name)} cannot be read`, cause);
    }
  }

  /** Reads an option of a call, where `null` also means none: the values of a database or of JSON. */
  optional(options: Options, name: string): unknown {
    return this.read(options, name) ?? undefined;
  }

  required<T>(name: string, value: T | undefined): T {
    if (value === undefined) throw this.error(`${name} is missing`);
    return value;
  }

  string(name: string, value: unknown): string | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw this.wrongType(name, 'a string', value);
    if (!value.isWellFormed()) throw this.error(`${name} contains a lone surrogate`);
    return value;
  }

  strings(name: string, value: unknown): string[] | undefined {
    if (value === undefined) return undefined;
    if (!isArray(value)) throw this.wrongType(name, 'an array of strings', value);
    let items: unknown[];
    try {
      items = [...(value as unknown[])];
    } catch (cause) {
      throw this.error(`${name} cannot be read`, cause);
    }
    return items.map((item, index) => {
      const text = this.string(`${name}[${index}]`, item);
      if (text === undefined) throw this.wrongType(`${name}[${index}]`, 'a string', item);
      return text;
    });
  }

  iterable(name: string, value: unknown): Iterable<unknown> | AsyncIterable<unknown> {
    const isIterable = (object: object) =>
      [Symbol.asyncIterator, Symbol.iterator].some((key) => typeof this.read(object as Options, key) === 'function');
    if (typeof value === 'object' && value !== null && isIterable(value)) return value as Iterable<unknown>;
    throw this.wrongType(name, 'an array, or another iterable or async iterable', value);
  }

  milliseconds(name: string, value: unknown): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'number') throw this.wrongType(name, 'a number of milliseconds', value);
    // A very long timeout stands for none.
    if (name === 'timeout' && value === Number.POSITIVE_INFINITY) return Number.MAX_SAFE_INTEGER;
    // Also rejects NaN.
    if (!(value > 0 && value <= Number.MAX_SAFE_INTEGER)) {
      throw this.error(`${name} must be a number of milliseconds greater than 0, not ${value}`);
    }
    return value;
  }

  integer(name: string, value: unknown): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'number') throw this.wrongType(name, 'a whole number', value);
    if (!Number.isInteger(value) || value < 0 || value > MAX_U32) {
      throw this.error(`${name} must be a whole number from 0 to ${MAX_U32}, not ${value}`);
    }
    return value;
  }

  signal(name: string, value: unknown): AbortSignal | undefined {
    if (value === undefined) return undefined;
    const signal = value as Options | null;
    // Not `instanceof`: signals from another realm and polyfills are accepted.
    if (
      typeof signal !== 'object' ||
      signal === null ||
      typeof this.read(signal, 'aborted') !== 'boolean' ||
      typeof this.read(signal, 'addEventListener') !== 'function' ||
      typeof this.read(signal, 'removeEventListener') !== 'function'
    ) {
      throw this.wrongType(name, 'an AbortSignal', value);
    }
    return value as AbortSignal;
  }

  wrongType(name: string, expected: string, value: unknown): InvalidArgumentError {
    return this.error(`${name} must be ${expected}, not ${typeName(value)}`);
  }

  /** An error with the form of the core's. */
  error(message: string, ...cause: [] | [unknown]): InvalidArgumentError {
    const action = ['invite', 'select', 'reject'].includes(this.operation);
    return new InvalidArgumentError({
      message: `${this.operation}: ${message}.`,
      detail: message,
      operation: this.operation,
      ...(action && { outcomeUnknown: false }),
      ...(this.idempotencyKey !== undefined && { idempotencyKey: this.idempotencyKey }),
      ...(cause.length > 0 && { cause: cause[0] }),
    });
  }
}

/** The fields with a value. Without a prototype: the native half also reads inherited fields. */
export function ownFields<T extends object>(fields: { [Name in keyof T]: T[Name] | undefined }): T {
  const own = Object.create(null);
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) own[name] = value;
  return own;
}

/** Whether a property is one that all objects have inherited. A proxy can have properties that no object in its chain has. */
function isFromObjectPrototype(object: object, name: string | symbol): boolean {
  for (let holder: object | null = object; holder !== null; holder = Object.getPrototypeOf(holder)) {
    if (Object.hasOwn(holder, name)) return holder !== object && isObjectPrototype(holder);
  }
  return false;
}

/** Also true for the `Object.prototype` of another realm. */
function isObjectPrototype(value: object): boolean {
  return Object.getPrototypeOf(value) === null && Object.hasOwn(value, 'isPrototypeOf');
}

function isArray(value: unknown): boolean {
  try {
    return Array.isArray(value);
  } catch {
    return false; // a revoked proxy
  }
}

/** A value's type, for messages. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (isArray(value)) return 'an array';
  const type = typeof value;
  return type === 'object' ? 'an object' : `a ${type}`;
}
