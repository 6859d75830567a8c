// How processes end: with idle clients, with calls in progress, with an exit or a termination during calls; workers and cluster.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { startSandbox } from './support/sandbox.mjs';

const PROGRAM = fileURLToPath(new URL('programs/program.mjs', import.meta.url));
// Longer than any program takes on a busy machine, shorter than every timeout that could end a call.
const HANGS_AFTER = 25_000;

const sandbox = await startSandbox();
const { id: quick } = await sandbox.createCandidate();
const { id: slow } = await sandbox.createCandidate();
const { id: verySlow } = await sandbox.createCandidate();
await sandbox.queueFault(slow, 'delay', { seconds: 1, times: null });
await sandbox.queueFault(verySlow, 'delay', { seconds: 60, times: null });

async function run(program, { slowCandidate = slow } = {}) {
  const env = {
    ...process.env,
    ...sandbox.environment,
    QUICK_CANDIDATE: quick,
    SLOW_CANDIDATE: slowCandidate,
  };
  const child = spawn(process.execPath, [PROGRAM, program], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const started = performance.now();
  const hung = setTimeout(() => child.kill('SIGKILL'), HANGS_AFTER);
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  clearTimeout(hung);
  return { code, out: out.trim(), err, took: performance.now() - started };
}

for (const program of ['idle', 'unused']) {
  test(`a client that is ${program} does not keep the process alive`, async () => {
    const { code, out, err } = await run(program);
    assert.deepEqual([code, out, err], [0, 'done', '']);
  });
}

for (const program of ['inProgress', 'topLevel']) {
  test(`a call in progress keeps the process alive (${program})`, async () => {
    const { code, out, err } = await run(program);
    assert.deepEqual([code, out, err], [0, 'new', '']);
  });
}

test('an aborted call does not keep the process alive', async () => {
  const { code, out, err } = await run('aborted', { slowCandidate: verySlow });
  assert.deepEqual([code, out, err], [0, 'aborted', '']);
});

for (let round = 1; round <= 5; round++) {
  test(`the process exits during calls (${round})`, async () => {
    const { code, out, err } = await run('exit', { slowCandidate: verySlow });
    assert.deepEqual([code, out, err], [7, 'exiting', '']);
  });
}

test('an uncaught exception during calls', async () => {
  const { code, out, err } = await run('throws', { slowCandidate: verySlow });
  assert.deepEqual([code, out], [1, 'throwing']);
  assert.match(err, /[Ee]rror: on purpose/);
});

test('a client in each of many workers', async () => {
  const { code, out, err } = await run('workers');
  assert.deepEqual([code, JSON.parse(out), err], [0, new Array(16).fill(0), '']);
});

test('clients in several workers share the rate limit', async () => {
  const { code, out, err } = await run('paced');
  assert.deepEqual([code, JSON.parse(out), err], [0, [0, ...new Array(15).fill(3)], '']);
});

test('workers are terminated during calls', async () => {
  const { code, out, err } = await run('terminated', { slowCandidate: verySlow });
  assert.deepEqual([code, out, err], [0, 'new', '']);
});

for (let round = 1; round <= 3; round++) {
  test(`the process exits during calls of workers (${round})`, async () => {
    const { code, out, err } = await run('exitWithWorkers', { slowCandidate: verySlow });
    assert.deepEqual([code, out, err], [7, 'exiting', '']);
  });
}

test('cluster workers', async () => {
  const { code, out, err } = await run('cluster');
  assert.deepEqual([code, JSON.parse(out), err], [0, [0, 0, 0], '']);
});
