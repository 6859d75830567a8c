/** Finds and loads the native module: this platform's package, or the file of a local build. */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as Binding from './binding';

const { version } = require('../package.json') as { version: string };

/** The platforms that have a package, as napi-rs names them: operating system, CPU architecture, C library. */
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

/** The native module. */
export const native: typeof Binding = load();

function load(): typeof Binding {
  const platform = `${process.platform}-${process.arch}`;
  // Trying both C libraries is faster than finding out which one this is: npm installs only the package that fits.
  const candidates = PLATFORMS.filter((name) => name === platform || name.startsWith(`${platform}-`));
  // Created at run time, so that bundlers do not resolve these calls, and packages next to a bundle are found.
  const require = createRequire(typeof __filename === 'string' ? __filename : join(process.cwd(), 'index.js'));
  const failures: string[] = [];
  for (const candidate of candidates) {
    for (const path of [`../celper.${candidate}.node`, `celper-${candidate}`]) {
      try {
        return require(path) as typeof Binding;
      } catch (error) {
        const found = (error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND';
        if (found || !path.startsWith('.')) failures.push(`${path}: ${firstLine(error)}`);
      }
    }
  }
  throw Object.assign(new Error(loadErrorMessage(platform, candidates, failures)), { code: 'CELPER_NATIVE_MISSING' });
}

function loadErrorMessage(platform: string, candidates: string[], failures: string[]): string {
  const libc = process.platform === 'linux' ? `, ${cLibrary()}` : '';
  const system = `${process.platform}, ${process.arch}${libc}, Node ${process.versions.node}`;
  if (candidates.length === 0) {
    return `celper has no native module for this platform (${system}). There are packages for ${PLATFORMS.join(', ')}.`;
  }
  const needed = candidates.length === 1 ? candidates[0] : `${platform}-${libc.includes('glibc') ? 'gnu' : 'musl'}`;
  return [
    `celper cannot load its native module (${system}): the package celper-${needed} is missing or cannot be loaded.`,
    ...failures.map((failure) => `  tried ${failure}`),
    `Install it: npm install celper-${needed}@${version}`,
    'It is an optional dependency, which is missing after npm install --omit=optional, or when node_modules or',
    'package-lock.json was created on another platform: delete both and install again. In a bundle, mark celper as external.',
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
