// The packed package in what Next.js, ncc, Vite and webpack build: `make test-node-bundlers`, as they take minutes to install and run.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { startRegistry } from '../support/registry.mjs';
import { startSandbox } from '../support/sandbox.mjs';
import { until } from '../support/until.mjs';

const FILES = ['app', 'next.config.mjs', 'package.json', 'package-lock.json', 'program.mjs', 'webpack.mjs'];
const sandbox = await startSandbox();
const registry = await startRegistry();
const { id } = await sandbox.createCandidate();
const env = { ...process.env, ...sandbox.environment, CANDIDATE: id, NEXT_TELEMETRY_DISABLED: '1', NODE_PATH: '' };

async function emptyFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'celper-bundlers-'));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function run(cwd, file, ...args) {
  try {
    return (await promisify(execFile)(file, args, { cwd, env })).stdout.trim();
  } catch (error) {
    throw new Error(`${file} ${args.join(' ')}: ${error.stdout}\n${error.stderr}`);
  }
}
const node = (cwd, ...args) => run(cwd, process.execPath, ...args);

const project = await emptyFolder();
const here = fileURLToPath(new URL('.', import.meta.url));
for (const file of FILES) await cp(join(here, file), join(project, file), { recursive: true });
await run(project, 'npm', 'ci', '--no-audit', '--no-fund');
await run(project, 'npm', 'install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', ...registry.tarballs);

for (const bundler of ['turbopack', 'webpack']) {
  test(`a route handler in Next.js's standalone output, built with ${bundler}`, async () => {
    await rm(join(project, '.next'), { recursive: true, force: true });
    await node(project, 'node_modules/next/dist/bin/next', 'build', `--${bundler}`);
    const away = await emptyFolder();
    await cp(join(project, '.next/standalone'), away, { recursive: true, verbatimSymlinks: true });
    await rm(join(project, '.next'), { recursive: true });
    const port = String(20_000 + Math.floor(Math.random() * 20_000));
    const server = spawn(process.execPath, ['server.js'], {
      cwd: away,
      env: { ...env, PORT: port, HOSTNAME: '127.0.0.1' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    try {
      const response = await until(() => fetch(`http://127.0.0.1:${port}/`).catch(() => undefined), 'the server');
      assert.deepEqual([response.status, await response.text()], [200, '{"status":"new"}']);
    } finally {
      server.kill();
    }
  });
}

test('ncc, whose output runs in any folder', async () => {
  await node(project, 'node_modules/@vercel/ncc/dist/ncc/cli.js', 'build', 'program.mjs', '--out', 'built-ncc');
  const away = await emptyFolder();
  await cp(join(project, 'built-ncc'), away, { recursive: true });
  assert.equal(await node(away, 'index.mjs').catch(() => node(away, 'index.js')), 'new');
});

test('Vite, which leaves packages out of SSR builds', async () => {
  await node(project, 'node_modules/vite/bin/vite.js', 'build', '--ssr', 'program.mjs', '--outDir', 'built-vite');
  assert.equal(
    await node(project, 'built-vite/program.js').catch(() => node(project, 'built-vite/program.mjs')),
    'new',
  );
});

test('webpack with celper as external', async () => {
  await node(project, 'webpack.mjs');
  assert.equal(await node(project, 'built-webpack/program.cjs'), 'new');
});
