/**
 * The calls in progress in this environment (the main thread or a worker), and its bridge to the native half. A call keeps the
 * event loop alive, an idle client does not.
 */

import type { CallArguments } from './arguments';
import type { Bridge, NativeClient } from './binding';
import { type CallerStack, type ErrorFields, errorOf, type OperationName } from './errors';
import type { RateLimit } from './models';
import { native } from './native';
import { onAbort } from './signals';

/** The operations' names in the core. */
export type Operation = Exclude<OperationName, 'client'>;

interface Call {
  resolve(result: unknown): void;
  reject(reason: unknown): void;
  /** Filled in once the call has started. */
  caller: CallerStack;
  /** Removes the call's abort listener. */
  removeAbortListener: (() => void) | undefined;
}

interface NativeError extends ErrorFields {
  cause?: { message: string; code?: string };
  rateLimit?: RateLimit & RawRateLimit;
}

type Outcome = { id: number; ok: RawResult } | { id: number; error: NativeError };

/** A result with times in milliseconds, before they become `Date` objects. */
interface RawResult {
  expiresAt?: unknown;
  rateLimit: RawRateLimit | null;
}

interface RawRateLimit {
  resetAt: unknown;
}

const calls = new Map<number, Call>();
let bridge: Bridge | undefined;
let lastId = 0;

/** Starts a call. The promise rejects with the call's error, or with the signal's reason when that aborts. */
export function send<T>(
  client: NativeClient,
  operation: Operation,
  { native: args, signal }: CallArguments,
  caller: CallerStack,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    bridge ??= new native.Bridge(wake);
    lastId = (lastId + 1) >>> 0;
    const id = lastId;
    const removeAbortListener = signal && onAbort(signal, () => abort(id, signal));
    bridge.start(id, client, operation, ...args);
    // No outcome arrives before this turn of the event loop ends, so the rest overlaps with the request.
    if (calls.size === 0) bridge.refEventLoop();
    calls.set(id, { resolve: resolve as Call['resolve'], reject, caller, removeAbortListener });
  });
}

/** Settles the calls whose outcomes have arrived. */
function wake(): void {
  if (bridge === undefined) return;
  for (const outcome of JSON.parse(bridge.drain()) as Outcome[]) {
    const call = takeCall(outcome.id);
    // There is none if the call was aborted while its outcome was in the queue.
    if (call !== undefined) settle(call, outcome);
  }
}

function settle(call: Call, outcome: Outcome): void {
  try {
    if ('ok' in outcome) call.resolve(toResult(outcome.ok));
    else call.reject(toError(outcome.error, call.caller));
  } catch (error) {
    // The program's `Error.prepareStackTrace` formats stacks. If it throws, the other outcomes must still be delivered.
    call.reject(error);
  }
}

function abort(id: number, signal: AbortSignal): void {
  const call = takeCall(id);
  bridge?.cancel(id);
  call?.reject(signal.reason);
}

/** Removes a call from the calls in progress, with its abort listener. */
function takeCall(id: number): Call | undefined {
  const call = calls.get(id);
  if (call === undefined) return undefined;
  calls.delete(id);
  call.removeAbortListener?.();
  if (calls.size === 0) bridge?.unrefEventLoop();
  return call;
}

function toResult(result: RawResult): unknown {
  if (typeof result.expiresAt === 'number') result.expiresAt = new Date(result.expiresAt);
  if (result.rateLimit !== null) finishRateLimit(result.rateLimit);
  return Object.freeze(result);
}

function finishRateLimit(rateLimit: RawRateLimit): void {
  if (typeof rateLimit.resetAt === 'number') rateLimit.resetAt = new Date(rateLimit.resetAt);
  Object.freeze(rateLimit);
}

/** Creates the error object for an error from the native half. */
export function toError({ cause, ...fields }: NativeError, caller: CallerStack): Error {
  if (fields.rateLimit !== undefined) finishRateLimit(fields.rateLimit);
  if (cause === undefined) return errorOf(fields, caller);
  const { message, ...rest } = cause;
  const error = Object.assign(new Error(message), rest);
  // Frames of this function would mislead: the error happened in the native half.
  Object.defineProperty(error, 'stack', { value: `Error: ${message}`, configurable: true, writable: true });
  return errorOf({ ...fields, cause: error }, caller);
}
