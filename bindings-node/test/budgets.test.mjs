// The size and load time of the package.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const MB = 1_000_000;

test('the native file is under 3.6 MB', (t) => {
  const files = readdirSync(PACKAGE).filter((file) => file.endsWith('.node'));
  assert.notEqual(files.length, 0);
  for (const file of files) {
    const { size } = statSync(join(PACKAGE, file));
    t.diagnostic(`${file}: ${(size / MB).toFixed(2)} MB`);
    assert.ok(size < 3.6 * MB, `${file} has ${size} bytes`);
  }
});

test('requiring the package takes under 10 ms', (t) => {
  const program = `const start = performance.now(); require(${JSON.stringify(PACKAGE)}); console.log(performance.now() - start);`;
  const times = Array.from({ length: 15 }, () =>
    Number(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' })),
  );
  times.sort((a, b) => a - b);
  t.diagnostic(
    `${times[0].toFixed(1)} ms at best, ${times[7].toFixed(1)} ms in the median of ${times.length} processes`,
  );
  // The minimum, because other load on the machine only adds time.
  assert.ok(times[0] < 10, `${times[0]} ms`);
});
