// Nonsense from plain JavaScript: a clear InvalidArgumentError that names the argument, and nothing is sent.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Celper, InvalidArgumentError } from 'celper';

import { startSandbox } from './support/sandbox.mjs';

const sandbox = await startSandbox();
const client = new Celper(sandbox.clientOptions);
const ours = { apiKey: 'celp_0123456789', baseUrl: 'https://api.celper.ai' };

const throwing = {
  get value() {
    throw new RangeError('thrown by a getter');
  },
};
const NO_TEXT = [null, 5, 5n, true, Symbol('s'), {}, [], () => 'x', new String('x'), 'a\ud800b', '\udc00'];
const NO_TIME = [null, '5', Number.NaN, Number.POSITIVE_INFINITY, 0, -1, -0, 5n, {}, new Date(), Symbol('s')];
const NO_COUNT = [null, '5', Number.NaN, Number.POSITIVE_INFINITY, -1, 1.5, 2 ** 32, 5n, {}, true];
const NO_OBJECT = [null, 5, 'x', true, [], () => {}, Symbol('s')];
const NO_SIGNAL = [null, 5, 'x', {}, new AbortController(), new EventTarget(), { aborted: false }];

const METHODS = ['getCandidateStatus', 'inviteCandidate', 'selectCandidate', 'rejectCandidate'];
const OPERATIONS = ['status', 'invite', 'select', 'reject'];

async function refuses(method, args, name) {
  let promise;
  assert.doesNotThrow(() => {
    promise = client[method](...args);
  }, `${method} must reject, not throw`);
  const error = await promise.then(
    () => assert.fail('it was accepted'),
    (error) => error,
  );
  assert.ok(error instanceof InvalidArgumentError, `${error}`);
  assert.equal(error.kind, 'invalid_argument');
  assert.equal(error.attempts, 0);
  assert.ok(error.message.includes(name), `${error.message} does not name ${name}`);
  assert.equal(error.operation, OPERATIONS[METHODS.indexOf(method)]);
  assert.equal(error.outcomeUnknown, method === 'getCandidateStatus' ? undefined : false);
  return error;
}

test('arguments of calls', async () => {
  const good = { jobPositionId: 'pos' };
  for (const method of METHODS) {
    for (const bad of [undefined, '', '.', 'a\0b', ...NO_TEXT]) {
      await refuses(method, [bad, good], 'candidateId');
      await refuses(method, ['c', { jobPositionId: bad }], 'jobPositionId');
    }
    await refuses(method, [], 'candidateId');
    await refuses(method, ['c'], 'second argument');
    for (const bad of NO_OBJECT) await refuses(method, ['c', bad], 'second argument');
    for (const bad of NO_TIME) await refuses(method, ['c', { ...good, timeout: bad }], 'timeout');
    for (const bad of NO_COUNT) await refuses(method, ['c', { ...good, maxRetries: bad }], 'maxRetries');
    for (const bad of NO_SIGNAL) await refuses(method, ['c', { ...good, signal: bad }], 'signal');
    await refuses(method, ['c', { ...good, jobPositionID: 'x' }], 'jobPositionID');
    await refuses(method, ['c', { ...good, timeuot: 5 }], 'timeuot');
  }
  for (const method of METHODS.slice(1)) {
    for (const bad of ['', ' k', 'ä', 'x'.repeat(256), ...NO_TEXT]) {
      await refuses(method, ['c', { ...good, idempotencyKey: bad }], 'idempotencyKey');
    }
  }
  for (const bad of ['x'.repeat(201), ...NO_TEXT]) {
    await refuses('inviteCandidate', ['c', { ...good, emailSubject: bad }], 'emailSubject');
  }
  for (const bad of ['x'.repeat(5_001), ...NO_TEXT]) {
    await refuses('inviteCandidate', ['c', { ...good, emailBody: bad }], 'emailBody');
  }
  await refuses('getCandidateStatus', ['c', { ...good, idempotencyKey: 'k' }], 'idempotencyKey');
  await refuses('selectCandidate', ['c', { ...good, emailSubject: 's' }], 'emailSubject');
});

