/** What a test can say of candidates and of what goes wrong for them. */

/** A candidate to put. */
export interface CandidateDescription {
  /** `cand_1`, `cand_2` … if not said. */
  candidateId?: string;
  /** `pos_1` if not said. */
  jobPositionId?: string;
  /** Any text, also one that the service may have tomorrow; `new` if not said. */
  status?: string;
  analysisViewed?: boolean;
  /** Left out of the service's answers if not said. */
  interviewScore?: number | null;
  /** More fields for the data of status answers. */
  extra?: Record<string, unknown>;
}

/** What changes of a candidate; the rest stays. */
export type CandidateChange = Omit<CandidateDescription, 'candidateId' | 'extra'>;

/** The kinds of faults, and the parameters of each; the README says what the client gets. */
export interface Faults {
  status: { status: number; headers?: Record<string, unknown>; body?: string; json?: unknown };
  delay: { seconds: number };
  close: { reset?: boolean };
  cut: { afterBytes?: number };
  drip: { bytesPerSecond: number };
  endless: { status?: number };
  not_json: { status?: number; body?: string };
  huge: { bytes: number };
  redirect: { location: string; status?: number };
  answer: { data: unknown } | { envelope: unknown };
  close_idle: {};
}

/** Which requests a fault meets, and what becomes of their action. */
export interface FaultOptions {
  /** Only this operation; any if not said. */
  operation?: 'status' | 'invite' | 'select' | 'reject';
  /** How often: once if not said, for ever if `null`. */
  times?: number | null;
  /** `before`: the action takes effect, and then the answer is spoiled. `none`: it does not happen. `after`: after a delay. */
  act?: 'before' | 'after' | 'none';
}
