/** What a call did: its attempts and waits. */

import type { ErrorKind, OperationName } from './errors';
import { native } from './native';

/** Why a call waited: for the rate limit, before a retry, for the `apiKey` function, or for one of the client's connections. */
export type WaitReason = 'rate_limit' | 'retry' | 'key_provider' | 'connection';

/** One HTTP request of a call. Times are in milliseconds; what is not known is `undefined`. */
export interface AttemptRecord {
  /** From the call's start to the attempt's. */
  readonly offset: number;
  /** From the attempt's start to the end of its response, or to its failure. */
  readonly duration: number;
  /** The HTTP status, if there was a response. */
  readonly status?: number;
  /** The server's id of the request. */
  readonly requestId?: string;
  /** Why the attempt failed; `undefined` if it did not. */
  readonly errorKind?: ErrorKind;
  /** Whether the connection was made for the attempt, or was an idle one. */
  readonly connection?: 'new' | 'pooled';
}

/** A wait of a call, of at least a millisecond. Times are in milliseconds. */
export interface WaitRecord {
  /** From the call's start to the wait's. */
  readonly offset: number;
  /** How long it waited. */
  readonly duration: number;
  /** What for. */
  readonly reason: WaitReason;
}

/**
 * What a call did: `record` of its result or error.
 *
 * ```ts
 * const invitation = await client.inviteCandidate('cand_xyz789', { jobPositionId: 'pos_abc123' });
 * console.log(String(invitation.record)); // each attempt and wait on a line of its own
 * ```
 *
 * It has no API key, no ids of candidates or positions, and nothing of an e-mail. Times are in milliseconds. `JSON.stringify` gives
 * its fields.
 */
export interface CallRecord {
  /** What was called. */
  readonly operation: OperationName;
  /** When the call started, in milliseconds since 1970 like `Date.now()`, with fractions. */
  readonly startedAt: number;
  /** From the start to the result or error, waits included. */
  readonly duration: number;
  /** The HTTP requests, in order. */
  readonly attempts: readonly AttemptRecord[];
  /** The waits, in order. */
  readonly waits: readonly WaitRecord[];
  /** Readable lines: a heading, then each attempt and wait. */
  toString(): string;
}

/** The fields of a record. */
interface Fields {
  operation: OperationName;
  startedAt: number;
  duration: number;
  attempts: readonly AttemptRecord[];
  waits: readonly WaitRecord[];
}

/** Read from JSON when somebody looks at it: nearly all calls' records are never looked at. */
class Record implements CallRecord {
  private fields: Fields | undefined;

  constructor(private readonly json: string) {}

  get operation(): OperationName {
    return this.read().operation;
  }

  get startedAt(): number {
    return this.read().startedAt;
  }

  get duration(): number {
    return this.read().duration;
  }

  get attempts(): readonly AttemptRecord[] {
    return this.read().attempts;
  }

  get waits(): readonly WaitRecord[] {
    return this.read().waits;
  }

  private read(): Fields {
    if (this.fields === undefined) {
      const fields = JSON.parse(this.json) as Fields;
      this.fields = { ...fields, attempts: frozen(fields.attempts), waits: frozen(fields.waits) };
    }
    return this.fields;
  }

  toJSON(): unknown {
    return this.read();
  }

  /** The core's text, so that it is the same in every language. */
  toString(): string {
    return native.recordText(this.json);
  }

  /** What `console.log` prints. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return String(this);
  }
}

function frozen<T extends object>(items: readonly T[]): readonly T[] {
  for (const item of items) Object.freeze(item);
  return Object.freeze(items);
}

/** The record in a message of the native half, if it has one. */
export function recordIn(message: { record?: string }): CallRecord | undefined {
  return Object.hasOwn(message, 'record') && message.record ? new Record(message.record) : undefined;
}

/** Gives a result or an error its record. Not enumerable: copies, comparisons and JSON of results stay as they are without it. */
export function attachRecord(target: object, value: CallRecord | undefined): void {
  if (value !== undefined) Object.defineProperty(target, 'record', { value });
}
