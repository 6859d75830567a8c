/** The client: checks the arguments of the four operations and passes them to the core. */

import { inspect } from 'node:util';
import { type ClientArguments, callArguments, clientOptions, refusedCall, waitArguments } from './arguments';
import type { Batch, BatchItem, BatchOptions, CandidateRequest } from './batch';
import { createBatch } from './batch-run';
import { bridge } from './bridge';
import { type Operation, type Owner, type Start, send } from './calls';
import { type CallerStack, CelperError, withCallerStack } from './errors';
import type { CallEvent } from './events';
import type { CandidateState, Decision, Invitation } from './models';
import { native } from './native';
import { eventOf, observe, traceCall, tracesCalls } from './observe';
import { toError } from './outcomes';
import { Telemetry } from './telemetry';
import type { WaitOptions, Watch, WatchOptions } from './watch';
import { createWatch } from './watch-run';

/**
 * The client's own rate limits, for pacing. Fields left out keep their defaults, the limits that the service documents.
 *
 * ```ts
 * new Celper({ rateLimits: { reads: 20 } }); // leaves half of the reads to other programs
 * ```
 */
export interface RateLimits {
  /** Reads (status) per window; 40 by default. */
  reads?: number | undefined;
  /** Actions (invite, select, reject) per window; 30 by default. */
  actions?: number | undefined;
  /** Requests of all kinds per window; 60 by default. */
  total?: number | undefined;
  /** The length of the windows in milliseconds; 60 000 by default. */
  window?: number | undefined;
}

/**
 * Returns the API key for the next attempt, or a promise of it.
 *
 * ```ts
 * const client = new Celper({ apiKey: async () => (await vault.read('celper')).key });
 * ```
 */
export type KeyProvider = () => string | PromiseLike<string>;

/** The options of a client, all optional. Times are in milliseconds. */
export interface CelperOptions {
  /**
   * The API key, or a function that returns it or a promise of it; by default the environment variable `CELPER_API_KEY`.
   *
   * A function is called before each attempt, within the call's timeout: cache the key as long as it is valid. What it throws becomes
   * the `cause` of an {@link AuthenticationError}.
   */
  apiKey?: string | KeyProvider | undefined;
  /**
   * The API's base URL; by default the environment variable `CELPER_BASE_URL`, else `https://api.celper.ai`. May have a path,
   * which is put before the API's own. `http` is accepted for loopback hosts, and for hosts in `allowHttpHosts`.
   */
  baseUrl?: string | undefined;
  /**
   * Private hosts that `baseUrl` may name with plain `http`, for example `['sandbox']` in a container network: names without a
   * dot, names under `internal`, `local`, `test`, `lan` or `home.arpa`, and private addresses. None by default.
   *
   * Over `http` everyone on the network between can read the API key and the e-mails. Never list a host that you reach with a
   * production key.
   */
  allowHttpHosts?: readonly string[] | undefined;
  /**
   * The timeout of the whole call in milliseconds, all waits included. Default: none; the call then waits for the rate limit as
   * long as it takes, and has 120 000 ms after that.
   */
  timeout?: number | undefined;
  /** The timeout of one HTTP attempt in milliseconds, connecting included; 30 000 by default. */
  attemptTimeout?: number | undefined;
  /** How many times a failed attempt is retried; 2 by default. With 0 a call sends exactly one request. */
  maxRetries?: number | undefined;
  /** The client's own rate limits; `false` turns pacing off. */
  rateLimits?: RateLimits | false | undefined;
  /**
   * Which processes share the rate limits; by default the environment variable `CELPER_RATE_LIMIT_STORE`, else `'machine'`: all of
   * this user on this machine. `'redis://user:password@host:6379/0'` or `'rediss://…'`: all that use this Redis or Valkey server.
   * `'process'`: this process alone.
   */
  rateLimitStore?: string | undefined;
  /**
   * A name for the company whose limits these are: clients with the same name share them, whatever their keys. By default clients
   * with the same key do.
   */
  rateLimitName?: string | undefined;
  /**
   * What happens to calls while the store cannot be reached: `'share'`, the default, lets each process use its share of the
   * limits; with `'fail'`, calls fail with {@link ConnectionFailedError}.
   */
  rateLimitStoreDown?: 'share' | 'fail' | undefined;
  /**
   * The proxy for all requests, for example `http://user:password@proxy.example:3128`; by default the environment's
   * (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`). `http`, `https`, `socks4`, `socks4a`, `socks5` and `socks5h` URLs are accepted.
   *
   * A `baseUrl` with a loopback host or plain `http` never uses the environment's proxy, nor a proxy on another machine.
   */
  proxy?: string | undefined;
  /** Certificates to trust in addition to the system's: the content of a PEM file. */
  caCertificates?: string | Uint8Array | undefined;
  /** Your program's name, `name/version`, which is appended to the User-Agent. */
  appInfo?: string | undefined;
  /**
   * Spans and metrics for the OpenTelemetry SDK that the program has registered; on by default, and nothing without an SDK. `false`
   * turns them off.
   */
  telemetry?: boolean | TelemetryOptions | undefined;
  /**
   * Called once for each call, and for each request of a batch, when it has ended: in the caller's async context, before the call's
   * promise settles. What it throws becomes a process warning, and does not affect the call.
   */
  onEvent?: ((event: CallEvent) => void) | undefined;
}

