// What a program can see of its calls: the channels of diagnostics_channel, and onEvent.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { channel, subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { test } from 'node:test';
import { Celper } from 'celper';

import { startSandbox } from './support/sandbox.mjs';
import { until } from './support/until.mjs';

const sandbox = await startSandbox();
const options = { ...sandbox.clientOptions, rateLimits: false };
const client = new Celper(options);
const jobPositionId = 'pos_1';
const context = new AsyncLocalStorage();
const created = async () => (await sandbox.createCandidate()).id;
const unavailable = (id, operation) =>
  sandbox.queueFault(id, 'status', { status: 503, headers: { 'Retry-After': 0 } }, { operation });

/** The log records of what `work` does. */
async function logged(work) {
  const records = [];
  const take = (record) => records.push({ ...record, store: context.getStore() });
  subscribe('celper:log', take);
  try {
    await work(records);
  } finally {
    unsubscribe('celper:log', take);
  }
  return records;
}

test('log records arrive in the context of their calls', async () => {
  const ids = [await created(), await created()];
  for (const id of ids) await unavailable(id, 'status');
  const records = await logged(() =>
    Promise.all(ids.map((id) => context.run(id, () => client.getCandidateStatus(id, { jobPositionId })))),
  );
  for (const id of ids) {
    const own = records.filter(({ store }) => store === id);
    assert.deepEqual(
      own.map(({ message }) => message),
      ['attempt failed', 'waiting before the next attempt', 'response received'],
    );
    const [failed, retrying, received] = own;
    assert.deepEqual([failed.level, retrying.level, received.level], ['debug', 'info', 'debug']);
    assert.equal(retrying.fields.operation, 'status');
    assert.ok(retrying.fields.waitMs >= 0);
    assert.ok(Math.abs(received.time - Date.now()) < 60_000);
  }
  assert.equal(records.length, 6);
  assert.doesNotMatch(JSON.stringify(records), new RegExp(options.apiKey));
});

test('the log has the records of batches and waits, and none without a subscriber', async () => {
  const id = await created();
  await unavailable(id, 'invite');
  const records = await logged(async () => {
    const request = { operation: 'invite', candidateId: id, jobPositionId, emailBody: 'private text' };
    for await (const item of context.run('batch', () => client.batch([request]))) assert.ok(item.result);
    const wait = client.waitForStatus(id, { jobPositionId, until: 'rejected', timeout: 1_500 });
    await context.run('wait', () => wait.catch(() => {}));
  });
  assert.ok(records.some(({ store, message }) => store === 'batch' && message === 'waiting before the next attempt'));
  assert.ok(records.some(({ level, fields }) => level === 'info' && fields.reason === 'status'));
  assert.doesNotMatch(JSON.stringify(records), /private text/);

  const late = [];
  const call = client.getCandidateStatus(id, { jobPositionId });
  channel('celper:log').subscribe((record) => late.push(record));
  await call;
  assert.deepEqual(late, []);
});

test('the log has the records of a watch between its reads', async () => {
  const id = await created();
  await unavailable(id, 'status');
  const records = await logged(async (records) => {
    const items = context.run('watch', () => client.watchCandidates([id], { jobPositionId }))[Symbol.asyncIterator]();
    const first = items.next();
    await until(() => records.length === 2, 'the records of the first read');
    await items.return();
    assert.deepEqual(await first, { done: true, value: undefined });
  });
  assert.deepEqual(
    records.map(({ message, store }) => [message, store]),
    [
      ['attempt failed', 'watch'],
      ['waiting before the next attempt', 'watch'],
    ],
  );
});

test('the tracing channel has the start and the end of a call', async () => {
  const events = [];
  const calls = tracingChannel('celper:call');
  const names = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'];
  const subscribers = Object.fromEntries(
    names.map((name) => [name, (message) => events.push([name, message, message.record?.attempts.length])]),
  );
  calls.start.bindStore(context, ({ operation }) => operation);
  calls.subscribe(subscribers);
  const asked = [];
  const own = new Celper({
    ...options,
    apiKey: () => {
      asked.push(context.getStore());
      return options.apiKey;
    },
  });
  const id = await created();
  const state = await own.getCandidateStatus(id, { jobPositionId });
  const error = await own.selectCandidate('unknown', { jobPositionId }).catch((it) => it);
  calls.unsubscribe(subscribers);
  calls.start.unbindStore(context);
  assert.deepEqual(
    events.map(([name, { operation }, attempts]) => [name, operation, attempts]),
    [
      ['start', 'status', undefined],
      ['end', 'status', undefined],
      ['asyncStart', 'status', 1],
      ['asyncEnd', 'status', 1],
      ['start', 'select', undefined],
      ['end', 'select', undefined],
      ['error', 'select', 1],
      ['asyncStart', 'select', 1],
      ['asyncEnd', 'select', 1],
    ],
  );
  assert.equal(events[0][1].client, own);
  assert.equal(events[3][1].result, state);
  assert.equal(events[8][1].error, error);
  assert.deepEqual(asked, ['status', 'select']);
  assert.match(error.stack, /observe\.test\.mjs/);
  assert.doesNotMatch(JSON.stringify(Object.keys(events[0][1])), /id/i);
});

test('onEvent is called once for each call and request, in the context of the caller', async () => {
  const events = [];
  const seen = new Celper({ ...options, onEvent: (event) => events.push([context.getStore(), event]) });
  const id = await created();
  await unavailable(id, 'status');
  await context.run('call', () => seen.getCandidateStatus(id, { jobPositionId }));
  const error = await context.run('error', () => seen.selectCandidate('unknown', { jobPositionId })).catch((it) => it);
  const refused = await context.run('refused', () => seen.rejectCandidate('', { jobPositionId })).catch((it) => it);
  const controller = new AbortController();
  await sandbox.queueFault(id, 'delay', { seconds: 30 });
  const aborted = context.run('aborted', () =>
    seen.getCandidateStatus(id, { jobPositionId, signal: controller.signal }).catch((it) => it),
  );
  await until(async () => (await sandbox.requests(id)).length === 3, 'the request');
  controller.abort();
  const reason = await aborted;
  const requests = [id, 'unknown'].map((candidateId) => ({ operation: 'invite', candidateId, jobPositionId }));
  for await (const _ of context.run('batch', () => seen.batch(requests)));
  const attempts = ([store, { type, operation, record }]) => [store, type, operation, record?.attempts.length];
  assert.deepEqual(events.slice(0, 4).map(attempts), [
    ['call', 'call', 'status', 2],
    ['error', 'call', 'select', 1],
    ['refused', 'call', 'reject', undefined],
    ['aborted', 'call', 'status', undefined],
  ]);
  assert.deepEqual(events.slice(4).map(attempts), Array(2).fill(['batch', 'call', 'invite', 1]));
  assert.deepEqual(
    events.slice(0, 4).map(([, event]) => event.error),
    [undefined, error, refused, reason],
  );
  assert.ok(!('error' in events[0][1]));
});

test('what onEvent throws is a warning and does not affect the call', async () => {
  const id = await created();
  for (const onEvent of [
    () => {
      throw new RangeError('full');
    },
    async () => {
      throw new RangeError('full');
    },
  ]) {
    const warned = once(process, 'warning');
    const { status } = await new Celper({ ...options, onEvent }).getCandidateStatus(id, { jobPositionId });
    assert.equal(status, 'new');
    const [warning] = await warned;
    assert.equal(warning.name, 'CelperWarning');
    assert.match(warning.message, /onEvent threw: full/);
  }
});
