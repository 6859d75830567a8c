// The types: `usage.ts` has lines that must compile and lines that must not.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

test('tsc --strict accepts correct usage and rejects wrong usage', async () => {
  const tsc = here('../node_modules/typescript/bin/tsc');
  const run = promisify(execFile)(process.execPath, [tsc, '--project', here('types')]);
  await run.catch((error) => assert.fail(error.stdout));
});
