/** Runs the sandbox as a process and calls its control endpoints. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import type { CandidateChange, CandidateDescription, FaultOptions, Faults } from './faults';
import {
  type Candidate,
  type CandidateJson,
  candidate,
  type Delivery,
  type DeliveryFaultKind,
  type DeliveryJson,
  delivery,
  type Mail,
  type MailJson,
  mail,
  type RecordedRequest,
  type RequestJson,
  request,
} from './models';
import { findProgram } from './program';

/** The sandbox did not start or refused a control request; the message says why. */
export class SandboxError extends Error {
  override readonly name = 'SandboxError';
}

/** Rate limits; the defaults are the service's. */
export interface Limits {
  /** Default: 40. */
  reads?: number;
  /** Default: 30. */
  actions?: number;
  /** Reads and actions together. Default: 60. */
  total?: number;
  /** Milliseconds. Default: 60,000. */
  window?: number;
}

/** Options of {@link startSandbox}. */
export interface SandboxOptions {
  /** The rate limits; by default rate limiting is off. */
  limits?: Limits | false;
  /** Serve HTTPS; clients must trust `caCertificate`. */
  tls?: boolean;
  /** The IP address to listen on: 127.0.0.1 by default, `0.0.0.0` for all, so that a container can reach it. */
  host?: string;
  /** The port to listen on; any free port by default. */
  port?: number;
  /**
   * More names under which clients reach it, such as `host.docker.internal`: the certificate has them, and the control endpoints
   * accept them as `Host`.
   */
  serverNames?: readonly string[];
  /**
   * The API key with all scopes; a random one by default, because clients pace their calls by base URL and key: on a port that is used
   * again, the calls of an earlier test would delay those of the next.
   */
  apiKey?: string;
  /** Also run a forward proxy, at `proxyUrl`; with `user:password`, one that requires them. */
  proxy?: boolean | string;
}

/** The options for `new Celper(…)` to call a sandbox. */
export interface ClientOptions {
  baseUrl: string;
  apiKey: string;
  rateLimits: false;
  caCertificates?: string;
}

/** An API key; by default with all scopes and for any address. */
export interface ApiKeyOptions {
  /** A random one by default. */
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
  /** The addresses that can use it. */
  allowlist?: string[];
}

interface Announced {
  base_url: string;
  api_key: string;
  ca_certificate: string | null;
  proxy_url: string | null;
}

/** A fault's parameters; optional if none is required. */
type Parameters<Kind extends keyof Faults> = {} extends Faults[Kind]
  ? [parameters?: Faults[Kind] & FaultOptions]
  : [parameters: Faults[Kind] & FaultOptions];

/**
 * Starts a sandbox. It runs until it is stopped or disposed of, or until this process ends, even if it is killed. It does not keep
 * this process alive.
 *
 * @throws SandboxError if it does not start.
 * @throws TypeError for an unknown option.
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  onlyKnown('startSandbox', options, ['limits', 'tls', 'host', 'port', 'serverNames', 'apiKey', 'proxy']);
  const { limits = false, tls = false, host = '127.0.0.1', port = 0, serverNames = [], proxy = false } = options;
  if (typeof tls !== 'boolean') throw new TypeError('tls must be true or false');
  if (!Array.isArray(serverNames)) throw new TypeError('serverNames must be an array of names');
  if (limits !== false) onlyKnown('limits', limits, ['reads', 'actions', 'total', 'window']);
  const { apiKey = randomKey() } = options;
  const args = [`--host=${host}`, `--port=${port}`, `--key=${apiKey}`, '--exit-with-parent'];
  args.push(...serverNames.map((name) => `--server-name=${name}`));
  if (limits === false) args.push('--no-limits');
  else {
    for (const name of ['reads', 'actions', 'total'] as const) {
      if (limits[name] !== undefined) args.push(`--${name}=${limits[name]}`);
    }
    if (limits.window !== undefined) args.push(`--window=${limits.window / 1000}`);
  }
  if (tls) args.push('--tls');
  if (typeof proxy !== 'boolean' && typeof proxy !== 'string')
    throw new TypeError("proxy must be true, false or 'user:password'");
  if (proxy !== false) args.push('--proxy');
  if (typeof proxy === 'string') args.push(`--proxy-auth=${proxy}`);
  // The program exits when its standard input ends, which happens when this process ends.
  const child = spawn(findProgram(), args, { stdio: 'pipe', windowsHide: true });
  return new Sandbox(child, await announcement(child));
}

function randomKey(): string {
  return `celp_${randomBytes(16).toString('hex')}`;
}

/** Refuses misspelt options in JavaScript, where the compiler does not. */
function onlyKnown(what: string, given: unknown, names: readonly string[]): void {
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`${what} takes an object with ${names.join(', ')}`);
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new TypeError(`${what} does not know ${unknown}; it takes ${names.join(', ')}`);
}