/** What spans tell others. */
export interface TelemetryOptions {
  /** Whether `url.full` has `REDACTED` in place of the ids; `true` by default. */
  redact?: boolean | undefined;
  /** Whether requests carry a `traceparent` header, which tells the service about the program's traces; `false` by default. */
  propagate?: boolean | undefined;
}

/** The options of every call. `null` means the same as leaving an option out. */
export interface CallOptions {
  /** The id of the job position. */
  jobPositionId: string;
  /** The timeout of the whole call in milliseconds, waits and retries included; overrides the client's `timeout`. */
  timeout?: number | null | undefined;
  /** How many times a failed attempt is retried; overrides the client's `maxRetries`. */
  maxRetries?: number | null | undefined;
  /**
   * Aborts the call: it rejects at once with the signal's reason, its connection is closed and no retry follows. An action
   * whose request was already sent may still take place.
   */
  signal?: AbortSignal | null | undefined;
}

/** The options of an action: a call that changes something. */
export interface ActionOptions extends CallOptions {
  /**
   * The service performs the action only once per key within 24 hours. At most 255 printable ASCII characters; by default a
   * UUID v4 that is the same in all attempts of the call.
   */
  idempotencyKey?: string | null | undefined;
}

/** The options of `inviteCandidate`. */
export interface InviteOptions extends ActionOptions {
  /** The e-mail's subject, at most 200 characters; by default the service's own. */
  emailSubject?: string | null | undefined;
  /**
   * The e-mail's body, at most 5 000 characters; by default the service's own. `{interviewLink}` is replaced with the
   * interview's URL.
   */
  emailBody?: string | null | undefined;
}

/**
 * The four operations, and batches of them: what a program needs of a client, for parameters that also take a fake.
 *
 * ```ts
 * async function inviteAll(client: CandidateActions, candidates: string[]) { … }
 *
 * const fake: CandidateActions = { …, getCandidateStatus: async () => ({ status: 'new', analysisViewed: false, interviewScore: null }) };
 * ```
 */
export interface CandidateActions {
  /** See {@link Celper.getCandidateStatus}. */
  getCandidateStatus(candidateId: string, options: CallOptions): Promise<CandidateState>;
  /** See {@link Celper.inviteCandidate}. */
  inviteCandidate(candidateId: string, options: InviteOptions): Promise<Invitation>;
  /** See {@link Celper.selectCandidate}. */
  selectCandidate(candidateId: string, options: ActionOptions): Promise<Decision>;
  /** See {@link Celper.rejectCandidate}. */
  rejectCandidate(candidateId: string, options: ActionOptions): Promise<Decision>;
  /** See {@link Celper.batch}. Only what a loop needs, so that a fake can be an async generator function. */
  batch<R extends CandidateRequest>(
    requests: Iterable<R> | AsyncIterable<R>,
    options?: BatchOptions,
  ): AsyncIterable<BatchItem<R>>;
}

/** The key of a client's reference to itself. */
const SELF = Symbol('celper.self');

/**
 * A client of the Celper AI Candidate Actions API.
 *
 * ```ts
 * const client = new Celper({ apiKey: 'celp_…', timeout: 30_000, appInfo: 'acme-hiring/2.1' });
 * const { status } = await client.getCandidateStatus('cand_xyz789', { jobPositionId: 'pos_abc123' });
 * client.close(); // or: using client = new Celper();
 * ```
 *
 * Use one client for the whole program: its calls share connections, are paced to the service's rate limits, and are retried
 * when that is safe. A call in progress keeps the process alive, an idle client does not.
 *
 * @throws {@link InvalidArgumentError} for an invalid option or a missing API key.
 */
