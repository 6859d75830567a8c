/**
 * The errors of this package.
 *
 * ```text
 * CelperError
 * ├── InvalidArgumentError          rejected by the client, nothing was sent
 * ├── ApiError                      the server rejected the request
 * │   ├── InvalidRequestError       400, and any other 4xx
 * │   ├── AuthenticationError       401
 * │   ├── PermissionDeniedError     403
 * │   ├── NotFoundError             404
 * │   ├── ConflictError             409
 * │   │   ├── InvalidStatusError
 * │   │   ├── AnalysisNotViewedError
 * │   │   └── IdempotencyConflictError
 * │   ├── RateLimitError            429, or no free slot within the timeout
 * │   └── ServerError               5xx
 * ├── TransportError                no usable response
 * │   ├── ConnectionFailedError     DNS, refused, reset, TLS
 * │   └── RequestTimeoutError       an attempt or the whole call timed out
 * ├── UnexpectedResponseError       a response that the API does not document
 * ├── InternalError                 a fault of this package
 * └── WebhookError                  a webhook that cannot be trusted or read
 * ```
 *
 * When its `signal` aborts, a call rejects with the signal's reason, which is not one of these classes.
 */

import type { CandidateState, RateLimit } from './models';
import type { CallRecord } from './record';

/** What went wrong: a stable value that is the same in every language. */
export type ErrorKind =
  | 'invalid_argument'
  | 'invalid_request'
  | 'authentication'
  | 'permission_denied'
  | 'not_found'
  | 'conflict'
  | 'invalid_status'
  | 'analysis_not_viewed'
  | 'idempotency_conflict'
  | 'rate_limited'
  | 'server'
  | 'connection'
  | 'timeout'
  | 'unexpected_response'
  | 'internal'
  | 'webhook';

/**
 * The operation that failed; `client` when creating a client failed, `batch` when a batch cannot start or a row is no request,
 * `webhook` for a webhook.
 */
export type OperationName = 'status' | 'invite' | 'select' | 'reject' | 'client' | 'batch' | 'webhook';

/** The fields for the constructor of {@link CelperError}, of which only `message` is required. */
export interface ErrorFields {
  /** For the classes that stand for several kinds. The other classes have their own. */
  kind?: ErrorKind;
  message: string;
  detail?: string;
  operation?: OperationName;
  status?: number;
  code?: string;
  requestId?: string;
  retryAfter?: number;
  attempts?: number;
  rateLimit?: RateLimit;
  idempotencyKey?: string;
  outcomeUnknown?: boolean;
  lastState?: CandidateState;
  cause?: unknown;
}

const CLASS = Symbol.for('celper.error.class');

/**
 * The base class of all errors of this package.
 *
 * ```ts
 * try {
 *   await client.selectCandidate('cand_xyz789', { jobPositionId: 'pos_abc123' });
 * } catch (error) {
 *   if (error instanceof AnalysisNotViewedError) return remindReviewer();
 *   if (error instanceof CelperError && error.outcomeUnknown) return readStatusLater();
 *   throw error;
 * }
 * ```
 *
 * Fields without a value are `undefined`. `message` is one readable line with the most useful fields. No form of the error
 * contains the API key, an e-mail's subject or its body.
 */
export class CelperError extends Error {
  /** What went wrong: a stable value. */
  readonly kind: ErrorKind;
  /** The server's description of the error, or the client's if the server sent none; part of `message`. */
  readonly detail: string;
  /** The operation that failed. */
  readonly operation: OperationName;
  /** The HTTP status, if there was a response. */
  declare readonly status?: number;
  /** The server's error code, documented or not. */
  declare readonly code?: string;
  /** The server's id of the request; name it when you contact support. */
  declare readonly requestId?: string;
  /** Seconds to wait before calling again, from the server or from the client's own pacing. */
  declare readonly retryAfter?: number;
  /** How many HTTP requests the call has sent. */
  readonly attempts: number;
  /** The response's rate limit headers, if there was a response that had them. */
  declare readonly rateLimit?: RateLimit;
  /** The idempotency key of an action's requests. Calling again with it does not repeat the action. */
  declare readonly idempotencyKey?: string;
  /**
   * For an action: whether it may have taken place despite this error. If true, read the candidate's status, or call again with
   * the same `idempotencyKey`. `undefined` for `getCandidateStatus` and for errors of the constructor.
   */
  declare readonly outcomeUnknown?: boolean;
  /** The candidate's state that `waitForStatus` read last, with its `status`, if it read one. */
  declare readonly lastState?: CandidateState;
  /**
   * What the call did; `undefined` if the client refused it, and for an error that a test or `fromJSON` made. Not enumerable, and so not
   * in `toJSON` nor printed with the error.
   */
  declare readonly record?: CallRecord;