async function announcement(child: ChildProcessWithoutNullStreams): Promise<Announced> {
  const stderr = text(child.stderr);
  const failed = new Promise<never>((_, reject) => {
    child.once('error', ({ message }) => reject(new SandboxError(`celper-sandbox did not start: ${message}`)));
    child.once('close', async (code) => {
      reject(new SandboxError(`celper-sandbox did not start: ${(await stderr).trim() || `exit code ${code}`}`));
    });
  });
  // Once it has started, its exit is not a failure to start.
  failed.catch(() => {});
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, 'line'), failed]);
  // Bun's standard input of a child has no `unref`; it does not keep the process alive either.
  for (const handle of [child, child.stdin, child.stdout, child.stderr])
    (handle as unknown as Partial<Socket>).unref?.();
  try {
    return JSON.parse(line);
  } catch {
    child.kill();
    throw new SandboxError(`${child.spawnfile} is not celper-sandbox: it printed ${JSON.stringify(line)}`);
  }
}

/** Waits for the complete response. */
async function received(message: http.ClientRequest) {
  const [response] = (await once(message, 'response')) as [http.IncomingMessage];
  return { status: response.statusCode ?? 0, json: JSON.parse(await text(response)) };
}

/** A running sandbox, with methods to set it up and to read what happened. */
export class Sandbox implements AsyncDisposable, Disposable {
  /** The `baseUrl` for a client. */
  readonly baseUrl: string;
  /** An API key with all scopes. */
  readonly apiKey: string;
  /** With `tls`, the certificate to trust, as PEM. */
  readonly caCertificate: string | undefined;
  /** With `proxy`, the forward proxy's URL, without credentials. */
  readonly proxyUrl: string | undefined;
  readonly #child: ChildProcessWithoutNullStreams;
  #count = 0;

  /** @internal */
  constructor(child: ChildProcessWithoutNullStreams, announced: Announced) {
    this.#child = child;
    this.baseUrl = announced.base_url;
    this.apiKey = announced.api_key;
    this.caCertificate = announced.ca_certificate ?? undefined;
    this.proxyUrl = announced.proxy_url ?? undefined;
  }

  /** Stops it and waits until its process has exited. Can be called more than once. */
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

  /** `using sandbox = …`: stops it without waiting. */
  [Symbol.dispose](): void {
    this.#child.kill();
  }

  /**
   * The options for `new Celper(…)` to call this sandbox. They turn the client's pacing off, because it would wait for the service's
   * real rate windows.
   */
  get clientOptions(): ClientOptions {
    const { baseUrl, apiKey, caCertificate } = this;
    return { baseUrl, apiKey, rateLimits: false, ...(caCertificate && { caCertificates: caCertificate }) };
  }

  /** The environment variables for a client without options to call this sandbox. */
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

