/**
 * Why a call did not give a result.
 *
 * ```text
 * CelperError
 * ├── InvalidArgumentError          refused on our side, nothing was sent
 * ├── ApiError                      the server refused
 * │   ├── InvalidRequestError       400, and any other 4xx
 * │   ├── AuthenticationError       401
 * │   ├── PermissionDeniedError     403
 * │   ├── NotFoundError             404
 * │   ├── ConflictError             409
 * │   │   ├── InvalidStatusError
 * │   │   ├── AnalysisNotViewedError
 * │   │   └── IdempotencyConflictError
 * │   ├── RateLimitError            429, or no slot within the timeout
 * │   └── ServerError               5xx
 * ├── TransportError                no usable answer
 * │   ├── ConnectionFailedError     DNS, refused, reset, TLS
 * │   └── RequestTimeoutError       an attempt's or the whole call's time ran out
 * └── UnexpectedResponseError       an answer that this API does not give
 * ```
 *
 * A call that its `signal` aborted is rejected with the signal's reason, which is none of these.
 */

/** What went wrong, as a stable value, the same in every language. */
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
  | 'unexpected_response';

/** Which call failed; `client` when a client could not be made. */
export type OperationName = 'status' | 'invite' | 'select' | 'reject' | 'client';

/** What an error is made of; the fields are those of {@link CelperError}. */
export interface ErrorFields {
  kind: ErrorKind;
  message: string;
  detail?: string;
  operation: OperationName;
  status?: number;
  code?: string;
  requestId?: string;
  retryAfter?: number;
  attempts?: number;
  idempotencyKey?: string;
  outcomeUnknown?: boolean;
  cause?: unknown;
}

const CLASS = Symbol.for('celper.error.class');

/**
 * The class above all errors of this package.
 *
 * ```ts
 * try {
 *   await client.selectCandidate('cand_xyz789', { jobPositionId: 'pos_abc123' });
 * } catch (error) {
 *   if (error instanceof AnalysisNotViewedError) return remindSomebodyToViewIt();
 *   if (error instanceof CelperError && error.outcomeUnknown) return askForTheStatus();
 *   throw error;
 * }
 * ```
 *
 * Fields that an error does not have are `undefined`. `message` is one readable line with the most useful of them; neither it
 * nor any other form of the error shows the API key, an e-mail's subject or its body.
 */
export class CelperError extends Error {
  /** What went wrong, as a stable value. */
  readonly kind: ErrorKind;
  /** The server's own description, or the client's where the server gave none; `message` has the rest around it. */
  readonly detail: string;
  /** Which call failed. */
  readonly operation: OperationName;
  /** The HTTP status, where there was an answer. */
  declare readonly status?: number;
  /** The server's own code, also when it is not a documented one. */
  declare readonly code?: string;
  /** The server's id of the request, to name in a question to its support. */
  declare readonly requestId?: string;
  /** Seconds to wait before it makes sense to call again: from the server, or from our own pacing. */
  declare readonly retryAfter?: number;
  /** How many HTTP requests were made for the call. */
  readonly attempts: number;
  /** The key that an action's requests carried: call again with it, and the action is not done twice. */
  declare readonly idempotencyKey?: string;
  /**
   * Of an action: whether it may have taken place although this error came of it. Read the candidate's status, or call again
   * with the same `idempotencyKey`.
   */
  declare readonly outcomeUnknown?: boolean;

  /** @internal */
  static readonly [CLASS]: string = 'CelperError';

  constructor(fields: ErrorFields) {
    super(fields.message, 'cause' in fields ? { cause: fields.cause } : undefined);
    this.kind = fields.kind;
    this.detail = fields.detail ?? fields.message;
    this.operation = fields.operation;
    if (fields.status !== undefined) this.status = fields.status;
    if (fields.code !== undefined) this.code = fields.code;
    if (fields.requestId !== undefined) this.requestId = fields.requestId;
    if (fields.retryAfter !== undefined) this.retryAfter = fields.retryAfter;
    this.attempts = fields.attempts ?? 0;
    if (fields.idempotencyKey !== undefined) this.idempotencyKey = fields.idempotencyKey;
    if (fields.outcomeUnknown !== undefined) this.outcomeUnknown = fields.outcomeUnknown;
  }

  /** Plain data, for logs. */
  toJSON(): Record<string, unknown> {
    const fields: Record<string, unknown> = { name: this.name, message: this.message };
    Object.assign(fields, this);
    if (this.cause instanceof Error) fields.cause = this.cause.message;
    return fields;
  }

