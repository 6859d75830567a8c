/** What the sandbox has and has seen. */

/** A candidate as seen from one job position. */
export interface Candidate {
  readonly id: string;
  readonly jobPositionId: string;
  readonly status: string;
  readonly analysisViewed: boolean;
  /** `undefined` where the service's answers leave it out. */
  readonly interviewScore: number | null | undefined;
}

/** A request that the sandbox received. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string | null;
  readonly candidateId: string | null;
  /** By name in lower case; repeated ones joined with `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** On the sandbox's clock. */
  readonly receivedAt: Date;
  /** The HTTP status sent, `null` while there is none. */
  readonly answered: number | null;
  /** The kind of the fault that it met. */
  readonly fault: string | null;
  /** Whether it changed a candidate. */
  readonly acted: boolean;
  /** Whether it was answered with what its idempotency key remembered. */
  readonly replayed: boolean;
  /** Whether the client was gone before it had a complete answer. */
  readonly clientClosed: boolean;
}

/** An e-mail that the service would have sent. */
export interface Mail {
  readonly candidateId: string;
  readonly jobPositionId: string;
  readonly sessionId: string;
  readonly interviewLink: string;
  readonly subject: string;
  readonly body: string;
  /** Whether the caller left the subject to the service. */
  readonly defaultSubject: boolean;
  /** Whether the caller left the text to the service. */
  readonly defaultBody: boolean;
  /** On the sandbox's clock. */
  readonly queuedAt: Date;
}

/** As the sandbox says it. */
export interface CandidateShown {
  candidateId: string;
  jobPositionId: string;
  status: string;
  analysisViewed: boolean;
  interviewScore?: number | null;
}

/** As the sandbox says it. */
export interface RequestShown extends Omit<RecordedRequest, 'headers' | 'receivedAt'> {
  header: Record<string, string>;
  receivedAt: number;
}

/** As the sandbox says it. */
export interface MailShown extends Omit<Mail, 'queuedAt'> {
  queuedAt: string;
}

export function candidate(shown: CandidateShown): Candidate {
  const { candidateId: id, jobPositionId, status, analysisViewed, interviewScore } = shown;
  return { id, jobPositionId, status, analysisViewed, interviewScore };
}

export function request(shown: RequestShown): RecordedRequest {
  const { method, path, query, candidateId, header: headers, body, receivedAt } = shown;
  const { answered, fault, acted, replayed, clientClosed } = shown;
  return {
    method,
    path,
    query,
    candidateId,
    headers,
    body,
    receivedAt: new Date(receivedAt * 1000),
    answered,
    fault,
    acted,
    replayed,
    clientClosed,
  };
}

export function mail(shown: MailShown): Mail {
  return { ...shown, queuedAt: new Date(shown.queuedAt) };
}
