/**
 * Carries out a watch: asks the core for an item whenever somebody waits for one. The core decides everything else.
 */

import { AsyncResource } from 'node:async_hooks';
import { refusedCall, type WatchArguments, watchArguments } from './arguments';
import type { NativeWatch } from './binding';
import { bridge, type Message, type NativeRead, type NativeSeen } from './bridge';
import type { Owner } from './calls';
import type { CallerStack } from './errors';
import { type Observation, observe, wantsLogs } from './observe';
import { type NativeError, toError, toResult } from './outcomes';
import { recordIn } from './record';
import { Run } from './run';
import { abortReason } from './signals';
import type { Watch, WatchItem } from './watch';

type Step = IteratorResult<WatchItem, undefined>;

interface Waiter {
  resolve(step: Step): void;
  reject(reason: unknown): void;
}

class WatchRun extends Run {
  private state: 'new' | 'running' | 'ended' = 'new';
  private native: NativeWatch | undefined;
  private failure: { reason: unknown } | undefined;
  private readonly waiters: Waiter[] = [];
  private isAsking = false;
  /** The spans of its reads have the span as parent in which the watch was created. */
  private readonly observation: Observation | undefined;

  constructor(
    owner: Owner | undefined,
    private readonly args: WatchArguments | Error,
    caller: CallerStack,
  ) {
    super(owner, caller, new AsyncResource('CelperWatch'));
    this.observation = owner && observe(owner);
  }

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

  protected take(message: Message): void {
    if (Object.hasOwn(message, 'seen')) this.addItem((message as { seen: NativeSeen }).seen);
    else if (Object.hasOwn(message, 'read')) {
      this.observation?.endedRead((message as { read: NativeRead }).read, this.keyFailures, this.context);
    } else if (Object.hasOwn(message, 'finished')) this.end();
    else this.fail(this.toError(message as { error: NativeError }));
  }

  private start(): void {
    try {
      const { args, owner } = this.checked(this.args, 'status');
      this.state = 'running';
      this.connect(args.signal);
      this.proceed();
      const { observation } = this;
      const traced = [observation?.traceparent, observation !== undefined] as const;
      this.native = bridge.startWatch(this.id, owner.client, ...args.native, ...traced, wantsLogs());
    } catch (reason) {
      this.fail(reason);
    }
  }

  /** Asks for an item, and holds the event loop, as long as somebody waits. */
  protected proceed(): void {
    const waits = this.state === 'running' && this.waiters.length > 0;
    if (waits && this.native !== undefined && !this.isAsking) {
      this.isAsking = true;
      this.native.requestItem();
    }
    this.hold(waits);
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

  protected abort(signal: AbortSignal): void {
    this.fail(abortReason(signal));
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
      this.disconnect();
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