  /** @internal */
  static readonly [CLASS]: string = 'CelperError';

  /**
   * For tests that need an error; the client makes its own.
   *
   * ```ts
   * fake.getCandidateStatus = () => Promise.reject(new RateLimitError({ message: 'slow down', status: 429, retryAfter: 7 }));
   * ```
   *
   * @param given The error's fields, or only its message.
   */
  constructor(given: ErrorFields | string, options?: ErrorOptions) {
    // Without a prototype, so that nothing is read from a polluted `Object.prototype`.
    const own = typeof given === 'string' ? { message: given, ...options } : given;
    const fields: ErrorFields = Object.assign(Object.create(null), own);
    super(fields.message, 'cause' in fields ? { cause: fields.cause } : undefined);
    this.kind = KIND_OF_CLASS.get(new.target[CLASS]) ?? fields.kind ?? defaultKind(new.target[CLASS]);
    this.detail = fields.detail ?? fields.message;
    this.operation = fields.operation ?? 'client';
    if (fields.status !== undefined) this.status = fields.status;
    if (fields.code !== undefined) this.code = fields.code;
    if (fields.requestId !== undefined) this.requestId = fields.requestId;
    if (fields.retryAfter !== undefined) this.retryAfter = fields.retryAfter;
    this.attempts = fields.attempts ?? 0;
    if (fields.rateLimit !== undefined) this.rateLimit = fields.rateLimit;
    if (fields.idempotencyKey !== undefined) this.idempotencyKey = fields.idempotencyKey;
    if (fields.outcomeUnknown !== undefined) this.outcomeUnknown = fields.outcomeUnknown;
    if (fields.lastState !== undefined) this.lastState = fields.lastState;
  }

  /**
   * The error as plain data: for `JSON.stringify`, and for `structuredClone` and `postMessage`, which keep only the message and the
   * stack of an error. {@link CelperError.fromJSON} makes an error of it again.
   */
  toJSON(): Record<string, unknown> {
    const fields: Record<string, unknown> = { name: this.name, message: this.message };
    Object.assign(fields, this);
    if (this.cause !== undefined) fields.cause = causeToJSON(this.cause);
    return fields;
  }

  /**
   * The error that `toJSON` described, with the class of its kind: in the thread or process that receives it.
   *
   * ```ts
   * parentPort.postMessage(error.toJSON()); // in a worker
   * worker.on('message', (data) => reject(CelperError.fromJSON(data)));
   * ```
   */
  static fromJSON(data: Record<string, unknown>): CelperError {
    const fields = Object.assign(Object.create(null), data) as ErrorFields & Record<string, unknown>;
    if (fields.cause !== undefined) fields.cause = causeFromJSON(fields.cause);
    const { rateLimit, lastState } = fields;
    if (rateLimit) fields.rateLimit = rateLimitFromJSON(rateLimit);
    if (lastState?.rateLimit) {
      fields.lastState = Object.freeze({ ...lastState, rateLimit: rateLimitFromJSON(lastState.rateLimit) });
    }
    return new (classOf(fields.kind))(fields);
  }

  /** Also true for errors from another copy of this package: test runners and package managers may load several. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    // A program's own subclass has no name of its own here, and exists only once.
    if (!Object.hasOwn(this, CLASS) || !(value instanceof Error)) return false;
    let prototype = Object.getPrototypeOf(value);
    for (; prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
      const type = prototype.constructor;
      if (typeof type === 'function' && Object.hasOwn(type, CLASS) && type[CLASS] === this[CLASS]) return true;
    }
    return false;
  }
}

/** The client rejected an argument or option; nothing was sent. */
export class InvalidArgumentError extends CelperError {
  /** @internal */
  static override readonly [CLASS]: string = 'InvalidArgumentError';
}

/** The server rejected the request, or the client's own pacing did before it was sent. */
export class ApiError extends CelperError {
  /** @internal */
  static override readonly [CLASS]: string = 'ApiError';
}

/** HTTP 400, or another 4xx without a class of its own. */
export class InvalidRequestError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'InvalidRequestError';
}