test('options that throw when they are read', async () => {
  for (const name of ['jobPositionId', 'timeout', 'signal', 'emailBody']) {
    const options = { jobPositionId: 'pos' };
    Object.defineProperty(options, name, { enumerable: true, get: () => throwing.value });
    const error = await refuses('inviteCandidate', ['c', options], name);
    assert.ok(error.cause instanceof RangeError);
  }
  const trap = () => throwing.value;
  await refuses('selectCandidate', ['c', new Proxy({}, { ownKeys: trap })], 'second argument');
  await refuses('selectCandidate', ['c', new Proxy({}, { get: trap })], 'jobPositionId');
  const signal = {
    get aborted() {
      return throwing.value;
    },
  };
  await refuses('rejectCandidate', ['c', { jobPositionId: 'p', signal }], 'aborted');
});

test('options of clients', () => {
  const refused = (options, name) =>
    assert.throws(
      () => new Celper(options),
      (error) => {
        assert.ok(error instanceof InvalidArgumentError, `${error}`);
        assert.equal(error.operation, 'client');
        assert.ok(error.message.includes(name), `${error.message} does not name ${name}`);
        return true;
      },
    );
  for (const bad of NO_OBJECT) refused(bad, 'options');
  for (const bad of [' k', 'k\n']) refused({ ...ours, apiKey: bad }, 'API key');
  for (const bad of NO_TEXT) refused({ ...ours, apiKey: bad }, 'apiKey');
  for (const bad of ['', 'x', 'http://example.com', 'https://u:p@h', ...NO_TEXT])
    refused({ ...ours, baseUrl: bad }, 'baseUrl');
  for (const bad of ['x', 'socks5://h', ...NO_TEXT]) refused({ ...ours, proxy: bad }, 'proxy');
  for (const bad of ['', 'a\nb', ...NO_TEXT]) refused({ ...ours, appInfo: bad }, 'appInfo');
  for (const bad of ['x', new Uint8Array(3), ...NO_TEXT]) refused({ ...ours, caCertificates: bad }, 'caCertificates');
  for (const name of ['timeout', 'attemptTimeout']) {
    for (const bad of NO_TIME) refused({ ...ours, [name]: bad }, name);
  }
  for (const bad of NO_COUNT) refused({ ...ours, maxRetries: bad }, 'maxRetries');
  for (const bad of [null, true, 5, 'off', []]) refused({ ...ours, rateLimits: bad }, 'rateLimits');
  for (const name of ['reads', 'actions', 'total']) {
    for (const bad of [0, ...NO_COUNT]) refused({ ...ours, rateLimits: { [name]: bad } }, 'rateLimits');
  }
  for (const bad of NO_TIME) refused({ ...ours, rateLimits: { window: bad } }, 'rateLimits.window');
  refused({ ...ours, rateLimits: { read: 5 } }, 'read');
  refused({ ...ours, apikey: 'x' }, 'apikey');
  refused(Object.defineProperty({ ...ours }, 'proxy', { get: () => throwing.value }), 'proxy');
  assert.throws(() => Celper(ours), TypeError);
});

test('none of it was sent', async () => {
  assert.deepEqual(await sandbox.requests(), []);
});

test('what cannot be passed wrong by accident is taken as it is', async () => {
  class Options {
    get jobPositionId() {
      return 'pos';
    }
  }
  const candidateId = 'nobody';
  for (const options of [
    new Options(),
    Object.assign(Object.create(null), { jobPositionId: 'pos' }),
    Object.freeze({ jobPositionId: 'pos', timeout: undefined, signal: undefined }),
  ]) {
    const error = await client.getCandidateStatus(candidateId, options).catch((error) => error);
    assert.equal(error.kind, 'not_found');
  }
});
