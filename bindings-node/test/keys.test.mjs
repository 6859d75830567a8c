// Key providers: asked before each attempt, in the caller's async context; their failures, and calls that end while they work.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { test } from 'node:test';
import { AuthenticationError, Celper } from 'celper';

import { startSandbox } from './support/sandbox.mjs';
import { until } from './support/until.mjs';

const sandbox = await startSandbox();
const { baseUrl, apiKey: key } = sandbox.clientOptions;
const jobPositionId = 'pos_1';
const clientWith = (apiKey, more) => new Celper({ apiKey, baseUrl, rateLimits: false, ...more });
const caught = (promise) =>
  promise.then(
    () => assert.fail('the call resolved'),
    (error) => error,
  );

test('a function is asked before each attempt, in the context of its call', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'status', { status: 503, headers: { 'Retry-After': 0 } });
  const context = new AsyncLocalStorage();
  const asked = [];
  const provider = (returned) => () => {
    asked.push(context.getStore());
    return returned();
  };
  const returns = [() => key, async () => key];
  for (const [index, returned] of returns.entries()) {
    const client = clientWith(provider(returned));
    const { status } = await context.run(index, () => client.getCandidateStatus(candidateId, { jobPositionId }));
    assert.equal(status, 'new');
  }
  assert.deepEqual(asked, [0, 0, 1]);
  const requests = await sandbox.requests(candidateId);
  assert.ok(requests.every(({ headers }) => headers['x-api-key'] === key));
});

test('what a function throws is the cause of an AuthenticationError', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  const thrown = new RangeError('the vault is sealed');
  const symbol = Symbol('sealed');
  const throwing = { toString: () => assert.fail('no text') };
  for (const [provider, cause] of [
    [
      () => {
        throw thrown;
      },
      thrown,
    ],
    [() => Promise.reject(thrown), thrown],
    [
      async () => {
        throw symbol;
      },
      symbol,
    ],
    [
      async () => {
        throw throwing;
      },
      throwing,
    ],
    [
      async () => {
        throw undefined;
      },
      undefined,
    ],
  ]) {
    const error = await caught(clientWith(provider).selectCandidate(candidateId, { jobPositionId }));
    assert.ok(error instanceof AuthenticationError, `${error}`);
    assert.equal(error.cause, cause);
    assert.deepEqual([error.status, error.attempts, error.outcomeUnknown], [undefined, 0, false]);
    if (cause === thrown) assert.match(error.message, /key provider failed: the vault is sealed/);
  }
  for (const [returned, text] of [
    [undefined, /apiKey must return a string, not undefined/],
    [5, /apiKey must return a string, not number/],
    ['celp_\ud800', /apiKey must return a string/],
    ['celp_x\n', /key has white space/],
    ['', /the API key is empty/],
  ]) {
    const error = await caught(clientWith(() => returned).getCandidateStatus(candidateId, { jobPositionId }));
    assert.ok(error instanceof AuthenticationError && text.test(error.message), `${error}`);
    assert.ok(error.cause instanceof Error);
  }
  assert.deepEqual(await sandbox.requests(candidateId), []);
});

test('calls end while their function still works, and later ones go on', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  let answer;
  const client = clientWith(
    () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  );
  const controller = new AbortController();
  const aborted = client.getCandidateStatus(candidateId, { jobPositionId, signal: controller.signal });
  await until(() => answer, 'the function to be called');
  controller.abort();
  assert.equal((await caught(aborted)).name, 'AbortError');
  answer(key);
  answer = undefined;
  const late = await caught(client.getCandidateStatus(candidateId, { jobPositionId, timeout: 100 }));
  assert.equal(late.kind, 'timeout');
  assert.match(late.message, /key provider/);
  answer(key);
  answer = undefined;
  const call = client.getCandidateStatus(candidateId, { jobPositionId });
  await until(() => answer, 'the function to be called');
  answer(key);
  assert.equal((await call).status, 'new');
});
