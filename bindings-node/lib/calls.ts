/**
 * Calls under way in this environment (the main thread or a worker): what waits for each, and the one bridge to the native
 * half. A call keeps the environment alive, an idle client does not.
 */

import type { CallArguments } from './arguments';
import type { Bridge, NativeClient } from './binding';
import { type ErrorFields, errorOf, type Trace } from './errors';
import { native } from './native';
import { onAbort } from './signals';

/** The native half's operations, by their place in its table. */
export const OPERATIONS = ['status', 'invite', 'select', 'reject'] as const;

interface Call {
  resolve(result: unknown): void;
  reject(reason: unknown): void;
  /** Filled in once the call was started. */
  trace: Trace;
  /** Stops listening to the call's signal. */
  ignoreSignal: (() => void) | undefined;
}

interface Failure extends ErrorFields {
  cause?: { message: string; code?: string };
}

type Outcome = { id: number; ok: Raw } | { id: number; error: Failure };

/** A result before its times are made of their milliseconds. */
interface Raw {
  expiresAt?: unknown;
  rateLimit: { resetAt: unknown } | null;
}

const calls = new Map<number, Call>();
let bridge: Bridge | undefined;
let lastId = 0;

/** Makes a call and gives its result, or rejects with its error or with its signal's reason. */
export function send<T>(
  client: NativeClient,
  operation: (typeof OPERATIONS)[number],
  { native: given, signal }: CallArguments,
  trace: Trace,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    bridge ??= new native.Bridge(wake);
    lastId = (lastId + 1) >>> 0;
    const id = lastId;
    const ignoreSignal = signal && onAbort(signal, () => abort(id, signal));
    bridge.start(id, client, OPERATIONS.indexOf(operation), ...given);
    // No outcome can come before this turn of the event loop ends, so the rest is done while the request is on its way.
    if (calls.size === 0) bridge.hold();
    calls.set(id, { resolve: resolve as Call['resolve'], reject, trace, ignoreSignal });
  });
}

/** Outcomes are waiting. */
function wake(): void {
  if (bridge === undefined) return;
  for (const outcome of JSON.parse(bridge.drain()) as Outcome[]) {
    const call = finish(outcome.id);
    // Without one it was aborted when its outcome was on its way already.
    if (call !== undefined) settle(call, outcome);
  }
}

function settle(call: Call, outcome: Outcome): void {
  try {
    if ('ok' in outcome) call.resolve(revived(outcome.ok));
    else call.reject(failed(outcome.error, call.trace));
  } catch (error) {
    // A stack is formatted by the program's `Error.prepareStackTrace`. If that throws, the other outcomes still have to arrive.
    call.reject(error);
  }
}

function abort(id: number, signal: AbortSignal): void {
  const call = finish(id);
  bridge?.cancel(id);
  call?.reject(signal.reason);
}

/** Takes the call from those under way, and leaves nothing of it behind. */
function finish(id: number): Call | undefined {
  const call = calls.get(id);
  if (call === undefined) return undefined;
  calls.delete(id);
  call.ignoreSignal?.();
  if (calls.size === 0) bridge?.release();
  return call;
}

function revived(result: Raw): unknown {
  if (typeof result.expiresAt === 'number') result.expiresAt = new Date(result.expiresAt);
  const { rateLimit } = result;
  if (rateLimit !== null) {
    if (typeof rateLimit.resetAt === 'number') rateLimit.resetAt = new Date(rateLimit.resetAt);
    Object.freeze(rateLimit);
  }
  return Object.freeze(result);
}

/** The error that the native half describes. */
export function failed({ cause, ...fields }: Failure, trace: Trace): Error {
  if (cause === undefined) return errorOf(fields, trace);
  const { message, ...rest } = cause;
  const error = Object.assign(new Error(message), rest);
  // Where it was made says nothing about where it came from.
  Object.defineProperty(error, 'stack', { value: `Error: ${message}`, configurable: true, writable: true });
  return errorOf({ ...fields, cause: error }, trace);
}
