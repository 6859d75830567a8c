// The READMEs' examples, run as printed against the sandbox.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { startSandbox } from './support/sandbox.mjs';

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const sandbox = await startSandbox();

test('the first call of the README runs as printed, and is well typed', async () => {
  const readme = await readFile(here('../../README.md'), 'utf8');
  const [, example] = /```ts\n([\s\S]*?)```/.exec(readme);
  await sandbox.control('candidates', { candidateId: 'cand_xyz789', jobPositionId: 'pos_abc123' });
  await sandbox.fault('cand_xyz789', 'status', {
    operation: 'select',
    status: 409,
    json: { success: false, error: 'ANALYSIS_NOT_VIEWED', message: 'Not viewed.' },
  });
  const files = ['mjs', 'mts'].map((ending) => here(`./readme-example.${ending}`));
  try {
    for (const file of files) await writeFile(file, example);
    const env = { ...process.env, CELPER_API_KEY: sandbox.apiKey, CELPER_BASE_URL: sandbox.baseUrl };
    const { stdout } = await run(process.execPath, [files[0]], { env });
    assert.match(stdout, /^new null\nopen until \d{4}-.*Z\nview the analysis first\n$/);
    const tsc = here('../node_modules/typescript/bin/tsc');
    const options = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--types',
      'node',
    ];
    await run(process.execPath, [tsc, ...options, files[1]]).catch((error) => assert.fail(error.stdout));
  } finally {
    for (const file of files) await rm(file, { force: true });
  }
});
