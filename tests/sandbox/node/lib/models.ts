/** Data types of the sandbox. */

/** A candidate in one job position. */
export interface Candidate {
  readonly id: string;
  readonly jobPositionId: string;
  readonly status: string;
  readonly analysisViewed: boolean;
  /** `undefined` if it is absent from responses. */
  readonly interviewScore: number | null | undefined;
}

/** A request that the sandbox received. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string | null;
  readonly candidateId: string | null;
  /** Names in lower case; repeated headers are joined with `, `. */
  readonly headers: Readonly<Record<string, string>>;
  /** At most its first 64 KiB. */
  readonly body: string | null;
  /** On the sandbox's clock. */
  readonly receivedAt: Date;
  /** The HTTP status of the response, `null` if none was sent. */
  readonly answered: number | null;
  /** The kind of the fault that was applied to it. */
  readonly fault: string | null;
  /** Whether it changed a candidate. */
  readonly acted: boolean;
  /** Whether it got the stored response of its idempotency key. */
  readonly replayed: boolean;
  /** Whether the client disconnected before the response was complete. */
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
  /** Whether the request had no subject, so that this is the default one. */
  readonly defaultSubject: boolean;
  /** Whether the request had no text, so that this is the default one. */
  readonly defaultBody: boolean;
  /** On the sandbox's clock. */
  readonly queuedAt: Date;
}

/** An attempt at delivering a webhook. */
export interface Delivery {
  readonly candidateId: string;
  /** The candidate's status in the event. */
  readonly status: string;
  /** 1 for the first. */
  readonly attempt: number;
  readonly body: string;
  /** The HTTP status of the response, `null` if there was none. */
  readonly answered: number | null;
  /** Why there was no response. */
  readonly error: string | null;
  /** The kind of the fault that was applied to the delivery. */
  readonly fault: DeliveryFaultKind | null;
  /** On the sandbox's clock. */
  readonly endedAt: Date;
}

/**
 * `late`: the event arrives later, so that the next ones overtake it. `twice`: it arrives twice. `wrong_signature`: its signature is of
 * another secret.
 */
export type DeliveryFaultKind = 'late' | 'twice' | 'wrong_signature';

/** As the control endpoint returns it. */
export interface DeliveryJson extends Omit<Delivery, 'fault' | 'endedAt'> {
  fault: { kind: DeliveryFaultKind } | null;
  endedAt: string;
}

/** As the control endpoint returns it. */
export interface CandidateJson {
  candidateId: string;
  jobPositionId: string;
  status: string;
  analysisViewed: boolean;
  interviewScore?: number | null;
}

/** As the control endpoint returns it. */
export interface RequestJson extends Omit<RecordedRequest, 'headers' | 'receivedAt'> {
  header: Record<string, string>;
  receivedAt: number;
}

/** As the control endpoint returns it. */
export interface MailJson extends Omit<Mail, 'queuedAt'> {
  queuedAt: string;
}

export function candidate(json: CandidateJson): Candidate {
  const { candidateId: id, jobPositionId, status, analysisViewed, interviewScore } = json;
  return { id, jobPositionId, status, analysisViewed, interviewScore };
}

export function request(json: RequestJson): RecordedRequest {
  const { method, path, query, candidateId, header: headers, body, receivedAt } = json;
  const { answered, fault, acted, replayed, clientClosed } = json;
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

export function mail(json: MailJson): Mail {
  return { ...json, queuedAt: new Date(json.queuedAt) };
}

export function delivery({
  candidateId,
  status,
  attempt,
  body,
  answered,
  error,
  fault,
  endedAt,
}: DeliveryJson): Delivery {
  return {
    candidateId,
    status,
    attempt,
    body,
    answered,
    error,
    fault: fault?.kind ?? null,
    endedAt: new Date(endedAt),
  };
}