export class Celper implements CandidateActions {
  readonly #owner: Owner;
  readonly #shown: ClientArguments['shown'];
  /** Set by `close`, and resolved when the calls in progress have ended. */
  #closed: Promise<void> | undefined;

  constructor(options: CelperOptions = {}) {
    try {
      const { native: args, keyProvider, telemetry, onEvent, shown } = clientOptions(options);
      const client = native.createClient(args);
      if (typeof client === 'string') throw toError(JSON.parse(client).error, undefined, {});
      this.#owner = {
        client,
        keyProvider,
        onEvent,
        telemetry: telemetry && new Telemetry(telemetry.redact, telemetry.propagate, client),
        calls: 0,
        isClosed: false,
      };
      this.#shown = shown;
    } catch (error) {
      throw withStackBelow(new.target, error);
    }
    // Not enumerable, as it is no option. Configurable, because a proxy may return something else for such a property only.
    const value = (take: (client: Celper) => void) => take(this);
    Object.defineProperty(this, SELF, { value, configurable: true, writable: true });
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
   * @param options The job position's id, and the call's options.
   */
  getCandidateStatus(candidateId: string, options: CallOptions): Promise<CandidateState> {
    return Celper.#call(this, 'status', candidateId, options, Celper.prototype.getCandidateStatus);
  }

  /**
   * Invites a `new` candidate: opens an interview session for 7 days and queues the e-mail.
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
   * @param options The job position's id, and the call's options.
   */
  inviteCandidate(candidateId: string, options: InviteOptions): Promise<Invitation> {
    return Celper.#call(this, 'invite', candidateId, options, Celper.prototype.inviteCandidate);
  }

  /**
   * Selects an interviewed candidate whose analysis has been viewed.
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
   * @param options The job position's id, and the call's options.
   */
  selectCandidate(candidateId: string, options: ActionOptions): Promise<Decision> {
    return Celper.#call(this, 'select', candidateId, options, Celper.prototype.selectCandidate);
  }

  /**
   * Rejects an interviewed candidate whose analysis has been viewed.
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
   * @param options The job position's id, and the call's options.
   */
  rejectCandidate(candidateId: string, options: ActionOptions): Promise<Decision> {
    return Celper.#call(this, 'reject', candidateId, options, Celper.prototype.rejectCandidate);
  }

