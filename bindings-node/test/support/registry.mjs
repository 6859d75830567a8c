/** A package registry on loopback that serves this package and its platforms' packages as if they were published. */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PACK = fileURLToPath(new URL('../../scripts/pack.mjs', import.meta.url));

/** Packs this package and serves the tarballs, and those in `extraTarballs`, until the test file ends. */
export async function startRegistry(extraTarballs = []) {
  const folder = await mkdtemp(join(tmpdir(), 'celper-registry-'));
  after(() => rm(folder, { recursive: true, force: true }));
  const { stdout } = await run(process.execPath, [PACK, folder]);
  const tarballs = [...stdout.trim().split('\n'), ...extraTarballs];

  const server = http.createServer((request, response) => {
    const path = decodeURIComponent(request.url);
    const body = path.endsWith('.tgz') ? files.get(basename(path)) : documents.get(path.slice(1));
    response.writeHead(body ? 200 : 404, { 'Content-Type': 'application/json' }).end(body ?? '{"error":"not found"}');
  });
  server.listen(0, '127.0.0.1');
  after(() => server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/`;

  const files = new Map();
  const documents = new Map();
  const manifests = new Map();
  for (const tarball of tarballs) {
    const bytes = await readFile(tarball);
    files.set(basename(tarball), bytes);
    const { stdout: text } = await run('tar', ['-xzOf', tarball, 'package/package.json']);
    const manifest = JSON.parse(text);
    manifests.set(manifest.name, manifest);
    const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
    const dist = { tarball: `${url}${basename(tarball)}`, integrity };
    const { name, version } = manifest;
    documents.set(
      name,
      JSON.stringify({ name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } }),
    );
  }
  return { url, tarballs, manifests };
}
