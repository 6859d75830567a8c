// Misuse that plain JavaScript allows: each call settles, and other calls are not affected.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Celper, InvalidArgumentError } from 'celper';

import { startSandbox } from './support/sandbox.mjs';

const sandbox = await startSandbox();
const client = new Celper(sandbox.clientOptions);
const jobPositionId = 'pos_1';
const caught = (promise) =>
  promise.then(
    () => assert.fail('the call resolved'),
    (error) => error,
  );

test('huge and unusual strings are sent unchanged or rejected with an error of this package', async () => {
  const huge = 'x'.repeat(8 * 1024 * 1024);
  for (const call of [
    client.getCandidateStatus(huge, { jobPositionId }),
    client.getCandidateStatus('c', { jobPositionId: huge }),
    client.selectCandidate('c', { jobPositionId: huge }),
    client.inviteCandidate('c', { jobPositionId, emailBody: huge }),
    client.getCandidateStatus('\u{10ffff}\u2028 /../..', { jobPositionId: '👩‍👩‍👧' }),
  ]) {
    const error = await caught(call);
    assert.match(error.kind, /^(invalid_argument|invalid_request|not_found|connection|unexpected_response)$/);
    assert.ok(error.message.length < 1_000, 'the message must not repeat the argument');
  }
});

test('options that are proxies or set __proto__', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  const proxy = new Proxy({ jobPositionId }, {});
  assert.equal((await client.getCandidateStatus(candidateId, proxy)).status, 'new');
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  for (const bad of [revoked.proxy, new Proxy({}, { get: () => Symbol('s') })]) {
    assert.ok((await caught(client.getCandidateStatus(candidateId, bad))) instanceof InvalidArgumentError);
    assert.throws(() => new Celper(bad), InvalidArgumentError);
  }
  const polluted = JSON.parse('{"jobPositionId":"pos_1","__proto__":{"timeout":-1}}');
  assert.ok((await caught(client.getCandidateStatus(candidateId, polluted))) instanceof InvalidArgumentError);
});

test('signals without a reason abort calls with an AbortError', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'delay', { seconds: 60, times: null });
  const listeners = [];
  const polyfill = {
    aborted: false,
    addEventListener: (_, listener) => listeners.push(listener),
    removeEventListener() {},
  };
  const call = client.getCandidateStatus(candidateId, { jobPositionId, signal: polyfill });
  for (const listener of listeners) listener();
  const throwing = Object.defineProperty({ ...polyfill, aborted: true }, 'reason', {
    get: () => assert.fail('no reason'),
  });
  const before = ['aborted', throwing].map((signal) =>
    client.getCandidateStatus(candidateId, {
      jobPositionId,
      signal: signal === 'aborted' ? { ...polyfill, aborted: true } : signal,
    }),
  );
  for (const aborted of [call, ...before]) {
    const error = await caught(aborted);
    assert.ok(error instanceof Error && error.name === 'AbortError', inspect(error));
  }
});

test('custom signals whose methods throw', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  const bad = {
    aborted: false,
    addEventListener() {},
    removeEventListener() {
      throw new Error('no');
    },
  };
  assert.equal((await client.getCandidateStatus(candidateId, { jobPositionId, signal: bad })).status, 'new');
  const refuses = { ...bad, addEventListener: () => assert.fail('cannot listen') };
  assert.equal(
    (await caught(client.getCandidateStatus(candidateId, { jobPositionId, signal: refuses }))).message,
    'cannot listen',
  );
});

test('a throwing Error.prepareStackTrace does not prevent the delivery of other outcomes', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  const { prepareStackTrace } = Error;
  const call = (id) => client.getCandidateStatus(id, { jobPositionId });
  try {
    Error.prepareStackTrace = () => {
      throw new RangeError('on purpose');
    };
    const outcomes = await Promise.allSettled(['nobody', candidateId, 'nobody', candidateId].map(call));
    const requests = ['nobody', candidateId].map((candidateId) => ({
      operation: 'status',
      candidateId,
      jobPositionId,
    }));
    const kinds = [];
    for await (const item of client.batch(requests)) kinds.push(item.error?.kind);
    Error.prepareStackTrace = (_, sites) => sites;
    const structured = await call('nobody').catch((error) => error);
    Error.prepareStackTrace = prepareStackTrace;
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(
      outcomes.map(({ reason }) => reason?.kind),
      ['not_found', undefined, 'not_found', undefined],
    );
    assert.deepEqual(new Set(kinds), new Set(['not_found', undefined]));
    assert.equal(structured.kind, 'not_found');
    assert.equal(typeof structured.stack, 'string');
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
  }
});