  /**
   * Carries out many requests, as fast as the rate limit allows, and gives an item for each as it ends.
   *
   * ```ts
   * const ids = ['cand_1', 'cand_2', 'cand_3'];
   * const requests = ids.map((candidateId): InviteRequest => ({ operation: 'invite', candidateId, jobPositionId: 'pos_abc123' }));
   *
   * for await (const item of client.batch(requests, { batchId: 'spring-2026', journal: 'spring-2026.jsonl' })) {
   *   console.log(item.request.candidateId, item.error ? item.error.message : 'ok');
   * }
   * ```
   *
   * An error is an item, and does not stop the batch. An error that every further request would get too (401, 403, a closed client)
   * ends it: the other requests come as items that are `notAttempted`.
   *
   * With a `batchId` or a `journal`, a batch that is run again performs no action twice.
   *
   * Never throws: what is wrong with an argument, or the journal, rejects the first `next()`.
   *
   * @param requests An iterable or async iterable: an array, a generator, a stream in object mode. It is read as the batch proceeds, some
   * 70 requests ahead.
   * @param options The batch's options.
   */
  batch<R extends CandidateRequest>(requests: Iterable<R> | AsyncIterable<R>, options?: BatchOptions): Batch<R> {
    const caller: CallerStack = {};
    const client = Celper.#of(this);
    const batch = createBatch(client === undefined ? undefined : client.#owner, requests, options, caller);
    captureCaller(caller, Celper.prototype.batch);
    return batch as Batch<R>;
  }

  /**
   * Waits until a candidate has a status, and gives its state. For minutes: what takes days is for webhooks.
   *
   * ```ts
   * const state = await client.waitForStatus('cand_xyz789', {
   *   jobPositionId: 'pos_abc123',
   *   until: ['interviewed', 'expired', 'failed', 'unevaluable'],
   *   timeout: 20 * 60_000,
   * });
   * ```
   *
   * It reads the status at once, after 15 s, and then at intervals that grow to 5 minutes. Needs the scope `read:candidates`; waits and
   * watches together use at most half of the reads.
   *
   * Rejects with {@link RequestTimeoutError} after the timeout, 10 minutes by default. Errors have the candidate's `lastState`.
   *
   * @param candidateId The candidate's id.
   * @param options The job position's id, the statuses, and the wait's options.
   */
  waitForStatus(candidateId: string, options: WaitOptions): Promise<CandidateState> {
    const prepare = ({ client }: Owner): Start => {
      const { native: args, signal } = waitArguments(candidateId, options);
      return {
        operation: 'status',
        ids: [args[0], args[1]],
        signal,
        span: 'celper.wait_for_status',
        start: (id, _traceparent, logs) => bridge.startWait(id, client, ...args, logs),
      };
    };
    return Celper.#start(this, 'status', prepare, Celper.prototype.waitForStatus);
  }

  /**
   * Watches candidates: gives the state of each, and then each change of `status`, `analysisViewed` or `interviewScore`.
   *
   * ```ts
   * for await (const item of client.watchCandidates(['cand_1', 'cand_2'], { jobPositionId: 'pos_abc123' })) {
   *   console.log(item.candidateId, item.previousStatus, item.state?.status ?? item.error?.message);
   * }
   * ```
   *
   * It goes on until you leave the loop, or no candidate is left: one that cannot be read any more, because it does not exist for
   * example, gives an item with its error. What would fail for every candidate is thrown.
   *
   * Never throws: what is wrong with an argument rejects the first `next()`.
   *
   * @param candidateIds The candidates' ids.
   * @param options The job position's id, and a signal.
   */
  watchCandidates(candidateIds: readonly string[], options: WatchOptions): Watch {
    const caller: CallerStack = {};
    const client = Celper.#of(this);
    const watch = createWatch(client === undefined ? undefined : client.#owner, candidateIds, options, caller);
    captureCaller(caller, Celper.prototype.watchCandidates);
    return watch;
  }

  static #call<T>(
    receiver: unknown,
    operation: Operation,
    candidateId: unknown,
    options: unknown,
    method: Function,
  ): Promise<T> {
    const prepare = ({ client }: Owner): Start => {
      const { native: args, signal } = callArguments(operation, candidateId, options);
      return {
        operation,
        ids: [args[0], args[1]],
        signal,
        start: (id, traceparent, logs) => bridge.start(id, client, operation, ...args, traceparent, logs),
      };
    };
    return Celper.#start(receiver, operation, prepare, method);
  }

  static #start<T>(
    receiver: unknown,
    operation: Operation,
    prepare: (owner: Owner) => Start,
    method: Function,
  ): Promise<T> {
    let client: Celper | undefined;
    try {
      client = Celper.#of(receiver);
    } catch (error) {
      // What a proxy has thrown.
      return Promise.reject(error);
    }
    if (!tracesCalls()) return Celper.#send(client, operation, prepare, method);
    return traceCall(operation, client, () => Celper.#send(client, operation, prepare, method));
  }

  static #send<T>(
    client: Celper | undefined,
    operation: Operation,
    prepare: (owner: Owner) => Start,
    method: Function,
  ): Promise<T> {
    const caller: CallerStack = {};
    let result: Promise<T>;
    try {
      if (client === undefined) throw refusedCall(operation, `${method.name} was called without its client; bind it`);
      const start = prepare(client.#owner);
      if (client.#closed) throw refusedCall(operation, 'the client is closed; make a new one');
      result = send<T>(client.#owner, start, caller);
    } catch (error) {
      const refused = withStackBelow(method, error);
      if (client) observe(client.#owner)?.ended(eventOf(operation, undefined, refused), undefined);
      return Promise.reject(refused);
    }
    // After the call has started: capturing the stack takes longer than the rest of this thread's work for a call.
    captureCaller(caller, method);
    return result;
  }

  /** The client itself, also for a proxy of it (a logging wrapper, Vue's `reactive`) and for an object that inherits from it. */
  static #of(receiver: unknown): Celper | undefined {
    if (typeof receiver !== 'object' || receiver === null) return undefined;
    if (#owner in receiver) return receiver as Celper;
    let found: Celper | undefined;
    // A function with a callback: proxies wrap the objects that they return, and the functions, which may then return promises.
    (receiver as { [SELF]?: (take: (client: Celper) => void) => void })[SELF]?.((client) => {
      found = client;
    });
    return found;
  }

  static #get(receiver: unknown): Celper {
    const client = Celper.#of(receiver);
    if (client === undefined) throw new TypeError('Receiver must be a Celper client');
    return client;
  }

  /** The API's base URL. */
  get baseUrl(): string {
    return Celper.#get(this).#owner.client.baseUrl;
  }

  /** The option `allowHttpHosts`. */
  get allowHttpHosts(): readonly string[] {
    return [...(Celper.#get(this).#shown.allowHttpHosts ?? [])];
  }

  /** The timeout of a whole call in milliseconds; `undefined` if there is none. */
  get timeout(): number | undefined {
    return Celper.#get(this).#owner.client.limits.timeout ?? undefined;
  }

  /** The timeout of one HTTP attempt in milliseconds. */
  get attemptTimeout(): number {
    return Celper.#get(this).#owner.client.limits.attemptTimeout;
  }

  /** How many times a failed attempt is retried. */
  get maxRetries(): number {
    return Celper.#get(this).#owner.client.limits.maxRetries;
  }

  /** The client's own rate limits; `false` if pacing is off. */
  get rateLimits(): Required<RateLimits> | false {
    const { rateLimits } = Celper.#get(this).#owner.client.limits;
    return rateLimits ? (rateLimits as Required<RateLimits>) : false;
  }

  /** Where the log of the rate limits is kept, without user and password. */
  get rateLimitStore(): string {
    return Celper.#get(this).#owner.client.limits.rateLimitStore;
  }

  /** The option `rateLimitName`. */
  get rateLimitName(): string | undefined {
    return Celper.#get(this).#shown.rateLimitName;
  }

  /** The option `proxy` without its user and password; `undefined` if the environment decides. */
  get proxy(): string | undefined {
    return withoutCredentials(Celper.#get(this).#shown.proxy);
  }

  /** The option `appInfo`. */
  get appInfo(): string | undefined {
    return Celper.#get(this).#shown.appInfo;
  }

  /**
   * Closes the client: calls in progress complete, new calls reject with {@link InvalidArgumentError}, and batches end. `await using`, or
   * `await client[Symbol.asyncDispose]()`, also waits for the calls in progress.
   */
  close(): void {
    const client = Celper.#get(this);
    if (client.#closed) return;
    const owner = client.#owner;
    owner.isClosed = true;
    const closeNow = () => {
      const failure = owner.client.close();
      if (failure) throw withStackBelow(Celper.prototype.close, toError(JSON.parse(failure).error, undefined, {}));
    };
    if (owner.calls === 0) {
      client.#closed = Promise.resolve();
      closeNow();
      return;
    }
    owner.client.endBatches();
    const idle = new Promise<void>((resolve) => {
      owner.onIdle = resolve;
    });
    client.#closed = idle.then(closeNow);
    // Rejects only by a fault of this package. Code that awaits the disposal gets it; otherwise it must not end the program.
    client.#closed.catch(() => {});
  }

  /** `using client = new Celper()` closes the client at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** `await using client = new Celper()` closes the client at the end of the block, and waits for the calls in progress. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await Celper.#get(this).#closed;
  }

  /** What `console.log` prints: the options, never the key. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: unknown, options: object): string {
    // Also called on objects that have a client's prototype only.
    const client = Celper.#of(this);
    if (client === undefined) return 'Celper {}';
    const { baseUrl, timeout, attemptTimeout, maxRetries, rateLimits, rateLimitStore, proxy, appInfo } = client;
    const values = { baseUrl, timeout, attemptTimeout, maxRetries, rateLimits, rateLimitStore, proxy, appInfo };
    const shown = Object.entries(values);
    return `Celper ${inspect(Object.fromEntries(shown.filter(([, value]) => value !== undefined)), options)}`;
  }
}

function withoutCredentials(url: string | undefined): string | undefined {
  // The core has accepted it, with or without a path.
  const [, scheme, host] = /^\s*([a-z0-9]+:\/\/)(?:.*@)?([^/?#]*)/i.exec(url ?? '') ?? [];
  return host === undefined ? undefined : `${scheme}${host}`;
}

/** Gives an error of this package the stack of `method`'s caller. */
function withStackBelow(method: Function, error: unknown): unknown {
  if (!(error instanceof CelperError)) return error;
  const caller: CallerStack = {};
  captureCaller(caller, method);
  return withCallerStack(error, caller);
}

/** Captures the stack from `method`'s caller down. */
function captureCaller(caller: CallerStack, method: Function): void {
  try {
    // Bun captures no frames when `method` is not the calling function.
    if (process.versions.bun) Error.captureStackTrace(caller);
    else Error.captureStackTrace(caller, method);
  } catch {
    // The program's `Error.prepareStackTrace` threw. The call has started, so its outcome matters more than the stack.
  }
}
