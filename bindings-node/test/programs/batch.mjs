// Programs with batches that the tests run in a separate process: `batch.mjs NAME`.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { Celper } from 'celper';

const client = new Celper({ rateLimits: false });
const jobPositionId = 'pos_1';
const { QUICK_CANDIDATE: quick, SLOW_CANDIDATE: slow } = process.env;
const status = (candidateId) => ({ operation: 'status', candidateId, jobPositionId });

const programs = {
  /** Prints the items of a batch with a journal. */
  async invite() {
    const requests = process.env.IDS.split(',').map((candidateId) => ({
      operation: 'invite',
      candidateId,
      jobPositionId,
    }));
    for await (const item of client.batch(requests, { journal: process.env.JOURNAL })) {
      console.log(JSON.stringify(item));
    }
  },
  /** Only the batch keeps it alive. */
  async iterated() {
    let items = 0;
    for await (const _ of client.batch([status(quick), status('nobody'), status(slow)])) items += 1;
    console.log(`${items} items`);
  },
  /** Nobody waits for the batch any more. */
  async abandoned() {
    await client.batch([status(quick), status(slow)]).next();
    console.log('done');
  },
  /** Nobody waits for the batch, whose source waits. */
  async waiting() {
    async function* source() {
      yield status(quick);
      await new Promise(() => {});
    }
    globalThis.kept = client.batch(source());
    await globalThis.kept.next();
    console.log('done');
  },
  /** Workers are terminated during batches. */
  async workers() {
    if (!isMainThread) {
      function* source() {
        for (let count = 0; ; count++) yield status(count % 5 ? `nobody-${count}` : slow);
      }
      for await (const item of client.batch(source())) if (item.index === 20) parentPort.postMessage('busy');
      return;
    }
    const codes = Array.from({ length: 4 }, () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { name: 'workers' } });
      worker.once('message', () => worker.terminate());
      return new Promise((resolve) => worker.once('exit', resolve));
    });
    console.log(JSON.stringify(await Promise.all(codes)));
  },
};

await programs[isMainThread ? process.argv[2] : workerData.name]();