/** HTTP 401: the API key is missing, unknown, revoked or expired; or the `apiKey` function failed: see `cause`. */
export class AuthenticationError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'AuthenticationError';
}

/** HTTP 403: `code` says whether the reason is the key's scope, its allowlist or the company's account. */
export class PermissionDeniedError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'PermissionDeniedError';
}

/** HTTP 404: the candidate or the job position does not exist. */
export class NotFoundError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'NotFoundError';
}

/** HTTP 409, with one of the three subclasses for the codes that have one. Never retried. */
export class ConflictError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'ConflictError';
}

/** The candidate's status does not allow the action. */
export class InvalidStatusError extends ConflictError {
  /** @internal */
  static override readonly [CLASS]: string = 'InvalidStatusError';
}

/** The interview's analysis must be viewed before the decision. */
export class AnalysisNotViewedError extends ConflictError {
  /** @internal */
  static override readonly [CLASS]: string = 'AnalysisNotViewedError';
}

/** The idempotency key was already used for a different request. */
export class IdempotencyConflictError extends ConflictError {
  /** @internal */
  static override readonly [CLASS]: string = 'IdempotencyConflictError';
}

/** HTTP 429, or the rate limit has no free slot within the call's timeout; `retryAfter` says when to call again, in seconds. */
export class RateLimitError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'RateLimitError';
}

/** HTTP 5xx, after all retries. */
export class ServerError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'ServerError';
}

/** There was no usable response after all retries. */
export class TransportError extends CelperError {
  /** @internal */
  static override readonly [CLASS]: string = 'TransportError';
}

/** DNS or TLS failed, or the connection was refused or broken; `cause` says which. */
export class ConnectionFailedError extends TransportError {
  /** @internal */
  static override readonly [CLASS]: string = 'ConnectionFailedError';
}

/** An attempt or the whole call timed out. */
export class RequestTimeoutError extends TransportError {
  /** @internal */
  static override readonly [CLASS]: string = 'RequestTimeoutError';
}

/** A response that the API does not document: not JSON, the wrong shape, a redirect, or over 1 MiB. */
export class UnexpectedResponseError extends CelperError {
  /** @internal */
  static override readonly [CLASS]: string = 'UnexpectedResponseError';
}

/** A fault of this package: please report it, with the message. An action may have taken place; see `outcomeUnknown`. */
export class InternalError extends CelperError {
  /** @internal */
  static override readonly [CLASS]: string = 'InternalError';
}

/**
 * Why a webhook is refused: a stable value that is the same in every language.
 *
 * - `missing_header`: the signature's or the timestamp's header is missing.
 * - `malformed`: one of the two headers cannot be read.
 * - `no_match`: no signature matches; another secret, or other bytes than were signed.
 * - `stale`: the signature matches, but the timestamp is too far from now.
 * - `parsed_body`: the body is not the bytes that arrived, but what a framework made of them.
 * - `not_json`: the signature matches, but the body is not JSON.
 * - `unexpected_body`: the signature matches, but the body lacks what every event of its type has.
 */
export type WebhookErrorReason =
  | 'missing_header'
  | 'malformed'
  | 'no_match'
  | 'stale'
  | 'parsed_body'
  | 'not_json'
  | 'unexpected_body';

/** The fields for the constructor of {@link WebhookError}. */
export interface WebhookErrorFields extends ErrorFields {
  reason?: WebhookErrorReason;
  clockDifference?: number;
}

/** A webhook cannot be trusted or read: respond with 400. `reason` says why. */
export class WebhookError extends CelperError {
  /** Why the webhook is refused: a stable value. */
  readonly reason: WebhookErrorReason;
  /** The seconds by which a stale webhook's timestamp is behind this machine's clock; negative if it is ahead. */
  declare readonly clockDifference?: number;

  /** @internal */
  static override readonly [CLASS]: string = 'WebhookError';

