// AbortSignal: the call rejects at once with the signal's reason, its socket closes, no retry follows, and no listener is left.

import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import net from 'node:net';
import { after, test } from 'node:test';

import { Celper } from 'celper';

import { startSandbox } from './support/sandbox.mjs';
import { until } from './support/until.mjs';

const sandbox = await startSandbox();
const client = new Celper(sandbox.clientOptions);
const jobPositionId = 'pos_1';
const listeners = (signal) => getEventListeners(signal, 'abort').length;

/** A server that records its connections and the bytes received, and replies with `response`, by default nothing. */
async function silentServer(response = '') {
  const server = net.createServer((socket) => {
    const connection = { socket, received: '', closed: false };
    server.connections.push(connection);
    socket.on('error', () => {});
    socket.on('close', () => {
      connection.closed = true;
    });
    socket.on('data', (data) => {
      if (connection.received === '') socket.write(response);
      connection.received += data.toString('latin1');
    });
  });
  server.connections = [];
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    for (const { socket } of server.connections) socket.destroy();
    server.close();
  });
  return server;
}

/** Rejects with the reason, in less time than the client's timeouts and retries take. */
async function rejectsAtOnce(call, reason) {
  const late = new Promise((resolve) => setTimeout(resolve, 20_000, 'is still pending').unref());
  const outcome = await Promise.race([
    call.then(
      () => 'resolved',
      (error) => ({ error }),
    ),
    late,
  ]);
  assert.ok(typeof outcome === 'object', `the call ${outcome}`);
  assert.equal(outcome.error, reason);
}

/** Aborts a call that waits for `server`, and checks that its socket closes and that no retry follows. */
async function abortsAtServer(server, baseUrl) {
  const controller = new AbortController();
  const { signal } = controller;
  const caller = new Celper({ apiKey: 'celp_0123456789', baseUrl, rateLimits: false, maxRetries: 5 });
  const call = caller.inviteCandidate('c', { jobPositionId, signal });
  await until(() => server.connections[0]?.received, 'a request');
  assert.equal(listeners(signal), 1);
  const reason = new Error('changed my mind');
  controller.abort(reason);
  assert.equal(listeners(signal), 0);
  await rejectsAtOnce(call, reason);
  await until(() => server.connections[0].closed, 'the socket to close');
  await new Promise((resolve) => setTimeout(resolve, 700)); // longer than the longest backoff before the first retry
  assert.equal(server.connections.length, 1);
}

test('a signal that is already aborted: nothing is sent', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  const reason = { any: 'value' };
  const signal = AbortSignal.abort(reason);
  await rejectsAtOnce(client.getCandidateStatus(candidateId, { jobPositionId, signal }), reason);
  await assert.rejects(client.inviteCandidate(candidateId, { jobPositionId, signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
  assert.deepEqual(await sandbox.requests(candidateId), []);
  assert.equal(listeners(signal), 0);
});

test('aborting while a call waits for the rate limit frees its place in the queue', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  const own = await startSandbox();
  await own.createCandidate({ candidateId });
  const paced = new Celper({ ...own.clientOptions, rateLimits: { reads: 1, window: 3_000 } });
  await paced.getCandidateStatus(candidateId, { jobPositionId });
  const controller = new AbortController();
  const waiting = paced.getCandidateStatus(candidateId, { jobPositionId, signal: controller.signal });
  const next = paced.getCandidateStatus(candidateId, { jobPositionId });
  await new Promise((resolve) => setTimeout(resolve, 50));
  controller.abort('enough');
  await rejectsAtOnce(waiting, 'enough');
  await next;
  assert.equal((await own.requests(candidateId)).length, 2);
});

test('aborting while a call connects', async () => {
  // The server accepts the connection and does not respond to the TLS handshake.
  const server = await silentServer();
  await abortsAtServer(server, `https://127.0.0.1:${server.address().port}`);
  assert.doesNotMatch(server.connections[0].received, /HTTP/);
});

test('aborting while a call waits for the response', async () => {
  const server = await silentServer();
  await abortsAtServer(server, `http://127.0.0.1:${server.address().port}`);
  assert.match(server.connections[0].received, /^POST \/v1\/candidates\/c\/invite /);
});

test('aborting while a call reads the response body', async () => {
  const server = await silentServer('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"success":true,');
  await abortsAtServer(server, `http://127.0.0.1:${server.address().port}`);
});

test('aborting while a call waits before a retry', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'status', { status: 503, headers: { 'Retry-After': 1 }, times: null });
  const controller = new AbortController();
  const call = client.getCandidateStatus(candidateId, { jobPositionId, signal: controller.signal });
  await until(async () => (await sandbox.requests(candidateId)).some(({ answered }) => answered), 'a response');
  await new Promise((resolve) => setTimeout(resolve, 50));
  controller.abort('enough');
  await rejectsAtOnce(call, 'enough');
  await new Promise((resolve) => setTimeout(resolve, 1_300));
  assert.equal((await sandbox.requests(candidateId)).length, 1);
});

