/** Finds the program: in this platform's package, which npm installs beside this one. */

import { dirname, join } from 'node:path';

const { version = '' } = require('../package.json') as { version?: string };

/** The platforms that have a package: system, processor, C library. */
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
 * The path of the program `celper-sandbox`: what the environment's `CELPER_SANDBOX` says, or the one that came with this package.
 *
 * @throws Error when there is neither.
 */
export function findProgram(): string {
  const named = process.env.CELPER_SANDBOX;
  if (named) return named;
  const here = `${process.platform}-${process.arch}${process.platform === 'linux' ? `-${cLibrary()}` : ''}`;
  const platform = PLATFORMS.find((name) => name === here || name === `${here}-msvc`);
  if (!platform) {
    throw new Error(
      `celper-sandbox has no program for this platform (${here}). There are packages for ${PLATFORMS.join(', ')}. ` +
        'CELPER_SANDBOX names a program of your own.',
    );
  }
  const wanted = `celper-sandbox-${platform}`;
  try {
    const folder = dirname(require.resolve(`${wanted}/package.json`));
    return join(folder, process.platform === 'win32' ? 'celper-sandbox.exe' : 'celper-sandbox');
  } catch (cause) {
    const message =
      `celper-sandbox cannot find its program: the package ${wanted} is missing. It is an optional dependency, which is left out ` +
      `by --omit=optional and by a package-lock.json made on another platform. Install it beside celper-sandbox ` +
      `(npm install --save-dev ${wanted}@${version}), or name a program in CELPER_SANDBOX.`;
    throw Object.assign(new Error(message, { cause }), { code: 'CELPER_SANDBOX_MISSING' });
  }
}

/** An npm that knows nothing of C libraries installs the packages for both. */
function cLibrary(): 'gnu' | 'musl' {
  const { report } = process;
  // Otherwise a report looks up the names of the hosts that it is connected to.
  (report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ? 'gnu' : 'musl';
}
