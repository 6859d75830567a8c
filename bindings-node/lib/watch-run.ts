/**
 * Carries out a watch: asks the core for an item whenever somebody waits for one. The core decides everything else.
 *
 * As with batches, a watch that is waited for is in `waitedFor`, which keeps it and the event loop alive; one that is not is only held
 * by its owner, and collected when it is abandoned.
 */

import { AsyncResource } from 'node:async_hooks';
import { refusedCall, type WatchArguments, watchArguments } from './arguments';
import type { NativeWatch } from './binding';
import { bridge, close, hold, type Message, type NativeSeen, open, type Receiver, release } from './bridge';
import type { Owner } from './calls';
import { type CallerStack, CelperError, withCallerStack } from './errors';
import { askKeyProvider } from './keys';
import { publishLog, wantsLogs } from './observe';
import { type NativeError, toError, toResult } from './outcomes';
import { recordIn } from './record';
import { abortReason, onAbort } from './signals';
import type { Watch, WatchItem } from './watch';

type Step = IteratorResult<WatchItem, undefined>;

interface Waiter {
  resolve(step: Step): void;
  reject(reason: unknown): void;
}

const waitedFor = new Set<WatchRun>();

const abandoned = new FinalizationRegistry<{ id: number; removeAbortListener: (() => void) | undefined }>(
  ({ id, removeAbortListener }) => {
    removeAbortListener?.();
    close(id);
  },
);

class WatchRun implements Receiver {
  private state: 'new' | 'running' | 'ended' = 'new';
  private id = 0;
  private native: NativeWatch | undefined;
  private failure: { reason: unknown } | undefined;
  private removeAbortListener: (() => void) | undefined;
  private keyFailures: Map<number, unknown> | undefined;
  /** The context in which the watch was created: the key provider runs in it. */
  private readonly context = new AsyncResource('CelperWatch');
  private readonly waiters: Waiter[] = [];
  private isAsking = false;

  constructor(
    private readonly owner: Owner | undefined,
    private readonly args: WatchArguments | Error,
    /** Filled in once the watch has been created. */
    private readonly caller: CallerStack,
  ) {}

  next(): Promise<Step> {
    return new Promise((resolve, reject) => {
      this.waiters.push({ resolve, reject });
      if (this.state === 'new') this.start();
      else if (this.state === 'ended') this.settle();
      this.proceed();
    });
  }

  return(): Step {
    // Not thrown any more, like by a generator that has returned.
    this.failure = undefined;
    this.end();
    return { done: true, value: undefined };
  }

  receive(message: Message): void {
    if (Object.hasOwn(message, 'seen')) this.addItem((message as { seen: NativeSeen }).seen);
    else if (Object.hasOwn(message, 'log'))
      publishLog((message as Extract<Message, { log: unknown }>).log, this.context);
    else if (Object.hasOwn(message, 'needsKey')) this.provideKey((message as { needsKey: number }).needsKey);
    else if (Object.hasOwn(message, 'finished')) this.end();
    else this.fail(this.toError(message as { error: NativeError }));
    this.proceed();
  }

  private start(): void {
    const { args, owner } = this;
    try {
      if (args instanceof Error) throw this.withCaller(args);
      const { signal, native } = args;
      if (signal?.aborted) throw abortReason(signal);
      if (owner === undefined || owner.isClosed) {
        throw this.withCaller(refusedCall('status', 'the client is closed; make a new one'));
      }
      // The module would keep what its receivers hold.
      const self = new WeakRef(this);
      this.state = 'running';
      this.id = open({ receive: (message) => self.deref()?.receive(message) });
      this.removeAbortListener = signal && onAbort(signal, () => self.deref()?.fail(abortReason(signal)));
      abandoned.register(this, { id: this.id, removeAbortListener: this.removeAbortListener }, this);
      this.proceed();
      this.native = bridge.startWatch(this.id, owner.client, ...native, wantsLogs());
    } catch (reason) {
      this.fail(reason);
    }
  }

  /** Asks for an item, and holds the event loop, as long as somebody waits. */
  private proceed(): void {
    const waits = this.state === 'running' && this.waiters.length > 0;
    if (waits && this.native !== undefined && !this.isAsking) {
      this.isAsking = true;
      this.native.requestItem();
    }
    if (waits === waitedFor.has(this)) return;
    if (waits) {
      waitedFor.add(this);
      hold();
    } else {
      waitedFor.delete(this);
      release();
    }
  }

  private addItem(seen: NativeSeen): void {
    this.isAsking = false;
    const record = recordIn(seen);
    const item = {
      candidateId: seen.candidateId,
      ...(Object.hasOwn(seen, 'ok')
        ? { state: toResult((seen as { ok: object }).ok, record) }
        : { error: toError((seen as { error: NativeError }).error, record, this.caller, this.keyFailures) }),
      ...(Object.hasOwn(seen, 'previousStatus') && { previousStatus: seen.previousStatus }),
    };
    this.waiters.shift()?.resolve({ done: false, value: Object.freeze(item) as WatchItem });
  }

  private provideKey(request: number): void {
    const keyProvider = this.owner?.keyProvider;
    if (keyProvider === undefined) return;
    askKeyProvider(keyProvider, this.context, {
      provide: (key) => bridge.provideKey(request, key),
      fail: (reason, message) => {
        this.keyFailures ??= new Map();
        this.keyFailures.set(request, reason);
        bridge.failKey(request, message);
      },
    });
  }

  private fail(reason: unknown): void {
    if (this.state === 'ended') return;
    this.failure = { reason };
    this.end();
  }

  private end(): void {
    const { state } = this;
    if (state === 'ended') return;
    this.state = 'ended';
    if (state === 'running') {
      this.native?.stop();
      this.removeAbortListener?.();
      abandoned.unregister(this);
      this.proceed();
      close(this.id);
    }
    this.settle();
  }

  private settle(): void {
    for (const { resolve, reject } of this.waiters.splice(0)) {
      const { failure } = this;
      this.failure = undefined;
      if (failure === undefined) resolve({ done: true, value: undefined });
      else reject(failure.reason);
    }
  }

  private toError(message: { error: NativeError; record?: string }): Error {
    return toError(message.error, recordIn(message), this.caller, this.keyFailures);
  }

  private withCaller(error: Error): Error {
    return error instanceof CelperError ? withCallerStack(error, this.caller) : error;
  }
}

/** Creates a watch, which starts when its first item is asked for. Never throws. */
export function createWatch(owner: Owner | undefined, ids: unknown, options: unknown, caller: CallerStack): Watch {
  let args: WatchArguments | Error;
  try {
    if (owner === undefined) throw refusedCall('status', 'watchCandidates was called without its client; bind it');
    args = watchArguments(ids, options);
  } catch (error) {
    args = error as Error;
  }
  const run = new WatchRun(owner, args, caller);
  // Functions without `this`: they work behind proxies.
  const watch: Watch = {
    next: async () => run.next(),
    return: async () => run.return(),
    [Symbol.asyncIterator]: () => watch,
    [Symbol.asyncDispose]: async () => {
      run.return();
    },
  };
  const text = () => 'Watch {}';
  return Object.defineProperty(watch, Symbol.for('nodejs.util.inspect.custom'), { value: text });
}
