/** What a program sees of its calls. */

import type { OperationName } from './errors';
import type { CallRecord } from './record';

/**
 * What the channel `celper:log` gets.
 *
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel';
 *
 * subscribe('celper:log', (message) => {
 *   const { level, message: text, fields } = message as LogRecord;
 *   console[level](text, fields);
 * });
 * ```
 */
export interface LogRecord {
  /** Waits of over a second and retries are `info`, a rate limit store that cannot be reached is `warn`, everything else is `debug`. */
  readonly level: 'debug' | 'info' | 'warn';
  /** What happened. */
  readonly message: string;
  /** The details. */
  readonly fields: Readonly<Record<string, string | number | boolean>>;
  /** When it happened, in milliseconds since 1970. */
  readonly time: number;
}

/**
 * A call, or a request of a batch, that has ended: what `onEvent` gets.
 *
 * ```ts
 * const client = new Celper({
 *   onEvent: ({ operation, record, error }) => statistics.add(operation, record?.duration, error instanceof Error),
 * });
 * ```
 */
export interface CallEvent {
  readonly type: 'call';
  /** What was called; `batch` for a row of a batch that is no request. */
  readonly operation: OperationName;
  /** What it did; `undefined` if nothing was sent, and for a call that its signal has aborted. */
  readonly record?: CallRecord;
  /** The error, or the signal's reason; `undefined` if the call succeeded. */
  readonly error?: unknown;
}
