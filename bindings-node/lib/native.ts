/** Finds and loads the native module: this platform's package, or the file of a local build. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type * as Binding from './binding';

const { version } = require('../package.json') as { version: string };

const MINIMUM_NODE = 20;

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
] as const;

type Platform = (typeof PLATFORMS)[number];

/** The native module. */
export const native: typeof Binding = load();

function load(): typeof Binding {
  if (Number.parseInt(process.versions.node, 10) < MINIMUM_NODE) {
    const message = `celper needs Node ${MINIMUM_NODE} or later; this is Node ${process.versions.node}.`;
    throw Object.assign(new Error(message), { code: 'CELPER_UNSUPPORTED_NODE' });
  }
  const platform = `${process.platform}-${process.arch}`;
  // Trying both C libraries is faster than finding out which one this is: npm installs only the package that fits.
  const candidates = PLATFORMS.filter((name) => name === platform || name.startsWith(`${platform}-`));
  const failures: string[] = [];
  for (const candidate of candidates) {
    const found = requireLocalBuild(candidate, failures) ?? requirePackage(candidate, failures);
    if (found) return found;
  }
  throw Object.assign(new Error(loadErrorMessage(platform, candidates, failures)), { code: 'CELPER_NATIVE_MISSING' });
}

/**
 * Requires a platform's package. The names are literals, because bundlers and tools that trace a program's files (`@vercel/nft`,
 * which Next.js and Nitro use) do not see computed ones, and leave the native file out. Bundlers accept the names that they cannot
 * resolve because the calls are within `try`.
 */
function requirePackage(platform: Platform, failures: string[]): typeof Binding | undefined {
  try {
    switch (platform) {
      case 'darwin-arm64':
        return require('celper-darwin-arm64');
      case 'darwin-x64':
        return require('celper-darwin-x64');
      case 'linux-arm64-gnu':
        return require('celper-linux-arm64-gnu');
      case 'linux-arm64-musl':
        return require('celper-linux-arm64-musl');
      case 'linux-x64-gnu':
        return require('celper-linux-x64-gnu');
      case 'linux-x64-musl':
        return require('celper-linux-x64-musl');
      case 'win32-arm64-msvc':
        return require('celper-win32-arm64-msvc');
      case 'win32-x64-msvc':
        return require('celper-win32-x64-msvc');
    }
  } catch (error) {
    failures.push(`celper-${platform}: ${firstLine(error)}`);
    return undefined;
  }
}

/** Requires the file of a local build. Not with `require`: bundlers would look for the file, which the package does not have. */
function requireLocalBuild(platform: Platform, failures: string[]): typeof Binding | undefined {
  const file = join(dirname(ownFile()), '..', `celper.${platform}.node`);
  if (!existsSync(file)) return undefined;
  try {
    return createRequire(ownFile())(file);
  } catch (error) {
    failures.push(`${file}: ${firstLine(error)}`);
    return undefined;
  }
}

/** This file's path, or one in the current folder where a bundler gives the module none. */
function ownFile(): string {
  return typeof __filename === 'string' ? __filename : join(process.cwd(), 'index.js');
}

/** Whether this module is part of a bundle: bundlers give it the bundle's file name, or one that does not exist. */
function isBundled(): boolean {
  return !/[\\/]dist[\\/]native\.js$/.test(ownFile()) || !existsSync(ownFile());
}

function loadErrorMessage(platform: string, candidates: Platform[], failures: string[]): string {
  const libc = process.platform === 'linux' ? `, ${cLibrary()}` : '';
  const system = `${process.platform}, ${process.arch}${libc}, Node ${process.versions.node}`;
  if (candidates.length === 0) {
    return `celper has no native module for this platform (${system}). There are packages for ${PLATFORMS.join(', ')}.`;
  }
  const needed = candidates.length === 1 ? candidates[0] : `${platform}-${libc.includes('glibc') ? 'gnu' : 'musl'}`;
  const bundle = [
    'This is a bundle, which cannot contain the native file. Mark celper as external: in Next.js serverExternalPackages:',
    "['celper'], in esbuild, Vite and webpack external or externals. Or have the file copied: in esbuild loader: { '.node': 'copy' }.",
  ];
  return [
    `celper cannot load its native module (${system}): the package celper-${needed} is missing or cannot be loaded.`,
    ...failures.map((failure) => `  tried ${failure}`),
    `Install it: npm install celper-${needed}@${version}`,
    'It is an optional dependency, which is missing after npm install --omit=optional, or when node_modules or',
    'package-lock.json was created on another platform: delete both and install again.',
    ...(isBundled() ? bundle : []),
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
