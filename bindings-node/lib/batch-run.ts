/**
 * Carries out a batch: gives the core a request from the source whenever it wants one, and the core's items to whoever iterates. The
 * core decides everything else.
 */

import { AsyncResource } from 'node:async_hooks';
import { inspect, types } from 'node:util';
import { type BatchArguments, batchArguments, type RequestArguments, refusedCall, requestArguments } from './arguments';
import type { Batch, BatchItem, BatchProgress, CandidateRequest } from './batch';
import type { NativeBatch } from './binding';
import { bridge, type Message } from './bridge';
import type { Owner } from './calls';
import type { CallerStack } from './errors';
import { messageOf } from './keys';
import { eventOf, type Observation, observe, wantsLogs } from './observe';
import { type NativeError, type RawItem, type RawResult, toError, toResult } from './outcomes';
import { recordIn } from './record';
import { Run } from './run';
import { abortReason } from './signals';
import type { Ids } from './telemetry';

type Item = BatchItem<CandidateRequest>;
type Step = IteratorResult<Item, undefined>;

/** The iterator of the requests. */
interface Source {
  next(): unknown;
  return?: (() => unknown) | undefined;
}

/** A row that the core has, until its item arrives. */
interface Row {
  request: unknown;
  /** Why it is no valid request. */
  error: Error | undefined;
  operation: RequestArguments[0] | undefined;
  ids: Ids | undefined;
}

interface Waiter {
  resolve(step: Step): void;
  reject(reason: unknown): void;
}

/** Whether and how the core is told to stop: to start nothing more, or to drop what is under way as well. */
enum Stop {
  No,
  Graceful,
  Immediate,
}

const NO_PROGRESS = { done: 0, succeeded: 0, failed: 0, notAttempted: 0, resumed: 0, inFlight: 0 };

class BatchRun extends Run {
  private state: 'new' | 'starting' | 'running' | 'ended' = 'new';
  private stopped = Stop.No;
  /** The owner takes no more items. */
  private isLeft = false;
  /** What the iteration throws at its end. */
  private failure: { reason: unknown } | undefined;
  private native: NativeBatch | undefined;
  private startedId: string | undefined;
  /** The spans of its requests have the span as parent in which the batch was created. */
  private readonly observation: Observation | undefined;

  /** Present until it has ended, or no more is wanted of it. */
  private source: Source | undefined;
  private isSync = false;
  /** How many rows the core wants. */
  private wanted = 0;
  /** The source's `next()` is in progress. */
  private isPulling = false;
  /** The source's `return()` is in progress. */
  private closing: Promise<void> | undefined;
  /** The rows that have no item yet, by index. */
  private readonly rows = new Map<number, Row>();
  private nextIndex = 0;

  private readonly items: Item[] = [];
  private readonly waiters: Waiter[] = [];
  private isAsking = false;
  /** Those who wait for the batch's end. */
  private readonly returns: (() => void)[] = [];

  constructor(
    owner: Owner | undefined,
    private readonly args: BatchArguments | Error,
    caller: CallerStack,
  ) {
    super(owner, caller, new AsyncResource('CelperBatch'));
    this.observation = owner && observe(owner);
  }

  get batchId(): string | undefined {
    return this.startedId ?? (this.args instanceof Error ? undefined : this.args.batchId);
  }

  get progress(): BatchProgress {
    const { total, eta, rateLimitWait, ...counts } = this.native?.progress ?? { ...NO_PROGRESS };
    const known = total ?? (this.args instanceof Error ? undefined : this.args.total);
    return Object.freeze({
      ...counts,
      ...(typeof known === 'number' && { total: known }),
      ...(typeof eta === 'number' && { eta }),
      ...(typeof rateLimitWait === 'number' && { rateLimitWait }),
    });
  }

  next(): Promise<Step> {
    const item = this.items.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    return new Promise((resolve, reject) => {
      this.waiters.push({ resolve, reject });
      if (this.state === 'new') this.start();
      else if (this.state === 'ended' && this.closing === undefined) this.settle();
      this.proceed();
    });
  }

  async return(): Promise<Step> {
    if (this.state === 'starting' || this.state === 'running') {
      const ended = new Promise<void>((resolve) => this.returns.push(resolve));
      this.leave(Stop.Graceful);
      await ended;
      if (this.failure !== undefined) throw this.takeFailure();
    } else {
      // Not thrown any more, like by a generator that has returned.
      this.failure = undefined;
      this.items.length = 0;
      this.end();
      await this.closing;
    }
    return { done: true, value: undefined };
  }

  /** Starts nothing more; the iteration gives the last items. */
  stop(how: Stop): void {
    if (this.state === 'new') this.end();
    this.stopped = Math.max(this.stopped, how);
    if (this.state === 'running') this.tellStop();
  }

  protected take(message: Message): void {
    if (Object.hasOwn(message, 'items')) this.addItems((message as { items: RawItem[] }).items);
    else if (Object.hasOwn(message, 'wanted')) this.setWanted((message as { wanted: number }).wanted);
    else if (Object.hasOwn(message, 'started')) this.begin((message as { started: { batchId?: string } }).started);
    else if (Object.hasOwn(message, 'finished')) this.end();
    else this.fail(this.toError(message as { error: NativeError }));
  }

