// The control methods, and their effect on API requests.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { buffer, text } from 'node:stream/consumers';
import { after, beforeEach, test } from 'node:test';
import { SandboxError, startSandbox } from '../dist/index.mjs';

const sandbox = await startSandbox();
after(() => sandbox.stop());
beforeEach(() => sandbox.reset());

/** Sends an API request and returns its status and body. */
async function call(path, { body, to = sandbox, headers = {} } = {}) {
  const { request } = to.caCertificate ? https : http;
  const message = request(`${to.baseUrl}/v1/candidates/${path}`, {
    method: body ? 'POST' : 'GET',
    agent: false,
    ca: to.caCertificate,
    headers: { 'X-API-Key': to.apiKey, ...headers },
  });
  message.end(body && JSON.stringify(body));
  const [response] = await once(message, 'response');
  const received = await text(response);
  return [response.statusCode, received && JSON.parse(received)];
}
const status = (id, options) => call(`${id}/status?jobPositionId=pos_1`, options);
const act = (id, operation, more) => call(`${id}/${operation}`, { body: { jobPositionId: 'pos_1', ...more } });

test('candidates', async () => {
  const [first, second] = [await sandbox.createCandidate(), await sandbox.createCandidate()];
  assert.deepEqual(first, {
    id: 'cand_1',
    jobPositionId: 'pos_1',
    status: 'new',
    analysisViewed: false,
    interviewScore: undefined,
  });
  assert.equal(second.id, 'cand_2');
  const described = {
    candidateId: 'ada',
    status: 'on_hold',
    analysisViewed: true,
    interviewScore: null,
    extra: { tag: 1 },
  };
  const third = await sandbox.createCandidate(described);
  const [, { data }] = await status('ada');
  assert.deepEqual(data, { status: 'on_hold', analysisViewed: true, interviewScore: null, tag: 1 });
  const changed = await sandbox.changeCandidate('ada', { status: 'interviewed', interviewScore: 7.5 });
  assert.deepEqual(changed, { ...third, status: 'interviewed', interviewScore: 7.5 });
  assert.deepEqual(await sandbox.candidate('ada'), changed);
  assert.equal(await sandbox.candidate('ada', 'pos_2'), undefined);
  assert.equal((await sandbox.candidates()).length, 3);
  await assert.rejects(sandbox.changeCandidate('nobody', { status: 'new' }), (error) => {
    assert.ok(error instanceof SandboxError);
    assert.match(error.message, /POST it first/);
    return true;
  });
});

test('decisions', async () => {
  const { id, analysisViewed, interviewScore } = await sandbox.createInterviewedCandidate();
  assert.deepEqual([analysisViewed, interviewScore], [true, 85]);
  assert.equal((await act(id, 'select'))[1].data.status, 'selected');
  assert.equal((await sandbox.candidate(id)).status, 'selected');
});

test('requests', async () => {
  await sandbox.createCandidate({ candidateId: 'a/b' });
  await call('a%2Fb/status?jobPositionId=pos_1', { headers: { 'X-Tag': 'one' } });
  await act('other', 'invite');
  const [read, invited] = await sandbox.requests();
  assert.equal(read.headers['x-tag'], 'one');
  assert.ok(Math.abs(read.receivedAt - (await sandbox.now())) < 300_000);
  const { headers: _, receivedAt: __, ...rest } = read;
  assert.deepEqual(rest, {
    method: 'GET',
    path: '/v1/candidates/a%2Fb/status',
    query: 'jobPositionId=pos_1',
    candidateId: 'a/b',
    body: null,
    answered: 200,
    fault: null,
    acted: false,
    replayed: false,
    clientClosed: false,
  });
  assert.deepEqual(
    [invited.method, invited.answered, JSON.parse(invited.body)],
    ['POST', 404, { jobPositionId: 'pos_1' }],
  );
  assert.deepEqual(await sandbox.requests('a/b'), [read]);
  await sandbox.clearRequests();
  assert.deepEqual(await sandbox.requests(), []);
});

test('outbox', async () => {
  const { id } = await sandbox.createCandidate();
  await act(id, 'invite', { emailSubject: 'Hello', emailBody: 'Here: {interviewLink}' });
  const [mail] = await sandbox.outbox();
  assert.deepEqual([mail.candidateId, mail.jobPositionId, mail.subject], [id, 'pos_1', 'Hello']);
  assert.equal(mail.body, `Here: ${mail.interviewLink}`);
  assert.deepEqual([mail.defaultSubject, mail.defaultBody], [false, false]);
  assert.ok(mail.sessionId && !Number.isNaN(mail.queuedAt.getTime()));
  await sandbox.clearOutbox();
  assert.deepEqual(await sandbox.outbox(), []);
});

