/** The sandbox as a process of its own, and what a test asks of it. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { CandidateChange, CandidateDescription, FaultOptions, Faults } from './faults';
import {
  type Candidate,
  type CandidateShown,
  candidate,
  type Mail,
  type MailShown,
  mail,
  type RecordedRequest,
  type RequestShown,
  request,
} from './models';
import { findProgram } from './program';

/** The sandbox did not start, or turned a request of the test down; the message says why. */
export class SandboxError extends Error {
  override readonly name = 'SandboxError';
}

/** Rate windows; what is not said is as the service has it. */
export interface Limits {
  /** 40 if not said. */
  reads?: number;
  /** 30 if not said. */
  actions?: number;
  /** Of both sorts together; 60 if not said. */
  total?: number;
  /** Milliseconds; 60,000 if not said. */
  window?: number;
}

/** How the sandbox is to be run. */
export interface SandboxOptions {
  /** The rate windows to keep; without them nothing is refused for coming too fast. */
  limits?: Limits | false;
  /** Serve HTTPS; `caCertificate` is what a client has to trust. */
  tls?: boolean;
  /** Where to listen on 127.0.0.1; any free port if not said. */
  port?: number;
}

/** What `new Celper(…)` takes to call a sandbox. */
export interface ClientOptions {
  baseUrl: string;
  apiKey: string;
  rateLimits: false;
  caCertificates?: string;
}

/** An API key; all scopes and any caller unless said. */
export interface ApiKeyOptions {
  /** A new one if not said. */
  key?: string;
  scopes?: (
    | 'read:jobs'
    | 'read:candidates'
    | 'write:candidates'
    | 'action:invite'
    | 'action:decide'
    | 'manage:webhooks'
  )[];
  state?: 'active' | 'revoked' | 'expired' | 'creator_lost_access';
  /** The addresses that it may be used from. */
  allowlist?: string[];
}

interface Announced {
  base_url: string;
  api_key: string;
  ca_certificate: string | null;
}

/** A fault's parameters: may be left out where none is required. */
type Parameters<Kind extends keyof Faults> = {} extends Faults[Kind]
  ? [parameters?: Faults[Kind] & FaultOptions]
  : [parameters: Faults[Kind] & FaultOptions];

/**
 * Starts a sandbox. It runs until it is stopped or disposed of, or this process ends, however it ends; it keeps no program alive.
 *
 * @throws SandboxError when it does not start.
 * @throws TypeError for an option that there is not.
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  onlyKnown('startSandbox', options, ['limits', 'tls', 'port']);
  const { limits = false, tls = false, port = 0 } = options;
  if (typeof tls !== 'boolean') throw new TypeError('tls must be true or false');
  if (limits !== false) onlyKnown('limits', limits, ['reads', 'actions', 'total', 'window']);
  const args = ['--port', `${port}`, '--exit-with-parent'];
  if (limits === false) args.push('--no-limits');
  else {
    for (const name of ['reads', 'actions', 'total'] as const) {
      if (limits[name] !== undefined) args.push(`--${name}=${limits[name]}`);
    }
    if (limits.window !== undefined) args.push(`--window=${limits.window / 1000}`);
  }
  if (tls) args.push('--tls');
  // The end of its standard input tells it that this process is gone.
  const child = spawn(findProgram(), args, { stdio: 'pipe', windowsHide: true });
  return new Sandbox(child, await announcement(child));
}

/** What TypeScript finds, for those who write JavaScript: a misspelt option would change nothing, without a word. */
function onlyKnown(what: string, given: unknown, names: readonly string[]): void {
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`${what} takes an object with ${names.join(', ')}`);
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new TypeError(`${what} does not know ${unknown}; it takes ${names.join(', ')}`);
}