test('errors are delivered with any Error.stackTraceLimit', async () => {
  const { stackTraceLimit } = Error;
  try {
    for (const limit of [0, undefined, 'x']) {
      Error.stackTraceLimit = limit;
      const error = await caught(client.getCandidateStatus('nobody', { jobPositionId }));
      assert.ok(error.stack.startsWith(`NotFoundError: ${error.message}`), error.stack);
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
});

test('a client works behind proxies and wrappers', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  const wrapped = (get) => new Proxy(client, { get });
  // Vue's `reactive` returns proxies of the objects, and logging wrappers functions of their own, synchronous or not.
  const reactive = (target) =>
    new Proxy(target, {
      get: (object, name, receiver) => {
        const value = Reflect.get(object, name, receiver);
        return typeof value === 'object' && value !== null ? reactive(value) : value;
      },
    });
  const logging = wrapped((object, name, receiver) => {
    const value = Reflect.get(object, name, receiver);
    return typeof value === 'function' ? async (...args) => value.apply(receiver, args) : value;
  });
  for (const [index, other] of [new Proxy(client, {}), reactive(client), logging, Object.create(client)].entries()) {
    assert.equal((await other.getCandidateStatus(candidateId, { jobPositionId })).status, 'new', `wrapper ${index}`);
    assert.equal(other.baseUrl, sandbox.baseUrl);
    assert.match(inspect(other), /Celper/);
  }
  const closing = new Celper(sandbox.clientOptions);
  new Proxy(closing, {}).close();
  assert.equal((await caught(closing.getCandidateStatus('c', { jobPositionId }))).kind, 'invalid_argument');
});

test('calls without their client reject, and other misuse of the class throws a TypeError', async () => {
  const { getCandidateStatus, close } = client;
  for (const receiver of [undefined, null, 5, {}, new Proxy({}, {})]) {
    let call;
    assert.doesNotThrow(() => {
      call = getCandidateStatus.call(receiver, 'c', { jobPositionId });
    });
    const error = await caught(call);
    assert.ok(error instanceof InvalidArgumentError && /without its client/.test(error.message), `${error}`);
  }
  for (const wrong of [() => close(), () => Celper({}), () => Reflect.construct(Object, [], Celper).close()]) {
    assert.throws(wrong, TypeError);
  }
  assert.doesNotThrow(() => inspect(Celper.prototype, { showHidden: true }));
});

test('5,000 concurrent calls all settle', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  const patient = new Celper({ ...sandbox.clientOptions, maxRetries: 5 });
  const calls = Array.from({ length: 5_000 }, (_, i) =>
    patient.getCandidateStatus(i % 10 === 0 ? 'nobody' : candidateId, { jobPositionId }).then(
      ({ status }) => status,
      ({ kind }) => kind,
    ),
  );
  const outcomes = await Promise.all(calls);
  assert.equal(outcomes.filter((outcome) => outcome === 'not_found').length, 500);
  assert.equal(outcomes.filter((outcome) => outcome === 'new').length, 4_500);
});

test('a client is closed at once, and again in every way', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  const closing = new Celper(sandbox.clientOptions);
  const pending = caught(closing.getCandidateStatus('nobody', { jobPositionId }));
  closing.close();
  closing.close();
  closing[Symbol.dispose]();
  const late = await caught(closing.inviteCandidate(candidateId, { jobPositionId }));
  assert.deepEqual([late.kind, late.operation, late.outcomeUnknown], ['invalid_argument', 'invite', false]);
  assert.match(late.message, /the client is closed; make a new one/);
  await closing[Symbol.asyncDispose]();
  assert.equal((await pending).kind, 'not_found', 'a call that was started completes');
  assert.deepEqual(await sandbox.requests(candidateId), []);
});

test('the asynchronous disposal waits for the calls in progress', async () => {
  const { id: slow } = await sandbox.createCandidate();
  await sandbox.queueFault(slow, 'delay', { seconds: 0.3, times: null });
  const closing = new Celper(sandbox.clientOptions);
  const events = [];
  const log = (event) => () => events.push(event);
  const controller = new AbortController();
  const aborted = closing.getCandidateStatus(slow, { jobPositionId, signal: controller.signal }).catch(log('aborted'));
  const calls = [1, 2].map(() => closing.getCandidateStatus(slow, { jobPositionId }).then(log('completed')));
  const disposed = closing[Symbol.asyncDispose]().then(log('disposed'));
  controller.abort();
  await Promise.all([disposed, aborted, ...calls]);
  assert.deepEqual(events, ['aborted', 'completed', 'completed', 'disposed']);
});

test('a client in a worker reads the process.env of the worker', async () => {
  const program = `
    const { parentPort } = require('node:worker_threads');
    const { Celper } = require('celper');
    let message;
    try { message = new Celper().baseUrl; } catch (error) { message = error.kind; }
    parentPort.postMessage(message);`;
  const inWorker = async (env) => {
    const worker = new Worker(program, { eval: true, env });
    const [message] = await once(worker, 'message');
    await worker.terminate();
    return message;
  };
  assert.equal(
    await inWorker({ CELPER_API_KEY: 'celp_x', CELPER_BASE_URL: 'http://127.0.0.1:9' }),
    'http://127.0.0.1:9',
  );
  process.env.CELPER_API_KEY = 'celp_x';
  try {
    assert.equal(await inWorker({}), 'invalid_argument');
  } finally {
    delete process.env.CELPER_API_KEY;
  }
});

test('no value that a program can reach contains the API key', async () => {
  const key = 'celp_00112233445566778899aabbccddeeff';
  const secret = new Celper({ apiKey: key, baseUrl: sandbox.baseUrl, rateLimits: false, maxRetries: 0 });
  const error = await caught(secret.selectCandidate('c', { jobPositionId }));
  assert.equal(error.kind, 'authentication');
  for (const value of [secret, error, error.cause, error.stack, Object.getOwnPropertyDescriptors(secret)]) {
    const forms = [inspect(value, { depth: 9, showHidden: true, customInspect: false }), inspect(value), `${value}`];
    forms.push(JSON.stringify(value) ?? '', JSON.stringify(Object.getOwnPropertyDescriptors(Object(value))));
    assert.ok(!forms.some((form) => form.includes('00112233')), forms.join('\n'));
  }
  assert.throws(() => structuredClone(secret).getCandidateStatus('c', { jobPositionId }), TypeError);
});
