// Wrong arguments from plain JavaScript: an InvalidArgumentError names the argument, and nothing is sent.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';

import { Celper, InvalidArgumentError } from 'celper';

import { startSandbox } from './support/sandbox.mjs';

const sandbox = await startSandbox();
const client = new Celper(sandbox.clientOptions);
const valid = { apiKey: 'celp_0123456789', baseUrl: 'https://api.celper.ai' };

const throwing = {
  get value() {
    throw new RangeError('thrown by a getter');
  },
};
const NOT_STRINGS = [null, 5, 5n, true, Symbol('s'), {}, [], () => 'x', new String('x'), 'a\ud800b', '\udc00'];
const NOT_TIMES = [null, '5', Number.NaN, Number.POSITIVE_INFINITY, 0, -1, -0, 5n, {}, new Date(), Symbol('s')];
// An infinite timeout means none.
const NOT_TIMEOUTS = NOT_TIMES.filter((value) => value !== Number.POSITIVE_INFINITY);
const NOT_INTEGERS = [null, '5', Number.NaN, Number.POSITIVE_INFINITY, -1, 1.5, 2 ** 32, 5n, {}, true];
const NOT_OBJECTS = [null, 5, 'x', true, [], () => {}, Symbol('s')];
const NOT_SIGNALS = [5, 'x', {}, new AbortController(), new EventTarget(), { aborted: false }];

/** Null means none for the options of calls. */
const withoutNull = (values) => values.filter((value) => value !== null);

const METHODS = ['getCandidateStatus', 'inviteCandidate', 'selectCandidate', 'rejectCandidate'];
const OPERATIONS = ['status', 'invite', 'select', 'reject'];

