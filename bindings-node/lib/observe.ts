/**
 * Tells the program what its calls do, when it wants to know: log records and traces as diagnostics channels, events for `onEvent`,
 * and OpenTelemetry. Without anybody who wants it, nothing of this runs.
 */

import type { AsyncResource } from 'node:async_hooks';
import { channel, tracingChannel } from 'node:diagnostics_channel';
import type { NativeRead } from './bridge';
import type { Celper } from './client';
import { CelperError, type OperationName } from './errors';
import type { CallEvent, LogRecord } from './events';
import { messageOf } from './keys';
import { toError } from './outcomes';
import { type CallRecord, recordIn } from './record';
import {
  type CallerTrace,
  callerTrace,
  endWait,
  type Ids,
  startWait,
  type Telemetry,
  writeFailure,
  writeTelemetry,
} from './telemetry';

/** Who wants to know of a client's calls. */
export interface Watchers {
  readonly onEvent: ((event: CallEvent) => void) | undefined;
  /** `undefined`: off. */
  readonly telemetry: Telemetry | undefined;
}

const logs = channel('celper:log');
/** Absent in other runtimes. */
const calls = tracingChannel?.('celper:call') as ReturnType<typeof tracingChannel> | undefined;

/** Whether somebody reads the log. */
export function wantsLogs(): boolean {
  return logs.hasSubscribers;
}

/** Publishes a log record in the context of its call. What a subscriber throws is an uncaught exception, as on any channel. */
export function publishLog(record: LogRecord, context: AsyncResource | undefined): void {
  if (context === undefined) logs.publish(record);
  else context.runInAsyncScope(() => logs.publish(record));
}

/** Whether somebody traces calls. */
export function tracesCalls(): boolean {
  if (calls === undefined) return false;
  const { hasSubscribers } = calls as { hasSubscribers?: boolean };
  if (hasSubscribers !== undefined) return hasSubscribers;
  // Before Node 20.13.
  const { start, end, asyncStart, asyncEnd, error } = calls;
  return [start, end, asyncStart, asyncEnd, error].some((each) => each.hasSubscribers);
}

/** The object of the channels of `celper:call`. `tracePromise` adds the result or the error. */
class CallTrace {
  declare result?: { record?: CallRecord };
  declare error?: { record?: CallRecord };

  constructor(
    readonly operation: OperationName,
    readonly client: Celper | undefined,
  ) {}

  /** What the call did, once it has ended. */
  get record(): CallRecord | undefined {
    return (this.error ?? this.result)?.record;
  }
}

/** Makes a call, and publishes its start and its end. */
export function traceCall<T>(operation: OperationName, client: Celper | undefined, call: () => Promise<T>): Promise<T> {
  if (calls === undefined) return call();
  return calls.tracePromise(call, new CallTrace(operation, client)) as Promise<T>;
}

/** Whoever wants to know how a call, a wait, or the requests of a batch or a watch, end. Nothing of it throws. */
export class Observation {
  constructor(
    private readonly watchers: Watchers,
    private trace: CallerTrace | undefined,
  ) {}

  /** The header that makes the service's spans children of the caller's, or of the wait's, if the program wants that. */
  get traceparent(): string | undefined {
    return this.trace?.traceparent;
  }

  /** A call has ended that has a record. `context` is its async context, unless it is the current one. */
  ended(event: Omit<CallEvent, 'type'>, ids: Ids | undefined, context?: AsyncResource): void {
    const { record, error } = event;
    if (record) this.write((trace) => writeTelemetry(trace, record, error, ids));
    this.tell(event, context);
  }

  /** A read of a wait or a watch has ended. */
  endedRead(read: NativeRead, keyFailures: Map<number, unknown> | undefined, context: AsyncResource | undefined): void {
    const record = recordIn(read);
    const failed = Object.hasOwn(read, 'error') && read.error;
    const error = failed ? toError(failed, record, {}, keyFailures) : undefined;
    this.ended(eventOf('status', record, error), [read.candidateId, read.jobPositionId], context);
  }

  /** A call has ended without a record: it was refused before it began, or aborted. */
  failed(event: Omit<CallEvent, 'type'>, context?: AsyncResource): void {
    this.write((trace) => writeFailure(trace, event.operation, event.error));
    this.tell(event, context);
  }

  /** A wait for a status begins. The spans of its reads are its children. */
  beginWait(): void {
    this.write((trace) => {
      this.trace = startWait(trace);
    });
  }

  /** A wait for a status has ended. Its reads have events of their own; an error that is none of theirs has one here. */
  endWait(event: Omit<CallEvent, 'type'>, context?: AsyncResource): void {
    this.write((trace) => endWait(trace, event.error));
    if (event.error !== undefined && event.record === undefined) this.tell(event, context);
  }

  private write(work: (trace: CallerTrace) => void): void {
    try {
      if (this.trace) work(this.trace);
    } catch (reason) {
      warn('OpenTelemetry', reason);
    }
  }

  private tell(event: Omit<CallEvent, 'type'>, context: AsyncResource | undefined): void {
    const { onEvent } = this.watchers;
    if (onEvent === undefined) return;
    const call = () => onEvent(Object.freeze({ type: 'call', ...event }));
    try {
      const returned: unknown = context === undefined ? call() : context.runInAsyncScope(call);
      // An async function.
      if (returned instanceof Promise) returned.catch((reason) => warn('onEvent', reason));
    } catch (reason) {
      warn('onEvent', reason);
    }
  }
}

/** Begins to observe a call, a wait, a batch or a watch that the caller makes now; `undefined` if nobody wants to know. Never throws. */
export function observe(watchers: Watchers): Observation | undefined {
  let trace: CallerTrace | undefined;
  try {
    trace = watchers.telemetry && callerTrace(watchers.telemetry);
  } catch (reason) {
    warn('OpenTelemetry', reason);
  }
  if (trace === undefined && watchers.onEvent === undefined) return undefined;
  return new Observation(watchers, trace);
}

/** The event of a call that has succeeded or failed. */
export function eventOf(operation: OperationName, record: CallRecord | undefined, error?: unknown) {
  return {
    operation: error instanceof CelperError && record === undefined ? error.operation : operation,
    ...(record !== undefined && { record }),
    ...(error !== undefined && { error }),
  };
}

function warn(what: string, reason: unknown): void {
  process.emitWarning(`${what} threw: ${messageOf(reason)}. The call is not affected.`, 'CelperWarning');
}
