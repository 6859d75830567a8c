/** The types of waits and watches. */

import type { CelperError } from './errors';
import type { CandidateState, CandidateStatus } from './models';

/** The options of `waitForStatus`. */
export interface WaitOptions {
  /** The id of the job position. */
  jobPositionId: string;
  /** The status to wait for, or several: name every one that ends your wait. */
  until: CandidateStatus | readonly CandidateStatus[];
  /** How long to wait in milliseconds; 600 000 (10 minutes) by default, `Infinity` for as long as it takes. */
  timeout?: number | null | undefined;
  /** Aborts the wait, which then rejects at once with the signal's reason. */
  signal?: AbortSignal | null | undefined;
}

/** The options of `watchCandidates`. */
export interface WatchOptions {
  /** The id of the job position. */
  jobPositionId: string;
  /** Ends the watch: the loop throws the signal's reason. */
  signal?: AbortSignal | null | undefined;
}

/**
 * A candidate of a watch: its state, new or changed, or why it is no longer watched.
 *
 * ```ts
 * if (item.error) console.log(`${item.candidateId} is no longer watched: ${item.error.message}`);
 * else console.log(item.candidateId, item.previousStatus, '->', item.state.status);
 * ```
 */
export type WatchItem = {
  /** The candidate. */
  readonly candidateId: string;
  /** Its status before; `undefined` in its first item. */
  readonly previousStatus?: CandidateStatus;
} & (
  | {
      /** The candidate's state. */
      readonly state: CandidateState;
      /** Absent: it was read. */
      readonly error?: undefined;
    }
  | {
      /** Absent: it could not be read. */
      readonly state?: undefined;
      /** Why the candidate is no longer watched. */
      readonly error: CelperError;
    }
);

/**
 * Candidates that are watched, from `client.watchCandidates`.
 *
 * ```ts
 * for await (const item of client.watchCandidates(['cand_1', 'cand_2'], { jobPositionId: 'pos_abc123' })) {
 *   console.log(item.candidateId, item.state?.status);
 * }
 * ```
 *
 * It starts with the first `next()`, and keeps the process alive only while somebody awaits an item. Leaving the loop (`break`,
 * `return`, `throw`) ends it. A watch has one iterator: of two loops over it, each gets some of the items.
 */
export interface Watch extends AsyncIterable<WatchItem> {
  /** The next item. Rejects with what ends the watch for all candidates, or the signal's reason. */
  next(): Promise<IteratorResult<WatchItem, undefined>>;
  /** Ends the watch: what is under way is dropped. */
  return(): Promise<IteratorResult<WatchItem, undefined>>;
  /** The watch itself. */
  [Symbol.asyncIterator](): Watch;
  /** `await using watch = client.watchCandidates(…)` ends the watch at the end of the block. */
  [Symbol.asyncDispose](): Promise<void>;
}
