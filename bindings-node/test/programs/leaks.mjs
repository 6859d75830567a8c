// Makes tens of thousands of successful, failed and aborted calls; prints the process's resources before and after as JSON.
// Run with --expose-gc.

import { getEventListeners } from 'node:events';
import { readdirSync } from 'node:fs';
import { Celper } from 'celper';

const client = new Celper({ rateLimits: false, maxRetries: 0 });
const quick = process.env.QUICK_CANDIDATE;
const slow = process.env.SLOW_CANDIDATE;
const shared = new AbortController();
const options = { jobPositionId: 'pos_1', signal: shared.signal };

/** Makes `count` calls of each kind, 32 at a time. */
async function calls(count) {
  const oneOfEach = async () => {
    await client.getCandidateStatus(quick, options);
    await client.getCandidateStatus('nobody', options).catch(({ kind }) => kind === 'not_found' || process.exit(3));
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = client.getCandidateStatus(slow, { ...options, signal }).catch((error) => error);
    setImmediate(() => controller.abort());
    if ((await aborted).name !== 'AbortError') process.exit(4);
  };
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      for (let i = 0; i < count / 32; i++) await oneOfEach();
    }),
  );
}

/** Creates and uses `count` clients, and closes half of them. */
async function clients(count) {
  for (let i = 0; i < count; i++) {
    const client = new Celper({ rateLimits: false });
    await client.getCandidateStatus(quick, options);
    if (i % 2) client.close();
  }
}

/** Runs `count` batches of a few requests, and leaves half of them early; some are abandoned. */
async function batches(count) {
  for (let i = 0; i < count; i++) {
    const requests = ['a', 'b', 'c', 'd'].map((name) => ({
      operation: 'status',
      candidateId: name,
      jobPositionId: 'pos_1',
    }));
    const batch = client.batch(requests, { signal: shared.signal });
    if (i % 16 === 0) await batch.next();
    else for await (const { index } of batch) if (i % 2 && index > 1) break;
  }
}

async function resources() {
  // Sockets of aborted calls close with a short delay.
  for (let i = 0; i < 10; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed, rss, external } = process.memoryUsage();
  return {
    heap: heapUsed,
    rss,
    external,
    handles: process.getActiveResourcesInfo().length,
    files: process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0,
    threads: process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0,
    listeners: getEventListeners(shared.signal, 'abort').length,
  };
}

const count = Number(process.argv[2]);
await calls(count / 2);
await clients(100);
await batches(1_000);
const before = await resources();
await calls(count);
await clients(300);
await batches(2_000);
console.log(JSON.stringify({ before, after: await resources() }));
