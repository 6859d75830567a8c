/** Single calls. A call in progress keeps the event loop alive, an idle client does not. */

import { AsyncResource } from 'node:async_hooks';
import type { CallArguments } from './arguments';
import type { NativeClient } from './binding';
import { bridge, close, hold, type Message, open, type Receiver, release } from './bridge';
import type { KeyProvider } from './client';
import type { CallerStack, OperationName } from './errors';
import { askKeyProvider } from './keys';
import { type NativeError, type RawResult, toError, toResult } from './outcomes';
import { abortReason, onAbort } from './signals';

/** The operations' names in the core. */
export type Operation = Exclude<OperationName, 'client' | 'batch' | 'webhook'>;

/** What the calls and batches of a client share. */
export interface Owner {
  readonly client: NativeClient;
  readonly keyProvider: KeyProvider | undefined;
  /** The number of calls in progress. */
  calls: number;
  /** Set when the client is closed: nothing more is started. */
  isClosed: boolean;
  /** Called when the last call in progress has ended. */
  onIdle?: (() => void) | undefined;
}

/** Starts a call. The promise rejects with the call's error, or with the signal's reason when that aborts. */
export function send<T>(
  owner: Owner,
  operation: Operation,
  { native: args, signal }: CallArguments,
  caller: CallerStack,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortReason(signal));
    const call = new Call(owner, caller, resolve as Call['resolve'], reject);
    const id = open(call);
    call.removeAbortListener = signal && onAbort(signal, () => call.abort(id, signal));
    hold();
    try {
      bridge.start(id, owner.client, operation, ...args);
    } catch (error) {
      call.removeAbortListener?.();
      release();
      close(id);
      throw error;
    }
    // No message arrives before this turn of the event loop ends, so the rest overlaps with the request.
    call.context = owner.keyProvider && new AsyncResource('CelperCall', { requireManualDestroy: true });
    owner.calls += 1;
  });
}

class Call implements Receiver {
  /** Removes the call's abort listener. */
  removeAbortListener: (() => void) | undefined;
  /** The async context of the call, in which its client's key provider runs. */
  context: AsyncResource | undefined;
  /** What the key provider threw. */
  private keyFailures: Map<number, unknown> | undefined;

  constructor(
    private readonly owner: Owner,
    /** Filled in once the call has started. */
    private readonly caller: CallerStack,
    private readonly resolve: (result: unknown) => void,
    private readonly reject: (reason: unknown) => void,
  ) {}

  receive(message: Message): void {
    if (Object.hasOwn(message, 'needsKey')) this.provideKey((message as { needsKey: number }).needsKey);
    else this.settle(message);
  }

  private settle(message: Message): void {
    this.end(message.id);
    try {
      // Own properties only, in case something has added one to `Object.prototype`.
      if (Object.hasOwn(message, 'ok')) this.resolve(toResult((message as { ok: RawResult }).ok));
      else this.reject(toError((message as { error: NativeError }).error, this.caller, this.keyFailures));
    } catch (error) {
      // The program's `Error.prepareStackTrace` formats stacks. If it throws, the other outcomes must still be delivered.
      this.reject(error);
    }
    this.leave();
  }

  abort(id: number, signal: AbortSignal): void {
    bridge.cancel(id);
    this.end(id);
    this.reject(abortReason(signal));
    this.leave();
  }

  private provideKey(request: number): void {
    const { owner, context } = this;
    if (context === undefined || owner.keyProvider === undefined) return;
    askKeyProvider(owner.keyProvider, context, {
      provide: (key) => bridge.provideKey(request, key),
      fail: (reason, message) => {
        this.keyFailures ??= new Map();
        this.keyFailures.set(request, reason);
        bridge.failKey(request, message);
      },
    });
  }

  private end(id: number): void {
    this.removeAbortListener?.();
    this.context?.emitDestroy();
    release();
    close(id);
  }

  /** After the call's promise is settled, so that its continuation runs first. */
  private leave(): void {
    this.owner.calls -= 1;
    if (this.owner.calls === 0) this.owner.onIdle?.();
  }
}
