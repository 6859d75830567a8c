// Batches: what sources they take, how they end, and what they keep. What a batch does is the core's, and tested there.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { AuthenticationError, Celper, InvalidArgumentError, NotFoundError } from 'celper';

import { startSandbox } from './support/sandbox.mjs';
import { until } from './support/until.mjs';

const PROGRAM = fileURLToPath(new URL('programs/batch.mjs', import.meta.url));
const sandbox = await startSandbox();
const client = new Celper({ ...sandbox.clientOptions, rateLimits: false });
const jobPositionId = 'pos_1';
const folder = await mkdtemp(join(tmpdir(), 'celper-batch-'));
after(() => rm(folder, { recursive: true, force: true }));

const candidates = async (count) => {
  const created = await Promise.all(Array.from({ length: count }, () => sandbox.createCandidate()));
  return created.map(({ id }) => id);
};
const status = (candidateId) => ({ operation: 'status', candidateId, jobPositionId });
const invite = (candidateId) => ({ operation: 'invite', candidateId, jobPositionId });
const collect = async (batch) => {
  const items = [];
  for await (const item of batch) items.push(item);
  return items.sort((one, other) => one.index - other.index);
};
const caught = (promise) =>
  promise.then(
    () => assert.fail('it resolved'),
    (error) => error,
  );

test('every kind of source: array, set, generator, async generator, stream, promises', async () => {
  const ids = await candidates(3);
  const requests = ids.map(status);
  const sources = {
    array: () => requests,
    set: () => new Set(requests),
    *generator() {
      yield* requests;
    },
    async *asyncGenerator() {
      for (const request of requests) yield await Promise.resolve(request);
    },
    stream: () => Readable.from(requests),
    promises: () => requests.map(async (request) => request),
  };
  for (const [name, source] of Object.entries(sources)) {
    const batch = client.batch(source());
    const items = await collect(batch);
    assert.deepEqual(
      items.map(({ index, result }) => [index, result.status]),
      [0, 1, 2].map((index) => [index, 'new']),
      name,
    );
    assert.ok(
      items.every(({ request, index }) => request === requests[index]),
      name,
    );
    const { done, succeeded, total } = batch.progress;
    assert.deepEqual([done, succeeded, total], [3, 3, 3], name);
    assert.deepEqual(await batch.next(), { done: true, value: undefined });
  }
  assert.equal(client.batch(requests).progress.total, 3, 'an array says how many there are');
});