test('AbortSignal.timeout and AbortSignal.any abort calls', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'delay', { seconds: 20, times: null });
  const timeout = AbortSignal.timeout(30);
  const timedOut = client.getCandidateStatus(candidateId, { jobPositionId, signal: timeout });
  await assert.rejects(timedOut, (error) => error === timeout.reason && error.name === 'TimeoutError');
  const controller = new AbortController();
  const any = AbortSignal.any([controller.signal, AbortSignal.timeout(60_000)]);
  const call = client.getCandidateStatus(candidateId, { jobPositionId, signal: any });
  setTimeout(() => controller.abort('one of them'), 30);
  await rejectsAtOnce(call, 'one of them');
  assert.equal(listeners(timeout) + listeners(any), 0);
  const closed = async () => {
    const requests = await sandbox.requests(candidateId);
    return requests.every(({ clientClosed }) => clientClosed) && requests;
  };
  assert.ok((await until(closed, 'the connections to close')).length <= 2);
});

test('no listener is left after any outcome, and many calls share one listener', async () => {
  const warnings = [];
  const record = (warning) => warnings.push(warning);
  process.on('warning', record);
  const { id: candidateId } = await sandbox.createCandidate();
  const { signal } = new AbortController();
  const options = { jobPositionId, signal };
  await client.getCandidateStatus(candidateId, options);
  await assert.rejects(client.getCandidateStatus('nobody', options), { kind: 'not_found' });
  await assert.rejects(client.getCandidateStatus('', options), { kind: 'invalid_argument' });
  await assert.rejects(client.getCandidateStatus(candidateId, { ...options, timeout: -1 }), {
    kind: 'invalid_argument',
  });
  const calls = Array.from({ length: 64 }, () => client.getCandidateStatus(candidateId, options));
  assert.equal(listeners(signal), 1);
  await Promise.all(calls);
  assert.equal(listeners(signal), 0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off('warning', record);
  assert.deepEqual(warnings, []);
});

test('a shared signal aborts all of its calls', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'delay', { seconds: 20, times: null });
  const controller = new AbortController();
  const options = { jobPositionId, signal: controller.signal };
  const calls = Array.from({ length: 20 }, () => client.getCandidateStatus(candidateId, options));
  await new Promise((resolve) => setTimeout(resolve, 30));
  controller.abort('all');
  for (const call of calls) await rejectsAtOnce(call, 'all');
  assert.equal(listeners(controller.signal), 0);
});

test('other calls continue after an abort, and aborting a completed call does nothing', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'delay', { seconds: 0.3, times: 2 });
  const controller = new AbortController();
  const aborted = client.getCandidateStatus(candidateId, { jobPositionId, signal: controller.signal });
  const other = client.getCandidateStatus(candidateId, { jobPositionId });
  await new Promise((resolve) => setTimeout(resolve, 50));
  controller.abort('only this one');
  await rejectsAtOnce(aborted, 'only this one');
  assert.equal((await other).status, 'new');
  const done = new AbortController();
  const state = await client.getCandidateStatus(candidateId, { jobPositionId, signal: done.signal });
  done.abort();
  assert.equal(state.status, 'new');
});