async function rejects(method, args, name) {
  let promise;
  assert.doesNotThrow(() => {
    promise = client[method](...args);
  }, `${method} must reject, not throw`);
  const error = await promise.then(
    () => assert.fail('the argument was accepted'),
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

test('wrong arguments of calls are rejected', async () => {
  const good = { jobPositionId: 'pos' };
  for (const method of METHODS) {
    for (const bad of [undefined, '', '.', 'a\0b', ...NOT_STRINGS]) {
      await rejects(method, [bad, good], 'candidateId');
      await rejects(method, ['c', { jobPositionId: bad }], 'jobPositionId');
    }
    await rejects(method, [], 'candidateId');
    await rejects(method, ['c'], 'second argument');
    for (const bad of NOT_OBJECTS) await rejects(method, ['c', bad], 'second argument');
    for (const bad of withoutNull(NOT_TIMEOUTS)) await rejects(method, ['c', { ...good, timeout: bad }], 'timeout');
    for (const bad of withoutNull(NOT_INTEGERS))
      await rejects(method, ['c', { ...good, maxRetries: bad }], 'maxRetries');
    for (const bad of NOT_SIGNALS) await rejects(method, ['c', { ...good, signal: bad }], 'signal');
    await rejects(method, ['c', { ...good, jobPositionID: 'x' }], 'jobPositionID');
    await rejects(method, ['c', { ...good, timeuot: 5 }], 'timeuot');
  }
  for (const method of METHODS.slice(1)) {
    for (const bad of ['', ' k', 'ä', 'x'.repeat(256), ...withoutNull(NOT_STRINGS)]) {
      await rejects(method, ['c', { ...good, idempotencyKey: bad }], 'idempotencyKey');
    }
  }
  for (const bad of ['x'.repeat(201), ...withoutNull(NOT_STRINGS)]) {
    await rejects('inviteCandidate', ['c', { ...good, emailSubject: bad }], 'emailSubject');
  }
  for (const bad of ['x'.repeat(5_001), ...withoutNull(NOT_STRINGS)]) {
    await rejects('inviteCandidate', ['c', { ...good, emailBody: bad }], 'emailBody');
  }
  await rejects('getCandidateStatus', ['c', { ...good, idempotencyKey: 'k' }], 'idempotencyKey');
  await rejects('selectCandidate', ['c', { ...good, emailSubject: 's' }], 'emailSubject');
});

test('allowHttpHosts allows plain http for the listed private hosts', () => {
  const baseUrl = 'http://sandbox:8787';
  const accepts = (options) => assert.equal(new Celper({ ...valid, ...options }).baseUrl, options.baseUrl);
  const throws = (options, name) =>
    assert.throws(() => new Celper({ ...valid, baseUrl, ...options }), { kind: 'invalid_argument', message: name });
  accepts({ baseUrl, allowHttpHosts: ['sandbox'] });
  accepts({ baseUrl: 'http://10.0.0.7', allowHttpHosts: Object.freeze(['a.internal', '10.0.0.7']) });
  accepts({ baseUrl: 'http://127.0.0.1:1', allowHttpHosts: [] });
  throws({}, /baseUrl must use https.*allowHttpHosts/);
  throws({ allowHttpHosts: ['other'] }, /baseUrl must use https.*allowHttpHosts/);
  for (const bad of ['api.celper.ai', '8.8.8.8', 'a:80', 'http://a', '']) {
    throws({ allowHttpHosts: ['sandbox', bad] }, /allowHttpHosts takes host names/);
  }
  throws({ allowHttpHosts: 'sandbox' }, /allowHttpHosts must be an array of strings, not a string/);
  for (const bad of [null, 5, true, {}, new Set(['sandbox'])])
    throws({ allowHttpHosts: bad }, /allowHttpHosts must be/);
  for (const bad of [undefined, ...NOT_STRINGS]) throws({ allowHttpHosts: ['sandbox', bad] }, /allowHttpHosts\[1\] /);
  const unreadable = new Proxy([], { get: () => throwing.value });
  throws({ allowHttpHosts: unreadable }, /allowHttpHosts cannot be read/);
});

test('options whose getters throw are rejected with the cause', async () => {
  for (const name of ['jobPositionId', 'timeout', 'signal', 'emailBody']) {
    const options = { jobPositionId: 'pos' };
    Object.defineProperty(options, name, { enumerable: true, get: () => throwing.value });
    const error = await rejects('inviteCandidate', ['c', options], name);
    assert.ok(error.cause instanceof RangeError);
  }
  const trap = () => throwing.value;
  await rejects('selectCandidate', ['c', new Proxy({}, { ownKeys: trap })], 'second argument');
  await rejects('selectCandidate', ['c', new Proxy({}, { get: trap })], 'jobPositionId');
  const signal = {
    get aborted() {
      return throwing.value;
    },
  };
  await rejects('rejectCandidate', ['c', { jobPositionId: 'p', signal }], 'aborted');
});

test('wrong options of clients are rejected', () => {
  const throws = (options, name) =>
    assert.throws(
      () => new Celper(options),
      (error) => {
        assert.ok(error instanceof InvalidArgumentError, `${error}`);
        assert.equal(error.operation, 'client');
        assert.ok(error.message.includes(name), `${error.message} does not name ${name}`);
        return true;
      },
    );
  for (const bad of NOT_OBJECTS) throws(bad, 'options');
  for (const bad of [' k', 'k\n']) throws({ ...valid, apiKey: bad }, 'API key');
  // A function is a key provider.
  for (const bad of NOT_STRINGS.filter((bad) => typeof bad !== 'function')) throws({ ...valid, apiKey: bad }, 'apiKey');
  for (const bad of ['', 'x', 'http://example.com', 'https://u:p@h', ...NOT_STRINGS])
    throws({ ...valid, baseUrl: bad }, 'baseUrl');
  for (const bad of ['x', 'ftp://h', ...NOT_STRINGS]) throws({ ...valid, proxy: bad }, 'proxy');
  for (const bad of ['', 'a\nb', ...NOT_STRINGS]) throws({ ...valid, appInfo: bad }, 'appInfo');
  for (const bad of ['x', new Uint8Array(3), ...NOT_STRINGS])
    throws({ ...valid, caCertificates: bad }, 'caCertificates');
  for (const bad of NOT_TIMEOUTS) throws({ ...valid, timeout: bad }, 'timeout');
  for (const bad of NOT_TIMES) throws({ ...valid, attemptTimeout: bad }, 'attemptTimeout');
  for (const bad of NOT_INTEGERS) throws({ ...valid, maxRetries: bad }, 'maxRetries');
  for (const bad of [null, true, 5, 'off', []]) throws({ ...valid, rateLimits: bad }, 'rateLimits');
  for (const name of ['reads', 'actions', 'total']) {
    for (const bad of [0, ...NOT_INTEGERS]) throws({ ...valid, rateLimits: { [name]: bad } }, 'rateLimits');
  }
  for (const bad of NOT_TIMES) throws({ ...valid, rateLimits: { window: bad } }, 'rateLimits.window');
  throws({ ...valid, rateLimits: { read: 5 } }, 'read');
  throws({ ...valid, apikey: 'x' }, 'apikey');
  throws(Object.defineProperty({ ...valid }, 'proxy', { get: () => throwing.value }), 'proxy');
  assert.throws(() => Celper(valid), TypeError);
});

test('rejected calls sent nothing', async () => {
  assert.deepEqual(await sandbox.requests(), []);
});

test('options may be class instances, frozen, or without a prototype', async () => {
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

test('null means none for the options of calls', async () => {
  const none = { idempotencyKey: null, timeout: null, maxRetries: null, signal: null };
  const { id: candidateId } = await sandbox.createCandidate();
  await client.inviteCandidate(candidateId, { jobPositionId: 'pos_1', emailSubject: null, emailBody: null, ...none });
  assert.equal((await client.getCandidateStatus(candidateId, { jobPositionId: 'pos_1', ...none })).status, 'invited');
});

test('a polluted Object.prototype changes no option and no error', async () => {
  const certificate = Buffer.from('not a certificate');
  const pollution = {
    baseUrl: 'http://127.0.0.1:1',
    proxy: 'http://127.0.0.1:1',
    caCertificates: certificate,
    keyProvider: true,
    timeout: 1,
    maxRetries: 9,
    emailSubject: 'polluted',
    idempotencyKey: 'polluted',
    CELPER_BASE_URL: 'http://127.0.0.1:1',
    ok: { status: 'polluted' },
    error: { kind: 'server', message: 'polluted' },
    record: 'polluted',
    needsKey: true,
    code: 'POLLUTED',
    cause: { message: 'polluted', keyProvider: true },
    retryAfter: 5,
  };
  const { id: candidateId } = await sandbox.createCandidate();
  const { apiKey, baseUrl } = sandbox.clientOptions;
  process.env.CELPER_API_KEY = apiKey;
  Object.assign(Object.prototype, pollution);
  const events = [];
  let created;
  let missing;
  try {
    const onEvent = (event) =>
      events.push([event.operation, Object.hasOwn(event, 'error') ? event.error.kind : undefined]);
    created = [new Celper({ apiKey }), new Celper(), new Celper({ baseUrl, rateLimits: {}, onEvent })];
    await created[2].inviteCandidate(candidateId, { jobPositionId: 'pos_1' });
    await created[2].waitForStatus(candidateId, { jobPositionId: 'pos_1', until: ['invited'] });
    missing = await created[2].getCandidateStatus('nobody', { jobPositionId: 'pos_1' }).catch((error) => error);
  } finally {
    for (const name of Object.keys(pollution)) delete Object.prototype[name];
    delete process.env.CELPER_API_KEY;
  }
  for (const { baseUrl } of created.slice(0, 2)) assert.equal(baseUrl, 'https://api.celper.ai');
  for (const { timeout, maxRetries, proxy } of created)
    assert.deepEqual([timeout, maxRetries, proxy], [undefined, 2, undefined]);
  const [invite] = await sandbox.requests(candidateId);
  assert.deepEqual(JSON.parse(invite.body), { jobPositionId: 'pos_1' });
  assert.notEqual(invite.headers['idempotency-key'], 'polluted');
  assert.deepEqual([missing.kind, missing.code, missing.retryAfter], ['not_found', 'NOT_FOUND', undefined]);
  assert.ok(!Object.hasOwn(missing, 'cause'));
  assert.deepEqual(events, [
    ['invite', undefined],
    ['status', undefined],
    ['status', 'not_found'],
  ]);
});

test('bytes of another realm are accepted as certificates', () => {
  // jsdom's global `Uint8Array` is not the one that a `Buffer` is of.
  const foreign = runInNewContext('Uint8Array.from(bytes)', { bytes: [...Buffer.from('no certificate')] });
  assert.ok(!(foreign instanceof Uint8Array));
  assert.throws(() => new Celper({ ...valid, caCertificates: foreign }), /caCertificates contains no certificate/);
});

test('options can be read', () => {
  const bare = new Celper({ apiKey: 'celp_0123456789' });
  assert.deepEqual(
    [bare.baseUrl, bare.timeout, bare.attemptTimeout, bare.maxRetries, bare.proxy, bare.appInfo, bare.allowHttpHosts],
    ['https://api.celper.ai', undefined, 30_000, 2, undefined, undefined, []],
  );
  assert.deepEqual(bare.rateLimits, { reads: 40, actions: 30, total: 60, window: 60_000 });
  const given = {
    timeout: 1_500,
    attemptTimeout: 250,
    maxRetries: 0,
    rateLimits: false,
    appInfo: 'a/1',
    allowHttpHosts: ['x'],
  };
  const client = new Celper({ ...valid, ...given, proxy: 'http://user:p%40ss@proxy.example:3128/' });
  for (const [name, value] of Object.entries(given)) assert.deepEqual(client[name], value, name);
  assert.equal(client.proxy, 'http://proxy.example:3128');
});

test('telemetry and onEvent are checked', () => {
  const accepts = (options) => assert.ok(new Celper({ ...valid, ...options }));
  const throws = (options, message) =>
    assert.throws(() => new Celper({ ...valid, ...options }), { kind: 'invalid_argument', message });
  for (const telemetry of [true, false, {}, { redact: false, propagate: true }]) accepts({ telemetry });
  throws({ telemetry: 'on' }, /telemetry must be true, false or an object, not a string/);
  throws({ telemetry: { redact: 1 } }, /telemetry\.redact must be true or false, not a number/);
  throws({ telemetry: { ids: true } }, /no option "ids" \(redact, propagate\)/);
  accepts({ onEvent: () => {} });
  throws({ onEvent: {} }, /onEvent must be a function, not an object/);
});
