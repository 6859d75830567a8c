// Invites candidates as a careful program does that knows no SDK: a limit on concurrency, retries that honour `Retry-After`,
// one key per invitation.

import { once } from 'node:events';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const require = createRequire(new URL('../node/package.json', import.meta.url));
const { default: pLimit } = await import(pathToFileURL(require.resolve('p-limit')));
const { AbortError, default: pRetry } = await import(pathToFileURL(require.resolve('p-retry')));

const options = JSON.parse(process.env.BATCH);
const IN_FLIGHT = 10;

async function invite(candidate, key) {
  const response = await fetch(`${process.env.CELPER_BASE_URL}/v1/candidates/${candidate}/invite`, {
    method: 'POST',
    headers: { 'X-API-Key': process.env.CELPER_API_KEY, 'Content-Type': 'application/json', 'Idempotency-Key': key },
    body: JSON.stringify({ jobPositionId: 'pos_1' }),
    signal: AbortSignal.timeout(30_000),
  });
  const body = await response.text();
  if (response.ok) return;
  const error = new Error(`status ${response.status}: ${body}`);
  if (response.status !== 408 && response.status !== 429 && response.status < 500) throw new AbortError(error);
  const wait = Number(response.headers.get('Retry-After') ?? 0);
  await sleep(wait * 1_000);
  throw error;
}

const slots = pLimit(IN_FLIGHT);
console.log('ready');
await once(process.stdin, 'data');
await Promise.all(
  options.candidates.map((candidate) => {
    const key = crypto.randomUUID();
    return slots(() =>
      pRetry(() => invite(candidate, key), { retries: 1_000, minTimeout: 100, maxTimeout: 8_000, randomize: true }),
    );
  }),
);
console.log(JSON.stringify({ peak_mb: process.resourceUsage().maxRSS / 1_024 }));
process.stdin.destroy();
