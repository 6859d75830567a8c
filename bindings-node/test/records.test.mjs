// Records of calls: on results, errors and batch items, without changing how those look.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Celper, CelperError } from 'celper';

import { startSandbox } from './support/sandbox.mjs';

const sandbox = await startSandbox();
const client = new Celper({ ...sandbox.clientOptions, rateLimits: false });
const jobPositionId = 'pos_1';

test('a result has a record of its attempts and waits', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'status', { status: 503, headers: { 'Retry-After': 0 } });
  const before = Date.now();
  const state = await client.getCandidateStatus(candidateId, { jobPositionId });
  const { record } = state;
  assert.equal(record.operation, 'status');
  assert.ok(record.startedAt >= before - 5 && record.startedAt <= Date.now() + 5, `${record.startedAt}`);
  const [first, second] = record.attempts;
  assert.deepEqual([first.status, first.errorKind, second.status], [503, 'server', 200]);
  assert.equal(second.errorKind, undefined);
  assert.equal(second.requestId, state.requestId);
  assert.equal(first.connection, 'new');
  assert.deepEqual(
    record.waits.map(({ reason }) => reason),
    ['retry'],
  );
  assert.ok(second.offset + second.duration <= record.duration + 1);
  assert.throws(() => {
    record.duration = 0;
  }, TypeError);
  assert.ok(Object.isFrozen(record.attempts) && Object.isFrozen(first));
  for (const text of [String(record), inspect(record)]) {
    assert.match(
      text,
      /^status: 2 requests in [\d.]+ s\n.*attempt 1: HTTP 503, server after .*\n.*waited .* for the next attempt\n/,
    );
  }
  assert.deepEqual(
    JSON.parse(JSON.stringify(record)).attempts,
    record.attempts.map((attempt) => ({ ...attempt })),
  );
});

test('a record does not change what a result is', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  const state = await client.getCandidateStatus(candidateId, { jobPositionId });
  const { requestId, rateLimit } = state;
  const expected = { status: 'new', analysisViewed: false, interviewScore: null, requestId, attempts: 1 };
  if (rateLimit) expected.rateLimit = rateLimit;
  assert.deepEqual(state, expected);
  assert.ok(state.record);
  for (const copy of [{ ...state }, JSON.parse(JSON.stringify(state)), structuredClone(state)]) {
    assert.equal(copy.record, undefined);
  }
  assert.doesNotMatch(inspect(state), /record/);
});

test('errors and the items of a batch have records', async () => {
  const error = await client.selectCandidate('unknown', { jobPositionId }).catch((it) => it);
  assert.deepEqual([error.record.operation, error.record.attempts[0].status], ['select', 404]);
  assert.equal(error.toJSON().record, undefined);
  assert.equal(CelperError.fromJSON(structuredClone(error.toJSON())).kind, 'not_found');
  assert.doesNotMatch(inspect(error), /\brecord:/);

  const { id: candidateId } = await sandbox.createCandidate();
  const requests = [candidateId, 'unknown', ''].map((id) => ({ operation: 'status', candidateId: id, jobPositionId }));
  const records = [];
  for await (const { index, result, error } of client.batch(requests)) records[index] = (result ?? error).record;
  assert.deepEqual(
    records.map((record) => record?.attempts[0]?.status),
    [200, 404, undefined],
  );

  const refused = await client.getCandidateStatus(7, { jobPositionId }).catch((it) => it);
  assert.equal(refused.record, undefined);
});
