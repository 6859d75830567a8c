// The four operations: their arguments, options and results.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, test } from 'node:test';
import { inspect } from 'node:util';

import { CandidateStatus, Celper, isKnownStatus } from 'celper';

import { startSandbox } from './support/sandbox.mjs';
import { native } from './support/tables.mjs';

const sandbox = await startSandbox();
const limited = await startSandbox({ limits: {} });
const tls = await startSandbox({ tls: true });
const client = new Celper(sandbox.clientOptions);
const jobPositionId = 'pos_1';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

test('status, invite, select, reject', async () => {
  const { id: invited } = await sandbox.createCandidate();
  const fresh = await client.getCandidateStatus(invited, { jobPositionId });
  assert.deepEqual(Object.keys(fresh), ['status', 'analysisViewed', 'interviewScore', 'requestId', 'attempts']);
  assert.deepEqual([fresh.status, fresh.analysisViewed, fresh.interviewScore], ['new', false, null]);
  assert.match(fresh.requestId, UUID);

  const invitation = await client.inviteCandidate(invited, { jobPositionId });
  assert.deepEqual([invitation.invited, invitation.emailDelivery], [true, 'pending']);
  assert.match(invitation.sessionId, /^sess_/);
  assert.ok(invitation.expiresAt instanceof Date);
  const days = (invitation.expiresAt.getTime() - Date.now()) / 86_400_000;
  assert.ok(days > 6.9 && days < 7.1, `${invitation.expiresAt}`);

  const { id: selected } = await sandbox.createInterviewedCandidate();
  assert.equal((await client.getCandidateStatus(selected, { jobPositionId })).interviewScore, 85);
  assert.equal((await client.selectCandidate(selected, { jobPositionId })).status, CandidateStatus.Selected);
  const { id: rejected } = await sandbox.createInterviewedCandidate({ interviewScore: 12.5 });
  assert.equal((await client.getCandidateStatus(rejected, { jobPositionId })).interviewScore, 12.5);
  const decision = await client.rejectCandidate(rejected, { jobPositionId });
  assert.deepEqual(Object.keys(decision), ['status', 'requestId', 'attempts']);
  assert.equal(decision.status, 'rejected');
});

test('results are frozen plain objects', async () => {
  const client = new Celper(limited.clientOptions);
  const { id: candidateId } = await limited.createCandidate();
  const state = await client.getCandidateStatus(candidateId, { jobPositionId });
  assert.ok(Object.isFrozen(state) && Object.isFrozen(state.rateLimit));
  assert.deepEqual(structuredClone(state), state);
  assert.match(inspect(state), /status: 'new'/);
  assert.throws(() => {
    state.status = 'selected';
  }, TypeError);
});

test('rateLimit has the rate limit headers, and is absent without them', async () => {
  const { id: candidateId } = await limited.createCandidate();
  const limitedClient = new Celper(limited.clientOptions);
  const { rateLimit } = await limitedClient.getCandidateStatus(candidateId, { jobPositionId });
  assert.equal(rateLimit.limit, 40);
  assert.ok(rateLimit.remaining < 40 && rateLimit.resetAt instanceof Date);
  assert.ok(Math.abs(rateLimit.resetAt.getTime() - Date.now()) < 120_000);

  const { id: partial } = await sandbox.createCandidate();
  await sandbox.queueFault(partial, 'status', {
    status: 200,
    json: { success: true, data: { status: 'new', analysisViewed: false } },
    headers: {
      'X-RateLimit-Limit': null,
      'X-RateLimit-Remaining': 7,
      'X-RateLimit-Reset': '9'.repeat(18),
      'X-Request-Id': null,
    },
  });
  const state = await client.getCandidateStatus(partial, { jobPositionId });
  // A reset time outside the range of Date is left out.
  assert.deepEqual(state.rateLimit, { limit: null, remaining: 7, resetAt: null });
  assert.equal(state.requestId, undefined);

  const { id: plain } = await sandbox.createCandidate();
  assert.equal((await client.getCandidateStatus(plain, { jobPositionId })).rateLimit, undefined);
});