  /** Creates a candidate, or replaces the one with the same ids. */
  async createCandidate(description: CandidateDescription = {}): Promise<Candidate> {
    const named = { candidateId: `cand_${this.#count + 1}`, jobPositionId: 'pos_1', ...description };
    if (description.candidateId === undefined) this.#count += 1;
    return candidate(await this.#ask<CandidateJson>('candidates', named));
  }

  /** Creates a candidate who can be selected or rejected. */
  createInterviewedCandidate(description: CandidateDescription = {}): Promise<Candidate> {
    return this.createCandidate({ status: 'interviewed', analysisViewed: true, interviewScore: 85, ...description });
  }

  /** Changes fields of a candidate; the others stay. */
  async changeCandidate(candidateId: string, change: CandidateChange): Promise<Candidate> {
    const body = { candidateId, jobPositionId: 'pos_1', ...change };
    return candidate(await this.#ask<CandidateJson>('candidates', body, 'PATCH'));
  }

  /** All candidates in their current state. */
  async candidates(): Promise<Candidate[]> {
    return (await this.#ask<CandidateJson[]>('candidates')).map(candidate);
  }

  /** One candidate in its current state, or `undefined`. */
  async candidate(candidateId: string, jobPositionId = 'pos_1'): Promise<Candidate | undefined> {
    const all = await this.candidates();
    return all.find((found) => found.id === candidateId && found.jobPositionId === jobPositionId);
  }

  /** Queues a fault for the next request for a candidate. */
  async queueFault<Kind extends keyof Faults>(
    candidateId: string,
    kind: Kind,
    ...[parameters]: Parameters<Kind>
  ): Promise<void> {
    await this.#ask('faults', { candidateId, kind, ...parameters });
  }

  /** Removes all pending faults. */
  async clearFaults(): Promise<void> {
    await this.#ask('faults', undefined, 'DELETE');
  }

  /** Adds or replaces an API key and returns it. */
  async addKey(options: ApiKeyOptions = {}): Promise<string> {
    const body = { key: randomKey(), ...options };
    return (await this.#ask<{ key: string }>('keys', body)).key;
  }

  /** Disables or suspends the company's access to the API, or restores it. */
  async setCompany(state: 'active' | 'api_disabled' | 'account_suspended'): Promise<void> {
    await this.#ask('company', { state });
  }

  /** Changes the given rate limits; `false` turns rate limiting off. */
  async setLimits(limits: Limits | false): Promise<void> {
    if (limits === false) await this.#ask('limits', { enabled: false });
    else {
      const { window, ...counts } = limits;
      await this.#ask('limits', { ...counts, ...(window !== undefined && { window: window / 1000 }), enabled: true });
    }
  }

  /**
   * Delivers an event to this URL for every change of a candidate's status, signed with the secret. A delivery that gets no 2xx is tried
   * again, 4 times in all, after 0.1, 0.2 and 0.4 seconds.
   */
  async setWebhook(url: string, secret: string): Promise<void> {
    await this.#ask('webhook', { url, secret });
  }

  /** Delivers no more events. */
  async removeWebhook(): Promise<void> {
    await this.#ask('webhook', undefined, 'DELETE');
  }

  /** Queues a fault for the next event; `milliseconds` is how much later a `late` one arrives. */
  async queueDeliveryFault(kind: DeliveryFaultKind, milliseconds?: number): Promise<void> {
    await this.#ask('webhook-faults', { kind, ...(milliseconds !== undefined && { seconds: milliseconds / 1000 }) });
  }

  /** The attempts at deliveries that have ended, in order: the latest 10,000, at most 16 MiB. */
  async deliveries(): Promise<Delivery[]> {
    return (await this.#ask<DeliveryJson[]>('deliveries')).map(delivery);
  }

  /** Clears the list of deliveries. */
  async clearDeliveries(): Promise<void> {
    await this.#ask('deliveries', undefined, 'DELETE');
  }

  /** Waits until a webhook was delivered with a 2xx, for this candidate and status if they are given; 10 s by default. */
  async waitForDelivery(wanted: { candidateId?: string; status?: string; timeout?: number } = {}): Promise<Delivery> {
    const end = performance.now() + (wanted.timeout ?? 10_000);
    for (;;) {
      const attempts = (await this.deliveries()).filter(
        ({ candidateId, status }) =>
          candidateId === (wanted.candidateId ?? candidateId) && status === (wanted.status ?? status),
      );
      const found = attempts.find(({ answered }) => answered !== null && answered >= 200 && answered < 300);
      if (found) return found;
      if (performance.now() > end) {
        const failed = attempts.map(({ answered, error }) => answered ?? error);
        throw new SandboxError(`no webhook was delivered; attempts that failed: ${JSON.stringify(failed)}`);
      }
      await setTimeout(10);
    }
  }

  /** The time on the sandbox's clock. */
  async now(): Promise<Date> {
    return new Date((await this.#ask<{ now: string }>('clock')).now);
  }

  /**
   * Advances the sandbox's clock and returns its new time. Rate windows, idempotency keys and sessions follow it; a client's own waits
   * do not.
   */
  async advanceClock(milliseconds: number): Promise<Date> {
    return new Date((await this.#ask<{ now: string }>('clock', { advanceSeconds: milliseconds / 1000 })).now);
  }

  /**
   * The logged requests in order: all, or those for one candidate. The sandbox keeps the latest 20,000, at most 40 MB of them, and the
   * first 64 KiB of each body.
   */
  async requests(candidateId?: string): Promise<RecordedRequest[]> {
    const query = candidateId === undefined ? '' : `?candidateId=${encodeURIComponent(candidateId)}`;
    return (await this.#ask<RequestJson[]>(`requests${query}`)).map(request);
  }

  /** Clears the request log. */
  async clearRequests(): Promise<void> {
    await this.#ask('requests', undefined, 'DELETE');
  }

  /** The e-mails that the service would have sent, in order: the latest 10,000, at most 16 MiB. */
  async outbox(): Promise<Mail[]> {
    return (await this.#ask<MailJson[]>('outbox')).map(mail);
  }

  /** Clears the outbox. */
  async clearOutbox(): Promise<void> {
    await this.#ask('outbox', undefined, 'DELETE');
  }

  /** Clears everything, and resets keys, limits and the clock to their initial state. */
  async reset(): Promise<void> {
    await this.#ask('reset', undefined, 'POST');
    this.#count = 0;
  }

  /** Calls any control endpoint; the sandbox's README lists them. */
  control(path: string, body?: unknown, method?: string): Promise<unknown> {
    return this.#ask(path, body, method);
  }

  async #ask<Result>(path: string, body?: unknown, method = body === undefined ? 'GET' : 'POST'): Promise<Result> {
    const { baseUrl, caCertificate } = this;
    const url = `${baseUrl}/_sandbox/${path}`;
    // Before the request is created: a body that cannot be serialised would leave it open.
    const payload = body === undefined ? undefined : JSON.stringify(body);
    // No agent: it would keep connections open, and could use a proxy of the environment.
    const message = caCertificate
      ? https.request(url, { method, agent: false, ca: caCertificate })
      : http.request(url, { method, agent: false });
    message.end(payload);
    const { status, json } = await received(message).catch((cause: Error) => {
      throw new SandboxError(`the sandbox at ${baseUrl} does not respond: ${cause.message}`, { cause });
    });
    if (status >= 400) throw new SandboxError(json.error);
    return json;
  }
}
