// Tens of thousands of calls leak nothing, whatever their outcome.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { startSandbox } from './support/sandbox.mjs';

const PROGRAM = fileURLToPath(new URL('programs/leaks.mjs', import.meta.url));
const CALLS_OF_EACH_KIND = 16_000;
const MB = 1024 * 1024;

test('successful, failed and aborted calls, and batches, leak no memory, handles or listeners', async (t) => {
  const sandbox = await startSandbox();
  const { id: quick } = await sandbox.createCandidate();
  const { id: slow } = await sandbox.createCandidate();
  await sandbox.queueFault(slow, 'delay', { seconds: 60, times: null });
  const env = {
    ...process.env,
    ...sandbox.environment,
    QUICK_CANDIDATE: quick,
    SLOW_CANDIDATE: slow,
  };
  const args = ['--expose-gc', PROGRAM, String(CALLS_OF_EACH_KIND)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  const { before, after } = JSON.parse(stdout);
  t.diagnostic(`after ${CALLS_OF_EACH_KIND / 2} of each kind: ${JSON.stringify(before)}`);
  t.diagnostic(`after ${CALLS_OF_EACH_KIND} more:      ${JSON.stringify(after)}`);
  // A leak of 100 bytes per call would be 5 MB.
  assert.ok(after.heap - before.heap < 1.5 * MB, 'heap');
  assert.ok(after.external - before.external < 1.5 * MB, 'memory outside the heap');
  assert.ok(after.rss - before.rss < 16 * MB, 'resident memory');
  assert.ok(after.handles <= before.handles, 'handles');
  assert.ok(after.files <= before.files + 32, 'files and sockets');
  assert.ok(after.threads <= before.threads, 'threads');
  assert.equal(after.listeners, 0);
});
