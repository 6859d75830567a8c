// The error handlers of docs/errors.md, in the real frameworks: an uncaught 401 of this package is no 401 of the application.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transform } from 'esbuild';

import { startSandbox } from './support/sandbox.mjs';

const sandbox = await startSandbox();
const { id } = await sandbox.createCandidate({ jobPositionId: 'pos_abc123' });
const page = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');
// Inside the package's folder, so that `import 'celper'` resolves to it.
const folder = await mkdtemp(fileURLToPath(new URL('examples-', import.meta.url)));
after(() => rm(folder, { recursive: true, force: true }));
Object.assign(process.env, sandbox.environment);

/** The page's example for a framework, as a module that exports its `app` and `client`. */
async function example(framework) {
  const [, code] = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].find(([, code]) =>
    code.includes(`from '${framework}'`),
  );
  const { code: script } = await transform(`${code}\nexport { app, client };`, { loader: 'ts', format: 'esm' });
  const file = join(folder, `${framework}.mjs`);
  await writeFile(file, script);
  return import(pathToFileURL(file));
}

const SERVERS = {
  async express(app, use) {
    const server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    await use(`http://127.0.0.1:${server.address().port}`);
    server.close();
  },
  async fastify(app, use) {
    await use(await app.listen({ port: 0, host: '127.0.0.1' }));
    await app.close();
  },
};

for (const [framework, serve] of Object.entries(SERVERS)) {
  test(`in ${framework} a 401 of this package is a 500`, async (t) => {
    t.mock.method(console, 'error', () => {});
    const { app } = await example(framework);
    await serve(app, async (url) => {
      const works = await fetch(`${url}/status/${id}`);
      assert.deepEqual([works.status, await works.json()], [200, { status: 'new' }]);
      await sandbox.setCompany('api_disabled');
      const forbidden = await fetch(`${url}/status/${id}`);
      await sandbox.setCompany('active');
      assert.equal(forbidden.status, 500);
      const text = await forbidden.text();
      assert.doesNotMatch(text, /API_DISABLED|403/);
    });
  });
}

test('without the error handler it is the status of this package, as the page says', async (t) => {
  t.mock.method(console, 'error', () => {});
  const express = createRequire(import.meta.url)('express');
  const { client } = await example('fastify');
  const app = express();
  app.get('/', () => client.getCandidateStatus('nobody', { jobPositionId: 'pos_abc123' }));
  await SERVERS.express(app, async (url) => assert.equal((await fetch(url)).status, 404));
});
