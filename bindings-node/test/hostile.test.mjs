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
    Error.prepareStackTrace = (_, sites) => sites;
    const structured = await call('nobody').catch((error) => error);
    Error.prepareStackTrace = prepareStackTrace;
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'fulfilled', 'rejected', 'fulfilled'],
    );
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

test('unbound methods, wrong receivers and calls without new throw a TypeError', () => {
  const { getCandidateStatus, close } = client;
  for (const wrong of [
    () => getCandidateStatus('c', { jobPositionId }),
    () => getCandidateStatus.call({}, 'c', { jobPositionId }),
    () => close(),
    () => Celper({}),
    () => Reflect.construct(Object, [], Celper).close(),
  ]) {
    assert.throws(wrong, TypeError);
  }
  assert.doesNotThrow(() => inspect(Celper.prototype, { showHidden: true }));
  assert.match(inspect(Object.create(client)), /Celper/);
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
  await closing[Symbol.asyncDispose]();
  // The call may start before or after the close.
  assert.match((await pending).kind, /^(not_found|invalid_argument)$/);
  const late = await caught(closing.inviteCandidate(candidateId, { jobPositionId }));
  assert.deepEqual([late.kind, late.operation, late.outcomeUnknown], ['invalid_argument', 'invite', false]);
  assert.deepEqual(await sandbox.requests(candidateId), []);
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
