// The published packages: packed, checked with publint and attw, installed by npm into an empty project, and used there as
// ES module and CommonJS, in a bundle, and without the native module.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';

import { startRegistry } from './support/registry.mjs';
import { startSandbox } from './support/sandbox.mjs';

const bin = (path) => fileURLToPath(new URL(`../node_modules/${path}`, import.meta.url));
const require = createRequire(import.meta.url);
const { napi, version } = require('../package.json');
const sandbox = await startSandbox();
const registry = await startRegistry();
const { id: candidateId } = await sandbox.createCandidate();
const env = { ...process.env, ...sandbox.environment, NODE_PATH: '' };

const CALL = `
  const client = new Celper({ rateLimits: false });
  client.getCandidateStatus('${candidateId}', { jobPositionId: 'pos_1' }).then(({ status }) => console.log(status));`;
const ESM = `import { Celper } from 'celper';${CALL}`;
const CJS = `const { Celper } = require('celper');${CALL}`;

/** Runs a program; returns its output and exit code. */
async function run(file, args, cwd) {
  const ended = await promisify(execFile)(file, args, { cwd, env }).catch((error) => error);
  return { code: ended.code ?? 0, out: ended.stdout.trim(), err: ended.stderr };
}

async function emptyFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'celper-project-'));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Creates an empty project and installs the package from the registry. */
async function project(...options) {
  const folder = await emptyFolder();
  await writeFile(join(folder, 'package.json'), '{"private":true}');
  const more = ['--registry', registry.url, '--cache', join(folder, 'cache'), '--no-audit', '--no-fund', ...options];
  const { code, out, err } = await run('npm', ['install', 'celper', ...more], folder);
  assert.equal(code, 0, out + err);
  await writeFile(join(folder, 'esm.mjs'), ESM);
  await writeFile(join(folder, 'cjs.cjs'), CJS);
  return folder;
}

const node = (folder, file) => run(process.execPath, [file], folder);

test('there is one package per platform', () => {
  const main = registry.manifests.get('celper');
  assert.equal(Object.keys(main.optionalDependencies).length, napi.targets.length);
  for (const [name, wanted] of Object.entries(main.optionalDependencies)) {
    assert.match(name, /^celper-(darwin|linux|win32)-(x64|arm64)(-(gnu|musl|msvc))?$/);
    assert.equal(wanted, version, 'the exact version');
  }
  const [here] = [...registry.manifests.keys()].filter((name) => name !== 'celper');
  const { os, cpu, main: file, engines } = registry.manifests.get(here);
  assert.deepEqual([os, cpu], [[process.platform], [process.arch]]);
  assert.equal(file, `celper.${here.replace('celper-', '')}.node`);
  assert.equal(engines.node, main.engines.node);
  assert.deepEqual([main.scripts, main.devDependencies, main.napi], [undefined, undefined, undefined]);
});

test('publint and attw report nothing', async () => {
  const tarball = registry.tarballs.find((path) => path.endsWith(`/celper-${version}.tgz`));
  const publint = await run(process.execPath, [bin('publint/src/cli.js'), tarball, '--strict']);
  assert.equal(publint.code, 0, publint.out + publint.err);
  const attw = await run(process.execPath, [bin('@arethetypeswrong/cli/dist/index.js'), tarball]);
  assert.equal(attw.code, 0, attw.out + attw.err);
});

test('installed into an empty project, it works as an ES module and as CommonJS', async () => {
  const folder = await project();
  for (const file of ['esm.mjs', 'cjs.cjs']) {
    assert.deepEqual(await node(folder, file), { code: 0, out: 'new', err: '' });
  }
  await writeFile(join(folder, 'typed.mts'), ESM);
  await writeFile(join(folder, 'typed.cts'), ESM);
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2022,dom'];
  const tsc = [bin('typescript/bin/tsc'), '--ignoreConfig', ...options, 'typed.mts', 'typed.cts'];
  const checked = await run(process.execPath, tsc, folder);
  assert.equal(checked.code, 0, checked.out);
});

function explainsMissingModule(err) {
  const libc = process.platform === 'linux' ? /(glibc \d+\.\d+|musl)/ : /./;
  assert.match(err, libc);
  const [needed] = [...registry.manifests.keys()].filter((name) => name !== 'celper');
  for (const text of [
    process.platform,
    process.arch,
    needed,
    `npm install ${needed}@${version}`,
    'mark celper as external',
  ]) {
    assert.ok(err.includes(text), `${err}\ndoes not contain ${text}`);
  }
  assert.match(err, /code: 'CELPER_NATIVE_MISSING'/);
}

test("without the platform's package, the error names it and the command that installs it", async () => {
  const folder = await project('--omit=optional');
  for (const file of ['esm.mjs', 'cjs.cjs']) {
    const { code, out, err } = await node(folder, file);
    assert.deepEqual([code, out], [1, '']);
    explainsMissingModule(err);
  }
});

test("a bundle works with celper external or next to the platform's package, and reports a missing one", async () => {
  const folder = await project();
  const away = await emptyFolder();
  for (const [format, entry, file] of [
    ['esm', 'esm.mjs', 'bundle.mjs'],
    ['cjs', 'cjs.cjs', 'bundle.cjs'],
  ]) {
    const make = (outfile, more = {}) =>
      build({
        absWorkingDir: folder,
        entryPoints: [entry],
        bundle: true,
        platform: 'node',
        format,
        outfile,
        logLevel: 'silent',
        ...more,
      });
    const banner = {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    };
    await make(join(away, file), format === 'esm' ? { banner } : {});
    const { code, err } = await node(away, file);
    assert.equal(code, 1);
    explainsMissingModule(err);
    await make(join(folder, file), format === 'esm' ? { banner } : {});
    assert.deepEqual(await node(folder, file), { code: 0, out: 'new', err: '' });
    await make(join(folder, `external-${file}`), { external: ['celper'] });
    assert.deepEqual(await node(folder, `external-${file}`), { code: 0, out: 'new', err: '' });
  }
});