  private start(): void {
    try {
      const { args, owner } = this.checked(this.args, 'batch');
      this.state = 'starting';
      this.connect(args.signal);
      this.proceed();
      this.native = bridge.startBatch(this.id, owner.client, args.batchId, args.journal, args.total, wantsLogs());
    } catch (reason) {
      this.fail(reason);
    }
  }

  private begin({ batchId }: { batchId?: string }): void {
    this.startedId = batchId;
    this.state = 'running';
    if (this.stopped === Stop.No) this.openSource();
    else this.tellStop();
    if (this.isLeft) this.native?.requestFinished();
  }

  /** Does what follows from the state: asks for items, and holds the event loop as long as somebody waits. */
  protected proceed(): void {
    const { state, isLeft } = this;
    const wantsItems = state === 'running' && !isLeft && this.waiters.length > 0;
    if (wantsItems && !this.isAsking) {
      this.isAsking = true;
      this.native?.requestItems();
    }
    this.hold(wantsItems || state === 'starting' || (state === 'running' && isLeft));
  }

  private addItems(items: RawItem[]): void {
    this.isAsking = false;
    if (this.isLeft) return;
    for (const raw of items) {
      const item = this.toItem(raw);
      const waiter = this.waiters.shift();
      if (waiter === undefined) this.items.push(item);
      else waiter.resolve({ done: false, value: item });
    }
    if (items.length === 0) this.end();
  }

  private toItem(raw: RawItem): Item {
    const { index, idempotencyKey, resumed, notAttempted, alreadyDone } = raw;
    const row = this.rows.get(index);
    this.rows.delete(index);
    const record = recordIn(raw);
    const ended = Object.hasOwn(raw, 'ok')
      ? { result: toResult((raw as { ok: RawResult }).ok, record) }
      : { error: row?.error ?? toError((raw as { error: NativeError }).error, record, this.caller, this.keyFailures) };
    // The others are of an earlier run, or were not attempted.
    if (record !== undefined || (ended.error !== undefined && !notAttempted)) {
      const { operation = 'batch', ids } = row ?? {};
      this.observation?.ended(eventOf(operation, record, ended.error), ids, this.context);
    }
    return Object.freeze({
      index,
      request: row?.request,
      ...ended,
      ...(Object.hasOwn(raw, 'idempotencyKey') && { idempotencyKey }),
      resumed,
      notAttempted,
      alreadyDone,
    }) as Item;
  }

  private openSource(): void {
    const { requests } = this.args as BatchArguments;
    try {
      this.context.runInAsyncScope(() => {
        const open = (requests as AsyncIterable<unknown>)[Symbol.asyncIterator] as (() => Source) | null | undefined;
        this.isSync = open === undefined || open === null;
        const source = this.isSync ? (requests as Iterable<unknown>)[Symbol.iterator]() : open?.call(requests);
        if (Object(source) !== source) throw new TypeError('the source of the requests gave no iterator');
        this.source = source as Source;
      });
      this.native?.requestWanted();
    } catch (reason) {
      this.failSource(reason);
    }
  }

  private setWanted(rows: number): void {
    this.wanted = rows;
    if (rows === 0) this.closeSource();
    else void this.context.runInAsyncScope(() => this.feed());
  }

  /** Gives the core the rows that it wants, as they come. Never rejects. */
  private async feed(): Promise<void> {
    const { source, isSync } = this;
    if (source === undefined) return;
    while (this.wanted > 0 && source === this.source) {
      let row: unknown;
      let isLast: boolean;
      let isPromised = false;
      this.isPulling = true;
      try {
        const next = source.next();
        const step = (isSync ? next : await next) as IteratorResult<unknown>;
        if (Object(step) !== step) throw new TypeError('the iterator gave no object');
        isLast = Boolean(step.done);
        row = isLast ? undefined : step.value;
        // As `for await` does.
        if (isSync && types.isPromise(row)) {
          isPromised = true;
          row = await row;
        }
      } catch (reason) {
        if (source !== this.source) return;
        // The iterator itself did not fail, and can have a file open.
        if (isPromised) this.closeSource();
        this.failSource(reason);
        return;
      } finally {
        this.isPulling = false;
      }
      // It may have been closed meanwhile.
      if (source !== this.source) return;
      if (isLast) {
        this.source = undefined;
        this.native?.endRows();
        return;
      }
      this.add(row);
    }
    if (source === this.source) this.native?.requestWanted();
  }

  private add(request: unknown): void {
    let args: RequestArguments | undefined;
    let error: Error | undefined;
    try {
      args = requestArguments(request);
    } catch (refused) {
      error = this.withCaller(refused as Error);
    }
    const isTaken = args
      ? this.native?.push(...args, this.observation?.traceparent)
      : this.native?.pushInvalid('not a request');
    if (isTaken) {
      const [operation, candidateId, jobPositionId] = args ?? [];
      const ids =
        candidateId !== undefined && jobPositionId !== undefined ? ([candidateId, jobPositionId] as const) : undefined;
      this.rows.set(this.nextIndex, { request, error, operation, ids });
      this.nextIndex += 1;
      this.wanted -= 1;
    } else this.closeSource();
  }

