/** The types of batches: requests as data, options, and items. */

import type { CelperError } from './errors';
import type { CandidateState, Decision, Invitation } from './models';

/** What all requests of a batch have. `null` means the same as leaving a field out. */
export interface RequestFields {
  /** The candidate's id. */
  candidateId: string;
  /** The id of the job position. */
  jobPositionId: string;
  /** The timeout of the call in milliseconds, from the moment the rate limit has let it through; overrides the client's. */
  timeout?: number | null | undefined;
  /** How many times a failed attempt is retried; overrides the client's `maxRetries`. */
  maxRetries?: number | null | undefined;
}

/** What all requests have that change something. */
export interface ActionFields extends RequestFields {
  /** The action's idempotency key; by default derived from `batchId`, else a UUID v4. */
  idempotencyKey?: string | null | undefined;
}

/**
 * Read a candidate's status: `getCandidateStatus` as data.
 *
 * ```ts
 * const request: StatusRequest = { operation: 'status', candidateId: 'cand_xyz789', jobPositionId: 'pos_abc123' };
 * ```
 */
export interface StatusRequest extends RequestFields {
  operation: 'status';
}

/**
 * Invite a candidate: `inviteCandidate` as data.
 *
 * ```ts
 * const request: InviteRequest = { operation: 'invite', candidateId: 'cand_xyz789', jobPositionId: 'pos_abc123' };
 * ```
 */
export interface InviteRequest extends ActionFields {
  operation: 'invite';
  /** The e-mail's subject, at most 200 characters; by default the service's own. */
  emailSubject?: string | null | undefined;
  /** The e-mail's body, at most 5 000 characters, with `{interviewLink}` where the link belongs; by default the service's own. */
  emailBody?: string | null | undefined;
}

/**
 * Select a candidate: `selectCandidate` as data.
 *
 * ```ts
 * const request: SelectRequest = { operation: 'select', candidateId: 'cand_xyz789', jobPositionId: 'pos_abc123' };
 * ```
 */
export interface SelectRequest extends ActionFields {
  operation: 'select';
}

/**
 * Reject a candidate: `rejectCandidate` as data.
 *
 * ```ts
 * const request: RejectRequest = { operation: 'reject', candidateId: 'cand_xyz789', jobPositionId: 'pos_abc123' };
 * ```
 */
export interface RejectRequest extends ActionFields {
  operation: 'reject';
}

/**
 * A request of a batch: one of the four operations with its arguments.
 *
 * ```ts
 * const requests: CandidateRequest[] = [
 *   { operation: 'invite', candidateId: 'cand_1', jobPositionId: 'pos_abc123', emailSubject: 'Your interview' },
 *   { operation: 'reject', candidateId: 'cand_2', jobPositionId: 'pos_abc123' },
 * ];
 * ```
 */
export type CandidateRequest = StatusRequest | InviteRequest | SelectRequest | RejectRequest;

/** The options of a batch, all optional. `null` means the same as leaving an option out. */
export interface BatchOptions {
  /**
   * Names the batch, with 1 to 255 bytes of text. The idempotency keys of its actions are derived from this name, the operation, both
   * ids and the e-mail: the same batch, run again within 24 hours, performs no action twice.
   *
   * By default the journal's; without a journal none, and the keys are random.
   */
  batchId?: string | null | undefined;
  /**
   * The path of a file that records what was sent and what has ended, so that a run after a crash continues where the first one
   * stopped. It is created when it does not exist. It has ids, keys and outcomes, and no e-mail.
   */
  journal?: string | null | undefined;
  /** How many requests there are, for `progress`; by default known for arrays and sets. */
  total?: number | null | undefined;
  /** Cancels the batch: what is under way is dropped, and the iteration throws the signal's reason. */
  signal?: AbortSignal | null | undefined;
}

/** How far a batch is. Times are in milliseconds; what is not known is `undefined`. */
export interface BatchProgress {
  /** Requests that have ended: `succeeded + failed + notAttempted`. */
  readonly done: number;
  /** Requests with a result, those of earlier runs included. */
  readonly succeeded: number;
  /** Requests with an error. */
  readonly failed: number;
  /** Requests that were not attempted, because the batch was ended. */
  readonly notAttempted: number;
  /** Requests whose result is from an earlier run. */
  readonly resumed: number;
  /** Requests that were sent and have not ended. */
  readonly inFlight: number;
  /** The number of all requests. */
  readonly total?: number;
  /** The time until all are done, as far as the rate limit decides it, if nothing else uses it. */
  readonly eta?: number;
  /** The time until the next request is sent, when the rate limit lets none through now. */
  readonly rateLimitWait?: number;
}

