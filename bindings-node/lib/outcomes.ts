/** Makes the results and errors of what the native half sends. */

import { type CallerStack, type ErrorFields, type ErrorKind, errorOf, setStack } from './errors';
import type { RateLimit } from './models';
import { attachRecord, type CallRecord } from './record';

export interface NativeError extends ErrorFields {
  kind: ErrorKind;
  cause?: { message: string; code?: string; keyRequest?: number };
  rateLimit?: RateLimit & RawRateLimit;
}

/** A result with times in milliseconds, before they become `Date` objects. */
export interface RawResult {
  expiresAt?: unknown;
  rateLimit?: RawRateLimit;
}

interface RawRateLimit {
  resetAt: unknown;
}

/** How a request of a batch ended. */
export type RawItem = {
  index: number;
  idempotencyKey?: string;
  resumed: boolean;
  notAttempted: boolean;
  alreadyDone: boolean;
  record?: string;
} & ({ ok: RawResult } | { error: NativeError });

/** What the key provider threw, by key request. */
export type KeyFailures = ReadonlyMap<number, unknown>;

export function toResult(result: RawResult, record?: CallRecord): unknown {
  if (typeof result.expiresAt === 'number') result.expiresAt = new Date(result.expiresAt);
  if (result.rateLimit !== undefined) finishRateLimit(result.rateLimit);
  attachRecord(result, record);
  return Object.freeze(result);
}

function finishRateLimit(rateLimit: RawRateLimit): void {
  if (typeof rateLimit.resetAt === 'number') rateLimit.resetAt = new Date(rateLimit.resetAt);
  Object.freeze(rateLimit);
}

/** Creates the error object for an error from the native half. */
export function toError(
  error: NativeError,
  record: CallRecord | undefined,
  caller: CallerStack,
  keyFailures?: KeyFailures,
): Error {
  const made = makeError(error, caller, keyFailures);
  attachRecord(made, record);
  return made;
}

function makeError(error: NativeError, caller: CallerStack, keyFailures: KeyFailures | undefined): Error {
  const { cause, ...fields } = error;
  if (Object.hasOwn(error, 'rateLimit') && fields.rateLimit) finishRateLimit(fields.rateLimit);
  if (Object.hasOwn(error, 'lastState') && fields.lastState) toResult(fields.lastState);
  if (cause === undefined || !Object.hasOwn(error, 'cause')) return errorOf(fields, caller);
  if (cause.keyRequest !== undefined && Object.hasOwn(cause, 'keyRequest')) {
    return errorOf({ ...fields, cause: keyFailures?.get(cause.keyRequest) }, caller);
  }
  const causedBy = Object.assign(new Error(cause.message), Object.hasOwn(cause, 'code') && { code: cause.code });
  // Frames of this function would mislead: the error happened in the native half.
  setStack(causedBy, `Error: ${cause.message}`);
  return errorOf({ ...fields, cause: causedBy }, caller);
}
