// Packs what is published: `celper-sandbox`, and the package of a platform, which carries the program.
//
//   node scripts/pack.mjs [FOLDER] [--program FILE] [--platform NAME] [--licenses FILE]
//
// It prints the tarballs, one a line. FOLDER is `packed` if not said, FILE the release build of the workspace, and NAME this platform.
// `--licenses` goes into the package that carries the program, as THIRD-PARTY-LICENSES.txt. The version is the workspace's.

import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = fileURLToPath(new URL('..', import.meta.url));
const root = join(here, '../../..');
const windows = process.platform === 'win32';
const file = windows ? 'celper-sandbox.exe' : 'celper-sandbox';
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { program: { type: 'string' }, platform: { type: 'string' }, licenses: { type: 'string' } },
});
const out = resolve(positionals[0] ?? join(here, 'packed'));
const program = values.program ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'release', file);
const [, version] = /^version = "(.+)"$/m.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8'));
// The programs that `lib/program.ts` looks for.
const [, listed] = /const PLATFORMS = \[([^\]]*)\]/.exec(readFileSync(join(here, 'lib/program.ts'), 'utf8'));
const platforms = [...listed.matchAll(/'(.+?)'/g)].map(([, platform]) => platform);

const { private: _, ...manifest } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
const stage = mkdtempSync(join(tmpdir(), 'celper-pack-'));

function pack(folder) {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', out];
  const stdio = ['ignore', 'pipe', 'pipe'];
  const options = { cwd: folder, encoding: 'utf8', shell: windows, stdio };
  const [{ filename }] = JSON.parse(execFileSync(windows ? 'npm.cmd' : 'npm', args, options));
  console.log(join(out, filename));
}

function packPlatform() {
  const wanted = values.platform ?? `${process.platform}-${process.arch}`;
  const name = platforms.find((name) => name.startsWith(wanted));
  if (!name) throw new Error(`there is no package for ${wanted}`);
  const [platform, arch, abi] = name.split('-');
  const folder = join(stage, name);
  mkdirSync(folder);
  cpSync(program, join(folder, file));
  chmodSync(join(folder, file), 0o755);
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  if (values.licenses) cpSync(values.licenses, join(folder, 'THIRD-PARTY-LICENSES.txt'));
  const { description, license, keywords, repository, engines } = manifest;
  const own = {
    name: `celper-sandbox-${name}`,
    version,
    description: `${description}: the program for ${name}`,
    license,
    keywords,
    repository,
    engines,
    os: [platform],
    cpu: [arch],
    ...(platform === 'linux' && { libc: [abi === 'gnu' ? 'glibc' : abi] }),
    files: [file, 'THIRD-PARTY-LICENSES.txt'],
    preferUnplugged: true,
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(own, null, 2)}\n`);
  writeFileSync(
    join(folder, 'README.md'),
    `# celper-sandbox-${name}\n\nThe program of the package celper-sandbox, which brings it along.\n`,
  );
  pack(folder);
}

function packMain() {
  const folder = join(stage, 'main');
  mkdirSync(folder);
  for (const path of ['dist', 'README.md']) cpSync(join(here, path), join(folder, path), { recursive: true });
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  const { name, ...rest } = manifest;
  const optionalDependencies = Object.fromEntries(platforms.map((name) => [`celper-sandbox-${name}`, version]));
  const published = { name, version, ...rest, optionalDependencies };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
  pack(folder);
}

try {
  mkdirSync(out, { recursive: true });
  packPlatform();
  packMain();
} finally {
  rmSync(stage, { recursive: true, force: true });
}
