// Correct and wrong usage of the types: compiled with --strict, never run.

import {
  type ApiError,
  type Batch,
  type BatchItem,
  type CallEvent,
  type CallRecord,
  type CandidateActions,
  type CandidateRequest,
  type CandidateState,
  CandidateStatus,
  Celper,
  CelperError,
  type CelperOptions,
  type Decision,
  type ErrorKind,
  type Invitation,
  type InviteRequest,
  isKnownStatus,
  type KnownCandidateStatus,
  RateLimitError,
  type WatchItem,
  webhooks,
} from 'celper';

const options: CelperOptions = {
  apiKey: 'celp_x',
  baseUrl: 'https://api.celper.ai',
  allowHttpHosts: ['sandbox'] as const,
  timeout: 1_000,
  attemptTimeout: 500,
  maxRetries: 0,
  rateLimits: { reads: 20, window: 60_000 },
  proxy: 'http://proxy:3128',
  caCertificates: new Uint8Array(),
  appInfo: 'acme/1',
  telemetry: { redact: false },
  onEvent: ({ operation, record }: CallEvent) => console.log(operation, record?.attempts[0]?.status),
};
const client = new Celper(options);
new Celper();
new Celper({ rateLimits: false, apiKey: undefined });
// @ts-expect-error: times are numbers
new Celper({ timeout: '5s' });
// @ts-expect-error: hosts are an array
new Celper({ allowHttpHosts: 'sandbox' });
// @ts-expect-error: unknown option
new Celper({ apikey: 'x' });
// @ts-expect-error: rateLimits is an object or false
new Celper({ rateLimits: true });
// @ts-expect-error: telemetry is true, false or an object
new Celper({ telemetry: 'on' });
// @ts-expect-error: unknown rate limit
new Celper({ rateLimits: { writes: 5 } });

export async function waits(signal: AbortSignal): Promise<CandidateState> {
  const jobPositionId = 'pos';
  for await (const item of client.watchCandidates(['c'] as const, { jobPositionId, signal })) {
    const { candidateId }: WatchItem = item;
    if (item.error) console.log(candidateId, item.error.kind);
    else console.log(item.state.status, item.previousStatus);
  }
  const state = await client.waitForStatus('c', { jobPositionId, until: ['new', 'on_hold'], timeout: null, signal });
  const record: CallRecord | undefined = state.record;
  // @ts-expect-error: records are read-only
  if (record) record.duration = 0;
  // @ts-expect-error: a wait needs its statuses
  await client.waitForStatus('c', { jobPositionId });
  return client.waitForStatus('c', { jobPositionId, until: CandidateStatus.New });
}

export async function calls(signal: AbortSignal): Promise<void> {
  const jobPositionId = 'pos';
  const state: CandidateState = await client.getCandidateStatus('c', {
    jobPositionId,
    signal,
    timeout: 5,
    maxRetries: 1,
  });
  const invitation: Invitation = await client.inviteCandidate('c', {
    jobPositionId,
    emailSubject: 's',
    emailBody: 'b',
  });
  const decision: Decision = await client.selectCandidate('c', { jobPositionId, idempotencyKey: 'k' });
  await client.rejectCandidate('c', { jobPositionId, signal: undefined });
  // @ts-expect-error: the job position is required
  await client.getCandidateStatus('c');
  // @ts-expect-error: the job position is passed by name
  await client.getCandidateStatus('c', 'pos');
  // @ts-expect-error: ids are strings
  await client.selectCandidate(5, { jobPositionId });
  // @ts-expect-error: a read takes no idempotency key
  await client.getCandidateStatus('c', { jobPositionId, idempotencyKey: 'k' });
  // @ts-expect-error: only an invitation has an e-mail
  await client.rejectCandidate('c', { jobPositionId, emailSubject: 's' });

  // The status narrows to the known values, and accepts any string.
  if (state.status === 'interviewed') console.log(state.status.length);
  if (state.status === CandidateStatus.New) console.log('new');
  if (isKnownStatus(state.status)) {
    const known: KnownCandidateStatus = state.status;
    console.log(exhaustive(known));
  }
  const any: CandidateStatus = 'a new status';
  const text: string = decision.status;
  // @ts-expect-error: a status may be unknown
  const known: KnownCandidateStatus = state.status;
  // @ts-expect-error: not a known status
  const typo: KnownCandidateStatus = 'interveiwed';
  console.log(any, text, known, typo);

  const score: number | null = state.interviewScore;
  const until: number = invitation.expiresAt.getTime();
  const remaining: number | null | undefined = state.rateLimit?.remaining;
  console.log(score, until, remaining);
  // @ts-expect-error: the score may be null
  const score2: number = state.interviewScore;
  // @ts-expect-error: results are read-only
  state.status = 'new';
  // @ts-expect-error: results are read-only
  invitation.expiresAt = new Date();
  console.log(score2);
  client.close();
  client[Symbol.dispose]();
  await client[Symbol.asyncDispose]();
}

