/** Single calls. A call in progress keeps the event loop alive, an idle client does not. */

import { AsyncResource } from 'node:async_hooks';
import type { NativeClient } from './binding';
import { bridge, close, hold, type Message, type NativeRead, open, type Receiver, release } from './bridge';
import type { KeyProvider } from './client';
import type { CallerStack, OperationName } from './errors';
import { type KeyHolder, provideKey } from './keys';
import { eventOf, type Observation, observe, publishLog, type Watchers, wantsLogs } from './observe';
import { type NativeError, type RawResult, toError, toResult } from './outcomes';
import { type CallRecord, recordIn } from './record';
import { abortReason, onAbort } from './signals';
import type { Ids } from './telemetry';

/** The operations' names in the core. */
export type Operation = Exclude<OperationName, 'client' | 'batch' | 'webhook'>;

/** What the calls and batches of a client share. */
export interface Owner extends Watchers {
  readonly client: NativeClient;
  readonly keyProvider: KeyProvider | undefined;
  /** The number of calls in progress. */
  calls: number;
  /** Set when the client is closed: nothing more is started. */
  isClosed: boolean;
  /** Called when the last call in progress has ended. */
  onIdle?: (() => void) | undefined;
}

/** A call that is about to start. */
export interface Start {
  operation: Operation;
  ids: Ids;
  signal: AbortSignal | undefined;
  /** It is a wait for a status, which tells of its reads if it is observed. */
  isWait: boolean;
  /** Starts it in the core. */
  start(id: number, observation: Observation | undefined, logs: boolean): void;
}

/** Starts a call. The promise rejects with the call's error, or with the signal's reason when that aborts. */
export function send<T>(owner: Owner, given: Start, caller: CallerStack): Promise<T> {
  return new Promise((resolve, reject) => {
    const { signal } = given;
    const observation = observe(owner);
    if (given.isWait) observation?.beginWait();
    if (signal?.aborted) {
      const reason = abortReason(signal);
      const event = eventOf(given.operation, undefined, reason);
      if (given.isWait) observation?.endWait(event);
      else observation?.failed(event);
      return reject(reason);
    }
    const call = new Call(owner, given, observation, caller, resolve as Call['resolve'], reject);
    const logs = wantsLogs();
    const id = open(call);
    call.removeAbortListener = signal && onAbort(signal, () => call.abort(id, signal));
    hold();
    try {
      given.start(id, observation, logs);
    } catch (error) {
      call.removeAbortListener?.();
      release();
      close(id);
      throw error;
    }
    // No message arrives before this turn of the event loop ends, so the rest overlaps with the request.
    if (owner.keyProvider || owner.onEvent || logs) {
      call.context = new AsyncResource('CelperCall', { requireManualDestroy: true });
    }
    owner.calls += 1;
  });
}

class Call implements Receiver, KeyHolder {
  /** Removes the call's abort listener. */
  removeAbortListener: (() => void) | undefined;
  /** The async context of the call, in which the program's functions run. */
  context: AsyncResource | undefined;
  /** What the key provider threw. */
  keyFailures: Map<number, unknown> | undefined;

  constructor(
    private readonly owner: Owner,
    private readonly given: Start,
    private readonly observation: Observation | undefined,
    /** Filled in once the call has started. */
    private readonly caller: CallerStack,
    private readonly resolve: (result: unknown) => void,
    private readonly reject: (reason: unknown) => void,
  ) {}

  receive(message: Message): void {
    if (Object.hasOwn(message, 'log')) publishLog((message as Extract<Message, { log: unknown }>).log, this.context);
    else if (Object.hasOwn(message, 'needsKey')) this.giveKey((message as { needsKey: number }).needsKey);
    else if (Object.hasOwn(message, 'read')) {
      this.observation?.endedRead((message as { read: NativeRead }).read, this.keyFailures, this.context);
    } else this.settle(message);
  }

  private giveKey(request: number): void {
    const { owner, context } = this;
    if (context && owner.keyProvider) provideKey(request, owner.keyProvider, context, this);
  }

  private settle(message: Message): void {
    this.end(message.id);
    try {
      const record = recordIn(message as { record?: string });
      // Own properties only, in case something has added one to `Object.prototype`.
      if (Object.hasOwn(message, 'ok')) {
        const result = toResult((message as { ok: RawResult }).ok, record);
        this.observe(record);
        this.resolve(result);
      } else {
        const error = toError((message as { error: NativeError }).error, record, this.caller, this.keyFailures);
        this.observe(record, error);
        this.reject(error);
      }
    } catch (error) {
      // The program's `Error.prepareStackTrace` formats stacks. If it throws, the other outcomes must still be delivered.
      this.reject(error);
    }
    this.leave();
  }

  abort(id: number, signal: AbortSignal): void {
    bridge.cancel(id);
    this.end(id);
    const reason = abortReason(signal);
    this.observe(undefined, reason);
    this.reject(reason);
    this.leave();
  }

  private observe(record: CallRecord | undefined, error?: unknown): void {
    const { operation, ids, isWait } = this.given;
    const event = eventOf(operation, record, error);
    if (isWait) this.observation?.endWait(event, this.context);
    else if (record) this.observation?.ended(event, ids, this.context);
    else this.observation?.failed(event, this.context);
  }

  private end(id: number): void {
    this.removeAbortListener?.();
    release();
    close(id);
  }

  /** After the call's promise is settled, so that its continuation runs first. */
  private leave(): void {
    this.context?.emitDestroy();
    this.owner.calls -= 1;
    if (this.owner.calls === 0) this.owner.onIdle?.();
  }
}
