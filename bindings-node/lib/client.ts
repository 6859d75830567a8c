/** The client: four operations, each checked here, carried out by the core, and given its result or error here. */

import { type CallArguments, callArguments, clientOptions } from './arguments';
import type { NativeClient } from './binding';
import { failed, type OPERATIONS, send } from './calls';
import { atCaller, CelperError, type Trace } from './errors';
import type { CandidateState, Decision, Invitation } from './models';
import { native } from './native';

/** The rate windows to keep to. What is left out keeps its default, the service's documented limit. */
export interface RateLimits {
  /** Reads (status) in one window: 40. */
  reads?: number | undefined;
  /** Actions (invite, select, reject) in one window: 30. */
  actions?: number | undefined;
  /** Requests of all kinds in one window: 60. */
  total?: number | undefined;
  /** The windows' length in milliseconds: 60 000. */
  window?: number | undefined;
}

/** How a client is set up. All of it is optional; times are in milliseconds. */
export interface CelperOptions {
  /** The API key; without it the environment variable `CELPER_API_KEY`. */
  apiKey?: string | undefined;
  /**
   * Where the API is; without it the environment variable `CELPER_BASE_URL`, else `https://api.celper.ai`. A path in front of
   * the API's own is kept. `http` is for loopback hosts only.
   */
  baseUrl?: string | undefined;
  /** The time for a whole call, waits and retries included: 120 000. */
  timeout?: number | undefined;
  /** The time for one HTTP attempt, connecting included: 30 000. */
  attemptTimeout?: number | undefined;
  /** How many more attempts may follow a failed one: 2. With 0 a call is exactly one request. */
  maxRetries?: number | undefined;
  /** The rate windows to keep to; `false` turns pacing off. */
  rateLimits?: RateLimits | false | undefined;
  /**
   * The proxy for all requests, `http://` or `https://`, with `user:password@` where it asks for that; without it the
   * environment's (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
   */
  proxy?: string | undefined;
  /** Certificates to trust beside the system's: the content of a PEM file. */
  caCertificates?: string | Uint8Array | undefined;
  /** What your program is called, `name/version`, appended to the User-Agent. */
  appInfo?: string | undefined;
}

/** What every call takes. */
export interface CallOptions {
  /** The id of the job position that the candidate stands for. */
  jobPositionId: string;
  /** Milliseconds for the whole call, waits and retries included, in place of the client's `timeout`. */
  timeout?: number | undefined;
  /** How many more attempts may follow a failed one, in place of the client's `maxRetries`. */
  maxRetries?: number | undefined;
  /**
   * Aborts the call: it is rejected at once with the signal's reason, its connection is closed and no retry follows. An action
   * that had gone out already may have taken place all the same.
   */
  signal?: AbortSignal | undefined;
}

/** What a call takes that changes something. */
export interface ActionOptions extends CallOptions {
  /**
   * The key under which the service does the action only once within 24 hours: at most 255 printable ASCII characters. Without
   * it a UUID v4 is made for the call, and is the same in all of its attempts.
   */
  idempotencyKey?: string | undefined;
}

/** What an invitation takes. */
export interface InviteOptions extends ActionOptions {
  /** The e-mail's subject, at most 200 characters, in place of the service's own. */
  emailSubject?: string | undefined;
  /**
   * The e-mail's body, at most 5 000 characters, in place of the service's own. `{interviewLink}` in it becomes the interview's
   * URL.
   */
  emailBody?: string | undefined;
}

/**
 * A client of the Celper AI Candidate Actions API.
 *
 * ```ts
 * const client = new Celper({ apiKey: 'celp_…', timeout: 30_000, appInfo: 'acme-hiring/2.1' });
 * const { status } = await client.getCandidateStatus('cand_xyz789', { jobPositionId: 'pos_abc123' });
 * client.close(); // or: using client = new Celper();
 * ```
 *
 * One client serves a whole program: calls share its connections, are paced to the service's rate limits, and are retried when
 * that is safe. It never keeps a program alive; a call under way does.
 *
 * @throws {@link InvalidArgumentError} when an option cannot be used or there is no API key.
 */
export class Celper {
  readonly #client: NativeClient;

  constructor(options: CelperOptions = {}) {
    try {
      const opened = native.open(clientOptions(options));
      if (typeof opened === 'string') throw failed(JSON.parse(opened).error, {});
      this.#client = opened;
    } catch (error) {
      throw located(error, new.target);
    }
  }