/** What all items of a batch have. */
export interface ItemFields<R extends CandidateRequest = CandidateRequest> {
  /** The position of the request in the input, from 0. */
  readonly index: number;
  /** The request: the very object that was given. */
  readonly request: R;
  /** The idempotency key under which an action was sent; `undefined` for reads, and for what was not sent. */
  readonly idempotencyKey?: string;
}

/** A request that succeeded. */
export interface SucceededItem<R extends CandidateRequest = CandidateRequest> extends ItemFields<R> {
  /** The operation's result. */
  readonly result: ResultOf<R>;
  readonly error?: undefined;
  /** Whether the result is from an earlier run: this one sent no action. */
  readonly resumed: boolean;
  readonly notAttempted: false;
  readonly alreadyDone: false;
}

/**
 * A request that an earlier run may have carried out, without a known result: the candidate's status, which was read instead of
 * acting again, shows that it did.
 */
export interface AlreadyDoneItem<R extends CandidateRequest = CandidateRequest> extends ItemFields<R> {
  /** The candidate's state. */
  readonly result: CandidateState;
  readonly error?: undefined;
  readonly resumed: boolean;
  readonly notAttempted: false;
  readonly alreadyDone: true;
}

/** A request that failed, or was not attempted. */
export interface FailedItem<R extends CandidateRequest = CandidateRequest> extends ItemFields<R> {
  readonly result?: undefined;
  /** The error. */
  readonly error: CelperError;
  readonly resumed: false;
  /** Whether nothing was sent, because the batch was ended. The error is of the kind that ended it. */
  readonly notAttempted: boolean;
  readonly alreadyDone: false;
}

/**
 * How one request of a batch ended.
 *
 * ```ts
 * if (item.error) console.log(item.request.candidateId, item.error.message);
 * else console.log(item.request.candidateId, item.result);
 * ```
 */
export type BatchItem<R extends CandidateRequest = CandidateRequest> = R extends unknown
  ? SucceededItem<R> | AlreadyDoneItem<R> | FailedItem<R>
  : never;

/** The result of a request. */
export type ResultOf<R extends CandidateRequest> = R extends StatusRequest
  ? CandidateState
  : R extends InviteRequest
    ? Invitation
    : Decision;

/**
 * Many requests that are carried out as one, from `client.batch`. Its items come in the order in which the requests end.
 *
 * ```ts
 * const batch = client.batch(requests, { batchId: 'spring-2026', journal: 'spring-2026.jsonl' });
 * for await (const item of batch) {
 *   console.log(item.request.candidateId, item.error ? item.error.message : 'ok', batch.progress);
 * }
 * ```
 *
 * It starts with the first `next()`. Leaving the loop (`break`, `return`, `throw`) starts nothing more, and waits until what is
 * under way has finished. A batch has one iterator: of two loops over it, each gets some of the items.
 */
export interface Batch<R extends CandidateRequest = CandidateRequest> extends AsyncIterable<BatchItem<R>> {
  /** The batch's name: the option, or the one in the journal once the batch has started. */
  readonly batchId: string | undefined;
  /** How far the batch is, and when it will be done. */
  readonly progress: BatchProgress;
  /** The next item. Rejects when the batch cannot start, the source of the requests throws, or the signal aborts. */
  next(): Promise<IteratorResult<BatchItem<R>, undefined>>;
  /** Starts nothing more, and waits until what is under way has finished. Items that were not taken are lost. */
  return(): Promise<IteratorResult<BatchItem<R>, undefined>>;
  /** The batch itself. */
  [Symbol.asyncIterator](): Batch<R>;
  /** Starts nothing more. What is under way finishes, and gives the last items. */
  stop(): void;
  /**
   * Starts nothing more, and drops what is under way: the outcome of those requests is unknown. With a journal, the next run finds
   * it out. The iteration gives what had ended before.
   */
  cancel(): void;
  /** `await using batch = client.batch(…)` leaves the batch at the end of the block, like `break`. */
  [Symbol.asyncDispose](): Promise<void>;
}
