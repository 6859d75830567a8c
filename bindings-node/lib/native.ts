/** Finds and loads the native half: this platform's package, or the file of a build in the tree. */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as Binding from './binding';

const { version } = require('../package.json') as { version: string };

/** The platforms that have a package, as napi-rs names them: system, processor, C library. */
const PLATFORMS = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
  'win32-arm64-msvc',
  'win32-x64-msvc',
];

/** The native half. */
export const native: typeof Binding = load();

function load(): typeof Binding {
  const here = `${process.platform}-${process.arch}`;
  // Which C library this is would take longer to find out than to try: npm installs only the package that fits.
  const candidates = PLATFORMS.filter((platform) => platform === here || platform.startsWith(`${here}-`));
  // Made at run time, so that a bundler leaves these calls alone and the packages are found beside the bundle.
  const require = createRequire(typeof __filename === 'string' ? __filename : join(process.cwd(), 'index.js'));
  const problems: string[] = [];
  for (const platform of candidates) {
    for (const place of [`../celper.${platform}.node`, `celper-${platform}`]) {
      try {
        return require(place) as typeof Binding;
      } catch (error) {
        const found = (error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND';
        if (found || !place.startsWith('.')) problems.push(`${place}: ${firstLine(error)}`);
      }
    }
  }
  throw Object.assign(new Error(explanation(here, candidates, problems)), { code: 'CELPER_NATIVE_MISSING' });
}

function explanation(here: string, candidates: string[], problems: string[]): string {
  const libc = process.platform === 'linux' ? `, ${cLibrary()}` : '';
  const where = `${process.platform}, ${process.arch}${libc}, Node ${process.versions.node}`;
  if (candidates.length === 0) {
    return `celper has no native module for this platform (${where}). There are packages for ${PLATFORMS.join(', ')}.`;
  }
  const wanted = candidates.length === 1 ? candidates[0] : `${here}-${libc.includes('glibc') ? 'gnu' : 'musl'}`;
  return [
    `celper cannot load its native module (${where}): the package celper-${wanted} is missing or does not work.`,
    ...problems.map((problem) => `  tried ${problem}`),
    `What helps: install it beside celper (npm install celper-${wanted}@${version}). It is an optional dependency, which is`,
    'left out by --omit=optional, by a node_modules folder copied from another platform, and by a package-lock.json made',
    'there: delete both and install again. In a bundle, mark celper as external, so that it is loaded from node_modules.',
  ].join('\n');
}

function cLibrary(): string {
  const { report } = process;
  try {
    (report as { excludeNetwork?: boolean }).excludeNetwork = true;
    const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
    return header.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : 'musl';
  } catch {
    return 'C library unknown';
  }
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n', 1)[0] ?? '';
}
