/**
 * What batches and watches have in common: they receive messages for as long as they run, and end when they are abandoned.
 *
 * A run that is waited for is in `waitedFor`, which keeps it and the event loop alive. One that is not is only held by its owner: an
 * abandoned one is collected, which ends it.
 */

import type { AsyncResource } from 'node:async_hooks';
import { refusedCall } from './arguments';
import { close, hold, type Message, open, type Receiver, release } from './bridge';
import type { Owner } from './calls';
import { type CallerStack, CelperError, type OperationName, withCallerStack } from './errors';
import { type KeyHolder, provideKey } from './keys';
import { publishLog } from './observe';
import { type NativeError, toError } from './outcomes';
import { recordIn } from './record';
import { abortReason, onAbort } from './signals';

/** The runs that somebody waits for. */
const waitedFor = new Set<Run>();

/** Cleans up after runs that were abandoned. */
const abandoned = new FinalizationRegistry<{ id: number; removeAbortListener: (() => void) | undefined }>(
  ({ id, removeAbortListener }) => {
    removeAbortListener?.();
    close(id);
  },
);

export abstract class Run implements Receiver, KeyHolder {
  keyFailures: Map<number, unknown> | undefined;
  protected id = 0;
  private removeAbortListener: (() => void) | undefined;

  constructor(
    protected readonly owner: Owner | undefined,
    /** Filled in once the run has been created. */
    protected readonly caller: CallerStack,
    /** The context in which the run was created: the program's functions run in it. */
    protected readonly context: AsyncResource,
  ) {}

  receive(message: Message): void {
    if (Object.hasOwn(message, 'log')) publishLog((message as Extract<Message, { log: unknown }>).log, this.context);
    else if (Object.hasOwn(message, 'needsKey')) this.giveKey((message as { needsKey: number }).needsKey);
    else this.take(message);
    this.proceed();
  }

  /** Takes a message of its own kind. */
  protected abstract take(message: Message): void;

  /** Does what follows from the state. */
  protected abstract proceed(): void;

  protected abstract abort(signal: AbortSignal): void;

  /** The arguments and the owner of a run that can start. Throws if it cannot. */
  protected checked<A extends { signal: AbortSignal | undefined }>(
    args: A | Error,
    operation: OperationName,
  ): { args: A; owner: Owner } {
    const { owner } = this;
    if (args instanceof Error) throw this.withCaller(args);
    if (args.signal?.aborted) throw abortReason(args.signal);
    if (owner === undefined || owner.isClosed) {
      throw this.withCaller(refusedCall(operation, 'the client is closed; make a new one'));
    }
    return { args, owner };
  }

  /** Receives messages until `disconnect`. */
  protected connect(signal: AbortSignal | undefined): void {
    // The module would keep what its receivers hold.
    const self = new WeakRef<Run>(this);
    this.id = open({ receive: (message) => self.deref()?.receive(message) });
    this.removeAbortListener = signal && onAbort(signal, () => self.deref()?.abort(signal));
    abandoned.register(this, { id: this.id, removeAbortListener: this.removeAbortListener }, this);
  }

  protected disconnect(): void {
    this.removeAbortListener?.();
    abandoned.unregister(this);
    this.proceed();
    close(this.id);
  }

  /** Holds the run and the event loop as long as somebody waits. */
  protected hold(waits: boolean): void {
    if (waits === waitedFor.has(this)) return;
    if (waits) {
      waitedFor.add(this);
      hold();
    } else {
      waitedFor.delete(this);
      release();
    }
  }

  protected toError(message: { error: NativeError; record?: string }): Error {
    return toError(message.error, recordIn(message), this.caller, this.keyFailures);
  }

  protected withCaller(error: Error): Error {
    return error instanceof CelperError ? withCallerStack(error, this.caller) : error;
  }

  private giveKey(request: number): void {
    if (this.owner?.keyProvider) provideKey(request, this.owner.keyProvider, this.context, this);
  }
}
