/** The sandbox's npm package, with the program of this tree; `make sandbox-node` builds both. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (url) => fileURLToPath(new URL(url, import.meta.url));
const PACKAGE = path('../../../tests/sandbox/node/dist/index.js');
const TARGET = process.env.CARGO_TARGET_DIR ?? path('../../../target');

// The package reads this variable, and so do the programs that the tests start.
process.env.CELPER_SANDBOX ??= join(TARGET, 'release/celper-sandbox');
for (const file of [PACKAGE, process.env.CELPER_SANDBOX]) {
  if (!existsSync(file)) throw new Error(`${file} does not exist: run "make sandbox-node"`);
}

export const { startSandbox } = createRequire(import.meta.url)(PACKAGE);
