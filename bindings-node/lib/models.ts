/** The results of the operations: frozen objects. */

import type { CallRecord } from './record';

/**
 * The statuses that this version knows, as the API spells them.
 *
 * ```ts
 * if (state.status === CandidateStatus.Interviewed) …
 * ```
 */
export const CandidateStatus = Object.freeze({
  /** Not invited yet. */
  New: 'new',
  /** Invited to an interview. */
  Invited: 'invited',
  /** Has taken the interview. */
  Interviewed: 'interviewed',
  /** Selected. */
  Selected: 'selected',
  /** Rejected. */
  Rejected: 'rejected',
  /** The invitation has expired. */
  Expired: 'expired',
  /** The interview failed. */
  Failed: 'failed',
  /** The interview cannot be evaluated. */
  Unevaluable: 'unevaluable',
} as const);

/** One of the statuses that this version knows. */
export type KnownCandidateStatus = (typeof CandidateStatus)[keyof typeof CandidateStatus];

/**
 * A candidate's status for one job position.
 *
 * ```ts
 * if (state.status === 'interviewed') …          // editors complete the known values
 * if (isKnownStatus(state.status)) …             // narrows, so that a switch can be exhaustive
 * ```
 *
 * The set is open: a status that this version does not know is returned unchanged.
 */
export type CandidateStatus = KnownCandidateStatus | (string & {});

const KNOWN: ReadonlySet<string> = new Set(Object.values(CandidateStatus));

/**
 * Whether this version knows the status.
 *
 * ```ts
 * if (!isKnownStatus(state.status)) console.warn(`new status ${state.status}`);
 * ```
 */
export function isKnownStatus(status: string): status is KnownCandidateStatus {
  return KNOWN.has(status);
}

/** The rate limit headers of one response: the tightest of the windows that the request counted in. */
export interface RateLimit {
  /** Requests allowed in the window (`X-RateLimit-Limit`). */
  readonly limit: number | null;
  /** Requests left in the window (`X-RateLimit-Remaining`). */
  readonly remaining: number | null;
  /** When a slot becomes free, on the server's clock (`X-RateLimit-Reset`). */
  readonly resetAt: Date | null;
}

/** The fields that every result has. */
export interface ResponseMeta {
  /** The server's id of the request, to name when you contact support; `undefined` if it sent none, as in errors. */
  readonly requestId?: string;
  /** The server's rate limit headers; `undefined` if it sent none. */
  readonly rateLimit?: RateLimit;
  /** How many HTTP requests the call has sent. */
  readonly attempts: number;
  /**
   * What the call did; `undefined` in a result that no call of this run made. Not enumerable: copies (`{ ...result }`), comparisons
   * (`deepEqual`) and `JSON.stringify` leave it out.
   */
  readonly record?: CallRecord;
}

/** A candidate's state, from `getCandidateStatus`. */
export interface CandidateState extends ResponseMeta {
  /** The candidate's status. */
  readonly status: CandidateStatus;
  /** Whether the interview's analysis has been viewed, which a decision requires. */
  readonly analysisViewed: boolean;
  /** The interview's score; `null` if there is none yet. */
  readonly interviewScore: number | null;
}

/** An invitation, from `inviteCandidate`. */
export interface Invitation extends ResponseMeta {
  /** Whether the candidate was invited. */
  readonly invited: boolean;
  /** The interview session's id. */
  readonly sessionId: string;
  /** The e-mail's delivery state: `pending` when it is queued. */
  readonly emailDelivery: string;
  /** When the interview session closes: 7 days after the invitation. */
  readonly expiresAt: Date;
}

/** A decision, from `selectCandidate` and `rejectCandidate`. */
export interface Decision extends ResponseMeta {
  /** The candidate's new status: `selected` or `rejected`. */
  readonly status: CandidateStatus;
}
