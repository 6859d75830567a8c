/**
 * Checks the types of what a JavaScript caller passes, which TypeScript cannot. What the values may be, the core decides.
 *
 * No message repeats a value: it may be a secret.
 */

import type { Bridge, NativeOptions, NativeRateLimits } from './binding';
import { InvalidArgumentError, type OperationName } from './errors';

type Options = Readonly<Record<string, unknown>>;

const CLIENT_OPTIONS = [
  'apiKey',
  'baseUrl',
  'timeout',
  'attemptTimeout',
  'maxRetries',
  'rateLimits',
  'proxy',
  'caCertificates',
  'appInfo',
];
const RATE_LIMITS = ['reads', 'actions', 'total', 'window'];
const CALL_OPTIONS = [
  'jobPositionId',
  'idempotencyKey',
  'timeout',
  'maxRetries',
  'signal',
  'emailSubject',
  'emailBody',
];
const MAX_U32 = 0xffff_ffff;

/** A call's arguments, as `Bridge.start` takes them after its operation. */
export interface CallArguments {
  native: Parameters<Bridge['start']> extends [unknown, unknown, unknown, ...infer Rest] ? Rest : never;
  signal: AbortSignal | undefined;
}

/** The arguments of a call. */
export function callArguments(operation: OperationName, candidateId: unknown, given: unknown): CallArguments {
  const check = new Check(operation);
  const candidate = check.required('candidateId', check.text('candidateId', candidateId));
  const options = check.options('the second argument', given, CALL_OPTIONS);
  const position = check.read(options, 'jobPositionId');
  // Before the others are checked, so that an error over one of them can name it.
  check.key = check.text('idempotencyKey', check.read(options, 'idempotencyKey'));
  return {
    native: [
      candidate,
      check.required('jobPositionId', check.text('jobPositionId', position)),
      check.key,
      check.milliseconds('timeout', check.read(options, 'timeout')),
      check.count('maxRetries', check.read(options, 'maxRetries')),
      check.text('emailSubject', check.read(options, 'emailSubject')),
      check.text('emailBody', check.read(options, 'emailBody')),
    ],
    signal: check.signal('signal', check.read(options, 'signal')),
  };
}

/** The options of a client. */
export function clientOptions(given: unknown): NativeOptions {
  const check = new Check('client');
  const options = given === undefined ? {} : check.options('options', given, CLIENT_OPTIONS);
  const text = (name: string) => check.text(name, check.read(options, name));
  const milliseconds = (name: string) => check.milliseconds(name, check.read(options, name));
  // Read here and not left to the core: `process.env` of a worker, or of another runtime, is not the environment it sees.
  const { CELPER_API_KEY = '', CELPER_BASE_URL } = process.env;
  return present({
    apiKey: text('apiKey') ?? CELPER_API_KEY,
    baseUrl: text('baseUrl') ?? (CELPER_BASE_URL || undefined),
    timeout: milliseconds('timeout'),
    attemptTimeout: milliseconds('attemptTimeout'),
    maxRetries: check.count('maxRetries', check.read(options, 'maxRetries')),
    rateLimits: rateLimits(check, check.read(options, 'rateLimits')),
    proxy: text('proxy'),
    caCertificates: certificates(check, check.read(options, 'caCertificates')),
    appInfo: text('appInfo'),
    version: process.versions.node,
  });
}

function rateLimits(check: Check, given: unknown): false | NativeRateLimits | undefined {
  if (given === undefined || given === false) return given;
  if (typeof given !== 'object' || given === null || isArray(given)) {
    throw check.wrong('rateLimits', 'an object or false', given);
  }
  const limits = check.options('rateLimits', given, RATE_LIMITS);
  const count = (name: string) => check.count(`rateLimits.${name}`, check.read(limits, name));
  return present({
    reads: count('reads'),
    actions: count('actions'),
    total: count('total'),
    window: check.milliseconds('rateLimits.window', check.read(limits, 'window')),
  });
}

