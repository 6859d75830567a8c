/**
 * The calls in progress in this environment (the main thread or a worker), and its bridge to the native half. A call keeps the
 * event loop alive, an idle client does not.
 */

import { AsyncResource } from 'node:async_hooks';
import type { CallArguments } from './arguments';
import type { Bridge, NativeClient } from './binding';
import type { KeyProvider } from './client';
import { type CallerStack, type ErrorFields, type ErrorKind, errorOf, type OperationName } from './errors';
import { askKeyProvider } from './keys';
import type { RateLimit } from './models';
import { native } from './native';
import { abortReason, onAbort } from './signals';

/** The operations' names in the core. */
export type Operation = Exclude<OperationName, 'client' | 'webhook'>;

/** What the calls of a client share. */
export interface Owner {
  readonly client: NativeClient;
  readonly keyProvider: KeyProvider | undefined;
  /** The number of calls in progress. */
  calls: number;
  /** Called when the last call in progress has ended. */
  onIdle?: (() => void) | undefined;
}

interface Call {
  resolve(result: unknown): void;
  reject(reason: unknown): void;
  owner: Owner;
  /** Filled in once the call has started. */
  caller: CallerStack;
  /** Removes the call's abort listener. */
  removeAbortListener: (() => void) | undefined;
  /** The async context of the call, in which its client's key provider runs. */
  context: AsyncResource | undefined;
  /** What the key provider threw. */
  keyFailure?: unknown;
}

interface NativeError extends ErrorFields {
  kind: ErrorKind;
  cause?: { message: string; code?: string; keyProvider?: true };
  rateLimit?: RateLimit & RawRateLimit;
}

type Outcome = { id: number; ok: RawResult } | { id: number; error: NativeError };
type Message = Outcome | { id: number; needsKey: true };

/** A result with times in milliseconds, before they become `Date` objects. */
interface RawResult {
  expiresAt?: unknown;
  rateLimit?: RawRateLimit;
}

interface RawRateLimit {
  resetAt: unknown;
}

const calls = new Map<number, Call>();
const bridge: Bridge = new native.Bridge();
let lastId = 0;

/** Starts a call. The promise rejects with the call's error, or with the signal's reason when that aborts. */
export function send<T>(
  owner: Owner,
  operation: Operation,
  { native: args, signal }: CallArguments,
  caller: CallerStack,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortReason(signal));
    lastId = (lastId + 1) >>> 0;
    const id = lastId;
    const removeAbortListener = signal && onAbort(signal, () => abort(id, signal));
    if (calls.size === 0) bridge.connect(wake);
    try {
      bridge.start(id, owner.client, operation, ...args);
    } catch (error) {
      removeAbortListener?.();
      if (calls.size === 0) disconnectSoon();
      throw error;
    }
    // No message arrives before this turn of the event loop ends, so the rest overlaps with the request.
    const context = owner.keyProvider && new AsyncResource('CelperCall', { requireManualDestroy: true });
    calls.set(id, { resolve: resolve as Call['resolve'], reject, owner, caller, removeAbortListener, context });
    owner.calls += 1;
  });
}

/** Settles the calls whose outcomes have arrived. */
function wake(): void {
  const messages = JSON.parse(bridge.drain()) as Message[];
  for (const message of messages) {
    if (Object.hasOwn(message, 'needsKey')) provideKey(message.id);
    else {
      const call = takeCall(message.id);
      // There is none if the call was aborted while its outcome was in the queue.
      if (call !== undefined) settle(call, message as Outcome);
    }
  }
  if (calls.size > 0) return;
  if (messages.length > 0) disconnectSoon();
  else bridge.disconnect();
}

/**
 * Disconnects the bridge in the next `wake`, unless there are calls in progress again: a promise's continuation often starts the
 * next call. A bridge that stayed connected would keep this module forever; test runners load one for each test file.
 */
function disconnectSoon(): void {
  bridge.unrefEventLoop();
  bridge.wakeAgain();
}

function settle(call: Call, outcome: Outcome): void {
  try {
    // Own properties only, in case something has added one to `Object.prototype`.
    if (Object.hasOwn(outcome, 'ok')) call.resolve(toResult((outcome as { ok: RawResult }).ok));
    else call.reject(toError((outcome as { error: NativeError }).error, call.caller, call.keyFailure));
  } catch (error) {
    // The program's `Error.prepareStackTrace` formats stacks. If it throws, the other outcomes must still be delivered.
    call.reject(error);
  }
  leave(call.owner);
}

/** Asks the key provider of the call's client. There is no such call if it was aborted in the meantime. */
function provideKey(id: number): void {
  const call = calls.get(id);
  if (call?.context === undefined || call.owner.keyProvider === undefined) return;
  askKeyProvider(call.owner.keyProvider, call.context, {
    provide: (key) => bridge.provideKey(id, key),
    fail(reason, message) {
      call.keyFailure = reason;
      bridge.failKey(id, message);
    },
  });
}

function abort(id: number, signal: AbortSignal): void {
  const call = takeCall(id);
  if (call === undefined) return;
  bridge.cancel(id);
  call.reject(abortReason(signal));
  leave(call.owner);
  if (calls.size === 0) disconnectSoon();
}

/** Removes a call from the calls in progress, with its abort listener. */
function takeCall(id: number): Call | undefined {
  const call = calls.get(id);
  if (call === undefined) return undefined;
  calls.delete(id);
  call.removeAbortListener?.();
  call.context?.emitDestroy();
  if (calls.size === 0) bridge.unrefEventLoop();
  return call;
}

/** After the call's promise is settled, so that its continuation runs first. */
function leave(owner: Owner): void {
  owner.calls -= 1;
  if (owner.calls === 0) owner.onIdle?.();
}

function toResult(result: RawResult): unknown {
  if (typeof result.expiresAt === 'number') result.expiresAt = new Date(result.expiresAt);
  if (result.rateLimit !== undefined) finishRateLimit(result.rateLimit);
  return Object.freeze(result);
}

function finishRateLimit(rateLimit: RawRateLimit): void {
  if (typeof rateLimit.resetAt === 'number') rateLimit.resetAt = new Date(rateLimit.resetAt);
  Object.freeze(rateLimit);
}

/** Creates the error object for an error from the native half. `keyFailure` is what the key provider threw. */
export function toError(error: NativeError, caller: CallerStack, keyFailure?: unknown): Error {
  const { cause, ...fields } = error;
  if (Object.hasOwn(error, 'rateLimit') && fields.rateLimit) finishRateLimit(fields.rateLimit);
  if (cause === undefined || !Object.hasOwn(error, 'cause')) return errorOf(fields, caller);
  if (Object.hasOwn(cause, 'keyProvider')) return errorOf({ ...fields, cause: keyFailure }, caller);
  const causedBy = Object.assign(new Error(cause.message), Object.hasOwn(cause, 'code') && { code: cause.code });
  // Frames of this function would mislead: the error happened in the native half.
  Object.defineProperty(causedBy, 'stack', { value: `Error: ${cause.message}`, configurable: true, writable: true });
  return errorOf({ ...fields, cause: causedBy }, caller);
}
