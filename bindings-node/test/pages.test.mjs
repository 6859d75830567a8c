// The TypeScript examples in the documentation: compiled with --strict, and run unchanged against the sandbox.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { startSandbox } from './support/sandbox.mjs';

const ROOT = new URL('../../', import.meta.url);
const read = (path) => readFile(new URL(path, ROOT), 'utf8');
// A `not run` comment above an example excludes it; see `tests/docs/README.md`.
const EXAMPLE = /(?<notRun>^<!-- not run:.*-->\n+)?^```ts\n(?<code>[\s\S]*?)^```$/gm;

const examples = [];
for (const page of (await read('tests/docs/pages.txt')).split('\n').filter(Boolean)) {
  const markdown = await read(page);
  for (const match of markdown.matchAll(EXAMPLE)) {
    if (match.groups.notRun) continue;
    const line = markdown.slice(0, match.index).split('\n').length;
    examples.push({ page, name: `${page}:${line}`, code: match.groups.code });
  }
}
const quickstart = examples.findIndex(({ page }) => page === 'README.md');
const stage = JSON.parse(await read('tests/docs/stage.json'));

// Inside the package's folder, so that `import 'celper'` resolves to it.
const folder = new URL('examples/', import.meta.url);
const path = (name) => fileURLToPath(new URL(name, folder));
await rm(folder, { recursive: true, force: true });
await mkdir(folder);
after(() => rm(folder, { recursive: true, force: true }));
await Promise.all(examples.map(({ code }, number) => writeFile(path(`example${number}.mts`), code)));

async function run(program, args, env = process.env) {
  const child = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { out, err, code };
}

test('the examples compile', async () => {
  assert.ok(examples.length >= 9, `${examples.length}`);
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node', '--ignoreConfig'];
  const files = examples.map((_, number) => path(`example${number}.mts`));
  const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
  const { out, code } = await run(tsc, [...options, ...files]);
  const errors = out.replaceAll(/\S*example(\d+)\.mts/g, (_, number) => examples[number].name);
  assert.deepEqual([errors, code], ['', 0]);
});

for (const [number, { name }] of examples.entries()) {
  test(`${name} runs`, async () => {
    const sandbox = await startSandbox();
    for (const call of stage) await sandbox.control(call.path, call.body);
    const env = { ...process.env, ...sandbox.environment };
    const { out, err, code } = await run(path(`example${number}.mjs`), [], env);
    // Failures in workers only show on standard error.
    assert.deepEqual([err, code], ['', 0]);
    if (number === quickstart) assert.match(out, /^new null\nopen until \d{4}-.*Z\nview the analysis first\n$/);
  });
}
