// The published packages, installed by npm into an empty project without Rust, and the README's examples.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startRegistry } from '../../../../bindings-node/test/support/registry.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const tool = (path) => here(`../../../../bindings-node/node_modules/${path}`);
const readme = await readFile(here('../README.md'), 'utf8');
const [, example] = /```ts\n([\s\S]*?)```/.exec(readme);

// Node and npm, and what every system has.
const path = [...new Set([dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'])].join(delimiter);
const kept = Object.entries(process.env).filter(([name]) => !/^(CELPER_|NODE_|npm_)/.test(name));
const env = { ...Object.fromEntries(kept), PATH: process.platform === 'win32' ? process.env.PATH : path };

async function run(file, args, cwd) {
  const ended = await promisify(execFile)(file, args, { cwd, env }).catch((error) => error);
  return { code: ended.code ?? 0, out: ended.stdout?.trim(), err: ended.stderr ?? `${ended}` };
}

async function emptyFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'celper-sandbox-project-'));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const packed = await emptyFolder();
const program = process.env.CELPER_SANDBOX ? ['--program', process.env.CELPER_SANDBOX] : [];
const { code, out, err } = await run(process.execPath, [here('../scripts/pack.mjs'), packed, ...program], packed);
assert.equal(code, 0, err);
const tarballs = out.split('\n');
const registry = await startRegistry(tarballs);

async function project(...options) {
  const folder = await emptyFolder();
  await writeFile(join(folder, 'package.json'), '{"private":true}');
  const more = ['--registry', registry.url, '--cache', join(folder, 'cache'), '--no-audit', '--no-fund', ...options];
  const installed = await run('npm', ['install', 'celper', 'celper-sandbox', ...more], folder);
  assert.equal(installed.code, 0, installed.out + installed.err);
  return folder;
}
const whole = project();
const node = (folder, ...args) => run(process.execPath, args, folder);

function tsc(folder, ...options) {
  const types = ['--types', 'node', '--typeRoots', tool('@types')];
  const strict = [
    '--ignoreConfig',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--lib',
    'es2022,esnext.disposable',
  ];
  return node(folder, tool('typescript/bin/tsc'), ...strict, ...types, ...options);
}

test('there is no Rust', async () => {
  for (const name of ['cargo', 'rustc']) assert.equal((await run(name, ['--version'], packed)).code, 'ENOENT');
});

test('the packages are laid out by platform', () => {
  const main = registry.manifests.get('celper-sandbox');
  const [name] = [...registry.manifests.keys()].filter((name) => name.startsWith('celper-sandbox-'));
  const platform = registry.manifests.get(name);
  assert.equal(main.optionalDependencies[name], platform.version, 'exactly the version that it was made with');
  assert.equal(main.version, registry.manifests.get('celper').version, 'one version for all packages');
  assert.deepEqual([platform.os, platform.cpu], [[process.platform], [process.arch]]);
  assert.equal(main.private, undefined);
});

test('publint and attw find nothing wrong', async () => {
  const tarball = tarballs.find((path) => /celper-sandbox-\d/.test(path));
  const publint = await node(packed, tool('publint/src/cli.js'), tarball, '--strict');
  assert.equal(publint.code, 0, publint.out + publint.err);
  const attw = await node(packed, tool('@arethetypeswrong/cli/dist/index.js'), tarball);
  assert.equal(attw.code, 0, attw.out + attw.err);
});

test("the README's example runs as printed, and is well typed", async () => {
  const folder = await whole;
  await writeFile(join(folder, 'example.test.mjs'), example);
  await writeFile(join(folder, 'example.mts'), example);
  const ended = await node(folder, '--test', '--test-reporter=spec', 'example.test.mjs');
  assert.equal(ended.code, 0, ended.out + ended.err);
  assert.match(ended.out, /pass 3\n/);
  const checked = await tsc(folder, '--noEmit', 'example.mts');
  assert.equal(checked.code, 0, checked.out);
});

test('CommonJS', async () => {
  const folder = await whole;
  const program = `const { startSandbox } = require('celper-sandbox');
    startSandbox().then(async (sandbox) => console.log((await sandbox.createCandidate()).id));`;
  await writeFile(join(folder, 'cjs.cjs'), program);
  assert.deepEqual(await node(folder, 'cjs.cjs'), { code: 0, out: 'cand_1', err: '' });
});

test('each kind of fault has typed parameters, and `await using` stops the sandbox', async () => {
  const folder = await whole;
  const program = `import { startSandbox, type Sandbox } from 'celper-sandbox';
    let escaped: Sandbox;
    {
      await using sandbox = await startSandbox();
      escaped = sandbox;
      await sandbox.queueFault('ada', 'close');
      await sandbox.queueFault('ada', 'answer', { envelope: null, times: null });
      // @ts-expect-error a delay needs seconds
      await sandbox.queueFault('ada', 'delay').catch(() => {});
      // @ts-expect-error there is no such kind
      await sandbox.queueFault('ada', 'earthquake').catch(() => {});
      // @ts-expect-error a close has no status
      await sandbox.queueFault('ada', 'close', { status: 1 }).catch(() => {});
      console.log(await sandbox.candidates());
    }
    await escaped.candidates().catch((error: Error) => console.log(error.name));`;
  await writeFile(join(folder, 'using.mts'), program);
  const compiled = await tsc(folder, 'using.mts');
  assert.equal(compiled.code, 0, compiled.out);
  assert.deepEqual(await node(folder, 'using.mjs'), { code: 0, out: '[]\nSandboxError', err: '' });
});

test('npx runs the program, and it ends with npx', async () => {
  const folder = await whole;
  const shell = process.platform === 'win32';
  const child = spawn('npx', ['celper-sandbox', '--port', '0', '--exit-with-parent'], { cwd: folder, env, shell });
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const { base_url } = JSON.parse(line);
  assert.equal((await fetch(`${base_url}/_sandbox/health`)).status, 200);
  child.stdin.end();
  await once(child, 'exit');
  await assert.rejects(fetch(`${base_url}/_sandbox/health`));
});

test("without the platform's package, the error names it and how to install it", async () => {
  const folder = await project('--omit=optional');
  const [wanted] = [...registry.manifests.keys()].filter((name) => name.startsWith('celper-sandbox-'));
  const { version } = registry.manifests.get(wanted);
  await writeFile(join(folder, 'esm.mjs'), "import { startSandbox } from 'celper-sandbox'; await startSandbox();");
  for (const command of ['esm.mjs', 'node_modules/celper-sandbox/dist/cli.js']) {
    const { code, err } = await node(folder, command);
    assert.equal(code, 1);
    assert.ok(err.includes(`npm install --save-dev ${wanted}@${version}`), err);
  }
});
