// Waits for a status and watches of candidates: how they end, and what they keep. What they do is the core's, and tested there.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  AuthenticationError,
  Celper,
  CelperError,
  InvalidArgumentError,
  NotFoundError,
  RequestTimeoutError,
} from 'celper';

import { startSandbox } from './support/sandbox.mjs';
import { until } from './support/until.mjs';

const sandbox = await startSandbox();
const options = { ...sandbox.clientOptions, rateLimits: false };
const client = new Celper(options);
const jobPositionId = 'pos_1';
const caught = (promise) =>
  promise.then(
    () => assert.fail('it resolved'),
    (error) => error,
  );
const created = async () => (await sandbox.createCandidate()).id;

test('a wait gives the state, or the last state in its error', async () => {
  const candidateId = await created();
  for (const status of ['new', ['interviewed', 'new']]) {
    const state = await client.waitForStatus(candidateId, { jobPositionId, until: status, timeout: Infinity });
    assert.deepEqual([state.status, state.attempts, state.record.operation], ['new', 1, 'status']);
  }
  const error = await caught(client.waitForStatus(candidateId, { jobPositionId, until: 'rejected', timeout: 1_500 }));
  assert.ok(error instanceof RequestTimeoutError, `${error}`);
  assert.equal(error.lastState.status, 'new');
  assert.ok(Object.isFrozen(error.lastState));
  assert.match(error.stack, /watch\.test\.mjs/);
  const copy = CelperError.fromJSON(JSON.parse(JSON.stringify(error)));
  assert.equal(copy.lastState.status, 'new');
});

test('a wait ends with its signal, with the client, or for its arguments', async () => {
  const candidateId = await created();
  const controller = new AbortController();
  const given = { jobPositionId, until: 'rejected', signal: controller.signal };
  const aborted = caught(client.waitForStatus(candidateId, given));
  await until(async () => (await sandbox.requests(candidateId)).length > 0, 'the first read');
  controller.abort(new RangeError('enough'));
  assert.ok((await aborted) instanceof RangeError);

  const other = new Celper(options);
  const waiting = caught(other.waitForStatus(candidateId, { jobPositionId, until: 'rejected' }));
  other.close();
  assert.match((await waiting).message, /closed/);

  for (const [wrong, text] of [
    [{ jobPositionId }, /until is missing/],
    [{ jobPositionId, until: [] }, /until is empty/],
    [{ jobPositionId, until: 7 }, /until must be an array of strings/],
    [{ jobPositionId, until: 'new', timeout: 0 }, /timeout must be/],
    [{ jobPositionId, until: 'new', maxRetries: 1 }, /no option "maxRetries"/],
  ]) {
    const error = await caught(client.waitForStatus(candidateId, wrong));
    assert.ok(error instanceof InvalidArgumentError, `${error}`);
    assert.match(error.message, text);
  }
});

test('a watch gives each candidate, and one that cannot be read as an error', async () => {
  const candidateId = await created();
  const items = new Map();
  for await (const item of client.watchCandidates([candidateId, 'unknown'], { jobPositionId })) {
    items.set(item.candidateId, item);
    if (items.size === 2) break;
  }
  assert.equal(items.get(candidateId).state.status, 'new');
  assert.equal(items.get(candidateId).state.record.attempts.length, 1);
  assert.ok(!('previousStatus' in items.get(candidateId)));
  assert.ok(items.get('unknown').error instanceof NotFoundError);
  const none = [];
  for await (const item of client.watchCandidates(['unknown'], { jobPositionId })) none.push(item.error.status);
  assert.deepEqual(none, [404]);
});

test('leaving the loop ends the watch, and so do its signal and closing the client', async () => {
  const candidateId = await created();
  const left = client.watchCandidates([candidateId], { jobPositionId });
  for await (const _ of left) break;
  assert.deepEqual(await left.next(), { done: true, value: undefined });

  const { id: slow } = await sandbox.createCandidate();
  await sandbox.queueFault(slow, 'delay', { seconds: 30 });
  const returned = client.watchCandidates([slow], { jobPositionId });
  const first = returned.next();
  await until(async () => (await sandbox.requests(slow)).length > 0, 'the first read');
  await returned.return();
  assert.deepEqual(await first, { done: true, value: undefined });
  await until(async () => (await sandbox.requests(slow))[0].clientClosed, 'the connection to close');

  const controller = new AbortController();
  const aborted = client.watchCandidates([candidateId], { jobPositionId, signal: controller.signal });
  await aborted.next();
  const rejected = caught(aborted.next());
  controller.abort(new RangeError('enough'));
  assert.ok((await rejected) instanceof RangeError);
  assert.deepEqual(await aborted.next(), { done: true, value: undefined });

  const other = new Celper(options);
  const closed = other.watchCandidates([candidateId], { jobPositionId });
  await closed.next();
  const failed = caught(closed.next());
  other.close();
  const error = await failed;
  assert.match(error.message, /closed/);
  assert.match(error.stack, /watch\.test\.mjs/);
});

test('what is wrong for all candidates is thrown, and arguments are checked', async () => {
  const denied = new Celper({ ...options, apiKey: 'celp_wrong' });
  assert.ok((await caught(denied.watchCandidates(['c'], { jobPositionId }).next())) instanceof AuthenticationError);
  for (const [ids, given, text] of [
    ['cand_1', { jobPositionId }, /candidateIds must be an array of strings, not a string/],
    [[''], { jobPositionId }, /candidateIds?/],
    [['c'], {}, /jobPositionId is missing/],
    [['c'], { jobPositionId, until: 'new' }, /no option "until"/],
  ]) {
    const watch = client.watchCandidates(ids, given);
    const error = await caught(watch.next());
    assert.ok(error instanceof InvalidArgumentError, `${error}`);
    assert.match(error.message, text);
    assert.deepEqual(await watch.next(), { done: true, value: undefined });
  }
  const { watchCandidates } = client;
  assert.match((await caught(watchCandidates(['c'], { jobPositionId }).next())).message, /without its client/);
});

test('a key provider works in the context of a watch or a wait', async () => {
  const candidateId = await created();
  const context = new AsyncLocalStorage();
  const asked = [];
  const apiKey = () => {
    asked.push(context.getStore());
    return options.apiKey;
  };
  const provided = new Celper({ ...options, apiKey });
  const watch = context.run('watch', () => provided.watchCandidates([candidateId], { jobPositionId }));
  assert.equal((await watch.next()).value.state.status, 'new');
  await context.run('wait', () => provided.waitForStatus(candidateId, { jobPositionId, until: 'new' }));
  assert.deepEqual(asked, ['watch', 'wait']);
  await watch.return();
  const failing = new Celper({
    ...options,
    apiKey: () => {
      throw new RangeError('sealed');
    },
  });
  const error = await caught(failing.watchCandidates([candidateId], { jobPositionId }).next());
  assert.ok(error.cause instanceof RangeError, `${error.cause}`);
});

test('a watch keeps the process alive only while an item is awaited', async () => {
  const candidateId = await created();
  const program = fileURLToPath(new URL('programs/watch.mjs', import.meta.url));
  const env = { ...process.env, CELPER_API_KEY: options.apiKey, CELPER_BASE_URL: options.baseUrl };
  const { stdout, status } = spawnSync(process.execPath, [program, candidateId], { env, timeout: 30_000 });
  assert.deepEqual([String(stdout), status], ['new\n', 0]);
});
