// The lifetime of the sandbox's process.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SandboxError, startSandbox } from '../dist/index.mjs';

const unix = process.platform === 'win32' ? { skip: 'uses signals' } : {};
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

function runs(id) {
  try {
    process.kill(id, 0);
  } catch {
    return false;
  }
  // A process that has exited stays in the list until its parent has waited for it; here init may be slow.
  if (!existsSync('/proc/self/stat')) return true;
  try {
    return readFileSync(`/proc/${id}/stat`, 'utf8').split(')').at(-1).trim()[0] !== 'Z';
  } catch {
    return false;
  }
}

async function untilEnded(id) {
  for (const end = Date.now() + 60_000; runs(id); ) {
    assert.ok(Date.now() < end, 'it still runs');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The newest child of a process, which is the sandbox. */
function childOf(parent) {
  const [id] = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ').slice(-1);
  return Number(id);
}

const linux = process.platform === 'linux' ? {} : { skip: 'reads /proc' };

/** A program that starts a sandbox and prints its base URL. */
function program(body) {
  const head = `import { startSandbox } from ${JSON.stringify(new URL('../dist/index.mjs', import.meta.url))};
    const sandbox = await startSandbox(); console.log(sandbox.baseUrl);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', head + body], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  after(() => child.kill('SIGKILL'));
  return child;
}

const responds = (baseUrl) =>
  new Promise((resolve) => {
    http
      .get(`${baseUrl}/_sandbox/health`, { agent: false }, (response) => resolve(response.resume() && true))
      .on('error', () => resolve(false));
  });

test('it exits when it is stopped', async () => {
  const sandbox = await startSandbox();
  assert.ok(await responds(sandbox.baseUrl));
  await sandbox.stop();
  assert.ok(!(await responds(sandbox.baseUrl)));
  await sandbox.stop();
  await assert.rejects(
    sandbox.candidates(),
    (error) => error instanceof SandboxError && /does not respond/.test(error.message),
  );
});

test('a body that cannot be serialised is a TypeError, and leaves no request open', async () => {
  const sandbox = await startSandbox();
  for (const json of [1n, { n: 1n }]) {
    await assert.rejects(sandbox.queueFault('cand_1', 'status', { status: 500, json }), TypeError);
  }
  await sandbox.stop();
  // An open request would fail this process now.
  await new Promise((resolve) => setImmediate(resolve));
});

test('another program is an error', linux, async () => {
  const { CELPER_SANDBOX } = process.env;
  process.env.CELPER_SANDBOX = '/bin/echo';
  try {
    await assert.rejects(startSandbox(), /echo is not celper-sandbox: it printed "--host/);
  } finally {
    process.env.CELPER_SANDBOX = CELPER_SANDBOX;
  }
});

// What `await using` and `using` call, which Node 20 cannot yet read; `package.test.mjs` compiles them.
test('it ends when it is disposed of', linux, async () => {
  for (const dispose of [Symbol.asyncDispose, Symbol.dispose]) {
    const sandbox = await startSandbox();
    const id = childOf(process.pid);
    assert.ok(runs(id));
    await sandbox[dispose]();
    if (dispose === Symbol.asyncDispose) assert.ok(!runs(id), 'it was waited for');
    await untilEnded(id);
  }
});

test('it keeps no program alive, and ends with it', async () => {
  const child = program('');
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  assert.equal(code, 0);
  const baseUrl = said.trim();
  for (const end = Date.now() + 60_000; await responds(baseUrl); ) assert.ok(Date.now() < end, 'it still responds');
});

test('it exits with a program that is killed', { ...unix, ...linux }, async () => {
  const child = program('setInterval(() => {}, 1000);');
  await once(createInterface({ input: child.stdout }), 'line');
  const id = childOf(child.pid);
  assert.ok(runs(id));
  child.kill('SIGKILL');
  await untilEnded(id);
});

test('a port that is taken', async () => {
  const server = http.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  await assert.rejects(startSandbox({ port: server.address().port }), /did not start: .*(in use|10048)/s);
  server.close();
});

test('an unknown option is a TypeError', async () => {
  for (const wrong of [
    null,
    'limits',
    { prot: 8787 },
    { limits: null },
    { limits: { read: 3 } },
    { tls: 'yes' },
    { serverNames: 'limits.internal' },
  ]) {
    await assert.rejects(
      startSandbox(wrong),
      { name: 'TypeError', message: /limits|tls|serverNames/ },
      JSON.stringify(wrong),
    );
  }
  await assert.rejects(startSandbox({ port: 'x' }), SandboxError);
  await assert.rejects(startSandbox({ apiKey: ' ' }), SandboxError);
});

test('a missing program is an error', async () => {
  const { CELPER_SANDBOX } = process.env;
  process.env.CELPER_SANDBOX = here('./nothing');
  try {
    await assert.rejects(startSandbox(), /did not start: .*ENOENT/);
  } finally {
    process.env.CELPER_SANDBOX = CELPER_SANDBOX;
  }
});

/** The command, as npm links it. */
const cli = (...args) =>
  spawn(process.execPath, [here('../dist/cli.js'), ...args], { stdio: ['pipe', 'pipe', 'pipe'] });

test('the command prints what the program prints', async () => {
  const help = cli('--help');
  const [stdout, [code]] = await Promise.all([text(help.stdout), once(help, 'close')]);
  assert.equal(code, 0);
  assert.match(stdout, /--exit-with-parent/);
  const refused = cli('--frob');
  const [stderr, [refusedCode]] = await Promise.all([text(refused.stderr), once(refused, 'close')]);
  assert.equal(refusedCode, 2);
  assert.match(stderr, /--frob/);
});

for (const [how, options, end] of [
  ['is interrupted', [], (child) => child.kill('SIGINT')],
  ['is terminated', [], (child) => child.kill('SIGTERM')],
  ['is killed', [], (child) => child.kill('SIGKILL')],
  ['has --exit-with-parent, and its input ends', ['--exit-with-parent'], (child) => child.stdin.end()],
]) {
  test(`the program exits when the command ${how}`, linux, async () => {
    const child = cli('--port', '0', ...options);
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    const id = childOf(child.pid);
    const { base_url } = JSON.parse(line);
    assert.ok((await responds(base_url)) && runs(id));
    const exit = once(child, 'exit');
    end(child);
    await exit;
    await untilEnded(id);
  });
}

test('without --exit-with-parent the command survives the end of its input', async () => {
  const child = cli('--port', '0');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  child.stdin.end();
  const { base_url } = JSON.parse(line);
  for (let count = 0; count < 20; count += 1) assert.ok(await responds(base_url));
  child.kill();
  await once(child, 'exit');
});
