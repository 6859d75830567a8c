// AbortSignal: the call is rejected at once with the signal's reason, its socket is closed, no retry follows, and no
// listener stays behind.

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

/** A server that notes its sockets and what came over them, and answers with `answer`, which may be nothing. */
async function silentServer(answer = '') {
  const server = net.createServer((socket) => {
    const seen = { socket, received: '', closed: false };
    server.seen.push(seen);
    socket.on('error', () => {});
    socket.on('close', () => {
      seen.closed = true;
    });
    socket.on('data', (data) => {
      if (seen.received === '') socket.write(answer);
      seen.received += data.toString('latin1');
    });
  });
  server.seen = [];
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    for (const { socket } of server.seen) socket.destroy();
    server.close();
  });
  return server;
}

/** Rejects within a time in which no timeout and no retry of the client could have ended the call. */
async function rejectsAtOnce(call, reason) {
  const late = new Promise((resolve) => setTimeout(resolve, 20_000, 'late').unref());
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

/** Aborts a call that `server` holds up, and checks that its socket closes and that nothing follows. */
async function abortsAtServer(server, baseUrl) {
  const controller = new AbortController();
  const { signal } = controller;
  const caller = new Celper({ apiKey: 'celp_0123456789', baseUrl, rateLimits: false, maxRetries: 5 });
  const call = caller.inviteCandidate('c', { jobPositionId, signal });
  await until(() => server.seen[0]?.received, 'a request');
  assert.equal(listeners(signal), 1);
  const reason = new Error('changed my mind');
  controller.abort(reason);
  assert.equal(listeners(signal), 0);
  await rejectsAtOnce(call, reason);
  await until(() => server.seen[0].closed, 'the closing of the socket');
  await new Promise((resolve) => setTimeout(resolve, 700)); // beyond the longest first wait before a retry
  assert.equal(server.seen.length, 1);
}

test('already aborted: nothing is sent', async () => {
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

test('while it waits for the rate limit: its place goes to the next', async () => {
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

test('while it connects', async () => {
  // It takes the connection and never answers the TLS handshake.
  const server = await silentServer();
  await abortsAtServer(server, `https://127.0.0.1:${server.address().port}`);
  assert.doesNotMatch(server.seen[0].received, /HTTP/);
});

test('while it waits for an answer', async () => {
  const server = await silentServer();
  await abortsAtServer(server, `http://127.0.0.1:${server.address().port}`);
  assert.match(server.seen[0].received, /^POST \/v1\/candidates\/c\/invite /);
});

test('while it reads an answer', async () => {
  const server = await silentServer('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"success":true,');
  await abortsAtServer(server, `http://127.0.0.1:${server.address().port}`);
});

test('while it waits before a retry', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'status', { status: 503, headers: { 'Retry-After': 1 }, times: null });
  const controller = new AbortController();
  const call = client.getCandidateStatus(candidateId, { jobPositionId, signal: controller.signal });
  await until(async () => (await sandbox.requests(candidateId)).some(({ answered }) => answered), 'an answer');
  await new Promise((resolve) => setTimeout(resolve, 50));
  controller.abort('enough');
  await rejectsAtOnce(call, 'enough');
  await new Promise((resolve) => setTimeout(resolve, 1_300));
  assert.equal((await sandbox.requests(candidateId)).length, 1);
});

test('AbortSignal.timeout and AbortSignal.any', async () => {
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
  assert.ok(
    (await until(() => sandbox.requests(candidateId).then((all) => all.every((one) => one.clientClosed) && all)))
      .length <= 2,
  );
});

test('no listener stays, whatever the outcome, and many calls may share a signal', async () => {
  const warnings = [];
  const note = (warning) => warnings.push(warning);
  process.on('warning', note);
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
  process.off('warning', note);
  assert.deepEqual(warnings, []);
});

test('a signal that many calls share aborts them all', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'delay', { seconds: 20, times: null });
  const controller = new AbortController();
  const options = { jobPositionId, signal: controller.signal };
  const calls = Array.from({ length: 20 }, () => client.getCandidateStatus(candidateId, options));
  await new Promise((resolve) => setTimeout(resolve, 30));
  controller.abort('all of you');
  for (const call of calls) await rejectsAtOnce(call, 'all of you');
  assert.equal(listeners(controller.signal), 0);
});

test('a signal that aborts after the end does nothing, and other calls go on', async () => {
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