test('an item is plain data, with a result or an error', async () => {
  const [id] = await candidates(1);
  const requests = [{ ...invite(id), emailSubject: 'Hi', idempotencyKey: 'mine' }, status('nobody')];
  const [invited, failed] = await collect(client.batch(requests, { batchId: 'plain' }));
  assert.ok(invited.result.expiresAt instanceof Date && Object.isFrozen(invited) && Object.isFrozen(invited.result));
  assert.equal('error' in invited, false);
  assert.deepEqual([invited.idempotencyKey, invited.resumed, invited.alreadyDone], ['mine', false, false]);
  assert.ok(failed.error instanceof NotFoundError && !('result' in failed));
  assert.match(failed.error.stack, /batch\.test\.mjs/);
  const data = JSON.parse(JSON.stringify(failed));
  assert.deepEqual(data.request, requests[1]);
  assert.equal(data.error.kind, 'not_found');
  const batch = client.batch(requests, { batchId: 'plain' });
  assert.match(inspect(batch), /^Batch \{\s+batchId: 'plain',\s+done: 0/);
});

test('a row that is no request is an item that says what is accepted', async () => {
  const [id] = await candidates(1);
  const rows = [
    'cand_1',
    null,
    { candidateId: id, jobPositionId },
    { ...status(id), operation: 'delete' },
    { ...invite(id), emailbody: 'x' },
    { operation: 'status', candidateId: id },
    { ...status(id), timeout: 'soon' },
    { ...status(id), idempotencyKey: 'k' },
    Object.create(null, { operation: { get: () => assert.fail('not readable'), enumerable: true } }),
    status(id),
  ];
  const messages = [
    /a request must be an object such as { operation: 'invite'.*, not a string/,
    /a request must be an object.*, not null/,
    /operation must be 'status', 'invite', 'select' or 'reject', not undefined/,
    /operation must be 'status', .*, not another string/,
    /invite: there is no field "emailbody" \(operation, candidateId, .*emailBody/,
    /jobPositionId is missing/,
    /status: timeout must be a number of milliseconds, not a string/,
    /idempotencyKey is for actions only/,
    /operation cannot be read/,
  ];
  const items = await collect(client.batch(rows));
  for (const [index, message] of messages.entries()) {
    const { error, request } = items[index];
    assert.ok(error instanceof InvalidArgumentError, `${index}: ${error}`);
    assert.match(error.message, message);
    assert.match(error.stack, /batch\.test\.mjs/);
    assert.equal(request, rows[index]);
  }
  assert.equal(items.at(-1).result.status, 'new');
  // A polluted prototype is no part of a request.
  Object.defineProperty(Object.prototype, 'emailSubject', { value: 'Buy', configurable: true, enumerable: true });
  try {
    const [item] = await collect(client.batch([invite(id)]));
    assert.equal(item.error, undefined);
  } finally {
    delete Object.prototype.emailSubject;
  }
  const post = (await sandbox.requests(id)).find(({ method }) => method === 'POST');
  assert.deepEqual(JSON.parse(post.body), { jobPositionId });
});

test('nothing throws before the first next(), which rejects', async () => {
  const journal = join(folder, 'used.jsonl');
  async function* endless() {
    yield status('nobody');
    await new Promise(() => {});
  }
  const running = client.batch(endless(), { journal });
  await running.next();
  const unread = {
    [Symbol.iterator]: () => assert.fail('the source is not opened'),
  };
  for (const [given, options, message] of [
    [undefined, {}, /requests must be an array, or another iterable or async iterable, not undefined/],
    ['cand_1', {}, /requests must be .*, not a string/],
    [unread, { batchID: 'x' }, /there is no option "batchID" \(batchId, journal, total, signal\)/],
    [unread, { batchId: '' }, /batchId must be 1 to 255 bytes/],
    [unread, { journal: join(folder, 'nowhere', 'x.jsonl') }, /journal/],
    [unread, { journal }, /in use/],
    [unread, { total: -1 }, /total must be a whole number/],
    [unread, { signal: 5 }, /signal must be an AbortSignal/],
  ]) {
    const batch = client.batch(given, options);
    const error = await caught(batch.next());
    assert.ok(error instanceof InvalidArgumentError, `${error}`);
    assert.equal(error.operation, 'batch');
    assert.match(error.message, message);
    assert.match(error.stack, /batch\.test\.mjs/);
    assert.deepEqual(await batch.next(), { done: true, value: undefined });
  }
  assert.match((await caught(Celper.prototype.batch.call(undefined, []).next())).message, /bind it/);
  await running.return();
  const closed = new Celper(sandbox.clientOptions);
  closed.close();
  assert.match((await caught(closed.batch([status('x')]).next())).message, /closed/);
});

test('leaving the loop starts nothing more, waits for what is under way, and closes the source', async () => {
  const ids = await candidates(200);
  let closed = 0;
  let read = 0;
  async function* source() {
    try {
      for (const id of ids) {
        read += 1;
        yield status(id);
      }
    } finally {
      closed += 1;
    }
  }
  await sandbox.queueFault(ids[3], 'delay', { seconds: 0.5 });
  const batch = client.batch(source());
  for await (const item of batch) {
    if (item.index < 2) continue;
    break;
  }
  assert.equal(closed, 1);
  assert.ok(read < 200);
  assert.equal(batch.progress.inFlight, 0);
  const sent = (await sandbox.requests()).filter(({ candidateId }) => ids.includes(candidateId)).length;
  assert.ok(sent < 200, `${sent}`);
  assert.equal(batch.progress.succeeded, sent, 'each request that was sent has ended');
  // A source that never gives its next row does not hold up the end.
  const stream = new Readable({ objectMode: true, read() {} });
  stream.push(status(ids[0]));
  for await (const item of client.batch(stream)) {
    assert.equal(item.index, 0);
    break;
  }
  assert.ok(stream.destroyed);
});

test('a batch that was left gives no more items', async () => {
  const [slow, slower] = await candidates(2);
  await sandbox.queueFault(slow, 'delay', { seconds: 0.3 });
  await sandbox.queueFault(slower, 'delay', { seconds: 0.8 });
  const batch = client.batch([status(slow), status(slower)]);
  const pending = batch.next();
  await until(() => batch.progress.inFlight === 2, 'the requests');
  const left = batch.return();
  const end = { done: true, value: undefined };
  assert.deepEqual(await Promise.all([pending, left, batch.next()]), [end, end, end]);
  assert.equal(batch.progress.succeeded, 2);
});

test('stop gives the last items; what the source throws when it is closed is thrown at the end', async () => {
  const ids = await candidates(40);
  function* source() {
    try {
      for (;;) for (const id of ids) yield status(id);
    } finally {
      // biome-ignore lint/correctness/noUnsafeFinally: this is the test
      throw new RangeError('cannot close');
    }
  }
  const batch = client.batch(source());
  const items = [(await batch.next()).value];
  batch.stop();
  const error = await caught(
    (async () => {
      for await (const item of batch) items.push(item);
    })(),
  );
  assert.equal(error.message, 'cannot close');
  assert.equal(items.length, batch.progress.done);
  const never = client.batch([status(ids[0])]);
  never.stop();
  assert.deepEqual(await never.next(), { done: true, value: undefined });
});

test('a signal cancels the batch, and the loop throws its reason', async () => {
  const [quick, slow] = await candidates(2);
  await sandbox.queueFault(slow, 'delay', { seconds: 60, times: null });
  const controller = new AbortController();
  let closed = false;
  async function* source() {
    try {
      yield status(quick);
      yield status(slow);
      await new Promise(() => {});
    } finally {
      closed = true;
    }
  }
  const journal = join(folder, 'aborted.jsonl');
  const batch = client.batch(source(), { journal, signal: controller.signal });
  assert.equal((await batch.next()).value.request.candidateId, quick);
  const pending = caught(batch.next());
  await until(() => batch.progress.inFlight === 1, 'the slow request');
  const reason = new Error('enough');
  controller.abort(reason);
  assert.equal(await pending, reason);
  assert.deepEqual(await batch.next(), { done: true, value: undefined });
  assert.equal(closed, false, 'a generator that waits cannot be closed');
  // The journal is free at once.
  const again = await collect(client.batch([status(quick)], { journal }));
  assert.equal(again[0].resumed, true);

  const [untouched] = await candidates(1);
  const aborted = client.batch([status(untouched)], { signal: AbortSignal.abort(reason) });
  assert.equal(await caught(aborted.next()), reason);
  assert.deepEqual(await sandbox.requests(untouched), []);
});

test('closing the client ends its batches at once, also while a call is in progress', async () => {
  const [slow] = await candidates(1);
  await sandbox.queueFault(slow, 'delay', { seconds: 1 });
  const closing = new Celper({ ...sandbox.clientOptions, rateLimits: false });
  const call = closing.getCandidateStatus(slow, { jobPositionId });
  const items = [];
  for await (const item of closing.batch(Array.from({ length: 300 }, (_, index) => status(`nobody-${index}`)))) {
    items.push(item);
    if (items.length === 20) closing.close();
  }
  assert.equal(items.length, 300);
  const rest = items.filter(({ notAttempted }) => notAttempted);
  assert.ok(rest.length > 0 && rest.every(({ error }) => /the client is closed/.test(error.message)));
  assert.equal((await call).status, 'new');
});

test('cancel drops what is under way, and gives what had ended', async () => {
  const [quick, slow] = await candidates(2);
  await sandbox.queueFault(slow, 'delay', { seconds: 60, times: null });
  const batch = client.batch([status(slow), status(quick)]);
  assert.equal((await batch.next()).value.request.candidateId, quick);
  batch.cancel();
  assert.deepEqual(await batch.next(), { done: true, value: undefined });
});

test('a source that throws: what was started ends, then the loop throws', async () => {
  const ids = await candidates(2);
  const thrown = new RangeError('line 3 is damaged.');
  function* source() {
    yield* ids.map(status);
    throw thrown;
  }
  const items = [];
  const error = await caught(
    (async () => {
      for await (const item of client.batch(source())) items.push(item);
    })(),
  );
  assert.equal(error, thrown);
  assert.equal(items.length, 2);
  for (const { notAttempted, error } of items) {
    if (notAttempted) assert.match(error.message, /the source of the requests failed: line 3 is damaged/);
  }
  const broken = { [Symbol.asyncIterator]: () => ({ next: () => 5 }) };
  assert.ok((await caught(client.batch(broken).next())) instanceof TypeError);
  let isClosed = false;
  function* promises() {
    try {
      yield Promise.reject(thrown);
    } finally {
      isClosed = true;
    }
  }
  assert.equal(await caught(client.batch(promises()).next()), thrown);
  assert.ok(isClosed, 'a source that did not fail itself is closed');
  const none = { [Symbol.asyncIterator]: () => undefined };
  assert.match((await caught(client.batch(none).next())).message, /no iterator/);
});

test('the source is not read far ahead of a slow consumer', async () => {
  const [id] = await candidates(1);
  let read = 0;
  function* source() {
    for (;;) yield { ...status(`${id}-${read++}`), maxRetries: 0 };
  }
  const batch = client.batch(source());
  let taken = 0;
  for await (const item of batch) {
    assert.equal(item.error.kind, 'not_found');
    taken += 1;
    if (taken % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(read - taken < 346, `${read} read, ${taken} taken`);
    if (taken === 400) break;
  }
});

test('two loops over a batch share its items', async () => {
  const ids = await candidates(40);
  const batch = client.batch(ids.map(status));
  const halves = await Promise.all([collect(batch), collect(batch)]);
  const indexes = halves.flat().map(({ index }) => index);
  assert.deepEqual(
    indexes.sort((one, other) => one - other),
    ids.map((_, index) => index),
  );
});

test('source and key function run in the context of the batch; what the function throws is the cause', async () => {
  const ids = await candidates(20);
  const context = new AsyncLocalStorage();
  const seen = new Set();
  const { baseUrl, apiKey } = sandbox.clientOptions;
  let sealed;
  const provider = async () => {
    seen.add(context.getStore());
    await null;
    if (sealed) throw sealed;
    return apiKey;
  };
  const client = new Celper({ apiKey: provider, baseUrl, rateLimits: false });
  async function* source() {
    for (const id of ids) {
      seen.add(context.getStore());
      yield status(id);
    }
  }
  // Another context is the first to connect to the native half.
  const other = context.run('other', () => client.getCandidateStatus(ids[0], { jobPositionId }));
  const batch = context.run('batch', () => client.batch(source()));
  const items = [];
  for await (const item of batch) {
    items.push(item);
    // The function is called while nobody waits for an item, too.
    if (items.length === 1) await until(() => batch.progress.done > 10, 'other items');
  }
  await other;
  assert.ok(items.every(({ result }) => result.status === 'new'));
  assert.deepEqual(seen, new Set(['other', 'batch']));
  sealed = new RangeError('the vault is sealed');
  const failed = await collect(client.batch(ids.map(status)));
  assert.ok(failed.every(({ error }) => error instanceof AuthenticationError));
  assert.equal(failed.find(({ notAttempted }) => !notAttempted).error.cause, sealed);
});

test('a client and a batch behind proxies', async () => {
  const [id] = await candidates(1);
  const wrap = (target) =>
    new Proxy(target, {
      get(object, key, receiver) {
        const value = Reflect.get(object, key, receiver);
        if (typeof value !== 'function') return value;
        return (...args) => {
          const result = value.apply(receiver, args);
          return typeof result === 'object' && result !== null && !(result instanceof Promise) ? wrap(result) : result;
        };
      },
    });
  const batch = wrap(client).batch([status(id)]);
  assert.equal((await collect(batch)).length, 1);
  assert.equal(batch.progress.done, 1);
});

test('a program that is killed and run again performs no action twice', async () => {
  const ids = await candidates(60);
  // The last ones act, and have no response yet when the program is killed.
  for (const id of ids.slice(50)) await sandbox.queueFault(id, 'delay', { seconds: 3 });
  const journal = join(folder, 'killed.jsonl');
  const env = { ...process.env, ...sandbox.environment, IDS: ids.join(), JOURNAL: journal };
  const start = () => spawn(process.execPath, [PROGRAM, 'invite'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const first = start();
  let printed = '';
  first.stdout.on('data', (chunk) => {
    printed += chunk;
  });
  const acted = async () => (await sandbox.outbox()).filter(({ candidateId }) => ids.includes(candidateId));
  await until(async () => printed.split('\n').length > 50 && (await acted()).length === 60, 'all invitations');
  first.kill('SIGKILL');
  await new Promise((resolve) => first.once('close', resolve));
  assert.equal(printed.trim().split('\n').length, 50);

  const second = start();
  const items = (await text(second.stdout))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual([items.length, items.filter(({ resumed }) => resumed).length], [60, 50]);
  assert.ok(items.every(({ result }) => result.invited));
  assert.equal((await acted()).length, 60);
});

for (const [name, expected] of Object.entries({
  iterated: [0, '3 items'],
  abandoned: [0, 'done'],
  waiting: [0, 'done'],
  workers: [0, '[1,1,1,1]'],
})) {
  test(`the process ends: ${name}`, async () => {
    const [quick, slow] = await candidates(2);
    await sandbox.queueFault(slow, 'delay', { seconds: name === 'iterated' ? 1 : 60, times: null });
    const env = { ...process.env, ...sandbox.environment, QUICK_CANDIDATE: quick, SLOW_CANDIDATE: slow };
    const child = spawn(process.execPath, ['--expose-gc', PROGRAM, name], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const hung = setTimeout(() => child.kill('SIGKILL'), 25_000);
    const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
    const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    clearTimeout(hung);
    assert.deepEqual([code, out.trim(), err], [...expected, '']);
  });
}