function certificates(check: Check, given: unknown): Uint8Array | undefined {
  if (given instanceof Uint8Array) return given;
  if (given !== undefined && typeof given !== 'string') {
    throw check.wrong('caCertificates', 'a string or a Uint8Array (PEM)', given);
  }
  return given === undefined ? undefined : new TextEncoder().encode(check.text('caCertificates', given));
}

class Check {
  /** The caller's, once it has been read. */
  key: string | undefined;

  constructor(private readonly operation: OperationName) {}

  /** The object that holds options, none of them unknown. */
  options(what: string, given: unknown, known: readonly string[]): Options {
    if (typeof given !== 'object' || given === null || isArray(given)) throw this.wrong(what, 'an object', given);
    let names: string[];
    try {
      names = Object.keys(given);
    } catch (cause) {
      throw this.refused(`${what} cannot be read`, cause);
    }
    for (const name of names) {
      if (!known.includes(name)) throw this.refused(`there is no option ${JSON.stringify(name)} (${known.join(', ')})`);
    }
    return given as Options;
  }

  read(options: Options, name: string): unknown {
    try {
      return options[name];
    } catch (cause) {
      throw this.refused(`${name} cannot be read`, cause);
    }
  }

  required<T>(name: string, value: T | undefined): T {
    if (value === undefined) throw this.refused(`${name} is missing`);
    return value;
  }

  text(name: string, value: unknown): string | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw this.wrong(name, 'a string', value);
    if (!value.isWellFormed()) throw this.refused(`${name} has half of a surrogate pair, which is no character`);
    return value;
  }

  milliseconds(name: string, value: unknown): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'number') throw this.wrong(name, 'a number of milliseconds', value);
    // These are numbers to JavaScript and no times to anybody.
    if (!(value > 0 && value <= Number.MAX_SAFE_INTEGER)) {
      throw this.refused(`${name} must be a number of milliseconds greater than 0, not ${value}`);
    }
    return value;
  }

  count(name: string, value: unknown): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'number') throw this.wrong(name, 'a whole number', value);
    if (!Number.isInteger(value) || value < 0 || value > MAX_U32) {
      throw this.refused(`${name} must be a whole number from 0 to ${MAX_U32}, not ${value}`);
    }
    return value;
  }

  signal(name: string, value: unknown): AbortSignal | undefined {
    if (value === undefined) return undefined;
    const signal = value as Options | null;
    // By its shape, for a signal from another realm or a polyfill is as good.
    if (
      typeof signal !== 'object' ||
      signal === null ||
      typeof this.read(signal, 'aborted') !== 'boolean' ||
      typeof this.read(signal, 'addEventListener') !== 'function' ||
      typeof this.read(signal, 'removeEventListener') !== 'function'
    ) {
      throw this.wrong(name, 'an AbortSignal', value);
    }
    return value as AbortSignal;
  }

  wrong(name: string, wanted: string, value: unknown): InvalidArgumentError {
    return this.refused(`${name} must be ${wanted}, not ${typeName(value)}`);
  }

  refused(message: string, ...cause: [] | [unknown]): InvalidArgumentError {
    const action = this.operation !== 'client' && this.operation !== 'status';
    return new InvalidArgumentError({
      kind: 'invalid_argument',
      message: `${this.operation}: ${message}.`,
      detail: message,
      operation: this.operation,
      ...(action && { outcomeUnknown: false }),
      ...(this.key !== undefined && { idempotencyKey: this.key }),
      ...(cause.length > 0 && { cause: cause[0] }),
    });
  }
}

/** Without what is undefined: the native half takes what is there and nothing else. */
function present<T extends object>(fields: { [Name in keyof T]: T[Name] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

function isArray(value: unknown): boolean {
  try {
    return Array.isArray(value);
  } catch {
    return false; // a revoked proxy
  }
}

function typeName(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (isArray(value)) return 'an array';
  const type = typeof value;
  return type === 'object' ? 'an object' : `a ${type}`;
}