async function announcement(child: ChildProcessWithoutNullStreams): Promise<Announced> {
  const said = text(child.stderr);
  const failed = new Promise<never>((_, reject) => {
    child.once('error', ({ message }) => reject(new SandboxError(`celper-sandbox did not start: ${message}`)));
    child.once('close', async (code) => {
      reject(new SandboxError(`celper-sandbox did not start: ${(await said).trim() || `exit code ${code}`}`));
    });
  });
  // Once it runs, its end is no failure of its start.
  failed.catch(() => {});
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, 'line'), failed]);
  for (const handle of [child, child.stdin, child.stdout, child.stderr]) (handle as unknown as Socket).unref();
  try {
    return JSON.parse(line);
  } catch {
    child.kill();
    throw new SandboxError(`${child.spawnfile} is not celper-sandbox: it says ${JSON.stringify(line)}`);
  }
}

/** The whole of the answer. */
async function received(message: http.ClientRequest) {
  const [answer] = (await once(message, 'response')) as [http.IncomingMessage];
  return { status: answer.statusCode ?? 0, said: JSON.parse(await text(answer)) };
}

/** A running sandbox: where it is, the stage for a test, and what happened on it. */
export class Sandbox implements AsyncDisposable, Disposable {
  /** For a client's `baseUrl`. */
  readonly baseUrl: string;
  /** A key with all scopes. */
  readonly apiKey: string;
  /** With `tls`, the certificate to trust, as PEM. */
  readonly caCertificate: string | undefined;
  readonly #child: ChildProcessWithoutNullStreams;
  #count = 0;

  /** @internal */
  constructor(child: ChildProcessWithoutNullStreams, announced: Announced) {
    this.#child = child;
    this.baseUrl = announced.base_url;
    this.apiKey = announced.api_key;
    this.caCertificate = announced.ca_certificate ?? undefined;
  }

  /** Ends it, and waits until it has ended. More than once does no harm. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.ref();
    this.#child.kill();
    await ended;
  }

  /** `await using sandbox = …` */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** `using sandbox = …`: tells it to end, and does not wait. */
  [Symbol.dispose](): void {
    this.#child.kill();
  }

  /**
   * What `new Celper(…)` takes to call this sandbox. The client's own pacing is off: it would hold tests up for the service's real
   * rate windows.
   */
  get clientOptions(): ClientOptions {
    const { baseUrl, apiKey, caCertificate } = this;
    return { baseUrl, apiKey, rateLimits: false, ...(caCertificate && { caCertificates: caCertificate }) };
  }

  /** The variables with which a client that is told nothing calls this sandbox. */
  get environment(): Record<string, string> {
    const loopback = '127.0.0.1,localhost,::1';
    const withLoopback = (name: string) => (process.env[name] ? `${process.env[name]},${loopback}` : loopback);
    return {
      CELPER_BASE_URL: this.baseUrl,
      CELPER_API_KEY: this.apiKey,
      NO_PROXY: withLoopback('NO_PROXY'),
      no_proxy: withLoopback('no_proxy'),
    };
  }