  /**
   * Reads a candidate's status.
   *
   * ```ts
   * const state = await client.getCandidateStatus('cand_xyz789', { jobPositionId: 'pos_abc123' });
   * if (state.status === 'interviewed' && state.analysisViewed) console.log(state.interviewScore);
   * ```
   *
   * Needs the scope `read:candidates`; counts as a read.
   *
   * Rejects with {@link NotFoundError} for an unknown candidate or position.
   *
   * @param candidateId The candidate's id.
   * @param options The job position's id, and what else the call takes.
   */
  getCandidateStatus(candidateId: string, options: CallOptions): Promise<CandidateState> {
    return this.#call('status', candidateId, options, Celper.prototype.getCandidateStatus);
  }

  /**
   * Invites a `new` candidate: opens a 7-day interview session, and queues the e-mail.
   *
   * ```ts
   * const invitation = await client.inviteCandidate('cand_xyz789', {
   *   jobPositionId: 'pos_abc123',
   *   emailSubject: 'Your interview with us',
   *   emailBody: 'Please start your interview here: {interviewLink}',
   * });
   * ```
   *
   * Needs the scope `action:invite`; counts as an action.
   *
   * Rejects with {@link InvalidStatusError} unless the candidate is `new`, and with {@link NotFoundError} for an unknown
   * candidate or position.
   *
   * @param candidateId The candidate's id.
   * @param options The job position's id, and what else the call takes.
   */
  inviteCandidate(candidateId: string, options: InviteOptions): Promise<Invitation> {
    return this.#call('invite', candidateId, options, Celper.prototype.inviteCandidate);
  }

  /**
   * Selects an interviewed candidate whose analysis was viewed.
   *
   * ```ts
   * await client.selectCandidate('cand_xyz789', { jobPositionId: 'pos_abc123' });
   * ```
   *
   * Needs the scope `action:decide`; counts as an action.
   *
   * Rejects with {@link AnalysisNotViewedError} or {@link InvalidStatusError}.
   *
   * @param candidateId The candidate's id.
   * @param options The job position's id, and what else the call takes.
   */
  selectCandidate(candidateId: string, options: ActionOptions): Promise<Decision> {
    return this.#call('select', candidateId, options, Celper.prototype.selectCandidate);
  }

  /**
   * Rejects an interviewed candidate whose analysis was viewed.
   *
   * ```ts
   * await client.rejectCandidate('cand_xyz789', { jobPositionId: 'pos_abc123' });
   * ```
   *
   * Needs the scope `action:decide`; counts as an action.
   *
   * Rejects with {@link AnalysisNotViewedError} or {@link InvalidStatusError}.
   *
   * @param candidateId The candidate's id.
   * @param options The job position's id, and what else the call takes.
   */
  rejectCandidate(candidateId: string, options: ActionOptions): Promise<Decision> {
    return this.#call('reject', candidateId, options, Celper.prototype.rejectCandidate);
  }

  #call<T>(
    operation: (typeof OPERATIONS)[number],
    candidateId: unknown,
    options: unknown,
    method: Function,
  ): Promise<T> {
    let given: CallArguments;
    try {
      given = callArguments(operation, candidateId, options);
    } catch (error) {
      return Promise.reject(located(error, method));
    }
    const trace: Trace = {};
    const result = send<T>(this.#client, operation, given, trace);
    // Only now, with the request on its way: walking the stack takes longer than the rest of this thread's work for a call.
    capture(trace, method);
    return result;
  }

  /** Where the API is. */
  get baseUrl(): string {
    return this.#client.baseUrl;
  }

  /** Closes the client: calls under way are finished, and further ones are rejected with {@link InvalidArgumentError}. */
  close(): void {
    this.#client.close();
  }

  /** `using client = new Celper()` closes it at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** `await using client = new Celper()` closes it at the end of the block. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** How `console.log` shows it: where it points, and never its key. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    // It is also called on objects that merely have a client as their prototype.
    return #client in this ? `Celper { baseUrl: '${this.baseUrl}' }` : 'Celper {}';
  }
}

/** The error with the stack of `method`'s caller, if it is one of ours. */
function located(error: unknown, method: Function): unknown {
  if (!(error instanceof CelperError)) return error;
  const trace: Trace = {};
  capture(trace, method);
  return atCaller(error, trace);
}

/** Takes the stack, from `method`'s caller on. */
function capture(trace: Trace, method: Function): void {
  try {
    // Bun gives no frames at all when `method` is not the function that asks.
    if (process.versions.bun) Error.captureStackTrace(trace);
    else Error.captureStackTrace(trace, method);
  } catch {
    // A program's `Error.prepareStackTrace` that throws: the request is on its way, and its outcome matters more.
  }
}
