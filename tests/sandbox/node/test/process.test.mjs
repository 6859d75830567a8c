// The sandbox's process: it ends when it should, and not before.

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

const unix = process.platform === 'win32' ? { skip: 'it is about signals' } : {};
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

function runs(id) {
  try {
    process.kill(id, 0);
  } catch {
    return false;
  }
  // A process that ended stays in the list until its parent has asked for it; here init may be slow to.
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

/** The sandbox's process, as the system's list has it: the newest child of a process. */
function childOf(parent) {
  const [id] = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ').slice(-1);
  return Number(id);
}

const linux = process.platform === 'linux' ? {} : { skip: 'it reads /proc' };

/** A program that starts a sandbox and says where. */
function program(body) {
  const head = `import { startSandbox } from ${JSON.stringify(new URL('../dist/index.mjs', import.meta.url))};
    const sandbox = await startSandbox(); console.log(sandbox.baseUrl);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', head + body], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  after(() => child.kill('SIGKILL'));
  return child;
}

const answers = (baseUrl) =>
  new Promise((resolve) => {
    http
      .get(`${baseUrl}/_sandbox/health`, { agent: false }, (answer) => resolve(answer.resume() && true))
      .on('error', () => resolve(false));
  });

test('it ends when it is stopped', async () => {
  const sandbox = await startSandbox();
  assert.ok(await answers(sandbox.baseUrl));
  await sandbox.stop();
  assert.ok(!(await answers(sandbox.baseUrl)));
  await sandbox.stop();
  await assert.rejects(
    sandbox.candidates(),
    (error) => error instanceof SandboxError && /does not answer/.test(error.message),
  );
});

test('a body that is no JSON is refused, and nothing of it is left', async () => {
  const sandbox = await startSandbox();
  for (const json of [1n, { n: 1n }]) {
    await assert.rejects(sandbox.queueFault('cand_1', 'status', { status: 500, json }), TypeError);
  }
  await sandbox.stop();
  // What was left open would end this process now.
  await new Promise((resolve) => setImmediate(resolve));
});

test('another program is not taken for it', linux, async () => {
  const { CELPER_SANDBOX } = process.env;
  process.env.CELPER_SANDBOX = '/bin/echo';
  try {
    await assert.rejects(startSandbox(), /echo is not celper-sandbox: it says "--port/);
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
  for (const end = Date.now() + 60_000; await answers(baseUrl); ) assert.ok(Date.now() < end, 'it still answers');
});

test('it ends with a program that is killed', { ...unix, ...linux }, async () => {
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

test('an option that there is not', async () => {
  for (const wrong of [null, 'limits', { prot: 8787 }, { limits: null }, { limits: { read: 3 } }, { tls: 'yes' }]) {
    await assert.rejects(startSandbox(wrong), { name: 'TypeError', message: /limits|tls/ }, JSON.stringify(wrong));
  }
  await assert.rejects(startSandbox({ port: 'x' }), SandboxError);
});

test('a program that is not there', async () => {
  const { CELPER_SANDBOX } = process.env;
  process.env.CELPER_SANDBOX = here('./nothing');
  try {
    await assert.rejects(startSandbox(), /did not start: .*ENOENT/);
  } finally {
    process.env.CELPER_SANDBOX = CELPER_SANDBOX;
  }
});

/** The command, as npm would have it linked. */
const cli = (...args) =>
  spawn(process.execPath, [here('../dist/cli.js'), ...args], { stdio: ['pipe', 'pipe', 'pipe'] });

test('the command says what the program says', async () => {
  const help = cli('--help');
  const [said, [code]] = await Promise.all([text(help.stdout), once(help, 'close')]);
  assert.equal(code, 0);
  assert.match(said, /--exit-with-parent/);
  const refused = cli('--frob');
  const [why, [refusal]] = await Promise.all([text(refused.stderr), once(refused, 'close')]);
  assert.equal(refusal, 2);
  assert.match(why, /--frob/);
});

for (const [how, options, end] of [
  ['is interrupted', [], (child) => child.kill('SIGINT')],
  ['is terminated', [], (child) => child.kill('SIGTERM')],
  ['is killed', [], (child) => child.kill('SIGKILL')],
  ['was told to, and its input ends', ['--exit-with-parent'], (child) => child.stdin.end()],
]) {
  test(`the program ends when the command ${how}`, linux, async () => {
    const child = cli('--port', '0', ...options);
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    const id = childOf(child.pid);
    const { base_url } = JSON.parse(line);
    assert.ok((await answers(base_url)) && runs(id));
    const exit = once(child, 'exit');
    end(child);
    await exit;
    await untilEnded(id);
  });
}

test('the command goes on when nobody told it to end with its input', async () => {
  const child = cli('--port', '0');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  child.stdin.end();
  const { base_url } = JSON.parse(line);
  for (let count = 0; count < 20; count += 1) assert.ok(await answers(base_url));
  child.kill();
  await once(child, 'exit');
});