test('arguments and options are sent', async () => {
  const id = 'cand ü/../?#%🦀';
  await sandbox.createCandidate({ candidateId: id, jobPositionId: 'p ö&=' });
  const named = new Celper({ ...sandbox.clientOptions, appInfo: 'acme/2.1' });
  const emailSubject = 'Hällo "you" 🦀';
  const emailBody = 'line one\nline two {interviewLink}\u2028';
  await named.getCandidateStatus(id, { jobPositionId: 'p ö&=' });
  await named.inviteCandidate(id, { jobPositionId: 'p ö&=', emailSubject, emailBody, idempotencyKey: 'invite 17' });
  const [read, post] = await sandbox.requests(id);
  assert.equal(read.method, 'GET');
  assert.equal(new URLSearchParams(read.query).get('jobPositionId'), 'p ö&=');
  assert.equal(read.headers['idempotency-key'], undefined);
  assert.equal(read.headers['x-api-key'], sandbox.apiKey);
  assert.match(
    read.headers['user-agent'],
    new RegExp(`^celper-node/\\S+ \\(.*node ${process.versions.node}\\) acme/2\\.1$`),
  );
  assert.equal(post.method, 'POST');
  assert.equal(post.headers['idempotency-key'], 'invite 17');
  assert.deepEqual(JSON.parse(post.body), { jobPositionId: 'p ö&=', emailSubject, emailBody });
});

test('an action has the same idempotency key in all attempts', async () => {
  const { id: candidateId } = await sandbox.createInterviewedCandidate();
  await sandbox.queueFault(candidateId, 'status', { status: 503, headers: { 'Retry-After': 0 } });
  await client.selectCandidate(candidateId, { jobPositionId });
  const [first, second] = await sandbox.requests(candidateId);
  assert.match(first.headers['idempotency-key'], UUID);
  assert.equal(second.headers['idempotency-key'], first.headers['idempotency-key']);
});

test('maxRetries of a call overrides that of the client', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'status', { status: 503, headers: { 'Retry-After': 0 }, times: null });
  const attempts = (c, options) =>
    c.getCandidateStatus(candidateId, { jobPositionId, ...options }).then(assert.fail, (error) => error.attempts);
  assert.equal(await attempts(client), 3);
  assert.equal(await attempts(client, { maxRetries: 0 }), 1);
  const patient = new Celper({ ...sandbox.clientOptions, maxRetries: 3 });
  assert.equal(await attempts(patient), 4);
  assert.equal(await attempts(patient, { maxRetries: 1 }), 2);
});

test('timeouts are in milliseconds', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'delay', { seconds: 30, times: null });
  const impatient = new Celper({ ...sandbox.clientOptions, attemptTimeout: 60, maxRetries: 0 });
  for (const call of [
    () => client.getCandidateStatus(candidateId, { jobPositionId, timeout: 60 }),
    () => impatient.getCandidateStatus(candidateId, { jobPositionId }),
  ]) {
    await assert.rejects(call, { name: 'RequestTimeoutError', kind: 'timeout', message: /0\.06 s/ });
  }
});

test('calls are paced by rateLimits', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  const paced = new Celper({ ...sandbox.clientOptions, rateLimits: { reads: 2, window: 300 }, appInfo: 'paced' });
  const started = performance.now();
  await Promise.all(Array.from({ length: 6 }, () => paced.getCandidateStatus(candidateId, { jobPositionId })));
  assert.ok(performance.now() - started >= 600, 'six reads at two per window take at least two windows');

  // Clients with the same base URL and key share their windows, so this client uses another sandbox.
  const other = await startSandbox();
  const { id: otherId } = await other.createCandidate();
  const full = new Celper({ ...other.clientOptions, rateLimits: { reads: 1, window: 600_000 } });
  await full.getCandidateStatus(otherId, { jobPositionId });
  const late = full.getCandidateStatus(otherId, { jobPositionId, timeout: 30_000 });
  await assert.rejects(late, (error) => error.kind === 'rate_limited' && error.retryAfter > 0 && error.attempts === 0);
});

test("an unknown status is returned unchanged, and the known ones are the core's", async () => {
  const { id: candidateId } = await sandbox.createCandidate({ status: 'on_hold' });
  const { status } = await client.getCandidateStatus(candidateId, { jobPositionId });
  assert.equal(status, 'on_hold');
  assert.equal(isKnownStatus(status), false);
  assert.deepEqual(Object.values(CandidateStatus), native.knownStatuses());
  assert.ok(Object.values(CandidateStatus).every(isKnownStatus));
});

test('TLS with caCertificates as a string and as bytes', async () => {
  const { id: candidateId } = await tls.createCandidate();
  for (const caCertificates of [tls.caCertificate, Buffer.from(tls.caCertificate)]) {
    const secure = new Celper({ ...tls.clientOptions, caCertificates });
    assert.equal((await secure.getCandidateStatus(candidateId, { jobPositionId })).status, 'new');
  }
  const distrusting = new Celper({ ...tls.clientOptions, caCertificates: undefined, maxRetries: 0 });
  await assert.rejects(distrusting.getCandidateStatus(candidateId, { jobPositionId }), { kind: 'connection' });
});