test('a forward proxy', async () => {
  assert.equal(sandbox.proxyUrl, undefined);
  const proxied = await startSandbox({ proxy: 'user:password' });
  after(() => proxied.stop());
  const connect = async (headers) => {
    const { hostname, port } = new URL(proxied.proxyUrl);
    const message = http.request({ hostname, port, method: 'CONNECT', path: new URL(proxied.baseUrl).host, headers });
    message.end();
    const [response, socket] = await Promise.race(['connect', 'response'].map((event) => once(message, event)));
    socket?.destroy();
    response.destroy();
    return response.statusCode;
  };
  assert.deepEqual(
    [await connect({}), await connect({ 'Proxy-Authorization': `Basic ${btoa('user:password')}` })],
    [407, 200],
  );
  assert.equal((await proxied.control('proxy')).length, 2);
  await assert.rejects(startSandbox({ proxy: 5 }), TypeError);
});

test('a response that is not UTF-8', async () => {
  const { id } = await sandbox.createCandidate();
  await sandbox.queueFault(id, 'status', { status: 418, bodyBase64: Buffer.from([0xff, 0xfe]).toString('base64') });
  const { hostname, port } = new URL(sandbox.baseUrl);
  const path = `/v1/candidates/${id}/status?jobPositionId=pos_1`;
  const message = http.get({ hostname, port, path, agent: false, headers: { 'X-API-Key': sandbox.apiKey } });
  const [response] = await once(message, 'response');
  assert.deepEqual([response.statusCode, ...(await buffer(response))], [418, 0xff, 0xfe]);
});

test('faults', async () => {
  const { id } = await sandbox.createCandidate();
  await sandbox.queueFault(id, 'status', { status: 503, times: 2, act: 'before', operation: 'invite' });
  assert.equal((await status(id))[0], 200);
  for (const expected of [503, 503, 409]) assert.equal((await act(id, 'invite'))[0], expected);
  await sandbox.queueFault(id, 'answer', { data: { status: 'odd' }, times: null });
  assert.equal((await status(id))[1].data.status, 'odd');
  await sandbox.clearFaults();
  assert.equal((await status(id))[1].data.status, 'invited');
  await sandbox.queueFault(id, 'close_idle');
  await assert.rejects(sandbox.queueFault(id, 'delay', {}), /missing field `seconds`/);
});

test('keys and company', async () => {
  const { id } = await sandbox.createCandidate();
  const key = await sandbox.addKey({ scopes: ['read:candidates'] });
  assert.match(key, /^celp_[0-9a-f]{32}$/);
  const headers = { 'X-API-Key': key };
  assert.equal((await status(id, { headers }))[0], 200);
  await sandbox.addKey({ key, state: 'revoked', allowlist: ['127.0.0.1'] });
  assert.equal((await status(id, { headers }))[0], 401);
  await sandbox.setCompany('api_disabled');
  assert.equal((await status(id))[1].error, 'API_DISABLED');
  await sandbox.setCompany('active');
  assert.equal((await status(id))[0], 200);
});

test('the clock', async () => {
  const { id } = await sandbox.createCandidate();
  await act(id, 'invite');
  const before = await sandbox.now();
  const week = 8 * 24 * 3600_000;
  assert.ok((await sandbox.advanceClock(week)) - before >= week);
  assert.equal((await sandbox.candidate(id)).status, 'expired');
  await assert.rejects(sandbox.advanceClock(-1), /only goes ahead/);
  await sandbox.reset();
  assert.ok((await sandbox.now()) - before < 300_000);
});

test('limits', async () => {
  const limits = { reads: 2, actions: 1, window: 3600_000 };
  const limited = await startSandbox({ limits, apiKey: 'celp_mine' });
  after(() => limited.stop());
  assert.equal(limited.apiKey, 'celp_mine');
  const statuses = [];
  for (let count = 0; count < 3; count += 1) statuses.push((await status('ada', { to: limited }))[0]);
  assert.deepEqual(statuses, [404, 404, 429]);
  const { reads, actions, total, window } = await limited.control('windows');
  assert.deepEqual([reads.limit, actions.limit, total.limit, window], [2, 1, 60, 3600]);
  await limited.setLimits(false);
  assert.equal((await status('ada', { to: limited }))[0], 404);
  await limited.setLimits({ reads: 3, window: 60_000 });
  const changed = await limited.control('windows');
  assert.deepEqual([changed.reads.limit, changed.actions.limit, changed.window], [3, 1, 60]);
});

