// NODE_EXTRA_CA_CERTS, which Node's own TLS also trusts.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { startSandbox } from './support/sandbox.mjs';

const sandbox = await startSandbox({ tls: true });
const { id } = await sandbox.createCandidate();
const folder = await mkdtemp(join(tmpdir(), 'celper-certificates-'));
after(() => rm(folder, { recursive: true, force: true }));
const certificate = join(folder, 'ca.pem');
await writeFile(certificate, sandbox.caCertificate);

const PROGRAM = `
  const { Celper } = require('celper');
  (async () => new Celper({ maxRetries: 0 }).getCandidateStatus('${id}', { jobPositionId: 'pos_1' }))().then(
    ({ status }) => console.log(status),
    ({ kind, message }) => console.log(kind, message),
  );`;

async function run(variables) {
  const env = { ...process.env, ...sandbox.environment, ...variables };
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  return (await promisify(execFile)(process.execPath, ['-e', PROGRAM], { env, cwd })).stdout.trim();
}

test('the certificates of NODE_EXTRA_CA_CERTS are trusted', async () => {
  assert.match(await run({ NODE_EXTRA_CA_CERTS: '' }), /^connection .*issuer is not trusted/);
  assert.equal(await run({ NODE_EXTRA_CA_CERTS: certificate }), 'new');
});

test('a file of NODE_EXTRA_CA_CERTS that cannot be read is an error', async () => {
  const missing = join(folder, 'missing.pem');
  const printed = await run({ NODE_EXTRA_CA_CERTS: missing });
  assert.match(printed, /^invalid_argument .*missing\.pem.*NODE_EXTRA_CA_CERTS/);
});
