/** The stand-in for the service, as a process of its own, and what a test asks of it. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../../target', import.meta.url));
export const BINARY = process.env.CELPER_SANDBOX ?? join(TARGET, 'release/celper-sandbox');

let count = 0;

/** Starts a sandbox that ends with the test file; without rate limits unless an option sets them. */
export async function startSandbox(...options) {
  if (!existsSync(BINARY)) throw new Error(`there is no ${BINARY}: run "make sandbox", or set CELPER_SANDBOX`);
  const limits = options.some((option) => option === '--window') ? [] : ['--no-limits'];
  const child = spawn(BINARY, ['--port', '0', '--exit-with-parent', ...limits, ...options], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`the sandbox ended with ${code}`)));
  });
  after(() => child.stdin.end());
  return new Sandbox(JSON.parse(line));
}

class Sandbox {
  constructor(announced) {
    this.baseUrl = announced.base_url;
    this.apiKey = announced.api_key;
    this.caCertificate = announced.ca_certificate;
    this.proxyUrl = announced.proxy_url;
  }

  /** Options of a client of this sandbox, without pacing unless a test asks for it. */
  options(more = {}) {
    return { apiKey: this.apiKey, baseUrl: this.baseUrl, rateLimits: false, ...more };
  }

  async control(path, body, method = body === undefined ? 'GET' : 'POST') {
    const { request } = this.caCertificate ? https : http;
    const message = request(`${this.baseUrl}/_sandbox/${path}`, { method, ca: this.caCertificate, agent: false });
    message.end(body === undefined ? undefined : JSON.stringify(body));
    const [answer] = await once(message, 'response');
    const said = await text(answer);
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${said}`);
    return said === '' ? undefined : JSON.parse(said);
  }

  /** A fresh candidate's id; its job position is `pos`. */
  async candidate(more = {}) {
    const candidateId = `cand_${++count}`;
    await this.control('candidates', { candidateId, jobPositionId: 'pos', status: 'new', ...more });
    return candidateId;
  }

  /** A candidate on whom a decision can be taken. */
  interviewed(more = {}) {
    return this.candidate({ status: 'interviewed', analysisViewed: true, interviewScore: 85, ...more });
  }

  fault(candidateId, kind, more = {}) {
    return this.control('faults', { candidateId, kind, ...more });
  }

  requests(candidateId) {
    return this.control(`requests?candidateId=${encodeURIComponent(candidateId)}`);
  }
}

/** Waits until `check` gives something true. */
export async function until(check, what = 'it', within = 30_000) {
  const end = Date.now() + within;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what} did not happen within ${within} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