test('HTTPS', async () => {
  const secure = await startSandbox({ tls: true });
  assert.notEqual(secure.apiKey, sandbox.apiKey);
  after(() => secure.stop());
  assert.match(secure.baseUrl, /^https:/);
  const { id } = await secure.createCandidate();
  assert.equal((await status(id, { to: secure }))[0], 200);
  assert.equal(secure.clientOptions.caCertificates, secure.caCertificate);
});

test('server names', async () => {
  // Elsewhere there is only 127.0.0.1.
  const host = process.platform === 'linux' ? '127.0.0.2' : '127.0.0.1';
  const named = await startSandbox({ host, tls: true, serverNames: ['sandbox.internal'] });
  after(() => named.stop());
  assert.equal(new URL(named.baseUrl).hostname, host);
  assert.deepEqual(await named.candidates(), []);
  const message = https.get(`${named.baseUrl}/_sandbox/health`, {
    agent: false,
    ca: named.caCertificate,
    servername: 'sandbox.internal',
    headers: { Host: 'sandbox.internal' },
  });
  const [response] = await once(message, 'response');
  response.resume();
  assert.equal(response.statusCode, 200);
  await assert.rejects(startSandbox({ serverNames: ['https://sandbox.internal'] }), /not a host name/);
});

test('web pages are refused', async () => {
  for (const headers of [{ Origin: 'null' }, { Host: 'evil.example' }]) {
    const message = http.get(`${sandbox.baseUrl}/_sandbox/requests`, { agent: false, headers });
    const [response] = await once(message, 'response');
    response.resume();
    assert.equal(response.statusCode, 403);
  }
});

test('it gives options and environment for clients', () => {
  const { baseUrl, apiKey } = sandbox;
  assert.deepEqual(sandbox.clientOptions, { baseUrl, apiKey, rateLimits: false });
  process.env.NO_PROXY = 'intranet';
  delete process.env.no_proxy;
  assert.deepEqual(sandbox.environment, {
    CELPER_BASE_URL: baseUrl,
    CELPER_API_KEY: apiKey,
    NO_PROXY: 'intranet,127.0.0.1,localhost,::1',
    no_proxy: '127.0.0.1,localhost,::1',
  });
});

test('an unknown control endpoint is an error', async () => {
  await assert.rejects(sandbox.control('nothing'), /there are health, reset/);
});

test('the types list the values that the program accepts', async () => {
  const declared = ['faults', 'sandbox']
    .map((name) => readFileSync(new URL(`../dist/${name}.d.ts`, import.meta.url), 'utf8'))
    .join();
  const words = (pattern, word = /'([^']+)'/g) =>
    Array.from(declared.match(pattern)[1].matchAll(word), ([, found]) => found);
  for (const [named, path, body] of [
    [words(/interface Faults \{\n(.*?)\n\}/s, /^ {4}(\w+):/gm), 'faults', { candidateId: 'c', kind: '?' }],
    [words(/operation\?: (.*);/), 'faults', { candidateId: 'c', kind: 'close', operation: '?' }],
    [words(/act\?: (.*);/), 'faults', { candidateId: 'c', kind: 'close', act: '?' }],
    [words(/state\?: (.*);/), 'keys', { key: 'celp_x', state: '?' }],
    [words(/scopes\?: (.*);/), 'keys', { key: 'celp_x', scopes: ['?'] }],
    [words(/setCompany\(state: (.*)\)/), 'company', { state: '?' }],
  ]) {
    const refused = await sandbox.control(path, body).catch(({ message }) => message);
    const [, ...known] = Array.from(refused.matchAll(/`([^`]+)`/g), ([, found]) => found);
    assert.deepEqual(named.toSorted(), known.toSorted());
  }
});

test('webhooks', async () => {
  const received = [];
  const server = http.createServer(async (request, response) => {
    received.push(JSON.parse(await text(request)));
    response.writeHead(received.length === 1 ? 500 : 204).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await sandbox.setWebhook(`http://127.0.0.1:${server.address().port}/`, 'whsec_1');
  await sandbox.queueDeliveryFault('twice');
  const { id: candidateId } = await sandbox.createCandidate();
  await act(candidateId, 'invite');
  const delivery = await sandbox.waitForDelivery({ candidateId, status: 'invited' });
  assert.deepEqual([delivery.answered, delivery.attempt, delivery.fault], [204, 2, 'twice']);
  assert.deepEqual(JSON.parse(delivery.body), received[0]);
  await sandbox.removeWebhook();
  await sandbox.changeCandidate(candidateId, { status: 'interviewed' });
  await assert.rejects(sandbox.waitForDelivery({ status: 'interviewed', timeout: 50 }), SandboxError);
  await sandbox.clearDeliveries();
  server.close();
});
