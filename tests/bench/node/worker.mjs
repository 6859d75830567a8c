// Measures one client in its own process: the time to load it, then rounds of calls that the runner requests.
//
// `worker.mjs CLIENT BASE_URL` reads requests as JSON lines from standard input and writes one line for each. The README of the
// benchmarks describes them.

import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { CLIENTS, pacedCelper } from './clients.mjs';
import { checkDecisions, checkError, checkInvitation, checkState } from './expected.mjs';

const EMAIL_BODY = 'x'.repeat(1_000);
const [name, baseUrl] = process.argv.slice(2);

function write(message) {
  console.log(JSON.stringify(message));
}

/** Each makes one call and checks its result. */
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

/** The CPU time of JavaScript's thread, in µs. */
function mainThreadUs() {
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
  // Resets the kernel's record of this process's peak size.
  writeFileSync('/proc/self/clear_refs', '5');
  const main = mainThreadUs();
  const all = process.cpuUsage();
  const wall = performance.now();
  await inFlight(call, client, calls, callers);
  const elapsed = (performance.now() - wall) * 1_000;
  const { user, system } = process.cpuUsage(all);
  write({
    calls,
    wall_us: elapsed / calls,
    cpu_us: (user + system) / calls,
    main_cpu_us: (mainThreadUs() - main) / calls,
    peak_kb: peakKb(),
  });
}

/** Measures the memory of each of a number of calls for which the server withholds its responses. */
async function held(client, calls, nextLine) {
  const before = residentBytes();
  const all = inFlight(CALLS.held, client, calls, calls);
  // The runner writes a line when all calls have arrived, and releases them later.
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
