// Packs the published packages: `celper`, and one package for each platform whose native file exists.
//
//   node scripts/pack.mjs [FOLDER] [--native FOLDER] [--licenses FILE]
//
// Prints the paths of the tarballs, one per line. They are written to FOLDER, by default `packed`. Native files are read from
// `--native`, by default this package's folder. The file of `--licenses` is added to each platform's package as
// THIRD-PARTY-LICENSES.txt.
//
// This script adds the platforms' packages to `celper` as optional dependencies. The manifest in the repository does not list
// them, because `npm ci` would fail until they are published.

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = fileURLToPath(new URL('..', import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { native: { type: 'string', default: here }, licenses: { type: 'string' } },
});
const out = resolve(positionals[0] ?? join(here, 'packed'));
const LICENSES = 'THIRD-PARTY-LICENSES.txt';
const stage = mkdtempSync(join(tmpdir(), 'celper-pack-'));

function run(file, ...args) {
  return execFileSync(process.execPath, [join(here, file), ...args], { cwd: stage, encoding: 'utf8' });
}

function pack(folder) {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', out];
  const shell = process.platform === 'win32';
  const [{ filename }] = JSON.parse(
    execFileSync(npm, args, { cwd: folder, encoding: 'utf8', shell, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  console.log(join(out, filename));
}

try {
  mkdirSync(out, { recursive: true });
  const { devDependencies, scripts, ...manifest } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
  writeFileSync(join(stage, 'package.json'), JSON.stringify(manifest, null, 2));
  run('node_modules/@napi-rs/cli/dist/cli.js', 'create-npm-dirs');
  const platforms = readdirSync(join(stage, 'npm')).sort();

  for (const platform of platforms) {
    const native = `celper.${platform}.node`;
    if (!existsSync(join(values.native, native))) continue;
    const folder = join(stage, 'npm', platform);
    cpSync(join(values.native, native), join(folder, native));
    cpSync(join(here, '../LICENSE'), join(folder, 'LICENSE'));
    if (values.licenses) {
      cpSync(values.licenses, join(folder, LICENSES));
      const path = join(folder, 'package.json');
      const own = JSON.parse(readFileSync(path, 'utf8'));
      writeFileSync(path, `${JSON.stringify({ ...own, files: [...own.files, LICENSES] }, null, 2)}\n`);
    }
    pack(folder);
  }

  const { napi, ...published } = manifest;
  published.optionalDependencies = Object.fromEntries(
    platforms.map((platform) => [`celper-${platform}`, manifest.version]),
  );
  rmSync(join(stage, 'npm'), { recursive: true });
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
  for (const file of ['dist', 'README.md']) cpSync(join(here, file), join(stage, file), { recursive: true });
  cpSync(join(here, '../LICENSE'), join(stage, 'LICENSE'));
  pack(stage);
} finally {
  rmSync(stage, { recursive: true, force: true });
}
