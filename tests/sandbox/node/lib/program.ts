/** Finds the program in this platform's package, which npm installs with this one. */

import { dirname, join } from 'node:path';

const { version = '' } = require('../package.json') as { version?: string };

/** The platforms with a package: system, processor, C library. */
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

/**
 * The path of the program `celper-sandbox`: `CELPER_SANDBOX` if set, else the program of this platform's package.
 *
 * @throws Error if the package is missing.
 */
export function findProgram(): string {
  const named = process.env.CELPER_SANDBOX;
  if (named) return named;
  const here = `${process.platform}-${process.arch}${process.platform === 'linux' ? `-${cLibrary()}` : ''}`;
  const platform = PLATFORMS.find((name) => name === here || name === `${here}-msvc`);
  if (!platform) {
    throw new Error(
      `celper-sandbox has no package for this platform (${here}), only for ${PLATFORMS.join(', ')}. ` +
        'Build the program and set CELPER_SANDBOX to its path.',
    );
  }
  const wanted = `celper-sandbox-${platform}`;
  try {
    const folder = dirname(require.resolve(`${wanted}/package.json`));
    return join(folder, process.platform === 'win32' ? 'celper-sandbox.exe' : 'celper-sandbox');
  } catch (cause) {
    const message =
      `celper-sandbox cannot find its program: the package ${wanted} is missing. It is an optional dependency, which npm does not ` +
      `install with --omit=optional or with a package-lock.json from another platform. Install it ` +
      `(npm install --save-dev ${wanted}@${version}), or set CELPER_SANDBOX to the path of the program.`;
    throw Object.assign(new Error(message, { cause }), { code: 'CELPER_SANDBOX_MISSING' });
  }
}

/** Old versions of npm install the packages for both C libraries. */
function cLibrary(): 'gnu' | 'musl' {
  const { report } = process;
  // Otherwise the report resolves the host names of open connections.
  (report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ? 'gnu' : 'musl';
}
