/** What the operations give back: frozen objects. */

/** The statuses that this version knows, as the API spells them. */
export const CandidateStatus = Object.freeze({
  /** Known to the position; not invited yet. */
  New: 'new',
  /** Invited to an interview. */
  Invited: 'invited',
  /** The interview took place. */
  Interviewed: 'interviewed',
  /** Selected. */
  Selected: 'selected',
  /** Rejected. */
  Rejected: 'rejected',
  /** The invitation ran out. */
  Expired: 'expired',
  /** The interview failed. */
  Failed: 'failed',
  /** The interview cannot be evaluated. */
  Unevaluable: 'unevaluable',
} as const);

/** One of the statuses that this version knows. */
export type KnownCandidateStatus = (typeof CandidateStatus)[keyof typeof CandidateStatus];

/**
 * Where a candidate stands in one job position's process.
 *
 * ```ts
 * if (state.status === 'interviewed') …          // editors offer the known values
 * if (isKnownStatus(state.status)) …             // narrows, so that a switch can be exhaustive
 * ```
 *
 * The set is open: a status that this version does not know comes through unchanged.
 */
export type CandidateStatus = KnownCandidateStatus | (string & {});

const KNOWN: ReadonlySet<string> = new Set(Object.values(CandidateStatus));

/** Whether this version knows the status. */
export function isKnownStatus(status: string): status is KnownCandidateStatus {
  return KNOWN.has(status);
}

/** What the server said of its rate limit in one answer: the tightest of the windows that the request counted in. */
export interface RateLimit {
  /** Requests allowed in the window (`X-RateLimit-Limit`). */
  readonly limit: number | null;
  /** Requests left in the window (`X-RateLimit-Remaining`). */
  readonly remaining: number | null;
  /** When there is room again, on the server's clock (`X-RateLimit-Reset`). */
  readonly resetAt: Date | null;
}

/** What every result has. */
export interface Answered {
  /** The server's id of the request, to name in a question to its support; `null` where it sent none. */
  readonly requestId: string | null;
  /** The server's rate limit headers; `null` where it sent none. */
  readonly rateLimit: RateLimit | null;
}

/** A candidate's state, from `getCandidateStatus`. */
export interface CandidateState extends Answered {
  /** Where the candidate stands. */
  readonly status: CandidateStatus;
  /** Whether somebody has viewed the interview's analysis; a decision needs that. */
  readonly analysisViewed: boolean;
  /** The interview's score; `null` before there is one. */
  readonly interviewScore: number | null;
}

/** An invitation that went out, from `inviteCandidate`. */
export interface Invitation extends Answered {
  /** Whether the candidate was invited. */
  readonly invited: boolean;
  /** The interview session's id. */
  readonly sessionId: string;
  /** How the e-mail stands: `pending` when it is queued. */
  readonly emailDelivery: string;
  /** When the interview session closes: 7 days after the invitation. */
  readonly expiresAt: Date;
}

/** A decision that was taken, from `selectCandidate` and `rejectCandidate`. */
export interface Decision extends Answered {
  /** The candidate's status now: `selected` or `rejected`. */
  readonly status: CandidateStatus;
}
