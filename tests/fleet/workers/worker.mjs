// The same as worker.py, in Node.

import { setTimeout as sleep } from 'node:timers/promises';
import { Celper, CelperError } from '../../../bindings-node/dist/index.mjs';

const options = JSON.parse(process.env.FLEET);
const client = new Celper({
  rateLimits: { ...options.limits, window: options.window * 1_000 },
  attemptTimeout: options.attempt_timeout * 1_000,
  maxRetries: 0,
});
const stop = new AbortController();

async function calls() {
  while (!stop.signal.aborted) {
    try {
      await client.getCandidateStatus(options.candidate, { jobPositionId: 'pos_1', signal: stop.signal });
    } catch (error) {
      if (stop.signal.aborted) return;
      if (!(error instanceof CelperError)) throw error;
      console.log('error', error.kind, error.message);
      await sleep(50);
    }
  }
}

const running = Array.from({ length: options.in_flight }, calls);
for await (const _ of process.stdin);
stop.abort();
await Promise.all(running);
client.close();