  constructor(given: WebhookErrorFields | string, options?: ErrorOptions) {
    const fields: WebhookErrorFields = Object.assign(
      Object.create(null),
      typeof given === 'string' ? { message: given, ...options } : given,
    );
    super(Object.assign(fields, { operation: fields.operation ?? 'webhook' }));
    this.reason = fields.reason ?? 'no_match';
    if (fields.clockDifference !== undefined) this.clockDifference = fields.clockDifference;
  }
}

/** The class of each kind. */
const CLASSES: Record<ErrorKind, new (fields: ErrorFields) => CelperError> = {
  invalid_argument: InvalidArgumentError,
  invalid_request: InvalidRequestError,
  authentication: AuthenticationError,
  permission_denied: PermissionDeniedError,
  not_found: NotFoundError,
  conflict: ConflictError,
  invalid_status: InvalidStatusError,
  analysis_not_viewed: AnalysisNotViewedError,
  idempotency_conflict: IdempotencyConflictError,
  rate_limited: RateLimitError,
  server: ServerError,
  connection: ConnectionFailedError,
  timeout: RequestTimeoutError,
  unexpected_response: UnexpectedResponseError,
  internal: InternalError,
  webhook: WebhookError,
};

const KIND_OF_CLASS = new Map(Object.entries(CLASSES).map(([kind, type]) => [type.name, kind as ErrorKind]));

function classOf(kind: ErrorKind | undefined): new (fields: ErrorFields) => CelperError {
  return kind !== undefined && Object.hasOwn(CLASSES, kind) ? CLASSES[kind] : CelperError;
}

/** The kind of an error of a class that stands for several. */
function defaultKind(name: string): ErrorKind {
  if (name === 'ApiError') return 'invalid_request';
  return name === 'TransportError' ? 'connection' : 'internal';
}

/** Its time is a string after `JSON.stringify`, and still a `Date` after `structuredClone`. */
function rateLimitFromJSON(rateLimit: RateLimit): RateLimit {
  const { resetAt } = rateLimit;
  return Object.freeze({ ...rateLimit, resetAt: resetAt && new Date(resetAt) });
}

function causeToJSON(cause: unknown): unknown {
  if (typeof cause !== 'object' || cause === null || !('message' in cause)) return String(cause);
  const { name, message, code } = cause as NodeJS.ErrnoException;
  return { name, message, ...(code !== undefined && { code }) };
}

function causeFromJSON(cause: unknown): unknown {
  if (typeof cause !== 'object' || cause === null || !('message' in cause)) return cause;
  const { message, ...fields } = cause as { message: string };
  return Object.assign(new Error(message), fields);
}

for (const type of [CelperError, ApiError, TransportError, ...Object.values(CLASSES)] as (typeof CelperError)[]) {
  // On the prototype, like the names of JavaScript's own errors, so that it is not listed among an error's fields.
  Object.defineProperty(type.prototype, 'name', { value: type[CLASS], configurable: true, writable: true });
}

/** Holds the caller's stack, captured when the call starts: when an error arrives, that stack no longer exists. */
export interface CallerStack {
  stack?: unknown;
}

/** Creates an error of the class for its kind, with the caller's stack. */
export function errorOf(fields: ErrorFields, caller: CallerStack): CelperError {
  const error = new (classOf(fields.kind))(fields);
  return withCallerStack(error, caller);
}

/** Replaces the error's stack with the caller's. Never throws, whatever the program's `Error.prepareStackTrace` does. */
export function withCallerStack<E extends Error>(error: E, caller: CallerStack): E {
  const frames = framesOf(caller);
  const first = frames.indexOf('\n');
  setStack(error, `${error.name}: ${error.message}${first < 0 ? '' : frames.slice(first)}`);
  return error;
}

/** Gives the error this stack. */
export function setStack(error: Error, value: string): void {
  try {
    Object.defineProperty(error, 'stack', { value, configurable: true, writable: true });
  } catch {
    // Defining the property formats the stack first; assigning does not.
    error.stack = value;
  }
}

/** The caller's stack; empty if the program's `Error.prepareStackTrace` throws, or returns something else. */
function framesOf(caller: CallerStack): string {
  try {
    return typeof caller.stack === 'string' ? caller.stack : '';
  } catch {
    return '';
  }
}
