// Jest loads the package once for each test file, in a context of its own, and expects to be able to drop it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { startSandbox } from './support/sandbox.mjs';

const path = (url) => fileURLToPath(new URL(url, import.meta.url));
const sandbox = await startSandbox();
const { id: candidateId } = await sandbox.createCandidate();

const TEST = `
  const { Celper, NotFoundError } = require('celper');
  test('calls', async () => {
    const client = new Celper({ apiKey: async () => process.env.CELPER_API_KEY });
    const call = (id, more) => client.getCandidateStatus(id, { jobPositionId: 'pos_1', ...more });
    expect((await call('${candidateId}')).status).toBe('new');
    await expect(call('nobody')).rejects.toThrow(NotFoundError);
    const controller = new AbortController();
    const aborted = call('${candidateId}', { signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toThrow('aborted');
    const request = { operation: 'status', candidateId: '${candidateId}', jobPositionId: 'pos_1' };
    for await (const item of client.batch([request])) expect(item.result.status).toBe('new');
    // An abandoned batch is an open handle until it is collected.
    if (process.env.ABANDONS) await client.batch(endless(request)).next();
  });
  function* endless(request) {
    for (let count = 0; ; count++) yield { ...request, candidateId: 'nobody-' + count };
  }`;

async function jest(option) {
  const folder = await mkdtemp(join(tmpdir(), 'celper-jest-'));
  after(() => rm(folder, { recursive: true, force: true }));
  const config = {
    rootDir: folder,
    testEnvironment: 'node',
    moduleNameMapper: { '^celper$': path('../dist/index.js') },
  };
  await writeFile(join(folder, 'jest.config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'calls.test.js'), TEST);
  const args = [
    '--no-cache',
    '--runInBand',
    '--ci',
    '--colors=false',
    '--config',
    join(folder, 'jest.config.json'),
    option,
  ];
  const env = { ...process.env, ...sandbox.environment, ...(option === '--detectLeaks' && { ABANDONS: '1' }) };
  const file = path('../node_modules/jest/bin/jest.js');
  const { code = 0, stderr } = await promisify(execFile)(process.execPath, [file, ...args], { env }).catch((e) => e);
  return { code, stderr };
}

for (const option of ['--detectLeaks', '--detectOpenHandles']) {
  test(`a test file that makes calls passes with ${option}`, async () => {
    const { code, stderr } = await jest(option);
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /open handle|leak/i);
    assert.match(stderr, /1 passed/);
  });
}
