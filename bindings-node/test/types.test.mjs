// The types, as a strict program sees them: `usage.ts` has lines that must compile and lines that must not.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

test('tsc --strict accepts what is right and refuses what is wrong', async () => {
  const tsc = here('../node_modules/typescript/bin/tsc');
  const run = promisify(execFile)(process.execPath, [tsc, '--project', here('types')]);
  await run.catch((error) => assert.fail(error.stdout));
});
