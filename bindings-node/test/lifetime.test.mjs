// When a program ends, and how: idle clients, calls in flight, exits and terminations in the middle of calls, workers, cluster.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { startSandbox } from './support/sandbox.mjs';

const PROGRAM = fileURLToPath(new URL('programs/program.mjs', import.meta.url));
// Longer than any of them takes on a busy machine; shorter than every timeout that could end a call by itself.
const HANGS_AFTER = 25_000;

const sandbox = await startSandbox();
const { id: quick } = await sandbox.createCandidate();
const { id: slow } = await sandbox.createCandidate();
const { id: verySlow } = await sandbox.createCandidate();
await sandbox.queueFault(slow, 'delay', { seconds: 1, times: null });
await sandbox.queueFault(verySlow, 'delay', { seconds: 60, times: null });

async function run(what, { slowCandidate = slow } = {}) {
  const env = {
    ...process.env,
    ...sandbox.environment,
    QUICK_CANDIDATE: quick,
    SLOW_CANDIDATE: slowCandidate,
  };
  const child = spawn(process.execPath, [PROGRAM, what], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const started = performance.now();
  const hung = setTimeout(() => child.kill('SIGKILL'), HANGS_AFTER);
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  clearTimeout(hung);
  return { code, out: out.trim(), err, took: performance.now() - started };
}

for (const what of ['idle', 'unused']) {
  test(`a client that is ${what} does not keep the process alive`, async () => {
    const { code, out, err } = await run(what);
    assert.deepEqual([code, out, err], [0, 'done', '']);
  });
}

for (const what of ['inFlight', 'topLevel']) {
  test(`a call in flight keeps the process alive (${what})`, async () => {
    const { code, out, err } = await run(what);
    assert.deepEqual([code, out, err], [0, 'new', '']);
  });
}

test('an aborted call does not keep the process alive', async () => {
  const { code, out, err } = await run('aborted', { slowCandidate: verySlow });
  assert.deepEqual([code, out, err], [0, 'aborted', '']);
});

for (let round = 1; round <= 5; round++) {
  test(`exit in the middle of calls (${round})`, async () => {
    const { code, out, err } = await run('exit', { slowCandidate: verySlow });
    assert.deepEqual([code, out, err], [7, 'exiting', '']);
  });
}

test('an uncaught exception in the middle of calls', async () => {
  const { code, out, err } = await run('throws', { slowCandidate: verySlow });
  assert.deepEqual([code, out], [1, 'throwing']);
  assert.match(err, /[Ee]rror: on purpose/);
});

test('a client in each of many workers', async () => {
  const { code, out, err } = await run('workers');
  assert.deepEqual([code, JSON.parse(out), err], [0, new Array(16).fill(0), '']);
});

test('clients in several workers share their pacing', async () => {
  const { code, out, err } = await run('paced');
  assert.deepEqual([code, JSON.parse(out), err], [0, [0, ...new Array(15).fill(3)], '']);
});

test('workers terminated in the middle of calls', async () => {
  const { code, out, err } = await run('terminated', { slowCandidate: verySlow });
  assert.deepEqual([code, out, err], [0, 'new', '']);
});

for (let round = 1; round <= 3; round++) {
  test(`exit while workers are in the middle of calls (${round})`, async () => {
    const { code, out, err } = await run('exitWithWorkers', { slowCandidate: verySlow });
    assert.deepEqual([code, out, err], [7, 'exiting', '']);
  });
}

test('cluster workers', async () => {
  const { code, out, err } = await run('cluster');
  assert.deepEqual([code, JSON.parse(out), err], [0, [0, 0, 0], '']);
});
