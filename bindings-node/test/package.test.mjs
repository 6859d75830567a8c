// The published packages: packed, checked with publint and attw, installed by npm into an empty project, and used there as
// ES module and CommonJS, in a bundle, as traced files, and without the native module.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nodeFileTrace } from '@vercel/nft';
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
  for (const text of [process.platform, process.arch, needed, `npm install ${needed}@${version}`]) {
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
    assert.doesNotMatch(err, /bundle/);
  }
});

/** Bundles the project's ES module and its CommonJS program with esbuild into `to`, and returns the files' names. */
async function bundle(folder, to, options = {}) {
  const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
  for (const [format, entry, file] of [
    ['esm', 'esm.mjs', 'bundle.mjs'],
    ['cjs', 'cjs.cjs', 'bundle.cjs'],
  ]) {
    await build({
      absWorkingDir: folder,
      entryPoints: [entry],
      bundle: true,
      platform: 'node',
      format,
      outfile: join(to, file),
      logLevel: 'silent',
      ...(format === 'esm' && { banner: { js: banner } }),
      ...options,
    });
  }
  return ['bundle.mjs', 'bundle.cjs'];
}

test('a bundle works with celper external, or in any folder with the native file copied', async () => {
  const folder = await project();
  for (const file of await bundle(folder, folder, { external: ['celper'] })) {
    assert.deepEqual(await node(folder, file), { code: 0, out: 'new', err: '' });
  }
  const away = await emptyFolder();
  for (const file of await bundle(folder, away, { loader: { '.node': 'copy' } })) {
    assert.deepEqual(await node(away, file), { code: 0, out: 'new', err: '' });
  }
  await assert.rejects(bundle(folder, away), /No loader is configured for "\.node" files/);
});

test("a bundle made without the platform's package says how to bundle", async () => {
  const folder = await project('--omit=optional');
  for (const file of await bundle(folder, folder)) {
    const { code, err } = await node(folder, file);
    assert.equal(code, 1);
    explainsMissingModule(err);
    assert.match(err, /This is a bundle.*serverExternalPackages/s);
  }
});

test("tools that trace a program's files find the native file", async () => {
  const folder = await project();
  const away = await emptyFolder();
  for (const file of ['esm.mjs', 'cjs.cjs']) {
    const { fileList } = await nodeFileTrace([join(folder, file)], { base: folder });
    assert.ok(
      [...fileList].some((path) => path.endsWith('.node')),
      [...fileList].join('\n'),
    );
    for (const path of fileList) await cp(join(folder, path), join(away, path));
    assert.deepEqual(await node(away, file), { code: 0, out: 'new', err: '' });
  }
});

test('a Node that is too old is told so', async () => {
  const folder = await project();
  const program = "Object.defineProperty(process.versions, 'node', { value: '18.20.4' }); require('celper');";
  const { code, err } = await run(process.execPath, ['-e', program], folder);
  assert.equal(code, 1);
  assert.match(err, /celper needs Node 20 or later; this is Node 18\.20\.4/);
});
