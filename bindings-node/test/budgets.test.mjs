// The load time of the package; its size is checked where it is published.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

// Of the time in which Node itself starts: an absolute time would depend on the machine and its load.
test('requiring the package takes under 0.4 of a start of Node', (t) => {
  const program = `const start = performance.now(); require(${JSON.stringify(PACKAGE)}); console.log(performance.now() - start, start);`;
  const runs = Array.from({ length: 15 }, () =>
    execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }).split(' ').map(Number),
  );
  // The minimum, because other load on the machine only adds time.
  const [took, start] = [0, 1].map((index) => Math.min(...runs.map((run) => run[index])));
  t.diagnostic(`${took.toFixed(1)} ms at best, a start of Node ${start.toFixed(1)} ms`);
  assert.ok(took < 0.4 * start, `${took} ms, ${start} ms`);
});
