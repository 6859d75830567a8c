// One client in a process of its own: what it costs to load, and then rounds of calls as the runner asks for them.
//
// `worker.mjs CLIENT BASE_URL`; requests come as JSON lines on standard input, and each is answered with one. See the README
// of the benchmarks for the words.

import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { checkDecisions, checkError, checkInvitation, checkState } from './expected.mjs';
import { CLIENTS, pacedCelper } from './peers.mjs';

const EMAIL_BODY = 'x'.repeat(1_000);
const [name, baseUrl] = process.argv.slice(2);

function write(answer) {
  console.log(JSON.stringify(answer));
}

/** One call, and whether it gave what it should. */
const CALLS = {
  status: async (client) => checkState(await client.status('cand_xyz789')),
  held: async (client) => checkState(await client.status('held')),
  invite: async (client) => checkInvitation(await client.invite('cand_xyz789', EMAIL_BODY)),
  async missing(client) {
    let state;
    try {
      state = await client.status('unknown');
    } catch (error) {
      if (!(error instanceof client.NotFoundError)) throw error;
      checkError(error);
      return;
    }
    throw new Error(`an unknown candidate has the status ${state}`);
  },
};

/** µs of CPU that JavaScript's own thread has used. */
function mainThread() {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ', 1)[0]) / 1_000;
}

function peakKb() {
  return Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
}

function residentBytes() {
  globalThis.gc();
  return process.memoryUsage.rss();
}

async function inFlight(call, client, calls, callers) {
  const caller = async () => {
    for (let made = 0; made < calls / callers; made++) await call(client);
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

async function round(call, client, calls, callers) {
  // Lets the system's record of this process's largest size begin again.
  writeFileSync('/proc/self/clear_refs', '5');
  const main = mainThread();
  const all = process.cpuUsage();
  const wall = performance.now();
  await inFlight(call, client, calls, callers);
  const took = (performance.now() - wall) * 1_000;
  const { user, system } = process.cpuUsage(all);
  write({
    calls,
    wall_us: took / calls,
    cpu_us: (user + system) / calls,
    main_cpu_us: (mainThread() - main) / calls,
    peak_kb: peakKb(),
  });
}

/** Has so many calls in flight that the server leaves unanswered, and says what memory each of them takes. */
async function held(client, calls, nextLine) {
  const before = residentBytes();
  const all = inFlight(CALLS.held, client, calls, calls);
  // The runner says when all have arrived, and lets them go later.
  await nextLine();
  write({ calls, bytes: (residentBytes() - before) / calls });
  await all;
  write({ done: true });
}

const start = performance.now();
const client = await CLIENTS[name](baseUrl);
const loadUs = (performance.now() - start) * 1_000;
await CALLS.status(client);
write({ load_us: loadUs, first_us: Date.now() * 1_000 - Number(process.env.BENCH_STARTED) * 1e6 });
checkDecisions(await client.select('cand_xyz789'), await client.reject('cand_xyz789'));

const paced = name === 'celper' ? await pacedCelper(baseUrl) : undefined;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const nextLine = async () => (await lines.next()).value;
for (let line = await nextLine(); line !== undefined; line = await nextLine()) {
  const { operation, calls, in_flight: callers, paced: withPacing } = JSON.parse(line);
  if (operation === 'held') await held(client, calls, nextLine);
  else await round(CALLS[operation], withPacing ? paced : client, calls, callers);
}
client.close?.();
