/**
 * Checks the types of arguments at run time, for callers without TypeScript. The core validates the values.
 *
 * Messages never repeat a string that the caller passed: it may be a secret.
 */

import type { Bridge, NativeOptions, NativeRateLimits } from './binding';
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
  'proxy',
  'caCertificates',
  'appInfo',
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
const MAX_U32 = 0xffff_ffff;

/** A call's arguments, in the order of `Bridge.start`'s parameters after the operation. */
export interface CallArguments {
  native: Parameters<Bridge['start']> extends [unknown, unknown, unknown, ...infer Rest] ? Rest : never;
  signal: AbortSignal | undefined;
}

/** Checks the arguments of a call. */
export function callArguments(operation: OperationName, candidateId: unknown, callOptions: unknown): CallArguments {
  const check = new Checker(operation);
  const candidate = check.required('candidateId', check.string('candidateId', candidateId));
  const options = check.options('the second argument', callOptions, CALL_OPTIONS);
  const position = check.read(options, 'jobPositionId');
  // First, so that errors about the other options have the key.
  check.idempotencyKey = check.string('idempotencyKey', check.read(options, 'idempotencyKey'));
  return {
    native: [
      candidate,
      check.required('jobPositionId', check.string('jobPositionId', position)),
      check.string('emailSubject', check.read(options, 'emailSubject')),
      check.string('emailBody', check.read(options, 'emailBody')),
      check.idempotencyKey,
      check.milliseconds('timeout', check.read(options, 'timeout')),
      check.integer('maxRetries', check.read(options, 'maxRetries')),
    ],
    signal: check.signal('signal', check.read(options, 'signal')),
  };
}

/** Checks the options of a client. */
export function clientOptions(value: unknown): NativeOptions {
  const check = new Checker('client');
  const options = value === undefined ? {} : check.options('options', value, CLIENT_OPTIONS);
  const string = (name: string) => check.string(name, check.read(options, name));
  const milliseconds = (name: string) => check.milliseconds(name, check.read(options, name));
  // Read here and not in the core, which does not see the `process.env` of a worker thread.
  // Trimmed like the core does: files and secret stores often end a value with a line break.
  const { CELPER_API_KEY = '', CELPER_BASE_URL = '' } = process.env;
  return omitUndefined({
    apiKey: string('apiKey') ?? CELPER_API_KEY.trim(),
    baseUrl: string('baseUrl') ?? (CELPER_BASE_URL.trim() || undefined),
    allowHttpHosts: check.strings('allowHttpHosts', check.read(options, 'allowHttpHosts')),
    timeout: milliseconds('timeout'),
    attemptTimeout: milliseconds('attemptTimeout'),
    maxRetries: check.integer('maxRetries', check.read(options, 'maxRetries')),
    rateLimits: rateLimits(check, check.read(options, 'rateLimits')),
    proxy: string('proxy'),
    caCertificates: certificates(check, check.read(options, 'caCertificates')),
    appInfo: string('appInfo'),
    version: process.versions.node,
  });
}

function rateLimits(check: Checker, value: unknown): false | NativeRateLimits | undefined {
  if (value === undefined || value === false) return value;
  if (typeof value !== 'object' || value === null || isArray(value)) {
    throw check.wrongType('rateLimits', 'an object or false', value);
  }
  const limits = check.options('rateLimits', value, RATE_LIMITS);
  const count = (name: string) => check.integer(`rateLimits.${name}`, check.read(limits, name));
  return omitUndefined({
    reads: count('reads'),
    actions: count('actions'),
    total: count('total'),
    window: check.milliseconds('rateLimits.window', check.read(limits, 'window')),
  });
}

function certificates(check: Checker, value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (value !== undefined && typeof value !== 'string') {
    throw check.wrongType('caCertificates', 'a string or a Uint8Array (PEM)', value);
  }
  return value === undefined ? undefined : new TextEncoder().encode(check.string('caCertificates', value));
}

class Checker {
  /** The caller's idempotency key, once it has been checked. Errors have it as a field. */
  idempotencyKey: string | undefined;

  constructor(private readonly operation: OperationName) {}

  /** Checks that the value is an object without unknown options. */
  options(what: string, value: unknown, known: readonly string[]): Options {
    if (typeof value !== 'object' || value === null || isArray(value)) throw this.wrongType(what, 'an object', value);
    let names: string[];
    try {
      names = Object.keys(value);
    } catch (cause) {
      throw this.error(`${what} cannot be read`, cause);
    }
    for (const name of names) {
      if (!known.includes(name)) throw this.error(`there is no option ${JSON.stringify(name)} (${known.join(', ')})`);
    }
    return value as Options;
  }

  read(options: Options, name: string): unknown {
    try {
      return options[name];
    } catch (cause) {
      throw this.error(`${name} cannot be read`, cause);
    }
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

  milliseconds(name: string, value: unknown): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'number') throw this.wrongType(name, 'a number of milliseconds', value);
    // No timeout is as good as a very long one.
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

  error(message: string, ...cause: [] | [unknown]): InvalidArgumentError {
    const action = this.operation !== 'client' && this.operation !== 'status';
    return new InvalidArgumentError({
      kind: 'invalid_argument',
      message: `${this.operation}: ${message}.`,
      detail: message,
      operation: this.operation,
      ...(action && { outcomeUnknown: false }),
      ...(this.idempotencyKey !== undefined && { idempotencyKey: this.idempotencyKey }),
      ...(cause.length > 0 && { cause: cause[0] }),
    });
  }
}

/** Removes undefined fields, which the native half does not accept. */
function omitUndefined<T extends object>(fields: { [Name in keyof T]: T[Name] | undefined }): T {
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
