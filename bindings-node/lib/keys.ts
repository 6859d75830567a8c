/** Key providers: functions that return the API key, asked before each attempt. */

import type { AsyncResource } from 'node:async_hooks';
import { bridge } from './bridge';
import type { KeyProvider } from './client';

/** Whoever needs keys, and keeps what its key provider throws, by key request. */
export interface KeyHolder {
  keyFailures: Map<number, unknown> | undefined;
}

/**
 * Answers a key request: calls the provider in the caller's async context. Never throws, and holds nothing but the holder while it
 * waits.
 */
export function provideKey(request: number, provider: KeyProvider, context: AsyncResource, holder: KeyHolder): void {
  const failed = (reason: unknown) => {
    holder.keyFailures ??= new Map();
    holder.keyFailures.set(request, reason);
    bridge.failKey(request, messageOf(reason));
  };
  const received = (key: unknown) => {
    if (typeof key === 'string' && key.isWellFormed()) bridge.provideKey(request, key);
    else failed(new TypeError(`apiKey must return a string, not ${key === null ? 'null' : describe(key)}`));
  };
  // The promise also handles objects with a `then` of the program's own, and what that throws.
  new Promise((resolve) => resolve(context.runInAsyncScope(provider))).then(received, failed);
}

function describe(value: unknown): string {
  return typeof value === 'string' ? 'one with a lone surrogate' : typeof value;
}

/** The text of a value that a program has thrown, of any type. */
export function messageOf(reason: unknown): string {
  try {
    const text = reason instanceof Error && reason.message !== '' ? reason.message : String(reason);
    return text.toWellFormed();
  } catch {
    return 'it threw a value without a text';
  }
}
