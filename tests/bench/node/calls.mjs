// The Node package beside what people would use instead, on one loopback server, alternating, in one run.
//
// `make bench-node` runs it. Figures are µs a call; ratios are of medians over the rounds. `main` is the CPU time of
// JavaScript's own thread, which is what a busy service runs out of first. The server is a process of its own.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const require = createRequire(new URL('../../../bindings-node/package.json', import.meta.url));
const { Celper } = require('celper');
const undici = require('undici');

const ROUNDS = 9;
const API_KEY = 'celp_0123456789abcdef0123456789abcdef';
const POSITION = 'pos_abc123';

const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../../target', import.meta.url));
const server = spawn(join(TARGET, 'release/celper-bench'), ['serve'], { stdio: ['ignore', 'pipe', 'inherit'] });
process.once('exit', () => server.kill());
const [baseUrl] = await createInterface({ input: server.stdout })[Symbol.asyncIterator]().next().then(({ value }) => [value]);

const celper = new Celper({ apiKey: API_KEY, baseUrl, rateLimits: false });
const url = `${baseUrl}/v1/candidates/cand_xyz789/status?jobPositionId=${POSITION}`;
const headers = { 'x-api-key': API_KEY, accept: 'application/json' };

/** Each reads the candidate's score. */
const PEERS = {
  celper: async () => (await celper.getCandidateStatus('cand_xyz789', { jobPositionId: POSITION })).interviewScore,
  'undici request': async () => {
    const { body } = await undici.request(url, { headers });
    return (await body.json()).data.interviewScore;
  },
  'global fetch': async () => {
    const response = await fetch(url, { headers });
    return (await response.json()).data.interviewScore;
  },
};

/** µs of CPU that this thread has used; NaN where the system does not say. */
function mainThread() {
  if (process.threadCpuUsage) {
    const { user, system } = process.threadCpuUsage();
    return user + system;
  }
  const file = `/proc/self/task/${process.pid}/schedstat`;
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split(' ', 1)[0]) / 1_000 : Number.NaN;
}

async function round(call, inFlight, calls) {
  const main = mainThread();
  const all = process.cpuUsage();
  const wall = performance.now();
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      for (let i = 0; i < calls / inFlight; i++) {
        if ((await call()) !== 85) throw new Error('the answer is not the expected one');
      }
    }),
  );
  const took = (performance.now() - wall) * 1_000;
  const { user, system } = process.cpuUsage(all);
  return { wall: took / calls, main: (mainThread() - main) / calls, all: (user + system) / calls };
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

async function compare(name, inFlight, calls, goals) {
  const rounds = Object.fromEntries(Object.keys(PEERS).map((peer) => [peer, []]));
  for (let turn = 0; turn <= ROUNDS; turn++) {
    for (const [peer, call] of Object.entries(PEERS)) {
      const cost = await round(call, inFlight, calls);
      // The first round warms connections and the compiler up.
      if (turn > 0) rounds[peer].push(cost);
    }
  }
  console.log(`\n${name.padEnd(24)} ${'wall'.padStart(8)} ${'main'.padStart(8)} ${'process'.padStart(8)}   µs a call`);
  const medians = {};
  for (const [peer, costs] of Object.entries(rounds)) {
    const of = (what) => median(costs.map((cost) => cost[what]));
    medians[peer] = { wall: of('wall'), main: of('main'), all: of('all') };
    const figures = Object.values(medians[peer]).map((value) => value.toFixed(1).padStart(8));
    console.log(`  ${peer.padEnd(22)} ${figures.join(' ')}`);
  }
  for (const [what, peer, field, least] of goals) {
    const ratio = medians[peer][field] / medians.celper[field];
    console.log(`  ${ratio >= least ? 'ok    ' : 'MISSED'} ${what}: ${ratio.toFixed(2)} × (goal ${least} ×)`);
  }
}

console.log(`Node ${process.versions.node}, undici ${require('undici/package.json').version}, ${ROUNDS} rounds`);
await compare('64 in flight', 64, 12_800, [
  ['calls a second, to undici request', 'undici request', 'wall', 1],
  ['calls a second, to global fetch', 'global fetch', 'wall', 4],
  ['undici request\'s main-thread CPU to ours', 'undici request', 'main', 2],
]);
await compare('one after another', 1, 3_000, [['calls a second, to undici request', 'undici request', 'wall', 1]]);
server.kill();