function exhaustive(status: KnownCandidateStatus): number {
  switch (status) {
    case 'new':
    case 'invited':
    case 'interviewed':
    case 'selected':
    case 'rejected':
    case 'expired':
    case 'failed':
    case 'unevaluable':
      return 1;
    default: {
      const never: never = status;
      return never;
    }
  }
}

export function errors(error: unknown): string {
  if (error instanceof RateLimitError) {
    const seconds: number | undefined = error.retryAfter;
    const parent: ApiError = error;
    return `${seconds} ${parent.status}`;
  }
  if (error instanceof CelperError) {
    const kind: ErrorKind = error.kind;
    // @ts-expect-error: unknown kind
    if (error.kind === 'rate_limit') return '';
    // @ts-expect-error: an error's fields are read-only
    error.kind = 'server';
    const unknown: boolean | undefined = error.outcomeUnknown;
    return `${kind} ${error.code?.length} ${unknown} ${error.attempts.toFixed()}`;
  }
  // @ts-expect-error: the error is unknown
  return error.kind;
}

export const provided = [new Celper({ apiKey: () => 'celp_x' }), new Celper({ apiKey: async () => 'celp_x' })];
// @ts-expect-error: a key provider returns a string
export const wrongProvider = new Celper({ apiKey: () => 5 });
// @ts-expect-error: a client's options are read-only
client.timeout = 5;

export const fake: CandidateActions = {
  getCandidateStatus: async () => ({ status: 'new', analysisViewed: false, interviewScore: null, attempts: 1 }),
  inviteCandidate: () => Promise.reject(new RateLimitError('slow down')),
  selectCandidate: async (_id, { jobPositionId }) => ({ status: jobPositionId, attempts: 1 }),
  rejectCandidate: (id, more) => client.rejectCandidate(id, { ...more, signal: null, timeout: null }),
  async *batch(requests) {
    yield* client.batch(requests, { batchId: null });
  },
};

export async function batches(ids: string[], signal: AbortSignal): Promise<void> {
  const invitations = ids.map(
    (candidateId): InviteRequest => ({ operation: 'invite', candidateId, jobPositionId: 'p' }),
  );
  const batch = client.batch(invitations, { batchId: 'b', journal: 'b.jsonl', total: 5, signal });
  for await (const item of batch) {
    const request: InviteRequest = item.request;
    if (item.error) {
      const error: CelperError = item.error;
      console.log(request.emailBody, error.kind, item.notAttempted);
    } else if (item.alreadyDone) {
      const state: CandidateState = item.result;
      console.log(state.analysisViewed);
    } else {
      const invitation: Invitation = item.result;
      console.log(invitation.sessionId, item.idempotencyKey?.length);
      // @ts-expect-error: there is no error beside a result
      console.log(item.error.message);
    }
  }
  // Without a type annotation, requests that are written in place.
  client.batch([{ operation: 'status', candidateId: 'c', jobPositionId: 'p', maxRetries: 0 }]);
  client.batch(ids.map((candidateId) => ({ operation: 'reject' as const, candidateId, jobPositionId: 'p' })));
  async function* mixed(): AsyncGenerator<CandidateRequest> {
    yield { operation: 'select', candidateId: 'c', jobPositionId: 'p', idempotencyKey: null };
    // @ts-expect-error: only an invitation has an e-mail
    yield { operation: 'select', candidateId: 'c', jobPositionId: 'p', emailSubject: 's' };
  }
  const item = await client.batch(mixed()).next();
  if (!item.done && item.value.result) {
    const result: CandidateState | Invitation | Decision = item.value.result;
    console.log(result.attempts);
  }
  // @ts-expect-error: unknown operation
  client.batch([{ operation: 'delete', candidateId: 'c', jobPositionId: 'p' }]);
  // @ts-expect-error: the job position is required
  client.batch([{ operation: 'status', candidateId: 'c' }]);
  // @ts-expect-error: ids are no requests
  client.batch(ids);
  // @ts-expect-error: unknown option
  client.batch(invitations, { batchID: 'b' });
  const { eta, total, done }: { eta?: number; total?: number; done: number } = batch.progress;
  console.log(eta, total, done, batch.batchId?.length);
  batch.stop();
  batch.cancel();
  await using disposed: Batch<InviteRequest> = batch;
  const all: BatchItem[] = [];
  for await (const item of disposed) all.push(item);
}

const event = webhooks.unwrap(new Uint8Array(), new Headers(), ['new', 'old'], { tolerance: null, now: new Date() });
if (event.type === 'candidate_status_changed') {
  const previous: CandidateStatus | null = event.previousStatus;
  void previous;
} else if (event.type !== 'analysis_ready') {
  const name: string = event.type;
  void ((event.type as string) === 'interview_moved' || name);
}
// @ts-expect-error: only one of the events has it
event.candidateId;
// @ts-expect-error: events are immutable
event.dedupeKey = '';
// @ts-expect-error: not the raw body
webhooks.verify({ event: 'x' }, {}, 'secret');