  /** True for errors of another copy of this package as well: a test runner or a package manager may load several. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    // A subclass that is not ours has no mark of its own, and no other copies.
    if (!Object.hasOwn(this, CLASS) || !(value instanceof Error)) return false;
    let prototype = Object.getPrototypeOf(value);
    for (; prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
      const type = prototype.constructor;
      if (typeof type === 'function' && Object.hasOwn(type, CLASS) && type[CLASS] === this[CLASS]) return true;
    }
    return false;
  }
}

/** Refused on our side before anything was sent. */
export class InvalidArgumentError extends CelperError {
  /** @internal */
  static override readonly [CLASS]: string = 'InvalidArgumentError';
}

/** The server refused the request, or our own pacing did so in its place. */
export class ApiError extends CelperError {
  /** @internal */
  static override readonly [CLASS]: string = 'ApiError';
}

/** HTTP 400, or another 4xx that has no class of its own. */
export class InvalidRequestError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'InvalidRequestError';
}

/** HTTP 401: the API key is missing, unknown, revoked or expired. */
export class AuthenticationError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'AuthenticationError';
}

/** HTTP 403: `code` says whether the key's scope, its allowlist or the company's account is the reason. */
export class PermissionDeniedError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'PermissionDeniedError';
}

/** HTTP 404: no such candidate or job position. */
export class NotFoundError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'NotFoundError';
}

/** HTTP 409; a code that has no class of its own, when it is none of the three below. Never retried. */
export class ConflictError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'ConflictError';
}

/** The candidate's status does not allow the action. */
export class InvalidStatusError extends ConflictError {
  /** @internal */
  static override readonly [CLASS]: string = 'InvalidStatusError';
}

/** Somebody has to view the interview's analysis before the decision. */
export class AnalysisNotViewedError extends ConflictError {
  /** @internal */
  static override readonly [CLASS]: string = 'AnalysisNotViewedError';
}

/** The idempotency key was used before with another request. */
export class IdempotencyConflictError extends ConflictError {
  /** @internal */
  static override readonly [CLASS]: string = 'IdempotencyConflictError';
}

/** HTTP 429, or the rate limit has no room within the call's timeout: `retryAfter` says when it has. */
export class RateLimitError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'RateLimitError';
}

/** HTTP 5xx, after all retries. */
export class ServerError extends ApiError {
  /** @internal */
  static override readonly [CLASS]: string = 'ServerError';
}

/** No usable answer came, after all retries. */
export class TransportError extends CelperError {
  /** @internal */
  static override readonly [CLASS]: string = 'TransportError';
}

/** DNS, a refused or broken connection, TLS: `cause` says which. */
export class ConnectionFailedError extends TransportError {
  /** @internal */
  static override readonly [CLASS]: string = 'ConnectionFailedError';
}

/** An attempt's or the whole call's time ran out. */
export class RequestTimeoutError extends TransportError {
  /** @internal */
  static override readonly [CLASS]: string = 'RequestTimeoutError';
}

/** An answer that this API does not give: not JSON, the wrong shape, a redirect, over 1 MiB. */
export class UnexpectedResponseError extends CelperError {
  /** @internal */
  static override readonly [CLASS]: string = 'UnexpectedResponseError';
}

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
};

for (const type of [CelperError, ApiError, TransportError, ...Object.values(CLASSES)] as (typeof CelperError)[]) {
  // On the prototype, where the names of the language's own errors are, so that it is not listed among an error's fields.
  Object.defineProperty(type.prototype, 'name', { value: type[CLASS], configurable: true, writable: true });
}

/** What holds the stack of the caller, taken when the call was made: by the time of an error it is gone. */
export interface Trace {
  stack?: unknown;
}

/** An error of the class that goes with its kind, as if it was thrown where `trace` was taken. */
export function errorOf(fields: ErrorFields, trace: Trace): CelperError {
  const error = new CLASSES[fields.kind](fields);
  return atCaller(error, trace);
}

/** Gives the error the caller's stack in place of its own. */
export function atCaller<E extends Error>(error: E, trace: Trace): E {
  // A program's `Error.prepareStackTrace` may give anything in its place.
  const frames = typeof trace.stack === 'string' ? trace.stack : '';
  const first = frames.indexOf('\n');
  const value = `${error.name}: ${error.message}${first < 0 ? '' : frames.slice(first)}`;
  Object.defineProperty(error, 'stack', { value, configurable: true, writable: true });
  return error;
}