test('a proxy with credentials', async () => {
  const { id: candidateId } = await tls.createCandidate();
  const connects = [];
  const proxy = net.createServer((socket) => {
    socket.once('data', (head) => {
      connects.push(head.toString('latin1'));
      const upstream = net.connect(new URL(tls.baseUrl).port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(upstream).pipe(socket);
      });
      for (const end of [socket, upstream]) end.on('error', () => {}).on('close', () => socket.destroy());
    });
  });
  proxy.listen(0, '127.0.0.1');
  after(() => proxy.close());
  await once(proxy, 'listening');
  const client = new Celper({ ...tls.clientOptions, proxy: `http://user:pass@127.0.0.1:${proxy.address().port}` });
  assert.equal((await client.getCandidateStatus(candidateId, { jobPositionId })).status, 'new');
  const [connect] = connects;
  assert.equal(connects.length, 1);
  assert.ok(connect.startsWith(`CONNECT ${new URL(tls.baseUrl).host} HTTP/1.1\r\n`), connect);
  assert.match(connect, /^proxy-authorization: Basic dXNlcjpwYXNz\r$/im);
  client.close();
});

test("a loopback base URL does not use the environment's proxy", async () => {
  const { id: candidateId } = await tls.createCandidate();
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'];
  for (const name of names) process.env[name] = 'http://127.0.0.1:1';
  try {
    for (const options of [tls.clientOptions, { ...tls.clientOptions, proxy: 'http://192.0.2.1:1' }]) {
      const client = new Celper({ ...options, maxRetries: 0, timeout: 20_000 });
      assert.equal((await client.getCandidateStatus(candidateId, { jobPositionId })).status, 'new');
    }
  } finally {
    for (const name of names) delete process.env[name];
  }
});

test('options from the environment', async () => {
  const { id: candidateId } = await limited.createCandidate();
  Object.assign(process.env, { CELPER_API_KEY: limited.apiKey, CELPER_BASE_URL: limited.baseUrl });
  try {
    const fromEnvironment = new Celper();
    assert.equal(fromEnvironment.baseUrl, limited.baseUrl);
    assert.equal((await fromEnvironment.getCandidateStatus(candidateId, { jobPositionId })).status, 'new');
    assert.equal(new Celper({ apiKey: undefined, rateLimits: undefined }).baseUrl, limited.baseUrl);
    // Files and secret stores often end a value with a line break.
    Object.assign(process.env, { CELPER_API_KEY: ` ${limited.apiKey}\n`, CELPER_BASE_URL: ` ${limited.baseUrl}\r\n` });
    assert.equal((await new Celper().getCandidateStatus(candidateId, { jobPositionId })).status, 'new');
    process.env.CELPER_BASE_URL = ' ';
    assert.equal(new Celper().baseUrl, 'https://api.celper.ai');
  } finally {
    delete process.env.CELPER_API_KEY;
    delete process.env.CELPER_BASE_URL;
  }
  assert.throws(() => new Celper(), { name: 'InvalidArgumentError', message: /apiKey.*CELPER_API_KEY/ });
});

test('a closed client rejects new calls and completes those in progress', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'delay', { seconds: 0.2 });
  let last;
  {
    const closing = new Celper(sandbox.clientOptions);
    const inProgress = closing.getCandidateStatus(candidateId, { jobPositionId });
    await new Promise((resolve) => setTimeout(resolve, 50));
    closing.close();
    closing.close();
    await assert.rejects(closing.getCandidateStatus(candidateId, { jobPositionId }), {
      kind: 'invalid_argument',
      message: /closed/,
    });
    assert.equal((await inProgress).status, 'new');
    last = closing;
  }
  assert.equal(last.baseUrl, sandbox.baseUrl);
  const disposed = new Celper(sandbox.clientOptions);
  disposed[Symbol.dispose]();
  await assert.rejects(disposed.getCandidateStatus(candidateId, { jobPositionId }), /closed/);
  const asyncDisposed = new Celper(sandbox.clientOptions);
  await asyncDisposed[Symbol.asyncDispose]();
  await assert.rejects(asyncDisposed.getCandidateStatus(candidateId, { jobPositionId }), /closed/);
});