  /** Puts a candidate, in place of an earlier one of the same ids. */
  async createCandidate(description: CandidateDescription = {}): Promise<Candidate> {
    const named = { candidateId: `cand_${this.#count + 1}`, jobPositionId: 'pos_1', ...description };
    if (description.candidateId === undefined) this.#count += 1;
    return candidate(await this.#ask<CandidateShown>('candidates', named));
  }

  /** Puts a candidate who can be selected or rejected. */
  createInterviewedCandidate(description: CandidateDescription = {}): Promise<Candidate> {
    return this.createCandidate({ status: 'interviewed', analysisViewed: true, interviewScore: 85, ...description });
  }

  /** Changes what is said of a candidate, and leaves the rest as it is. */
  async changeCandidate(candidateId: string, change: CandidateChange): Promise<Candidate> {
    const body = { candidateId, jobPositionId: 'pos_1', ...change };
    return candidate(await this.#ask<CandidateShown>('candidates', body, 'PATCH'));
  }

  /** All candidates as they are now. */
  async candidates(): Promise<Candidate[]> {
    return (await this.#ask<CandidateShown[]>('candidates')).map(candidate);
  }

  /** One candidate as it is now, or `undefined`. */
  async candidate(candidateId: string, jobPositionId = 'pos_1'): Promise<Candidate | undefined> {
    const all = await this.candidates();
    return all.find((found) => found.id === candidateId && found.jobPositionId === jobPositionId);
  }

  /** Has the next request for a candidate go wrong. */
  async queueFault<Kind extends keyof Faults>(
    candidateId: string,
    kind: Kind,
    ...[parameters]: Parameters<Kind>
  ): Promise<void> {
    await this.#ask('faults', { candidateId, kind, ...parameters });
  }

  /** Drops the faults that have not struck. */
  async clearFaults(): Promise<void> {
    await this.#ask('faults', undefined, 'DELETE');
  }

  /** Adds an API key, or replaces it. Gives the key. */
  async addKey(options: ApiKeyOptions = {}): Promise<string> {
    const body = { key: `celp_${randomBytes(16).toString('hex')}`, ...options };
    return (await this.#ask<{ key: string }>('keys', body)).key;
  }

  /** Turns the company's access to the API off, or on again. */
  async setCompany(state: 'active' | 'api_disabled' | 'account_suspended'): Promise<void> {
    await this.#ask('company', { state });
  }

  /** Changes the rate windows; `false` turns them off. What is not said stays. */
  async setLimits(limits: Limits | false): Promise<void> {
    if (limits === false) await this.#ask('limits', { enabled: false });
    else {
      const { window, ...counts } = limits;
      await this.#ask('limits', { ...counts, ...(window !== undefined && { window: window / 1000 }), enabled: true });
    }
  }

  /** The time on the sandbox's clock. */
  async now(): Promise<Date> {
    return new Date((await this.#ask<{ now: string }>('clock')).now);
  }

  /**
   * Moves the sandbox's clock ahead; gives its new time. Its windows, idempotency keys and sessions follow. A client's own waits do
   * not.
   */
  async advanceClock(milliseconds: number): Promise<Date> {
    return new Date((await this.#ask<{ now: string }>('clock', { advanceSeconds: milliseconds / 1000 })).now);
  }

  /** Every request received, in order; or those for one candidate. */
  async requests(candidateId?: string): Promise<RecordedRequest[]> {
    const query = candidateId === undefined ? '' : `?candidateId=${encodeURIComponent(candidateId)}`;
    return (await this.#ask<RequestShown[]>(`requests${query}`)).map(request);
  }

  /** Forgets the requests received so far. */
  async clearRequests(): Promise<void> {
    await this.#ask('requests', undefined, 'DELETE');
  }

  /** The e-mails that the service would have sent, in order. */
  async outbox(): Promise<Mail[]> {
    return (await this.#ask<MailShown[]>('outbox')).map(mail);
  }

  /** Forgets the e-mails so far. */
  async clearOutbox(): Promise<void> {
    await this.#ask('outbox', undefined, 'DELETE');
  }

  /** Forgets everything. Keys, limits and the clock go back to what they were at the start. */
  async reset(): Promise<void> {
    await this.#ask('reset', undefined, 'POST');
    this.#count = 0;
  }

  /** Calls a control endpoint that has no method here. */
  control(path: string, body?: unknown, method?: string): Promise<unknown> {
    return this.#ask(path, body, method);
  }

  async #ask<Answer>(path: string, body?: unknown, method = body === undefined ? 'GET' : 'POST'): Promise<Answer> {
    const { baseUrl, caCertificate } = this;
    const url = `${baseUrl}/_sandbox/${path}`;
    // Before there is a request that a body which is no JSON would leave open.
    const payload = body === undefined ? undefined : JSON.stringify(body);
    // No agent: it would keep connections, and no proxy of the environment belongs between a test and its own machine.
    const message = caCertificate
      ? https.request(url, { method, agent: false, ca: caCertificate })
      : http.request(url, { method, agent: false });
    message.end(payload);
    const { status, said } = await received(message).catch((cause: Error) => {
      throw new SandboxError(`the sandbox at ${baseUrl} does not answer: ${cause.message}`, { cause });
    });
    if (status >= 400) throw new SandboxError(said.error);
    return said;
  }
}