  private failSource(reason: unknown): void {
    this.source = undefined;
    this.failure ??= { reason };
    this.native?.failRows(`the source of the requests failed: ${messageOf(reason).replace(/[.\s]+$/, '')}`);
  }

  /** Tells the source that no more is wanted of it. */
  private closeSource(): void {
    const { source, isPulling } = this;
    if (source === undefined) return;
    this.source = undefined;
    const { requests } = this.args as { requests: { pipe?: unknown; destroy?: unknown } };
    const closed = this.context.runInAsyncScope(async () => {
      // The iterator of a stream returns only after its `next()`, and so does a generator.
      const isStream = typeof requests.pipe === 'function' && typeof requests.destroy === 'function';
      if (isPulling && isStream) (requests as { destroy(): void }).destroy();
      await source.return?.();
    });
    if (isPulling) {
      // Nobody waits for that `next()` any more.
      closed.catch(() => {});
      return;
    }
    this.closing = closed
      .catch((reason) => {
        this.failure ??= { reason };
      })
      .then(() => {
        this.closing = undefined;
        if (this.state === 'ended') this.settle();
      });
  }

  protected abort(signal: AbortSignal): void {
    // An owner that has left can still hurry.
    if (!this.isLeft) this.failure = { reason: abortReason(signal) };
    this.leave(Stop.Immediate);
  }

  /** Gives no more items, and ends the batch once nothing is under way any more. */
  private leave(how: Stop): void {
    const wasLeft = this.isLeft;
    this.isLeft = true;
    this.items.length = 0;
    this.stop(how);
    if (this.state === 'running' && !wasLeft) this.native?.requestFinished();
    this.proceed();
  }

  private tellStop(): void {
    if (this.stopped === Stop.Immediate) this.native?.cancel();
    else this.native?.stop();
    this.closeSource();
  }

  private fail(reason: unknown): void {
    this.failure ??= { reason };
    this.end();
  }

  private end(): void {
    const { state } = this;
    if (state === 'ended') return;
    this.state = 'ended';
    this.closeSource();
    this.rows.clear();
    if (state !== 'new') this.disconnect();
    if (this.closing === undefined) this.settle();
  }

  /** Tells everybody who waits that the batch has ended. */
  private settle(): void {
    const { waiters } = this;
    for (const { resolve, reject } of waiters.splice(0)) {
      if (this.failure === undefined) resolve({ done: true, value: undefined });
      else reject(this.takeFailure());
    }
    for (const returned of this.returns.splice(0)) returned();
  }

  private takeFailure(): unknown {
    const reason = this.failure?.reason;
    this.failure = undefined;
    return reason;
  }
}

/** The key of a batch's reference to its run. */
const RUN = Symbol('celper.batch');

/** What `client.batch` returns. Works behind proxies, as the client does. */
class ClientBatch implements Batch {
  constructor(run: BatchRun) {
    const value = (take: (run: BatchRun) => void) => take(run);
    Object.defineProperty(this, RUN, { value, configurable: true, writable: true });
  }

  static of(receiver: unknown): BatchRun {
    let found: BatchRun | undefined;
    (receiver as { [RUN]?: (take: (run: BatchRun) => void) => void } | undefined)?.[RUN]?.((run) => {
      found = run;
    });
    if (found === undefined) throw new TypeError('Receiver must be a batch');
    return found;
  }

  get batchId(): string | undefined {
    return ClientBatch.of(this).batchId;
  }

  get progress(): BatchProgress {
    return ClientBatch.of(this).progress;
  }

  async next(): Promise<Step> {
    return ClientBatch.of(this).next();
  }

  async return(): Promise<Step> {
    return ClientBatch.of(this).return();
  }

  [Symbol.asyncIterator](): Batch {
    return this;
  }

  stop(): void {
    ClientBatch.of(this).stop(Stop.Graceful);
  }

  cancel(): void {
    ClientBatch.of(this).stop(Stop.Immediate);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await ClientBatch.of(this).return();
  }

  /** What `console.log` prints. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: unknown, options: object): string {
    const { batchId, progress } = this;
    return `Batch ${inspect({ ...(batchId !== undefined && { batchId }), ...progress }, options)}`;
  }
}

/** Creates a batch, which starts when its first item is asked for. Never throws. */
export function createBatch(owner: Owner | undefined, requests: unknown, options: unknown, caller: CallerStack): Batch {
  let args: BatchArguments | Error;
  try {
    args =
      owner === undefined
        ? refusedCall('batch', 'batch was called without its client; bind it')
        : batchArguments(requests, options);
  } catch (error) {
    args = error as Error;
  }
  return new ClientBatch(new BatchRun(owner, args, caller));
}
