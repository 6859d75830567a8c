// Programs that the tests run in a separate process: `program.mjs NAME`, with the sandbox's address in the environment.

import cluster from 'node:cluster';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { Celper } from 'celper';

const WORKERS = 16;
const name = isMainThread ? process.argv[2] : workerData.name;
const createClient = () => new Celper({ rateLimits: false });
const options = { jobPositionId: 'pos_1' };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const slow = process.env.SLOW_CANDIDATE;
const quick = process.env.QUICK_CANDIDATE;
/** Makes calls forever and aborts some of them. */
async function forever(client) {
  for (;;) {
    await client.getCandidateStatus(quick, { ...options, signal: AbortSignal.timeout(2) }).catch(() => {});
    await client.getCandidateStatus(quick, options);
  }
}
/** Runs this program in workers; calls `onMessage` for each worker that reports. Resolves with their exit codes. */
const workers = (onMessage) =>
  Promise.all(
    Array.from({ length: WORKERS }, () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { name } });
      return new Promise((resolve, reject) => {
        worker.once('error', reject);
        worker.once('exit', resolve);
        worker.once('message', () => onMessage?.(worker));
      });
    }),
  );

const programs = {
  /** Ends with an idle client that has been used. */
  async idle() {
    globalThis.kept = createClient();
    await globalThis.kept.getCandidateStatus(quick, options);
    console.log('done');
  },
  /** Ends with a client that has never been used. */
  unused() {
    globalThis.kept = createClient();
    console.log('done');
  },
  /** Only a slow call keeps it alive. */
  inProgress() {
    createClient()
      .getCandidateStatus(slow, options)
      .then(({ status }) => console.log(status));
  },
  /** As above, at the top level of a module. */
  async topLevel() {
    console.log((await createClient().getCandidateStatus(slow, options)).status);
  },
  /** Nothing keeps it alive after the call is aborted. */
  aborted() {
    const controller = new AbortController();
    createClient()
      .getCandidateStatus(slow, { ...options, signal: controller.signal })
      .catch(() => console.log('aborted'));
    setTimeout(() => controller.abort(), 50);
  },
  /** Exits during calls. */
  async exit() {
    const client = createClient();
    for (let i = 0; i < 32; i++) forever(client);
    client.getCandidateStatus(slow, options);
    await sleep(100 + Math.random() * 20);
    console.log('exiting');
    process.exit(7);
  },
  /** Ends with an uncaught exception during calls. */
  async throws() {
    const client = createClient();
    for (let i = 0; i < 8; i++) forever(client);
    await sleep(100);
    console.log('throwing');
    throw new Error('on purpose');
  },
  /** A client in each of many workers, which end when their calls do. */
  async workers() {
    if (isMainThread) {
      console.log(JSON.stringify(await workers()));
      // Only workers have loaded the native module, and its threads outlive them.
      await sleep(100);
      return;
    }
    const client = createClient();
    const calls = Array.from({ length: 50 }, () => client.getCandidateStatus(quick, options));
    const states = await Promise.all(calls);
    if (states.some(({ status }) => status !== 'new')) process.exit(3);
  },
  /** The rate limit allows one call in all workers together. */
  async paced() {
    if (isMainThread) {
      console.log(JSON.stringify((await workers()).sort()));
      return;
    }
    const client = new Celper({ rateLimits: { reads: 1 }, timeout: 20_000 });
    await client.getCandidateStatus(quick, options).catch(({ kind }) => process.exit(kind === 'rate_limited' ? 3 : 4));
  },
  /** Terminates workers during calls, in several rounds. */
  async terminated() {
    if (isMainThread) {
      for (let round = 0; round < 3; round++) {
        await workers(async (worker) => {
          await sleep(Math.random() * 40);
          await worker.terminate();
        });
      }
      const { status } = await createClient().getCandidateStatus(quick, options);
      console.log(status);
      return;
    }
    const client = createClient();
    for (let i = 0; i < 8; i++) forever(client);
    client.getCandidateStatus(slow, options);
    parentPort.postMessage('busy');
  },
  /** The process exits during calls of workers. */
  async exitWithWorkers() {
    if (isMainThread) {
      const main = createClient();
      forever(main);
      let busy = 0;
      await new Promise((resolve) => workers(() => ++busy === WORKERS && resolve()));
      await sleep(50);
      console.log('exiting');
      process.exit(7);
    }
    const client = createClient();
    for (let i = 0; i < 8; i++) forever(client);
    parentPort.postMessage('busy');
  },
  /** Each cluster worker makes calls and exits during further ones. */
  async cluster() {
    if (cluster.isPrimary) {
      const codes = await Promise.all(
        Array.from({ length: 3 }, () => {
          const worker = cluster.fork();
          return new Promise((resolve) => worker.once('exit', (code, signal) => resolve(signal ?? code)));
        }),
      );
      await createClient().getCandidateStatus(quick, options);
      console.log(JSON.stringify(codes));
      return;
    }
    const client = createClient();
    const calls = Array.from({ length: 50 }, () => client.getCandidateStatus(quick, options));
    await Promise.all(calls);
    forever(client);
    await sleep(30);
    process.disconnect();
    process.exit(0);
  },
};

await programs[name]();
