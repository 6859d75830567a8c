/** Descriptions of candidates and faults. */

/** A candidate to create. */
export interface CandidateDescription {
  /** Default: `cand_1`, `cand_2` … */
  candidateId?: string;
  /** Default: `pos_1`. */
  jobPositionId?: string;
  /** Any text, including a status that clients do not know. Default: `new`. */
  status?: string;
  analysisViewed?: boolean;
  /** Absent from responses by default. */
  interviewScore?: number | null;
  /** More fields for the data of status responses. */
  extra?: Record<string, unknown>;
}

/** The fields of a candidate to change. */
export type CandidateChange = Omit<CandidateDescription, 'candidateId' | 'extra'>;

/** The kinds of faults and their parameters; the README describes their effects. */
export interface Faults {
  status: { status: number; headers?: Record<string, unknown>; body?: string; bodyBase64?: string; json?: unknown };
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

/** Which requests a fault applies to, and whether they act. */
export interface FaultOptions {
  /** Only for this operation; for any by default. */
  operation?: 'status' | 'invite' | 'select' | 'reject';
  /** How often: once by default, `null` for no limit. */
  times?: number | null;
  /** `before`: the action takes effect before the fault. `none`: it does not happen. `after`: it takes effect after a delay. */
  act?: 'before' | 'after' | 'none';
}
