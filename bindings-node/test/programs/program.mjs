// A small program that a test runs as a process of its own: `program.mjs WHAT`, where the sandbox is in the environment.

import cluster from 'node:cluster';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { Celper } from 'celper';

const WORKERS = 16;
const what = isMainThread ? process.argv[2] : workerData.what;
const make = () => new Celper({ rateLimits: false });
const options = { jobPositionId: 'pos_1' };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const slow = process.env.SLOW_CANDIDATE;
const quick = process.env.QUICK_CANDIDATE;
/** Calls without end, some of them aborted. */
async function forever(client) {
  for (;;) {
    await client.getCandidateStatus(quick, { ...options, signal: AbortSignal.timeout(2) }).catch(() => {});
    await client.getCandidateStatus(quick, options);
  }
}
const workers = (then) =>
  Promise.all(
    Array.from({ length: WORKERS }, () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { what } });
      return new Promise((resolve, reject) => {
        worker.once('error', reject);
        worker.once('exit', resolve);
        worker.once('message', () => then?.(worker));
      });
    }),
  );

const programs = {
  /** Ends by itself with an idle client that has been used. */
  async idle() {
    globalThis.kept = make();
    await globalThis.kept.getCandidateStatus(quick, options);
    console.log('done');
  },
  /** Ends by itself with a client that has never been used. */
  unused() {
    globalThis.kept = make();
    console.log('done');
  },
  /** Has nothing but a slow call to stay alive for. */
  inFlight() {
    make()
      .getCandidateStatus(slow, options)
      .then(({ status }) => console.log(status));
  },
  /** As above, at the top level of a module. */
  async topLevel() {
    console.log((await make().getCandidateStatus(slow, options)).status);
  },
  /** Nothing is left to stay alive for once the call was aborted. */
  aborted() {
    const controller = new AbortController();
    make()
      .getCandidateStatus(slow, { ...options, signal: controller.signal })
      .catch(() => console.log('aborted'));
    setTimeout(() => controller.abort(), 50);
  },
  /** Exits in the middle of calls. */
  async exit() {
    const client = make();
    for (let i = 0; i < 32; i++) forever(client);
    client.getCandidateStatus(slow, options);
    await sleep(100 + Math.random() * 20);
    console.log('exiting');
    process.exit(7);
  },
  /** Ends with an uncaught exception in the middle of calls. */
  async throws() {
    const client = make();
    for (let i = 0; i < 8; i++) forever(client);
    await sleep(100);
    console.log('throwing');
    throw new Error('on purpose');
  },
  /** A client in each of many workers, which end by themselves. */
  async workers() {
    if (isMainThread) {
      console.log(JSON.stringify(await workers()));
      // The native half was loaded by workers only, and its threads outlive them.
      await sleep(100);
      return;
    }
    const client = make();
    const calls = Array.from({ length: 50 }, () => client.getCandidateStatus(quick, options));
    const states = await Promise.all(calls);
    if (states.some(({ status }) => status !== 'new')) process.exit(3);
  },
  /** Each worker's client would have room for its one call, and all of them together for one. */
  async paced() {
    if (isMainThread) {
      console.log(JSON.stringify((await workers()).sort()));
      return;
    }
    const client = new Celper({ rateLimits: { reads: 1 }, timeout: 20_000 });
    await client.getCandidateStatus(quick, options).catch(({ kind }) => process.exit(kind === 'rate_limited' ? 3 : 4));
  },
  /** Workers that are terminated in the middle of calls, round after round. */
  async terminated() {
    if (isMainThread) {
      for (let round = 0; round < 3; round++) {
        await workers(async (worker) => {
          await sleep(Math.random() * 40);
          await worker.terminate();
        });
      }
      const { status } = await make().getCandidateStatus(quick, options);
      console.log(status);
      return;
    }
    const client = make();
    for (let i = 0; i < 8; i++) forever(client);
    client.getCandidateStatus(slow, options);
    parentPort.postMessage('busy');
  },
  /** The process exits while workers are in the middle of calls. */
  async exitWithWorkers() {
    if (isMainThread) {
      const main = make();
      forever(main);
      let busy = 0;
      await new Promise((resolve) => workers(() => ++busy === WORKERS && resolve()));
      await sleep(50);
      console.log('exiting');
      process.exit(7);
    }
    const client = make();
    for (let i = 0; i < 8; i++) forever(client);
    parentPort.postMessage('busy');
  },
  /** Each cluster worker works, and is told to go in the middle of calls. */
  async cluster() {
    if (cluster.isPrimary) {
      const codes = await Promise.all(
        Array.from({ length: 3 }, () => {
          const worker = cluster.fork();
          return new Promise((resolve) => worker.once('exit', (code, signal) => resolve(signal ?? code)));
        }),
      );
      await make().getCandidateStatus(quick, options);
      console.log(JSON.stringify(codes));
      return;
    }
    const client = make();
    const calls = Array.from({ length: 50 }, () => client.getCandidateStatus(quick, options));
    await Promise.all(calls);
    forever(client);
    await sleep(30);
    process.disconnect();
    process.exit(0);
  },
};

await programs[what]();
